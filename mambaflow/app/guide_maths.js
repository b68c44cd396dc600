// Numbers in, numbers out: nothing here touches the page. Tested in node and in Chromium against
// torch and the package's own functions (nbs/app/05_guide, tests/browser/test_guide.py).
// Complex numbers are pairs [re, im], matrices are lists of rows.
const Maths = (() => {

// Complex numbers

const plus = ([a, b], [c, d]) => [a + c, b + d];
const times = ([a, b], [c, d]) => [a * c - b * d, a * d + b * c];
const size = ([a, b]) => Math.hypot(a, b);
const scaled = (s, [a, b]) => [s * a, s * b];

function over([a, b], [c, d]) {
  const n = c * c + d * d;
  return [(a * c + b * d) / n, (b * c - a * d) / n];
}

// exp(z) - 1, without cancellation near zero
function expm1([a, b]) {
  const half = Math.sin(b / 2);
  return [Math.expm1(a) * Math.cos(b) - 2 * half * half, Math.exp(a) * Math.sin(b)];
}

// One state: h' = A h + B u with B = 1. A token lasts dt: h <- keep h + take u.

const RULES = {
  zoh(A, dt) {
    const gain = expm1(scaled(dt, A));
    return {keep: plus([1, 0], gain), take: size(A) ? over(gain, A) : [dt, 0]};
  },
  mamba(A, dt) {
    return {keep: RULES.zoh(A, dt).keep, take: [dt, 0]};
  },
  euler(A, dt) {
    return {keep: plus([1, 0], scaled(dt, A)), take: [dt, 0]};
  },
  bilinear(A, dt) {
    const half = scaled(dt / 2, A);
    const rest = plus([1, 0], scaled(-1, half));
    return {keep: over(plus([1, 0], half), rest), take: over([dt, 0], rest)};
  },
};

// keep^0, keep^1, ..., keep^n: the state after an impulse has set it to 1
function powers(keep, n) {
  const states = [[1, 0]];
  for (let k = 0; k < n; k++) states.push(times(states[k], keep));
  return states;
}

// exp(A t)
function impulse(A, t) {
  return plus([1, 0], expm1(scaled(t, A)));
}

// The step beyond which Euler's rule explodes: |1 + dt A| = 1
function eulerLimit([re, im]) {
  return -2 * re / (re * re + im * im);
}

// Selection: one state with A = -1, zero-order hold, and a step for each token

function states(u, dt) {
  let h = 0;
  return u.map((x, t) => {
    const taken = -Math.expm1(-dt[t]);
    h = (1 - taken) * h + taken * x;
    return h;
  });
}

// How much of the state is token `marked`, after each token
function share(dt, marked) {
  return states(dt.map((_, t) => t === marked ? 1 : 0), dt);
}

// The constant step with the largest share of a token `later` tokens ago
function bestConstant(later) {
  return later ? Math.log1p(1 / later) : Infinity;
}

// The scan as a matrix: B and C are lists of tokens, each a list of N numbers; A is one number

const dot = (a, b) => a.reduce((sum, x, k) => sum + x * b[k], 0);
const table = (n, entry) =>
  Array.from({length: n}, (_, i) => Array.from({length: n}, (_, j) => entry(i, j)));

function decay(A, dt, i, j) {
  let time = 0;
  for (let k = j + 1; k <= i; k++) time += dt[k];
  return Math.exp(A * time);
}

function scanMatrix(A, dt, B, C) {
  return table(dt.length, (i, j) => j > i ? 0 : decay(A, dt, i, j) * dot(C[i], B[j]) * dt[j]);
}

function recurrence(A, dt, B, C, x) {
  let S = B[0].map(() => 0);
  return x.map((value, t) => {
    const keep = Math.exp(A * dt[t]);
    S = S.map((s, n) => keep * s + dt[t] * B[t][n] * value);
    return dot(C[t], S);
  });
}

function softmax(scores) {
  const top = Math.max(...scores);
  const e = scores.map(s => Math.exp(s - top));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map(v => v / sum);
}

// Queries C and keys B; with `causal` a token attends to itself and what came before
function attentionMatrix(B, C, causal) {
  const scale = 1 / Math.sqrt(B[0].length);
  const scores = table(B.length, (i, j) => causal && j > i ? -Infinity : scale * dot(C[i], B[j]));
  return scores.map(softmax);
}

const product = (M, x) => M.map(row => dot(row, x));
const largestDifference = (a, b) => Math.max(...a.map((v, k) => Math.abs(v - b[k])));

// Random numbers that every browser repeats: mulberry32, then Box and Muller's normals

function uniform(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6D2B79F5) >>> 0;
    let t = Math.imul(a ^ a >>> 15, 1 | a);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  };
}

function normals(seed, n) {
  const draw = uniform(seed);
  return Array.from({length: n}, () =>
    Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw()));
}

// Orders over a grid of 2^bits cells a side. A cell is [x, y]; cells are numbered row by row.

function interleave(x, y, bits) {                    // the bits of y above those of x
  let index = 0;
  for (let k = 0; k < bits; k++) {
    index += (x >> k & 1) * 2 ** (2 * k) + (y >> k & 1) * 2 ** (2 * k + 1);
  }
  return index;
}

// Skilling's transform for the plane, as geometry.curves
function hilbertIndex(x, y, bits) {
  for (let q = 2 ** (bits - 1); q > 1; q /= 2) {
    if (x & q) x ^= q - 1;
    if (y & q) {
      x ^= q - 1;
    } else {
      const difference = (x ^ y) & (q - 1);
      x ^= difference;
      y ^= difference;
    }
  }
  y ^= x;
  let gray = 0;
  for (let q = 2 ** (bits - 1); q > 1; q /= 2) if (y & q) gray ^= q - 1;
  return interleave(y ^ gray, x ^ gray, bits);
}

const CURVES = {
  raster: (x, y, bits) => x + y * 2 ** bits,
  morton: interleave,
  hilbert: hilbertIndex,
};

// The place in the sequence of each cell
function places(curve, bits) {
  const side = 2 ** bits;
  const place = [];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) place.push(CURVES[curve](x, y, bits));
  }
  return place;
}

// The cell that comes first, then the next
function order(place) {
  const cells = Array(place.length);
  place.forEach((p, cell) => { cells[p] = cell; });
  return cells;
}

function neighbours(cell, side) {
  const [x, y] = [cell % side, Math.floor(cell / side)];
  return [[x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]]
    .filter(([a, b]) => a >= 0 && b >= 0 && a < side && b < side)
    .map(([a, b]) => a + b * side);
}

// How far apart in the sequence are cells that touch in the grid: each pair once
function gaps(place, side) {
  return place.flatMap((p, cell) => neighbours(cell, side)
    .filter(other => other > cell)
    .map(other => Math.abs(place[other] - p)));
}

const mean = values => values.reduce((a, b) => a + b, 0) / values.length;

// The longest step of the path, in cells
function longestStep(cells, side) {
  const steps = cells.slice(1).map((cell, k) => {
    const before = cells[k];
    return Math.hypot(cell % side - before % side,
                      Math.floor(cell / side) - Math.floor(before / side));
  });
  return Math.max(...steps);
}

function locality(curve, bits, memory) {
  const side = 2 ** bits;
  const place = places(curve, bits);
  const apart = gaps(place, side);
  return {
    mean: mean(apart),
    within: apart.filter(gap => gap <= memory).length / apart.length,
    longest: longestStep(order(place), side),
  };
}

return {RULES, powers, impulse, eulerLimit, size, scaled, states, share, bestConstant, scanMatrix,
        decay, dot, recurrence, attentionMatrix, product, largestDifference, uniform, normals,
        CURVES, places, order, neighbours, gaps, mean, locality};
})();
