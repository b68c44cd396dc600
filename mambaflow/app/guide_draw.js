// Elements, controls and axes, for the chapters in guide.js.
const byId = id => document.getElementById(id);
const limit = (low, value, high) => Math.max(low, Math.min(high, value));

function add(parent, tag, attributes = {}, text = '') {
  const inSvg = tag !== 'foreignObject' && (parent.namespaceURI || '').endsWith('svg');
  const element = inSvg
    ? document.createElementNS(parent.namespaceURI, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== '') element.textContent = text;
  parent.append(element);
  return element;
}

function change(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

// Numbers for people

function number(x, digits = 3) {
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '−∞';
  const text = Math.abs(x) >= 1000
    ? Math.round(x).toLocaleString('en') : String(Number(x.toPrecision(digits)));
  return text.replace('-', '−');
}

const percent = x => x > 0 && x < 1e-4 ? '< 0.01 %' : `${number(100 * x, x < .1 ? 2 : 3)} %`;

function complex([re, im], digits = 2) {
  if (Math.abs(im) < 1e-12) return number(re, digits + 1);
  const sign = im < 0 ? '−' : '+';
  return `${re.toFixed(digits).replace('-', '−')} ${sign} ${Math.abs(im).toFixed(digits)} i`;
}

// Controls: each has a label, and calls `changed` with nothing; its number is `value`

let made = 0;                                        // for the ids of controls

function labelled(parent, label) {
  const box = add(parent, 'div', {class: 'control'});
  const id = `control-${made++}`;
  add(box, 'label', {for: id}, label);
  return [box, id];
}

// `from` turns the position into the number, `to` back
function addSlider(parent, label, options, changed) {
  const {min, max, step, value, show = number, from = x => x, to = x => x} = options;
  const [box, id] = labelled(parent, label);
  const output = add(box, 'output', {for: id});
  const input = add(box, 'input', {id, type: 'range', min, max, step});
  const control = {
    input,
    get value() { return from(Number(input.value)); },
    set value(number) { input.value = to(number); control.write(); },
    write() {
      output.textContent = show(control.value);
      input.setAttribute('aria-valuetext', output.textContent);
    },
  };
  control.value = value;
  input.addEventListener('input', () => { control.write(); changed(); });
  return control;
}

const LOGARITHMIC = {from: x => 10 ** x, to: x => Math.log10(x)};

function addSelect(parent, label, choices, changed) {
  const [box, id] = labelled(parent, label);
  const select = add(box, 'select', {id});
  for (const [value, words] of Object.entries(choices)) add(select, 'option', {value}, words);
  select.addEventListener('change', changed);
  return select;
}

function addCheck(parent, label, checked, changed) {
  const box = add(parent, 'label', {class: 'check'});
  const input = add(box, 'input', {type: 'checkbox'});
  input.checked = checked;
  input.addEventListener('change', changed);
  box.append(label);
  return input;
}

function addButton(parent, label, action) {
  const button = add(parent, 'button', {type: 'button'}, label);
  button.addEventListener('click', action);
  return button;
}

function writeTable(table, head, rows) {
  table.replaceChildren();
  const line = add(add(table, 'thead'), 'tr');
  for (const word of head) add(line, 'th', {scope: 'col'}, word);
  const body = add(table, 'tbody');
  for (const row of rows) {
    const line = add(body, 'tr');
    for (const cell of row) {
      const [text, look] = Array.isArray(cell) ? cell : [cell, ''];
      add(line, 'td', {class: look}, text);
    }
  }
}

// What changes under the pointer or a key is read out after a moment, not at every pixel
function say(element, text, look = '') {
  if (element.textContent !== text) element.textContent = text;
  element.className = `reading ${look}`;
}

function writeLegend(element, entries) {
  element.replaceChildren();
  for (const [words, color] of entries) {
    add(element, 'span', {class: 'key', style: `--c: ${color}`}, words);
  }
}

// Pictures: an SVG as wide as its place, so that its letters keep their size

function begin(svg, height) {
  const width = Math.max(160, svg.clientWidth);
  const tall = typeof height === 'function' ? height(width) : height;
  change(svg, {viewBox: `0 0 ${width} ${tall}`, height: tall});
  svg.replaceChildren();
  return [width, tall];
}

function pointed(svg, event) {
  const box = svg.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

// Calls `act` with the place of the pointer while it is pressed, or with `hover` while it is there
function onPointer(svg, act, hover = false) {
  let pressed = false;
  svg.addEventListener('pointerdown', event => {
    pressed = true;
    svg.setPointerCapture(event.pointerId);
    act(...pointed(svg, event));
  });
  svg.addEventListener('pointermove', event => {
    if (pressed || hover && event.pointerType === 'mouse') act(...pointed(svg, event));
  });
  for (const end of ['pointerup', 'pointercancel']) {
    svg.addEventListener(end, () => { pressed = false; });
  }
}

const ARROWS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

function onArrows(element, act) {
  element.addEventListener('keydown', event => {
    const move = ARROWS[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act(...move);
  });
}

// Axes

function ticks([low, high], logarithmic, most = 6) {
  if (logarithmic) {
    const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
    const powers = Array.from({length: last - first + 3}, (_, k) => 10 ** (first - 1 + k));
    const parts = Math.log10(high / low) < 2.5 ? [1, 2, 5] : [1];
    return powers.flatMap(p => parts.map(k => k * p)).filter(v => v >= low && v <= high);
  }
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(k => k * power).find(k => k >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({length: count}, (_, k) => (first + k) * step);
}

function scale([low, high], [from, to], logarithmic) {
  const f = logarithmic ? Math.log : x => x;
  const [a, b] = [f(low), f(high)];
  return value => from + (f(value) - a) / (b - a) * (to - from);
}

// Frame, ticks and names; returns where numbers lie
function axes(svg, {x, y, xName, yName, height, xLog = false, yLog = false, xTicks}) {
  const [width, tall] = begin(svg, height);
  const [left, right, top, bottom] = [46, width - 10, 22, tall - 36];
  const X = scale(x, [left, right], xLog);
  const Y = scale(y, [bottom, top], yLog);
  for (const value of ticks(y, yLog)) {
    add(svg, 'line', {class: 'grid', x1: left, x2: right, y1: Y(value), y2: Y(value)});
    const place = {x: left - 6, y: Y(value) + 4, 'text-anchor': 'end'};
    add(svg, 'text', place, number(value));
  }
  let last = Infinity;                               // from the right, so that no two labels touch
  for (const value of (xTicks || ticks(x, xLog, width < 420 ? 4 : 8)).slice().reverse()) {
    const atEdge = right - X(value) < 16;
    const place = atEdge ? {x: right + 8, 'text-anchor': 'end'}
      : {x: X(value), 'text-anchor': 'middle'};
    add(svg, 'line', {class: 'axis', x1: X(value), x2: X(value), y1: bottom, y2: bottom + 4});
    if (last - X(value) < 44) continue;
    add(svg, 'text', {y: bottom + 16, ...place}, number(value));
    last = X(value);
  }
  add(svg, 'line', {class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom});
  add(svg, 'text', {x: right, y: bottom + 32, 'text-anchor': 'end'}, xName);
  add(svg, 'text', {x: 4, y: 12}, yName);
  return {X, Y, left, right, top, bottom, width, height: tall};
}

function addLine(svg, points, attributes) {
  const path = points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' ');
  return add(svg, 'polyline', {points: path, ...attributes});
}

const SHAPES = {
  circle: (x, y, r) => `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0`,
  square: (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  triangle: (x, y, r) => `M${x},${y - r}l${r},${1.8 * r}h${-2 * r}z`,
  arrow: (x, y, r) => `M${x},${y}l${r},${2 * r}h${-2 * r}z`,
  down: (x, y, r) => `M${x},${y}l${r},${-2 * r}h${-2 * r}z`,
};

function addMark(svg, shape, x, y, r, attributes) {
  return add(svg, 'path', {d: SHAPES[shape](x, y, r), ...attributes});
}
