// Turns a mesh on a canvas: triangles with a depth buffer, without a library and without WebGL.
// `mesh` is what mesh_data of mambaflow.data.meshes returns, or voxelMesh below; z is up. Returns
// show(mesh), turn(azimuth, elevation) in degrees, and turnBy(across, upwards). With `turned`, which
// is told the direction that a person wants, several meshes turn together; then keys and the motion
// at the beginning are left to the page.
function turnMesh(canvas, mesh, {turned} = {}) {
  const EXTENT = Math.sqrt(3);                  // of the picture, in sides of the mesh's cube
  const LIGHT = unit([-.5, .6, .62]);           // from the left, from above, from the viewer
  const COLOUR = [250, 204, 153];               // in full light
  let vertices, faces, count, closed;           // of the mesh, see load
  let places;                                   // (x, y, z) with the middle at 0, sides up to 1
  let normals;
  let seen;                                     // column, row, nearness, brightness
  const still = turned || matchMedia('(prefers-reduced-motion: reduce)').matches;
  let azimuth = -60;
  let elevation = 25;
  let turning = !still;
  let side, image, pixels, depths;              // of the picture, see resize
  let waiting = false;                          // for a frame

  function load(next) {
    mesh = next;
    closed = Boolean(mesh.places);              // nobody sees a triangle from behind
    if (!closed) vertices = decode(mesh.vertices, Uint16Array);
    faces = mesh.places ? mesh.faces : decode(mesh.faces, mesh.wide ? Uint32Array : Uint16Array);
    places = mesh.places ?? centred();
    count = places.length / 3;
    normals = mesh.normals ?? vertexNormals();
    seen = new Float32Array(4 * count);
  }

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
      const x = dot(right, normals, 3 * i);
      const y = dot(up, normals, 3 * i);
      const z = dot(viewer, normals, 3 * i);
      const length = Math.sqrt(x * x + y * y + z * z) || 1;
      const lit = ((LIGHT[0] * x + LIGHT[1] * y + LIGHT[2] * z) / length + 1) / 2;
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
    if (area === 0 || closed && area > 0) return;
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

  function drawSoon() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  function draw() {
    waiting = false;
    if (!mesh) return;
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
    drawSoon();
  }

  function turnBy(across, upwards) {
    (turned ?? turn)(azimuth + across, elevation + upwards);
  }

  function show(next) {
    load(next);
    drawSoon();
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

  if (!turned) canvas.addEventListener('keydown', event => {
    if (event.key === ' ') toggle();
    else if (event.key in KEYS) {
      const [across, upwards] = KEYS[event.key];
      turning = false;
      turnBy(across, upwards);
    } else return;
    event.preventDefault();                     // the page does not scroll
  });
  canvas.addEventListener('pointerdown', event => {
    turning = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', event => {
    if (!event.buttons) return;
    turnBy(-event.movementX * .5, event.movementY * .5);
  });
  new ResizeObserver(drawSoon).observe(canvas);

  if (mesh) load(mesh);
  draw();
  if (turning) spin(performance.now());
  return {show, turn, turnBy};
}

// The faces of voxels as a mesh, without those between two voxels. `text` holds a bit for each voxel
// of a cube, x fastest, then y, then z, as base64.
function voxelMesh(text) {
  const SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]];
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const size = Math.floor(Math.cbrt(8 * bytes.length + .5));
  const [places, normals, faces] = [[], [], []];

  function isInside(x, y, z) {
    if (Math.min(x, y, z) < 0 || Math.max(x, y, z) >= size) return false;
    const i = (z * size + y) * size + x;
    return Boolean(bytes[i >> 3] >> (7 - i % 8) & 1);
  }

  function addFace(voxel, axis, sign) {
    const [u, v] = sign > 0 ? [(axis + 1) % 3, (axis + 2) % 3] : [(axis + 2) % 3, (axis + 1) % 3];
    const first = places.length / 3;
    for (const [a, b] of SQUARE) {
      const place = [...voxel];
      place[axis] += (sign + 1) / 2;
      place[u] += a;
      place[v] += b;
      for (let k = 0; k < 3; k++) {
        places.push(place[k] / size - .5);
        normals.push(k === axis ? sign : 0);
      }
    }
    faces.push(first, first + 1, first + 2, first, first + 2, first + 3);
  }

  for (let i = 0; i < size ** 3; i++) {
    const voxel = [i % size, Math.floor(i / size) % size, Math.floor(i / size ** 2)];
    if (!isInside(...voxel)) continue;
    for (let axis = 0; axis < 3; axis++) {
      for (const sign of [-1, 1]) {
        const next = [...voxel];
        next[axis] += sign;
        if (!isInside(...next)) addFace(voxel, axis, sign);
      }
    }
  }
  return {places: Float32Array.from(places), normals: Float32Array.from(normals),
    faces: Uint32Array.from(faces)};
}
