// Turns a mesh on a canvas: triangles with a depth buffer, without a library and without WebGL.
// `mesh` is what mesh_data of mambaflow.data.meshes returns; z is up. Returns a function that sets
// the direction of view: turn(azimuth, elevation), in degrees.
function turnMesh(canvas, mesh) {
  const EXTENT = Math.sqrt(3);                  // of the picture, in sides of the mesh's cube
  const LIGHT = unit([-.5, .6, .62]);           // from the left, from above, from the viewer
  const COLOUR = [250, 204, 153];               // in full light
  const vertices = decode(mesh.vertices, Uint16Array);
  const faces = decode(mesh.faces, mesh.wide ? Uint32Array : Uint16Array);
  const count = vertices.length / 3;
  const places = centred();                     // (x, y, z) with the middle at 0, sides up to 1
  const normals = vertexNormals();
  const seen = new Float32Array(4 * count);     // column, row, nearness, brightness
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  let azimuth = -60;
  let elevation = 25;
  let turning = !still;
  let side, image, pixels, depths;              // of the picture, see resize

  function decode(text, Kind) {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    return new Kind(bytes.buffer);
  }

  function unit(v) {
    const length = Math.hypot(...v) || 1;
    return v.map(x => x / length);
  }

  function centred() {
    const middle = [0, 1, 2].map(axis => {
      let high = 0;                             // the lowest is 0
      for (let i = axis; i < vertices.length; i += 3) high = Math.max(high, vertices[i]);
      return high / 2;
    });
    return Float32Array.from(vertices, (v, i) => (v - middle[i % 3]) / 65535);
  }

  function corner(i) {
    return places.subarray(3 * i, 3 * i + 3);
  }

  function vertexNormals() {
    const sums = new Float32Array(3 * count);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [corner(faces[f]), corner(faces[f + 1]), corner(faces[f + 2])];
      const u = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
      const v = [c[0] - a[0], c[1] - a[1], c[2] - a[2]];
      const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
      for (let k = 0; k < 3; k++) {
        for (let axis = 0; axis < 3; axis++) sums[3 * faces[f + k] + axis] += n[axis];
      }
    }
    return sums;
  }

  // The picture

  function resize() {
    const wanted = Math.round((canvas.clientWidth || 320) * Math.min(devicePixelRatio || 1, 2));
    if (wanted === side) return;
    side = canvas.width = canvas.height = wanted;
    image = canvas.getContext('2d').createImageData(side, side);
    pixels = new Uint32Array(image.data.buffer);
    depths = new Float32Array(side * side);
  }

  function viewAxes() {
    const [a, e] = [azimuth, elevation].map(x => x * Math.PI / 180);
    const [ca, sa, ce, se] = [Math.cos(a), Math.sin(a), Math.cos(e), Math.sin(e)];
    return [[-sa, ca, 0], [-se * ca, -se * sa, ce], [ce * ca, ce * sa, se]];
  }

  function dot(axis, values, i) {
    return axis[0] * values[i] + axis[1] * values[i + 1] + axis[2] * values[i + 2];
  }

  function project() {
    const [right, up, viewer] = viewAxes();
    const scale = side / EXTENT;
    for (let i = 0; i < count; i++) {
      const n = [right, up, viewer].map(axis => dot(axis, normals, 3 * i));
      const lit = (dot(LIGHT, unit(n), 0) + 1) / 2;
      seen[4 * i] = side / 2 + scale * dot(right, places, 3 * i);
      seen[4 * i + 1] = side / 2 - scale * dot(up, places, 3 * i);
      seen[4 * i + 2] = dot(viewer, places, 3 * i);
      seen[4 * i + 3] = (40 + 215 * lit * lit) / 255;
    }
  }

  function fill(i, j, k) {
    const [x0, y0, x1, y1, x2, y2] =
      [seen[i], seen[i + 1], seen[j], seen[j + 1], seen[k], seen[k + 1]];
    const area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0);
    if (area === 0) return;
    const top = Math.max(0, Math.ceil(Math.min(y0, y1, y2) - .5));
    const bottom = Math.min(side - 1, Math.floor(Math.max(y0, y1, y2) - .5));
    const left = Math.max(0, Math.ceil(Math.min(x0, x1, x2) - .5));
    const right = Math.min(side - 1, Math.floor(Math.max(x0, x1, x2) - .5));
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const [x, y] = [column + .5, row + .5];
        const b = ((x - x0) * (y2 - y0) - (x2 - x0) * (y - y0)) / area;
        const c = ((x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)) / area;
        const a = 1 - b - c;
        if (a < 0 || b < 0 || c < 0) continue;
        const depth = a * seen[i + 2] + b * seen[j + 2] + c * seen[k + 2];
        const place = row * side + column;
        if (depth <= depths[place]) continue;
        depths[place] = depth;
        const shade = a * seen[i + 3] + b * seen[j + 3] + c * seen[k + 3];
        pixels[place] = 0xff000000 | COLOUR[2] * shade << 16 | COLOUR[1] * shade << 8
          | COLOUR[0] * shade;
      }
    }
  }

  function draw() {
    resize();
    pixels.fill(0xff1a1613);                    // dark, in both themes
    depths.fill(-Infinity);
    project();
    for (let f = 0; f < faces.length; f += 3) fill(4 * faces[f], 4 * faces[f + 1], 4 * faces[f + 2]);
    canvas.getContext('2d').putImageData(image, 0, 0);
  }

  // Turning

  function turn(newAzimuth, newElevation) {
    azimuth = newAzimuth;
    elevation = Math.max(-90, Math.min(90, newElevation));
    requestAnimationFrame(draw);
  }

  function spin(last) {
    requestAnimationFrame(now => {
      if (!turning) return;
      azimuth += (now - last) * .03;            // a turn in 12 seconds
      draw();
      spin(now);
    });
  }

  function toggle() {
    turning = !turning;
    if (turning) spin(performance.now());
  }

  const KEYS = {ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10]};

  canvas.addEventListener('keydown', event => {
    if (event.key === ' ') toggle();
    else if (event.key in KEYS) {
      const [across, upwards] = KEYS[event.key];
      turning = false;
      turn(azimuth + across, elevation + upwards);
    } else return;
    event.preventDefault();                     // the page does not scroll
  });
  canvas.addEventListener('pointerdown', event => {
    turning = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (!event.buttons) return;
    turn(azimuth - event.movementX * .5, elevation + event.movementY * .5);
  });
  addEventListener('resize', () => requestAnimationFrame(draw));

  draw();
  if (turning) spin(performance.now());
  return turn;
}
