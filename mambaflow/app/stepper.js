// The stepper, for the live widget (live.js) and for the page (page.js). Data flow one way:
// requests go out through `ask`, events come in through `receive`, and `draw` shows the state.
// Pictures in events are objects of ImageData; nothing is computed here but what is drawn.

function stepper(root, options, ask) {
  const model = {names: [], colours: [], labels: [], classes: [], context: [], weights: [], pair: [0, 1]};
  let run = {request: {}, times: [0, 1], rows: [], noise: null, busy: false, words: ''};
  const memory = new Map();                          // runs by their requests, the newest last
  let step = 0;
  let timer = null;                                  // of a trajectory that plays
  let latest = 0;                                    // id of the newest request
  let cards = [];                                    // the elements of each backbone

  // Building blocks

  function add(parent, tag, properties = {}, attributes = {}) {
    const element = Object.assign(document.createElement(tag), properties);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    parent.append(element);
    return element;
  }

  // What is there already is left alone: each change costs a browser without a GPU a new frame

  function set(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  function say(element, words) {
    if (element.textContent !== words) element.textContent = words;
  }

  function describe(canvas, words) {
    set(canvas, 'role', 'img');
    set(canvas, 'aria-label', words);
  }

  function paint(canvas, image, words) {
    describe(canvas, words);
    if (canvas.shown === (image ?? null)) return;
    canvas.shown = image ?? null;
    const size = `${image?.width} ${image?.height}`;
    if (canvas.dataset.size !== size) {
      [canvas.width, canvas.height] = [image?.width ?? 1, image?.height ?? 1];
      canvas.dataset.size = size;
    }
    if (image) canvas.getContext('2d').putImageData(image, 0, 0);
    else canvas.getContext('2d').clearRect(0, 0, 1, 1);
  }

  function count(n, noun) {
    return `${n} ${noun}${n === 1 ? '' : 's'}`;
  }

  // Places

  root.classList.add('mf-stepper');
  const grid = add(root, 'div', {className: 'mf-grid'});
  const pane = name => add(grid, 'section', {className: `mf-pane mf-${name}`});
  const [start, control, answers, curves, strips] =
    ['start', 'control', 'answers', 'curves', 'strips'].map(pane);

  add(start, 'h2', {textContent: 'Shared noise'});
  const noise = add(start, 'button', {className: 'mf-noise', onclick: reseed});
  const noisy = add(noise, 'canvas');
  add(noise, 'span', {className: 'mf-hint', textContent: 'click to re-seed'});
  const seeds = add(start, 'div', {className: 'mf-row'});
  const seed = options.seeds ? choice(seeds, 'seed', 'seed', options.seeds)
    : number(seeds, 'seed', 'seed', 0, Number.MAX_SAFE_INTEGER);
  add(seeds, 'button', {className: 'mf-again', textContent: 're-seed', onclick: reseed});
  const digitPart = add(start, 'div');
  const digitTitle = add(digitPart, 'h2');
  const digits = add(digitPart, 'div', {className: 'mf-digits'},
    {role: 'radiogroup'});
  const guide = options.live && add(digitPart, 'label', {className: 'mf-row'});
  if (guide) add(guide, 'span', {textContent: 'guidance'});
  const guidance = guide && range(guide, 'guidance', value => change({guidance: value}));
  const weight = guide && add(guide, 'output');
  const context = add(start, 'div', {className: 'mf-context'});

  const play = add(add(control, 'div', {className: 'mf-row'}), 'button',
    {className: 'mf-play', textContent: '▶ play', onclick: togglePlay});
  const slider = range(play.parentElement, 'step', go);
  const where = add(play.parentElement, 'span', {className: 'mf-where'}, {'aria-live': 'polite'});
  const settings = add(control, 'div', {className: 'mf-row'});
  const sampler = options.live && choice(settings, 'sampler', 'sampler', options.samplers);
  const steps = options.live && number(settings, 'steps', 'steps', 1, options.most);
  const weights = options.live && choice(settings, 'weights', 'weights', []);
  const status = add(control, 'p', {className: 'mf-status'}, {role: 'status'});
  const late = add(control, 'p', {className: 'mf-late', hidden: true, textContent:
    'No answer from the kernel. It is busy or has died: see its state at the top right, '
    + 'restart it and run this cell again.'}, {role: 'alert'});
  const keys = add(control, 'p', {className: 'mf-keys'});

  const curve = add(curves, 'div', {className: 'mf-judge'});
  const curveTitle = add(curve, 'h2');
  const plot = add(curve, 'div', {className: 'mf-plot', onclick: pickStep});
  const legend = add(curve, 'p', {className: 'mf-legend'});
  const difference = add(curves, 'div', {className: 'mf-difference'});
  add(difference, 'h2', {textContent: 'Difference'});
  const pairs = add(difference, 'div', {className: 'mf-row'});
  const sides = [0, 1].map(i => choice(pairs, ['first', 'second'][i], ['of', 'and'][i], [],
    name => { model.pair[i] = model.names.indexOf(name); draw(); }));
  const apart = add(difference, 'canvas');
  const apartWords = add(difference, 'p');
  add(strips, 'h2', {textContent: 'All steps'});

  // Controls

  function labelled(parent, name, words) {
    return add(add(parent, 'label', {textContent: `${words} `}), name);
  }

  function choice(parent, name, words, values, act) {
    const select = labelled(parent, 'select', words);
    select.className = `mf-${name}`;
    fill(select, values);
    select.onchange = () => act ? act(select.value)
      : change({[name]: name === 'seed' ? Number(select.value) : select.value});
    return select;
  }

  function fill(select, values, words = String) {
    select.replaceChildren();
    values.forEach(value => add(select, 'option', {value, textContent: words(value)}));
  }

  function number(parent, name, words, min, max) {
    const input = labelled(parent, 'input', words);
    Object.assign(input, {type: 'number', className: `mf-${name}`, min, max});
    input.onchange = () => {
      const value = Math.max(min, Math.min(max, Math.round(Number(input.value))));
      change({[name]: value});
    };
    return input;
  }

  function range(parent, name, act) {
    const input = add(parent, 'input', {type: 'range', className: `mf-${name}`}, {min: 0});
    input.setAttribute('aria-label', name);
    input.oninput = () => name === 'step' && act(Number(input.value));
    input.onchange = () => name !== 'step' && act(Number(input.value));
    return input;
  }

  // Changing the state

  function change(values) {
    latest = Math.max(latest + 1, Date.now());
    const request = {...run.request, ...values};
    const known = show(request);
    if (!known) run = {...run, request, busy: true};
    draw();
    ask({id: latest, ...request, known});
  }

  // Show what is known of a request without asking. Returns whether that is all of it.
  function show(request) {
    const entry = options.live && request.weights === run.request.weights
      && memory.get(keyOf(request));
    if (!entry) return false;
    const complete = isComplete(entry);
    if (complete) remember(entry);
    enter(complete ? entry : {...entry, rows: newRows(entry)});
    run.busy = !complete;
    return complete;
  }

  function enter(entry) {
    const share = step / last();
    run = entry;
    step = Math.round(share * last());
    cards.forEach(fitThumbs);
  }

  function keyOf({seed: s, label, guidance: g, sampler: method, steps: k, weights: w}) {
    return JSON.stringify([s, label, g, method, k, w]);
  }

  function isComplete(entry) {
    return entry.rows.length > 0 && entry.rows.every(row => row.cost || row.problem);
  }

  function newRows({noise: picture, solids}) {
    return model.names.map(() => ({pictures: [picture], solids: [...solids], readings: [], cost: '',
      problem: ''}));
  }

  function remember(entry) {
    const key = keyOf(entry.request);
    memory.delete(key);
    memory.set(key, entry);
    while (memory.size > 200) memory.delete(memory.keys().next().value);
  }

  function reseed() {
    const place = options.seeds?.indexOf(run.request.seed);
    change({seed: options.seeds ? options.seeds[(place + 1) % options.seeds.length]
      : (run.request.seed + 1) % Number.MAX_SAFE_INTEGER});
  }

  function stop() {
    clearInterval(timer);
    timer = null;
  }

  function go(to) {
    stop();
    step = Math.max(0, Math.min(last(), to));
    draw();
  }

  function advance() {
    step = Math.min(step + 1, last());
    if (step === last()) stop();
    draw();
  }

  function togglePlay() {
    if (timer) return go(step);
    if (step === last()) step = 0;
    timer = setInterval(advance, 4000 / (last() + 2)); // about four seconds in all
    draw();
  }

  function last() {
    return run.times.length - 1;
  }

  function pickStep(event) {
    const box = plot.getBoundingClientRect();
    go(Math.round((event.clientX - box.left) / box.width * last()));
  }

  const KEYS = {
    ArrowRight: () => go(step + 1),
    ArrowLeft: () => go(step - 1),
    Home: () => go(0),
    End: () => go(last()),
    ' ': togglePlay,
    r: reseed,
  };

  const TURNS = {ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10]};

  function turnAll(azimuth, elevation) {
    cards.forEach(({solid}) => solid.turn(azimuth, elevation));
  }

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const {tagName, type, className} = event.target;
    if (tagName === 'SELECT' || type === 'number') return event.stopPropagation();
    const turns = event.shiftKey && model.solid && TURNS[event.key];
    const arrow = event.key.length > 1 && className === 'mf-guidance';
    const digit = /^\d$/.test(event.key) && model.labels.includes(Number(event.key));
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (arrow || !act && !digit && !turns) return;
    if (turns) cards[0].solid.turnBy(...turns);
    else if (digit) change({label: Number(event.key)});
    else act();
    event.preventDefault();
    event.stopPropagation();
  }

  root.tabIndex = -1;
  (options.keys || root).addEventListener('keydown', onKey);
  (options.keys || root).addEventListener('keyup', event => {
    if (event.key === ' ' && event.target.tagName === 'BUTTON') event.preventDefault();
  });

  // Events

  function addDigit(value) {
    const any = value === null;
    const words = [value, model.classes[value]].filter(part => part !== undefined).join(' ');
    const properties = {textContent: any ? 'any' : words, className: any ? 'mf-any' : '',
      onclick: () => change({label: value})};
    return add(digits, 'button', properties, {role: 'radio', 'data-label': value});
  }

  function addCard(name, i) {
    const place = add(answers, 'article', {className: 'mf-card'});
    const row = add(strips, 'div', {className: 'mf-strip'});
    for (const part of [place, row]) part.style.setProperty('--c', model.colours[i]);
    add(place, 'h2', {textContent: name});
    add(row, 'b', {textContent: name});
    const canvas = add(place, 'canvas', model.solid ? {title: 'drag to turn'}
      : {title: 'click to play', onclick: togglePlay});
    return {
      row,
      canvas,
      solid: model.solid && turnMesh(canvas, null, {turned: turnAll}),
      problem: add(place, 'p', {className: 'mf-problem'}),
      reading: add(place, 'p', {className: 'mf-reading'}),
      cost: add(place, 'p', {className: 'mf-cost'}),
      thumbs: add(row, 'div', {className: 'mf-thumbs'}),
    };
  }

  function showModels(event) {
    Object.assign(model, event, {pair: [0, event.names.length - 1]});
    root.classList.toggle('mf-solid', model.solid);
    const noun = model.solid ? 'class' : 'digit';
    digitTitle.textContent = model.solid ? 'Class' : 'Digit';
    digits.setAttribute('aria-label', noun);
    digits.classList.toggle('mf-named', model.classes.length > 0);
    digits.replaceChildren();
    event.labels.forEach(addDigit);
    digitPart.hidden = event.labels.length < 2;
    cards.forEach(card => card.row.remove());
    drawLegend();
    answers.replaceChildren();
    cards = event.names.map(addCard);
    sides.forEach((select, i) => {
      fill(select, event.names);
      select.value = event.names[model.pair[i]];
    });
    difference.hidden = event.names.length < 2;
    context.replaceChildren();
    event.context.forEach(({name, picture}) => {
      add(context, 'h2', {textContent: name});
      paint(add(context, 'canvas'), picture, name);
    });
    if (weights) {
      fill(weights, event.weights, name => [name, options.origins?.[name]].filter(Boolean).join(': '));
      weights.parentElement.hidden = !event.weights.some(Boolean);
    }
    const most = event.labels.length > 1 && Math.min(9, event.labels.at(-1));
    const numbers = event.labels.length > 1 ? `, 0 to ${most} choose the ${noun}` : '';
    const turning = model.solid ? '; drag the shapes, or shift with arrows, to turn them' : '';
    keys.textContent = `Keys: ← → step, space plays, R re-seeds${numbers}${turning}`;
  }

  function begin({id, request, words, times, noise: picture, solids}) {
    latest = id;
    const known = memory.get(keyOf(request));
    const entry = {request, words, times, noise: picture, solids, busy: true};
    entry.rows = known && isComplete(known) ? known.rows : newRows(entry);
    remember(entry);
    enter(entry);
  }

  // Of a request that may come: its noise, or the trajectory of a model
  function keepAhead({request, words, times, name, pictures, solids, readings, cost}) {
    const known = memory.get(keyOf(request));
    if (known === run && run.busy) return;
    const entry = known
      ?? {request, words, times, noise: pictures[0], solids: solids.slice(0, 1), busy: false};
    entry.rows ??= newRows(entry);
    const row = entry.rows[model.names.indexOf(name)];
    if (row && !row.cost) Object.assign(row, {pictures, solids, readings, cost});
    remember(entry);
  }

  // Another view of this widget has shown a request by itself
  function follow({id, request}) {
    if (id === latest) return;
    latest = id;
    if (!show(request)) ask({hello: true});
  }

  function fitThumbs({thumbs}) {
    while (thumbs.children.length > run.times.length) thumbs.lastChild.remove();
    while (thumbs.children.length < run.times.length) {
      const k = thumbs.children.length;
      add(thumbs, 'canvas', {title: `step ${k}`, onclick: () => go(k)});
    }
  }

  const EVENTS = {
    models: showModels,
    request: begin,
    steps({name, k, pictures, solids, readings}) {
      const row = run.rows[model.names.indexOf(name)];
      pictures.forEach((picture, i) => { row.pictures[k + i] = picture; });
      solids.forEach((solid, i) => { row.solids[k + i] = solid; });
      readings.forEach((reading, i) => { row.readings[k + i] = reading; });
    },
    done({name, cost, problem}) {
      Object.assign(run.rows[model.names.indexOf(name)], {cost, problem});
    },
    ahead: keepAhead,
    shown: follow,
    ready() { run.busy = false; },
    failed({words}) { run = {...run, busy: false, words}; },
  };

  function receive(event) {
    if (event.id !== undefined && event.id < latest) return;   // of an earlier request
    late.hidden = true;
    EVENTS[event.event](event);
    if (!options.live) return draw();
    if (event.event === 'steps') pause ??= setTimeout(requestFrame, 100);
    else if (event.event !== 'ahead') requestFrame();
  }

  // Steps are drawn ten times a second at most: without a GPU, frames take what the models need
  let frame = null;
  let pause = null;
  function requestFrame() {
    clearTimeout(pause);
    pause = null;
    frame ??= requestAnimationFrame(() => { frame = null; draw(); });
  }

  // Showing the state

  function drawSolid({canvas, solid}, text, words) {
    describe(canvas, words);
    if (!text || solid.text === text) return;
    solid.text = text;
    solid.show(voxelMesh(text));
  }

  function drawCard(card, i) {
    const {canvas, problem, reading, cost, row: strip, thumbs} = card;
    const name = model.names[i];
    const row = run.rows[i];
    const k = Math.min(step, row.pictures.length - 1);         // the newest, until the step is there
    const behind = row.cost ? '' : `computing: ${k} of ${last()}`;
    say(problem, row.problem);
    problem.hidden = !row.problem;
    canvas.hidden = strip.hidden = Boolean(row.problem);
    say(reading, row.readings[k]?.words ?? '');
    say(cost, row.problem ? '' : row.cost || behind);
    const words = `${name}, step ${k} of ${last()}. ${reading.textContent}`;
    if (model.solid) drawSolid(card, row.solids[k], words);
    else paint(canvas, row.pictures[k], words);
    [...thumbs.children].forEach((thumb, j) => {
      paint(thumb, row.pictures[j], `${name}, step ${j}`);
      thumb.classList.toggle('mf-now', j === step);
    });
  }

  function line(readings, width, height) {
    return readings.map(({p}, k) => [k / last() * width, (1 - p) * height])
      .map(xy => xy.map(x => x.toFixed(1)).join(',')).join(' ');
  }

  function drawCurve() {
    const rows = run.rows.filter(row => row.readings.length);
    curve.hidden = model.threshold === null;
    if (curve.hidden) return;
    const {label} = run.request;
    const what = label === null ? 'its likeliest digit' : `the ${label}`;
    const [width, height] = [400, 100];
    const limit = ((1 - model.threshold) * height).toFixed(1);
    const now = (step / last() * width).toFixed(1);
    const lines = run.rows.map((row, i) => `<polyline points="${line(row.readings, width, height)}"
      style="stroke:${model.colours[i]};stroke-dasharray:${['none', '7 3', '2 3'][i % 3]}"/>`);
    const picture = `<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img">
      <path class="mf-limit" d="M0 ${limit}H${width}"/><path class="mf-cursor" d="M${now} 0V${height}"/>
      ${lines.join('')}</svg><span>100%</span><span>0%</span>`;
    if (plot.shown !== picture) plot.innerHTML = plot.shown = picture;
    const values = rows.map(row => row.readings[Math.min(step, row.readings.length - 1)].p);
    const words = rows.map((row, i) =>
      `${model.names[run.rows.indexOf(row)]} ${Math.round(100 * values[i])}%`).join(', ');
    say(curveTitle, `The judge's confidence in ${what}, step by step`);
    set(plot.firstChild, 'aria-label', `${curveTitle.textContent}. At step ${step}: ${words}`);
  }

  function drawLegend() {
    legend.replaceChildren();
    model.names.forEach((name, i) => {
      const item = add(legend, 'span', {textContent: name});
      item.style.cssText = `--c:${model.colours[i]};--dash:${['solid', 'dashed', 'dotted'][i % 3]}`;
    });
    add(legend, 'i', {textContent: `an answer counts above ${Math.round(100 * model.threshold)}%`});
  }

  function tint(image, other, first, second) {
    // black where both agree, else the colour of the brighter one; the largest difference is full
    const grey = ({data}, i) => (data[i] + data[i + 1] + data[i + 2]) / 3;
    const result = new ImageData(image.width, image.height);
    const differences = [];
    for (let i = 0; i < image.data.length; i += 4) differences.push(grey(image, i) - grey(other, i));
    const sizes = differences.map(Math.abs);
    const largest = Math.max(1, ...sizes);
    differences.forEach((d, pixel) => {
      const colour = d > 0 ? first : second;
      colour.forEach((c, j) => { result.data[4 * pixel + j] = c * sizes[pixel] / largest; });
      result.data[4 * pixel + 3] = 255;
    });
    return [result, sizes.reduce((sum, d) => sum + d, 0) / sizes.length, Math.max(...sizes)];
  }

  let tintedLast = [];                               // two pictures, their colours, and the result
  function tinted(image, other, colours) {
    const asked = [image, other, String(colours)];
    if (asked.some((part, i) => part !== tintedLast[i])) {
      tintedLast = [...asked, tint(image, other, ...colours)];
    }
    return tintedLast[3];
  }

  function rgb(colour) {
    const channels = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));
    return channels.map(c => c * 255 / Math.max(...channels));
  }

  function drawDifference() {
    const [a, b] = model.pair.map(i => run.rows[i]);
    const there = a?.pictures[step] && b?.pictures[step] && !a.problem && !b.problem;
    const names = model.pair.map(i => model.names[i]);
    const colours = model.pair.map(i => rgb(model.colours[i]));
    const [image, mean, most] = there ? tinted(a.pictures[step], b.pictures[step], colours)
      : [null, 0, 0];
    paint(apart, image, `difference of ${names[0]} and ${names[1]} at step ${step}`);
    const words = `${count(Number(mean.toFixed(1)), 'grey level')} apart on average, `
      + `${Math.round(most)} at most, in the colour of the brighter one`;
    say(apartWords, !there ? 'not computed yet' : most ? words : 'no difference');
  }

  function draw() {
    if (!run.rows.length) return;
    const {request, times} = run;
    paint(noisy, run.noise, `noise of seed ${request.seed}`);
    set(noise, 'aria-label', `noise of seed ${request.seed}: click to re-seed`);
    seed.value = request.seed;
    Object.assign(slider, {max: last(), value: step});
    set(slider, 'aria-valuetext', `step ${step} of ${last()}`);
    say(where, `step ${step} of ${last()}, t = ${times[step].toFixed(2)}`);
    say(play, timer ? '❚❚ pause' : '▶ play');
    [...digits.children].forEach((button, i) => {
      set(button, 'aria-checked', String(model.labels[i] === request.label));
    });
    cards.forEach(drawCard);
    drawCurve();
    if (!difference.hidden) drawDifference();
    if (options.live) drawSettings();
  }

  function drawSettings() {
    const {request} = run;
    guidance.disabled = request.label === null;
    Object.assign(guidance, {min: Math.min(0, Math.floor(request.guidance)),
      max: Math.max(6, Math.ceil(request.guidance)), step: .5, value: request.guidance});
    say(weight, guidance.disabled ? '' : String(request.guidance));
    sampler.value = request.sampler;
    steps.value = request.steps;
    weights.value = request.weights;
    root.classList.toggle('mf-busy', run.busy);
    say(status, `${run.busy ? 'computing ' : ''}${run.words}`);
  }

  return {receive, unanswered: () => { late.hidden = false; }};
}
