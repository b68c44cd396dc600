// The chapters. Each has its state in a few variables, and a function that draws all of it.
const data = JSON.parse(byId('data').textContent);   // see guide_data
const theme = location.hash.slice(1);
document.documentElement.className = ['dark', 'light'].includes(theme) ? theme : '';
const chapters = [];                                 // functions that draw

// 1. A state space by hand

(() => {
  const END = 6;                                     // of the time that is shown
  const RULES = [
    ['zoh', 'zero-order hold', 'var(--one)', 'circle'],
    ['bilinear', 'bilinear', 'var(--three)', 'square'],
    ['euler', 'Euler (naive)', 'var(--two)', 'triangle'],
  ];
  const controls = byId('state-controls');
  const rate = addSlider(controls, 'decay, −Re A', {min: .1, max: 5, step: .1, value: 1.5}, draw);
  const turn = addSlider(controls, 'turning, Im A', {min: 0, max: 8, step: .1, value: 0}, draw);
  const step = addSlider(controls, 'step Δ', {min: .05, max: 2, step: .05, value: .8}, draw);
  const buttons = add(controls, 'div', {class: 'controls line'});
  addButton(buttons, 'calm', () => set(1.5, 0, .4));
  addButton(buttons, 'alternating', () => set(2, 0, .8));
  addButton(buttons, 'exploding', () => set(3, 0, .8));
  addButton(buttons, 'turning', () => set(.5, 4, .3));

  function set(a, b, dt) {
    rate.value = a;
    turn.value = b;
    step.value = dt;
    draw();
  }

  const A = () => [-rate.value, turn.value];

  function responses() {
    const count = Math.floor(END / step.value + 1e-9);
    return RULES.map(([rule, name, color, shape]) => {
      const {keep} = Maths.RULES[rule](A(), step.value);
      const heights = Maths.powers(keep, count).map(([re]) => re);
      return {name, color, shape, points: heights.map((h, k) => [k * step.value, h])};
    });
  }

  function addResponse(svg, frame, {color, shape, points}) {
    const [low, high] = [frame.Y(-1.25), frame.Y(1.25)];
    const places = points.map(([t, h]) => [frame.X(t), limit(-1e6, frame.Y(h), 1e6)]);
    addLine(svg, places, {class: 'series', style: `--c: ${color}`, 'stroke-width': 1,
                          opacity: .5, 'clip-path': 'url(#inside)'});
    for (const [x, y] of places) {
      const [edge, beyond] = y < high ? ['arrow', high] : y > low ? ['down', low] : [shape, y];
      const look = edge === shape ? {class: 'dot', style: `--c: ${color}`} : {class: 'bad'};
      addMark(svg, edge, x, beyond, edge === shape ? 4 : 5, look);
    }
  }

  function drawResponse() {
    const svg = byId('state-response');
    const frame = axes(svg, {x: [0, END], y: [-1.25, 1.25], xName: 'time', yName: 'state',
                             height: 300});
    const clip = add(add(svg, 'clipPath', {id: 'inside'}), 'rect');
    change(clip, {x: frame.left, y: frame.top, width: frame.right - frame.left,
                  height: frame.bottom - frame.top});
    const exact = Array.from({length: 241}, (_, k) => END * k / 240)
      .map(t => [frame.X(t), frame.Y(Maths.impulse(A(), t)[0])]);
    addLine(svg, exact, {class: 'series', style: '--c: var(--fg)'});
    for (const response of responses().reverse()) addResponse(svg, frame, response);
    svg.setAttribute('aria-label', `The state after an impulse: ${words()}`);
  }

  // The plane of z = step * A

  const VIEW = {left: -4.4, right: 1, top: 2.7};
  let unit = 1;                                      // pixels

  function drawPlane() {
    const svg = byId('state-plane');
    const [width, height] = begin(svg, w => w * 2 * VIEW.top / (VIEW.right - VIEW.left));
    unit = width / (VIEW.right - VIEW.left);
    const X = re => (re - VIEW.left) * unit;
    const Y = im => (VIEW.top - im) * unit;
    add(svg, 'rect', {class: 'half', x: 0, y: 0, width: X(0), height});
    add(svg, 'circle', {class: 'disc', cx: X(-1), cy: Y(0), r: unit});
    add(svg, 'line', {class: 'axis', x1: 0, x2: width, y1: Y(0), y2: Y(0)});
    add(svg, 'line', {class: 'axis', x1: X(0), x2: X(0), y1: 0, y2: height});
    for (const re of [-4, -3, -2, -1]) {
      add(svg, 'text', {x: X(re), y: Y(0) + 14, 'text-anchor': 'middle'}, number(re));
    }
    const [re, im] = Maths.scaled(step.value, A());
    const seen = [limit(VIEW.left + .1, re, VIEW.right), limit(-VIEW.top + .1, im, VIEW.top - .1)];
    const bad = explodes();
    if (im) add(svg, 'circle', {class: 'mark', cx: X(seen[0]), cy: Y(-seen[1]), r: 5});
    add(svg, 'circle', {class: bad ? 'bad' : 'head', cx: X(seen[0]), cy: Y(seen[1]), r: 8});
  }

  function moveTo(re, im) {                          // of z; A follows, the step stays
    rate.value = limit(.1, -re / step.value, 5);
    turn.value = limit(0, Math.abs(im) / step.value, 8);
    draw();
  }

  onPointer(byId('state-plane'), (x, y) => moveTo(VIEW.left + x / unit, VIEW.top - y / unit));
  onArrows(byId('state-plane'), (right, down) => {
    const [re, im] = Maths.scaled(step.value, A());
    moveTo(re + .1 * right, im === 0 && down > 0 ? 0 : im - .1 * down);
  });

  // In words

  const euler = () => Maths.RULES.euler(A(), step.value).keep;
  const explodes = () => Maths.size(euler()) > 1 + 1e-9;
  const alternates = () => turn.value === 0 && euler()[0] < 0;

  function words() {
    const growth = Maths.size(euler());
    const border = `its limit for this A is Δ\u00a0=\u00a0${number(Maths.eulerLimit(A()))}`;
    const factor = `|1\u00a0+\u00a0Δ\u00a0A|\u00a0=\u00a0${growth.toFixed(2)}`;
    if (explodes()) {
      return `Euler's rule explodes: ${factor}, more than 1, so every step makes the state larger; `
        + `${border}. The exact state decays, and so do the two other rules.`;
    }
    if (growth > 1 - 1e-9) return `Euler's rule is on the edge: ${factor}; ${border}.`;
    if (alternates()) {
      return `Euler's rule is stable, but it changes sign at every step, which the exact state `
        + `never does: ${factor}, from a negative number; ${border}.`;
    }
    return `All three rules decay. Euler's: ${factor}; ${border}.`;
  }

  function verdict({keep}) {
    const growth = Maths.size(keep);
    if (growth > 1 + 1e-9) return ['explodes', 'bad'];
    if (growth > 1 - 1e-9) return ['on the edge', 'bad'];
    if (Math.abs(keep[1]) < 1e-12 && keep[0] < 0) return ['alternates', ''];
    return ['decays', 'good'];
  }

  function writeRules() {
    const rules = [...RULES, ['mamba', "Mamba's (Ā exact, B̄ = Δ)"]];
    const rows = rules.map(([rule, name]) => {
      const found = Maths.RULES[rule](A(), step.value);
      const [keep, take] = [complex(found.keep), complex(found.take)];
      return [name, keep, Maths.size(found.keep).toFixed(2), take, verdict(found)];
    });
    writeTable(byId('state-table'), ['rule', 'Ā', '|Ā|', 'B̄', 'the state'], rows);
  }

  function draw() {
    drawResponse();
    drawPlane();
    writeRules();
    say(byId('state-reading'), words(), explodes() ? 'bad' : alternates() ? '' : 'good');
    const beyond = explodes() ? [['beyond the picture', 'var(--bad)']] : [];
    writeLegend(byId('state-legend'), [['exact', 'var(--fg)'],
      ...RULES.map(([, name, color]) => [name, color]), ...beyond]);
  }

  chapters.push(draw);
})();

// 2. What selection does

(() => {
  const N = 16;                                      // tokens
  const [SHORT, LONG] = [.01, 5];                    // steps that can be set
  const LANES = {inputs: [22, 96], steps: [128, 214], memory: [250, 332]};
  const HEIGHT = 346;
  const noise = Maths.normals(11, N).map(x => limit(-.9, .6 * x, .9));
  let current = 3;                                   // the bar that the keys change

  const controls = byId('selection-controls');
  const marked = addSlider(controls, 'marked token', {min: 1, max: N, step: 1, value: 4}, draw);
  const buttons = add(controls, 'div', {class: 'controls line'});
  addButton(buttons, 'remember the marked one', () => setAll(t => t === mark() ? LONG : SHORT));
  addButton(buttons, 'all alike', () => setAll(() => constant.value));
  addButton(buttons, 'forget at the end', () => setAll(t => t === N - 1 ? LONG : dt[t]));
  const constant = addSlider(byId('constant-controls'), 'Δ of every token',
    {min: -2, max: .7, step: .01, value: .3, ...LOGARITHMIC}, draw);
  addButton(byId('constant-controls'), 'best for the marked one', () => {
    constant.value = limit(SHORT, Maths.bestConstant(N - 1 - mark()), LONG);
    draw();
  });

  const mark = () => marked.value - 1;
  const inputs = () => noise.map((x, t) => t === mark() ? 1 : x);
  let dt = noise.map((_, t) => t === mark() ? LONG : SHORT);

  function setAll(rule) {
    dt = dt.map((_, t) => rule(t));
    draw();
  }

  // Places

  const column = (width, t) => [34 + t * (width - 90) / N, (width - 90) / N];
  const tokenAt = (width, x) => limit(0, Math.floor((x - 34) / (width - 90) * N), N - 1);
  const stepHeight = scale([SHORT, LONG], [LANES.steps[1], LANES.steps[0]], true);
  const value = scale([-1.1, 1.1], [LANES.inputs[1], LANES.inputs[0]]);
  const shareHeight = scale([0, 1], [LANES.memory[1], LANES.memory[0]]);

  function stepAt(y) {
    const [top, bottom] = LANES.steps;
    const part = limit(0, (bottom - y) / (bottom - top), 1);
    return SHORT * (LONG / SHORT) ** part;
  }

  // Drawing: lanes from top to bottom

  function drawInputs(svg, width, steps) {
    add(svg, 'text', {x: 4, y: 14}, 'input (bars) and state (line)');
    add(svg, 'line', {class: 'axis', x1: 30, x2: width - 52, y1: value(0), y2: value(0)});
    inputs().forEach((x, t) => {
      const [left, wide] = column(width, t);
      const color = t === mark() ? 'var(--mark)' : 'var(--line)';
      const place = {x: left + 2, width: wide - 4, y: Math.min(value(x), value(0)),
                     height: Math.abs(value(x) - value(0))};
      add(svg, 'rect', {class: 'bar', style: `--c: ${color}`, ...place});
    });
    const points = Maths.states(inputs(), steps).map((h, t) => {
      const [left, wide] = column(width, t);
      return [left + wide / 2, value(h)];
    });
    addLine(svg, points, {class: 'series', style: '--c: var(--one)'});
  }

  function drawMemory(svg, width, steps) {
    const [top, bottom] = LANES.memory;
    add(svg, 'text', {x: 4, y: top - 8}, 'share of the marked token in the state');
    const part = Maths.share(steps, mark());
    const points = part.flatMap((s, t) => {
      const [left, wide] = column(width, t);
      return [[left, shareHeight(s)], [left + wide, shareHeight(s)]];
    });
    const [start, end] = [points[0][0], points[points.length - 1][0]];
    addLine(svg, [[start, bottom], ...points, [end, bottom]], {class: 'area'});
    add(svg, 'line', {class: 'axis', x1: 30, x2: width - 52, y1: bottom, y2: bottom});
    for (const s of [0, 1]) {
      add(svg, 'text', {x: 28, y: shareHeight(s) + 4, 'text-anchor': 'end'}, s);
    }
    const last = part[N - 1];
    const y = limit(top + 4, shareHeight(last) + 4, bottom);
    add(svg, 'text', {class: 'strong share', x: width - 50, y}, percent(last));
  }

  function drawSteps(svg, width) {
    const [top, bottom] = LANES.steps;
    add(svg, 'text', {x: 4, y: top - 8}, 'step Δ of each token');
    for (const s of [.01, .1, 1]) {
      const y = stepHeight(s);
      add(svg, 'line', {class: 'grid', x1: 30, x2: width - 52, y1: y, y2: y});
      add(svg, 'text', {x: 28, y: y + 4, 'text-anchor': 'end'}, s);
    }
    add(svg, 'line', {class: 'axis', x1: 30, x2: width - 52, y1: bottom, y2: bottom});
  }

  function drawBar(parent, width, t, step) {
    const [left, wide] = column(width, t);
    const color = t === mark() ? 'var(--mark)' : 'var(--one)';
    const y = Math.min(stepHeight(step), LANES.steps[1] - 2);
    add(parent, 'rect', {class: 'bar', style: `--c: ${color}`, x: left + 2, y, width: wide - 4,
                         height: LANES.steps[1] - y});
  }

  function drawPanel(svg, steps) {
    const [width] = begin(svg, HEIGHT);
    drawInputs(svg, width, steps);
    drawSteps(svg, width);
    drawMemory(svg, width, steps);
    return width;
  }

  function addToken(svg, width, t) {
    const [left, wide] = column(width, t);
    const [top, bottom] = LANES.steps;
    const name = `step of token ${t + 1}${t === mark() ? ', marked' : ''}`;
    const token = add(svg, 'g', {
      class: 'token', role: 'slider', tabindex: t === current ? 0 : -1, 'aria-label': name,
      'aria-orientation': 'vertical', 'aria-valuemin': SHORT, 'aria-valuemax': LONG,
      'aria-valuenow': dt[t].toFixed(3), 'aria-valuetext': number(dt[t], 2)});
    drawBar(token, width, t, dt[t]);
    add(token, 'rect', {class: 'hit', x: left, y: top, width: wide, height: bottom - top});
    token.addEventListener('focus', () => { current = t; });
  }

  function draw() {
    const svg = byId('selective');
    const focused = svg.contains(document.activeElement);
    const width = drawPanel(svg, dt);
    for (let t = 0; t < N; t++) addToken(svg, width, t);
    if (focused) svg.querySelector('.token[tabindex="0"]').focus();
    const fixed = noise.map(() => constant.value);
    drawPanel(byId('constant'), fixed);
    for (let t = 0; t < N; t++) {
      drawBar(byId('constant'), byId('constant').viewBox.baseVal.width, t, constant.value);
    }
    write(fixed);
  }

  function write(fixed) {
    const last = steps => Maths.share(steps, mark())[N - 1];
    const best = limit(SHORT, Maths.bestConstant(N - 1 - mark()), LONG);
    const reached = last(noise.map(() => best));
    byId('constant').setAttribute('aria-label',
      `time-invariant: the marked token makes up ${percent(last(fixed))} of the last state`);
    const won = last(dt) > 2 * reached;
    say(byId('selection-reading'),
      `After the last token, the marked one makes up ${percent(last(dt))} of the selective state `
      + `and ${percent(last(fixed))} of the time-invariant one. No constant step does better than `
      + `${percent(reached)}, at Δ = ${number(best, 2)}: what writes the marked token in also `
      + `writes all that come after it.`, won ? 'good' : '');
  }

  // Pointer and keys

  const svg = byId('selective');
  svg.addEventListener('pointerdown', event => {
    const [x, y] = pointed(svg, event);
    if (y > LANES.inputs[1] + 6) return;
    marked.value = tokenAt(svg.clientWidth, x) + 1;
    draw();
  });
  onPointer(svg, (x, y) => {
    const [top, bottom] = LANES.steps;
    if (y < top - 20 || y > bottom + 20) return;
    current = tokenAt(svg.clientWidth, x);
    dt[current] = stepAt(y);
    draw();
  });

  const focusBar = () => svg.querySelector('.token[tabindex="0"]').focus();
  svg.addEventListener('pointerup', focusBar);       // so that keys go on with the bar

  function focusOn(t) {
    current = limit(0, t, N - 1);
    draw();
    focusBar();
  }

  onArrows(svg, (right, down) => {
    if (right) return focusOn(current + right);
    dt[current] = limit(SHORT, dt[current] * 1.5 ** -down, LONG);
    draw();
  });
  const KEYS = {
    Home: () => { dt[current] = SHORT; },
    End: () => { dt[current] = LONG; },
    m: () => { marked.value = current + 1; },
  };
  svg.addEventListener('keydown', event => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
    draw();
  });
  chapters.push(draw);
})();

// 3. The scan as a matrix

(() => {
  const L = 12;                                      // tokens
  let seed = 5;
  let chosen = [7, 3];                               // row and column

  const controls = byId('matrix-controls');
  const rate = addSlider(controls, 'decay, −A', {min: 0, max: 3, step: .05, value: .5}, draw);
  const rows = addSlider(controls, 'N, rows of the state', {min: 1, max: 8, step: 1, value: 3},
                         draw);
  const selective = addCheck(controls, 'steps chosen by the tokens', true, draw);
  const causal = addCheck(controls, 'attention reads the past only', true, draw);
  addButton(controls, 'other numbers', () => { seed += 1; draw(); });

  const vectors = (k, n) => {
    const values = Maths.normals(100 * seed + k, 8 * L);
    return Array.from({length: L}, (_, t) => values.slice(8 * t, 8 * t + n));
  };
  const softplus = x => Math.log1p(Math.exp(x));

  function problem() {
    const raw = Maths.normals(100 * seed + 3, L);
    return {
      A: -rate.value,
      B: vectors(1, rows.value),
      C: vectors(2, rows.value),
      dt: raw.map(x => selective.checked ? softplus(x) : .7),
      x: Maths.normals(100 * seed + 4, L),
    };
  }

  function look(value, largest) {
    const kind = value < 0 ? 'cell minus' : 'cell plus';
    return {class: kind, 'fill-opacity': (.04 + .96 * Math.abs(value) / largest).toFixed(3)};
  }

  function drawMatrix(svg, M, isFuture) {
    const [width] = begin(svg, w => Math.min(w, 400) + 18);
    const side = (Math.min(width, 400) - 22) / L;
    const largest = Math.max(...M.flat().map(Math.abs)) || 1;
    for (let i = 0; i < L; i++) {
      for (let j = 0; j < L; j++) {
        const place = {x: 20 + j * side, y: 18 + i * side, width: side - 1, height: side - 1};
        const shown = isFuture(i, j) ? {class: 'cell future'} : look(M[i][j], largest);
        add(svg, 'rect', {...place, ...shown});
      }
    }
    const [i, j] = chosen;
    add(svg, 'rect', {class: 'mark', x: 20 + j * side - 1, y: 18 + i * side - 1, width: side + 1,
                      height: side + 1});
    add(svg, 'text', {x: 20, y: 12}, 'token j that is read →');
    add(svg, 'text', {transform: 'translate(5 20) rotate(90)'}, 'token i that reads →');
    svg.dataset.side = side;
  }

  function readCell({A, B, C, dt}, scan, weights) {
    const [i, j] = chosen;
    const where = `Token ${i + 1} reads token ${j + 1}: `;
    if (j > i) {
      const seen = causal.checked ? 'neither does attention'
        : `attention gives it ${number(weights[i][j])}`;
      return `${where}it lies in the future. A scan never reads ahead, ${seen}.`;
    }
    const pair = number(Maths.dot(C[i], B[j]));
    return `${where}C·B = ${pair}, decay ${number(Maths.decay(A, dt, i, j))}, `
      + `Δ = ${number(dt[j])}; their product is the scan's weight, ${number(scan[i][j])}. `
      + `Attention's weight is ${number(weights[i][j])}, a softmax of C·B / √N over the row.`;
  }

  function drawDual(byScan, byMatrix) {
    const all = [...byScan, ...byMatrix];
    const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
    const room = .08 * (high - low) || 1;
    const svg = byId('dual');
    const frame = axes(svg, {x: [1, L], y: [low - room, high + room], xName: 'token',
                             yName: 'output', height: 190});
    const place = values => values.map((y, t) => [frame.X(t + 1), frame.Y(y)]);
    addLine(svg, place(byScan), {class: 'series', style: '--c: var(--one)'});
    for (const [x, y] of place(byMatrix)) {
      add(svg, 'circle', {class: 'mark', cx: x, cy: y, r: 5});
    }
    svg.setAttribute('aria-label', 'The output: of the recurrence a line, of the matrix rings');
  }

  function draw() {
    const given = problem();
    const {A, B, C, dt, x} = given;
    const scan = Maths.scanMatrix(A, dt, B, C);
    const weights = Maths.attentionMatrix(B, C, causal.checked);
    drawMatrix(byId('scan'), scan, (i, j) => j > i);
    drawMatrix(byId('attention'), weights, (i, j) => causal.checked && j > i);
    say(byId('matrix-reading'), readCell(given, scan, weights));
    const [one, other] = [Maths.recurrence(A, dt, B, C, x), Maths.product(scan, x)];
    drawDual(one, other);
    const apart = Maths.largestDifference(one, other);
    say(byId('dual-reading'),
      `Largest difference between recurrence (line) and matrix (rings): ${apart.toExponential(1)}, `
      + `which is rounding. The matrix has ${L * (L + 1) / 2} weights for ${L} tokens; `
      + `the recurrence keeps ${rows.value}`
      + ` ${rows.value === 1 ? 'number' : 'numbers'}, however many tokens there are.`, 'good');
  }

  for (const id of ['scan', 'attention']) {
    const svg = byId(id);
    onPointer(svg, (x, y) => {
      const side = Number(svg.dataset.side);
      const [i, j] = [Math.floor((y - 18) / side), Math.floor((x - 20) / side)];
      if (Math.min(i, j) < 0 || Math.max(i, j) >= L) return;
      if (i === chosen[0] && j === chosen[1]) return;
      chosen = [i, j];
      draw();
    }, true);
    onArrows(svg, (right, down) => {
      chosen = [limit(0, chosen[0] + down, L - 1), limit(0, chosen[1] + right, L - 1)];
      draw();
    });
  }
  chapters.push(draw);
})();

// 4. Orders over a grid

(() => {
  const NAMES = {raster: 'Raster', morton: 'Morton', hilbert: 'Hilbert'};
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let timer = null;
  let chosen = [3, 3];                               // x and y of a cell

  const controls = byId('orders-controls');
  const bits = addSlider(controls, 'cells a side', {min: 1, max: 5, step: 1, value: 3,
    show: b => String(2 ** b)}, resize);
  const memory = addSlider(controls, 'memory, tokens', {min: 1, max: 64, step: 1, value: 6}, draw);
  const where = addSlider(controls, 'token', {min: 1, max: 64, step: 1, value: 64,
    show: k => `${k} of ${4 ** bits.value}`}, () => { stop(); draw(); });
  const buttons = add(controls, 'div', {class: 'controls line'});
  const button = addButton(buttons, '', play);
  addButton(buttons, '◀ step', () => go(where.value - 1));
  addButton(buttons, 'step ▶', () => go(where.value + 1));

  const side = () => 2 ** bits.value;
  const count = () => side() ** 2;

  function resize() {
    stop();
    where.input.max = count();
    where.value = count();
    chosen = chosen.map(() => Math.floor((side() - 1) / 2));
    draw();
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = still.matches ? 'show the whole path' : '▶ play';
  }

  function go(k) {
    stop();
    where.value = limit(1, k, count());
    draw();
  }

  function play() {
    if (timer) return stop();
    if (still.matches) return go(count());           // no motion for those who want none
    if (where.value >= count()) where.value = 1;
    button.textContent = '❚❚ pause';
    draw();
    const [pause, stride] = [Math.max(40, 6000 / count()), Math.max(1, count() / 150)];
    let reached = where.value;
    timer = setInterval(() => {
      reached = Math.min(count(), reached + stride);
      where.value = Math.floor(reached);
      draw();
      if (reached >= count()) stop();
    }, pause);
  }

  // One picture for each order

  const panels = Object.entries(NAMES).map(([curve, name]) => {
    const figure = add(byId('orders-pictures'), 'figure');
    const caption = add(figure, 'figcaption');
    add(caption, 'b', {}, name);
    const svg = add(figure, 'div').appendChild(
      document.createElementNS('http://www.w3.org/2000/svg', 'svg'));
    change(svg, {class: 'handle', id: `order-${curve}`, tabindex: 0, role: 'application',
                 'aria-label': `${name}: arrow keys choose a cell`});
    const numbers = add(figure, 'figcaption', {id: `order-${curve}-numbers`});
    onPointer(svg, (x, y) => choose(Math.floor(x / svg.clientWidth * side()),
                                    Math.floor(y / svg.clientWidth * side())), true);
    onArrows(svg, (right, down) => choose(chosen[0] + right, chosen[1] + down));
    return {curve, name, svg, numbers};
  });

  function choose(x, y) {
    const cell = [limit(0, x, side() - 1), limit(0, y, side() - 1)];
    if (cell[0] === chosen[0] && cell[1] === chosen[1]) return;
    chosen = cell;
    draw();
  }

  function drawPath(svg, cells, unit) {
    const place = cell => [(cell % side() + .5) * unit, (Math.floor(cell / side()) + .5) * unit];
    const visited = cells.slice(0, where.value).map(place);
    addLine(svg, visited, {class: 'path'});
    addLine(svg, visited.slice(-memory.value - 1), {class: 'trail'});
    const [x, y] = visited[visited.length - 1];
    add(svg, 'circle', {class: 'head', cx: x, cy: y, r: Math.max(3, Math.min(7, unit / 4))});
  }

  function drawCell(svg, cell, unit, look) {
    const room = Math.max(1, unit * .12);
    add(svg, 'rect', {class: look, x: cell % side() * unit + room, width: unit - 2 * room,
                      y: Math.floor(cell / side()) * unit + room, height: unit - 2 * room});
  }

  function drawOrder({curve, svg, numbers}) {
    const [width] = begin(svg, w => w);
    const unit = width / side();
    const place = Maths.places(curve, bits.value);
    const cell = chosen[0] + chosen[1] * side();
    add(svg, 'rect', {class: 'half', x: 0, y: 0, width, height: width});
    const apart = Maths.neighbours(cell, side()).map(other => {
      const gap = Math.abs(place[other] - place[cell]);
      drawCell(svg, other, unit, gap <= memory.value ? 'neighbour reached' : 'neighbour');
      return gap;
    });
    drawPath(svg, Maths.order(place), unit);
    drawCell(svg, cell, unit, 'mark');
    const {mean, within, longest} = Maths.locality(curve, bits.value, memory.value);
    const cells = longest === 1 ? 'cell' : 'cells';
    numbers.textContent = `Neighbours of the grid are ${number(mean)} tokens apart in the mean, `
      + `${percent(within)} of them within the memory. Longest step: ${number(longest)} ${cells}. `
      + `The chosen cell's are ${apart.sort((a, b) => a - b).join(', ')} apart.`;
    return {curve, mean, within};
  }

  function draw() {
    where.write();
    const found = panels.map(drawOrder);
    const by = key => Object.fromEntries(found.map(f => [f.curve, f[key]]));
    const [mean, within] = [by('mean'), by('within')];
    const most = Math.max(...Object.values(within));
    const winners = found.filter(f => f.within > most - 1e-12).map(f => NAMES[f.curve]);
    const saved = mean.hilbert < mean.raster - 1e-12;
    say(byId('orders-reading'),
      `In the mean a curve ${saved ? 'brings' : 'does not bring'} neighbours closer: `
      + `${number(mean.raster)}, ${number(mean.morton)} and ${number(mean.hilbert)} tokens for `
      + `raster, Morton and Hilbert. What counts is the memory: of ${memory.value} tokens, it `
      + `reaches from neighbour to neighbour most often along ${winners.join(' and ')} `
      + `(${percent(most)} of the pairs, raster ${percent(within.raster)}).`);
  }

  stop();
  still.addEventListener('change', () => { stop(); draw(); });
  chapters.push(draw);

  const measured = data.orders;
  const points = ({points, se}) =>
    `${Math.abs(points).toFixed(1)} ± ${se.toFixed(1)} points ${points > 0 ? 'more' : 'fewer'}`;
  const digits = measured.count.toLocaleString('en');
  const {late, chairs} = measured;
  const lateWord = Math.abs(late.points) < 2 * late.se ? 'no difference' : 'a difference that lasts';
  byId('orders-measured').textContent = `Near neighbours are not all. Of ${digits} digits that `
    + `pure Mamba draws after ${measured.epochs} epochs, a judge recognises `
    + `${points(measured.hilbert)} along Hilbert's curve than in rows, and `
    + `${points(measured.alternating)} in rows and columns in turn, from block to block. `
    + `After five minutes with a chosen rate, of ${late.count.toLocaleString('en')} digits, it `
    + `recognises ${points(late)} in turn: ${lateWord}. On chairs it lasts: of `
    + `${chairs.tokens.toLocaleString('en')} cubes that are read along x, y and z in turn, and not along `
    + `Morton's curve, pure Mamba's loss is ${Math.abs(chairs.percent).toFixed(1)} ± `
    + `${chairs.se.toFixed(1)} % ${chairs.percent < 0 ? 'lower' : 'higher'} after ${chairs.seconds} seconds.`;
  sourceLine(byId('orders-source'), measured.sources);
})();

// 5. What was measured

// Tables come column by column
function toRows(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, k) =>
    Object.fromEntries(names.map(name => [name, columns[name][k]])));
}

const COLOURS = ['--one', '--two', '--three', '--four', '--five', '--six'].map(c => `var(${c})`);

function sourceLine(element, sources) {
  element.textContent = 'Measured: ' + sources.map(s => {
    const use = s.shared ? 'with other work on it' : 'which did nothing else';
    return `${s.record} (${s.device}, ${use}; ${s.precision}, ${s.written}, commit ${s.commit})`;
  }).join('; ') + '.';
}

// A plot of lines over sizes with a cursor at one of them
function plotSeries(svg, {series, sizes, cursor, xName, yName, colors, label, dashed = []}) {
  const values = series.flatMap(s => s.points.map(([, y]) => y));
  const range = [Math.min(...values) / 1.3, Math.max(...values) * 1.3];
  const frame = axes(svg, {x: [sizes[0] / 1.2, sizes[sizes.length - 1] * 1.2], y: range, xName,
                           yName, height: 300, xLog: true, yLog: true, xTicks: sizes});
  const at = frame.X(sizes[cursor]);
  add(svg, 'line', {class: 'mark', x1: at, x2: at, y1: frame.top, y2: frame.bottom, opacity: .6});
  for (const {name, points} of series) {
    const places = points.map(([x, y]) => [frame.X(x), frame.Y(y)]);
    const style = `--c: ${colors[name]}`;
    const dash = dashed.includes(name) ? '5 4' : 'none';
    addLine(svg, places, {class: 'series', style, 'stroke-dasharray': dash});
    for (const [x, y] of places) addMark(svg, 'circle', x, y, 4, {class: 'dot', style});
  }
  svg.setAttribute('aria-label', label);
  return frame;
}

// The size whose place is nearest to the pointer
const nearest = (frame, sizes, x) => {
  const apart = sizes.map(size => Math.abs(frame.X(size) - x));
  return apart.indexOf(Math.min(...apart));
};

(() => {
  const {source} = data.speed;
  const [rows, crossings] = [data.speed.rows, data.speed.crossings].map(toRows);
  const WHAT = {
    train: 'training step, time', one: 'sampling one picture, time',
    several: 'sampling several, time', memory: 'training step, memory',
  };
  const loadOf = row => row.task === 'train' ? 'train' : row.batch === 1 ? 'one' : 'several';
  const colors = Object.fromEntries([...new Set(rows.map(r => r.name))]
    .map((name, k) => [name, data.speed.colours[name] || COLOURS[k % COLOURS.length]]));
  const names = Object.keys(colors);
  const dashed = names.filter((name, k) => names.slice(0, k).some(n => colors[n] === colors[name]));
  const svg = byId('speed');
  let frame;
  let sizes = [];

  const controls = byId('speed-controls');
  const what = addSelect(controls, 'cost of a step', WHAT, draw);
  const choices = key => Object.fromEntries([...new Set(rows.map(r => r[key]))]
    .sort((a, b) => a - b).map(v => [v, data.speed.words[v] || `width ${v}`]));
  const width = addSelect(controls, 'width of the model', choices('width'), draw);
  const how = addSelect(controls, 'how', choices('compile'), draw);
  const cursor = addSlider(controls, 'tokens of a picture', {min: 0, max: 5, step: 1, value: 5,
    show: k => number(sizes[k] || 0)}, draw);

  const isMemory = () => what.value === 'memory';
  const load = () => isMemory() ? 'train' : what.value;
  const perToken = r => (isMemory() ? 1024 * r.memory_mib : 1000 * r.ms) / (r.tokens * r.batch);

  function chosenRows() {
    return rows.filter(r => loadOf(r) === load() && r.compile === how.value
      && String(r.width) === width.value);
  }

  function toSeries(chosen) {
    return [...new Set(chosen.map(r => r.name))].map(name => ({
      name,
      points: chosen.filter(r => r.name === name).sort((a, b) => a.tokens - b.tokens)
        .map(r => [r.tokens, perToken(r)]),
    }));
  }

  function draw() {
    const chosen = chosenRows();
    sizes = [...new Set(chosen.map(r => r.tokens))].sort((a, b) => a - b);
    cursor.input.max = sizes.length - 1;
    cursor.write();
    const series = toSeries(chosen);
    const yName = isMemory() ? 'peak KiB per token' : 'microseconds per token';
    frame = plotSeries(svg, {series, sizes, cursor: cursor.value, xName: 'tokens of a picture',
                             yName, colors, dashed, label: `${WHAT[what.value]}: ${yName}`});
    writeLegend(byId('speed-legend'), series.map(({name}) =>
      [dashed.includes(name) ? `${name}, dashed` : name, colors[name]]));
    const here = chosen.filter(r => r.tokens === sizes[cursor.value])
      .sort((a, b) => perToken(a) - perToken(b));
    writeMeasured(here);
    say(byId('speed-reading'), inWords(here));
    writeCrossings();
  }

  function writeMeasured(here) {
    const unit = isMemory() ? 'KiB per token' : 'µs per token';
    const head = ['model', 'ms, median (quartiles)', unit, 'peak MiB', 'batch',
                  'million parameters'];
    writeTable(byId('speed-table'), head, here.map(r => [
      r.name, `${number(r.ms)} (${number(r.ms_q1)} to ${number(r.ms_q3)})`, number(perToken(r)),
      number(r.memory_mib), String(r.batch), number(r.parameters / 1e6)]));
  }

  // The cheapest beside the cheapest transformer
  function inWords(here) {
    const [best, other] = [here[0], here.find(r => r.name.startsWith('PT'))];
    const lead = `At ${number(best.tokens)} tokens ${best.name} `
      + `${isMemory() ? 'needs the least memory' : 'is the fastest'}`;
    if (best === other) return `${lead}; ${here[1].name} is next, with `
      + `${number(perToken(here[1]) / perToken(best), 2)} times its cost.`;
    return `${lead}, with ${number(perToken(best) / perToken(other), 2)} times the cost of `
      + `${other.name}.`;
  }

  function writeCrossings() {
    const found = crossings.filter(c => c.load === load()
      && c.compile === how.value && String(c.width) === width.value);
    const from = c => c.tokens === null ? `not up to ${number(c.most_tokens)}`
      : c.tokens === c.least_tokens ? `all measured, from ${number(c.tokens)}` : number(c.tokens);
    writeTable(byId('crossings'), ['model', 'faster than', 'from tokens (interpolated)',
                                   'ratio of times at the longest'],
      found.map(c => [c.name, c.over, from(c),
        `${number(c.ratio_at_most, 2)}, at ${number(c.most_tokens)}`]));
  }

  onPointer(svg, x => {
    const k = nearest(frame, sizes, x);
    if (k === cursor.value) return;
    cursor.value = k;
    draw();
  }, true);
  sourceLine(byId('speed-source'), [source]);
  chapters.push(draw);
})();

(() => {
  const {source} = data.layer;
  const rows = toRows(data.layer.rows);
  const WHAT = {
    memory: ['peak_bytes', 'peak MiB', 2 ** 20],
    time: ['seconds', 'milliseconds', .001],
  };
  const sizes = [...new Set(rows.map(r => r.tokens))].sort((a, b) => a - b);
  const names = [...new Set(rows.map(r => r.name))];
  const colors = Object.fromEntries(names.map((name, k) => [name, COLOURS[1 - k] || COLOURS[k]]));
  const svg = byId('layer');
  let frame;
  const controls = byId('layer-controls');
  const what = addSelect(controls, 'cost of the layer', {memory: 'memory', time: 'time'}, draw);
  const cursor = addSlider(controls, 'tokens', {min: 0, max: sizes.length - 1, step: 1,
    value: sizes.length - 1, show: k => number(sizes[k])}, draw);

  function draw() {
    const [key, yName, unit] = WHAT[what.value];
    const series = names.map(name => ({name, points: rows.filter(r => r.name === name)
      .map(r => [r.tokens, r[key] / unit])}));
    frame = plotSeries(svg, {series, sizes, cursor: cursor.value, xName: 'tokens', yName, colors,
                             label: `A layer of a field: ${yName} over tokens`});
    writeLegend(byId('layer-legend'), series.map(({name, points}) => {
      const here = points.find(([size]) => size === sizes[cursor.value]);
      return [`${name}: ${here ? `${number(here[1])} ${yName}` : 'not measured'}`, colors[name]];
    }));
  }

  onPointer(svg, x => { cursor.value = nearest(frame, sizes, x); draw(); }, true);
  sourceLine(byId('layer-source'), [source]);
  chapters.push(draw);
})();

(() => {
  const {models, sources} = data.fields;
  const WHAT = {
    ms: ['time of a training step', 'ms', 1], memory: ['peak memory of training', 'GiB', 2 ** 30],
    parameters: ['parameters', 'million', 1e6], psnr: ['PSNR of the mean', 'dB', 1],
  };
  const words = Object.fromEntries(Object.entries(WHAT).map(([key, [name]]) => [key, name]));
  const what = addSelect(byId('fields-controls'), 'fields compared by', words, draw);

  function draw() {
    const svg = byId('fields');
    const [key, unit, divisor] = [what.value, WHAT[what.value][1], WHAT[what.value][2]];
    const [width] = begin(svg, 30 + 46 * models.length);
    const X = scale([0, Math.max(...models.map(m => m[key]))], [8, width - 90]);
    models.forEach((model, k) => {
      const y = 34 + 46 * k;
      const color = model.local ? 'var(--two)' : 'var(--one)';
      add(svg, 'text', {class: 'strong', x: 8, y: y - 6}, model.words);
      add(svg, 'rect', {class: 'bar', style: `--c: ${color}`, x: 8, y, width: X(model[key]) - 8,
                        height: 18, rx: 2});
      const value = `${number(model[key] / divisor, 4)} ${unit}`;
      add(svg, 'text', {x: X(model[key]) + 6, y: y + 14}, value);
    });
    svg.setAttribute('aria-label', words[key]);
    write();
  }

  function write() {
    const local = models.find(m => m.local);
    const other = models.find(m => m.beside);
    const ratio = key => number(local[key] / other[key], 2);
    const gap = local.psnr - other.psnr;
    say(byId('fields-reading'),
      `Beside ${other.name}, the local field takes ${ratio('ms')} times the time of a training `
      + `step, ${ratio('memory')} times the memory and ${ratio('parameters')} times the `
      + `parameters; its mean reconstruction is ${number(Math.abs(gap), 2)} dB `
      + `${gap < 0 ? 'worse' : 'better'} `
      + `(one run of each).`);
  }

  sourceLine(byId('fields-source'), sources);
  chapters.push(draw);
})();

// Showing all, now and at every new width

function drawAll() {
  for (const draw of chapters) draw();
}

// A link of the chapters, by script: within a notebook's frame it would lead out of the page
function goTo(event) {
  const chapter = document.querySelector(event.target.getAttribute('href'));
  event.preventDefault();
  chapter.scrollIntoView();
  chapter.focus({preventScroll: true});
}

for (const link of document.querySelectorAll('nav a')) link.addEventListener('click', goTo);
drawAll();
let seen = document.body.clientWidth;
new ResizeObserver(() => {
  if (document.body.clientWidth === seen) return;
  seen = document.body.clientWidth;
  drawAll();
}).observe(document.body);
document.body.dataset.ready = 'yes';
