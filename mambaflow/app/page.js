// The page: requests are answered from the sheet of pictures, which holds all of them.
const data = JSON.parse(document.getElementById('data').textContent);   // see save_page
const sheet = new Image();                           // every picture, see sprite_sheet
const all = document.createElement('canvas').getContext('2d', {willReadFrequently: true});

const theme = location.hash.slice(1);
document.documentElement.className = ['dark', 'light'].includes(theme) ? theme : '';

function picture(row, column) {
  const {width, height} = data;
  return all.getImageData(column * width, row * height, width, height);
}

function answer({id, seed, label}) {
  const row = data.seeds.indexOf(seed) * data.labels.length + data.labels.indexOf(label);
  const [noise] = data.trajectories[row].map(({solids}) => solids[0]).filter(Boolean);
  view.receive({event: 'request', id, request: {seed, label}, times: data.times,
    noise: picture(row, 0), solids: noise ? [noise] : []});
  data.names.forEach((name, m) => {
    const {cost, problem, readings, solids} = data.trajectories[row][m];
    const column = 1 + m * data.times.length;        // of step 0 in the sheet
    const pictures = data.times.map((t, k) => picture(row, column + k));
    view.receive({event: 'steps', id, name, k: 0, pictures, readings, solids});
    view.receive({event: 'done', id, name, cost, problem});
  });
}

const view = stepper(document.getElementById('stepper'), {seeds: data.seeds, keys: document},
  answer);

sheet.onload = () => {
  [all.canvas.width, all.canvas.height] = [sheet.width, sheet.height];
  all.drawImage(sheet, 0, 0);
  view.receive({event: 'models', ...data, context: []});
  document.querySelector('.mf-context').append(document.querySelector('.context'));
  answer({id: 0, seed: data.seeds[0], label: data.labels[0]});
  document.body.dataset.ready = 'yes';
};
sheet.src = data.sheet;
