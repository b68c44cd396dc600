// The whole state: places of the seed and the label in their lists, and the step. draw() shows it.
const byId = id => document.getElementById(id);
const data = JSON.parse(byId('data').textContent);   // see save_page
const K = data.times.length - 1;                     // the last step
const sheet = new Image();                           // every picture, see sprite_sheet
let seed = 0;
let label = 0;
let step = K;
let timer = null;                                    // of a trajectory that plays

const theme = location.hash.slice(1);
document.documentElement.className = ['dark', 'light'].includes(theme) ? theme : '';

// Building blocks

function add(parent, tag, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

function row() {
  return seed * data.labels.length + label;
}

function paint(canvas, column) {
  const {width, height} = data;
  canvas.width = width;
  canvas.height = height;
  const [x, y] = [column * width, row() * height];
  canvas.getContext('2d').drawImage(sheet, x, y, width, height, 0, 0, width, height);
}

// Controls and panes that depend on the data

data.seeds.forEach((value, i) => add(byId('seed'), 'option', {value: i, textContent: value}));

function addDigit(value, i) {
  const any = value === null;
  const button = add(byId('digits'), 'button', {
    textContent: any ? 'any' : String(value),
    className: any ? 'wide' : '',
    onclick: () => { label = i; draw(); },
  });
  button.setAttribute('role', 'radio');
  return button;
}

function addCard(name, color) {
  const card = add(byId('cards'), 'section', {className: 'card'});
  card.style.setProperty('--c', color);
  add(card, 'h2', {textContent: name});
  return {
    canvas: add(card, 'canvas'),
    problem: add(card, 'p', {className: 'problem'}),
    reading: add(card, 'p', {className: 'reading'}),
    cost: add(card, 'p'),
  };
}

function addStrip(name, color) {
  const strip = add(byId('strips'), 'div', {className: 'strip'});
  strip.style.setProperty('--c', color);
  add(strip, 'b', {textContent: name});
  const steps = add(strip, 'div', {className: 'steps'});
  const thumbnails = data.times.map((t, i) => add(steps, 'canvas', {
    title: `${name}, step ${i}`,
    onclick: () => go(i),
  }));
  return {strip, thumbnails};
}

byId('labels').hidden = data.labels.length < 2;
const digits = data.labels.map(addDigit);
const models = data.names.map((name, m) => ({
  name,
  column: 1 + m * (K + 1),                           // of step 0 in the sheet
  ...addCard(name, data.colours[m]),
  ...addStrip(name, data.colours[m]),
}));

// Showing the state

function drawModel(model, trajectory) {
  const {canvas, problem, reading, cost, strip, thumbnails, column} = model;
  problem.textContent = trajectory.problem;
  reading.textContent = trajectory.reading;
  cost.textContent = trajectory.cost;
  problem.hidden = !trajectory.problem;
  reading.hidden = !trajectory.reading;
  canvas.hidden = strip.hidden = !problem.hidden;
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `${model.name}, step ${step} of ${K}`);
  paint(canvas, column + step);
  thumbnails.forEach((thumbnail, i) => {
    paint(thumbnail, column + i);
    thumbnail.className = i === step ? 'now' : '';
  });
}

function draw() {
  paint(byId('noisy'), 0);
  byId('seed').value = seed;
  byId('step').max = K;
  byId('step').value = step;
  byId('where').textContent = `step ${step} of ${K}, t = ${data.times[step].toFixed(2)}`;
  digits.forEach((button, i) => button.setAttribute('aria-checked', i === label));
  models.forEach((model, m) => drawModel(model, data.trajectories[row()][m]));
}

// Changing the state

function stop() {
  clearInterval(timer);
  timer = null;
  byId('play').textContent = '▶ play';
}

function go(to) {
  stop();
  step = Math.max(0, Math.min(K, to));
  draw();
}

function advance() {
  step += 1;
  draw();
  if (step === K) stop();
}

function play() {
  if (timer) return stop();
  if (step === K) step = 0;
  byId('play').textContent = '❚❚ pause';
  draw();
  timer = setInterval(advance, 4000 / (K + 2));      // about four seconds in all
}

function reseed() {
  seed = (seed + 1) % data.seeds.length;
  draw();
}

byId('noise').onclick = reseed;
byId('again').onclick = reseed;
byId('play').onclick = play;
byId('step').oninput = event => go(Number(event.target.value));
byId('seed').onchange = event => { seed = Number(event.target.value); draw(); };

const KEYS = {
  ArrowRight: () => go(step + 1),
  ArrowLeft: () => go(step - 1),
  Home: () => go(0),
  End: () => go(K),
  ' ': play,
  r: reseed,
};

function chooseDigit(key) {
  const place = key.trim() ? data.labels.indexOf(Number(key)) : -1;
  if (place < 0) return false;
  label = place;
  draw();
  return true;
}

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === 'SELECT') return;
  const action = KEYS[event.key];
  if (action) action();
  else if (!chooseDigit(event.key)) return;
  event.preventDefault();
});

sheet.onload = () => {
  draw();
  document.body.dataset.ready = 'yes';
};
sheet.src = data.sheet;
