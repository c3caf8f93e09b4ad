// Switches, the sums: a small net run forwards, and one unit's signal sent back through it.
//
// A net is a list of stages, each with the map that it put out; the signal on the way back is a list
// of maps of the same sizes. A browser test holds them to torch.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const sizeOf = (map) => [map.length, map[0].length];
/** @type {(shape: number[]) => number[][]} */
export const zeros = ([rows, columns]) => upTo(rows).map(() => new Array(columns).fill(0));
export const mapValues = (map, change) =>
  map.map((row, y) => row.map((value, x) => change(value, y, x)));

// Each place's window times the kernel, added up.
export function correlate(map, kernel) {
  const [rows, columns] = sizeOf(map);
  return mapValues(zeros([rows - kernel.length + 1, columns - kernel.length + 1]), (_, y, x) => {
    let sum = 0;
    kernel.forEach((line, i) => line.forEach((weight, j) => { sum += weight * map[y + i][x + j]; }));
    return sum;
  });
}

// The largest value of each window, the place that won it, and how many places hold that value.
// Of equal values the first wins, in reading order.
/** @param {number[][]} map  @param {number[]} window */
export function maxPool(map, [size, stride]) {
  const [rows, columns] = sizeOf(map).map((n) => Math.floor((n - size) / stride) + 1);
  const winners = upTo(rows).map((row) => upTo(columns).map((column) => {
    let best = [row * stride, column * stride];
    for (const [y, x] of windowPlaces([row, column], [size, stride])) {
      if (map[y][x] > map[best[0]][best[1]]) best = [y, x];
    }
    return best;
  }));
  const values = mapValues(winners, ([y, x]) => map[y][x]);
  const ties = mapValues(values, (value, row, column) =>
    windowPlaces([row, column], [size, stride]).filter(([y, x]) => map[y][x] === value).length);
  return { values, winners, ties };
}

// The places that a pool's window covers, in reading order.
/** @param {number[]} unit  @param {number[]} window */
function windowPlaces([row, column], [size, stride]) {
  return upTo(size * size).map((i) =>
    [row * stride + Math.floor(i / size), column * stride + (i % size)]);
}

// The whole net on a picture: stages {kind, values, ...}, the picture first.
export function forward({ picture, kernel, pool, second }) {
  const convolved = correlate(picture, kernel);
  const rectified = mapValues(convolved, (x) => Math.max(0, x));
  const stages = [
    { kind: "picture", values: picture },
    { kind: "convolution", values: convolved, kernel },
    { kind: "relu", values: rectified },
    { kind: "pool", window: pool, ...maxPool(rectified, pool) },
  ];
  if (!second.length) return stages;
  const again = correlate(stages[3].values, second);
  return [...stages,
    { kind: "convolution", values: again, kernel: second },
    { kind: "relu", values: mapValues(again, (x) => Math.max(0, x)) }];
}

// What a ReLU sends back of a signal, by its rule. x: what the ReLU saw on the way forwards.
export function rectify(signal, x, method) {
  const passes = {
    gradient: (r, seen) => seen > 0,
    deconvnet: (r) => r > 0,
    guided: (r, seen) => r > 0 && seen > 0,
  }[method];
  return mapValues(signal, (r, row, column) => (passes(r, x[row][column]) ? r : 0));
}

// Each value stamps the kernel; stamps that overlap add up: the transposed convolution.
export function transpose(signal, kernel) {
  const found = zeros(sizeOf(signal).map((n) => n + kernel.length - 1));
  mapValues(signal, (value, row, column) => kernel.forEach((line, i) =>
    line.forEach((weight, j) => { found[row + i][column + j] += value * weight; })));
  return found;
}

// Where a window's signal lands: a list of places that share it in equal parts.
export function landing(place, winner, window, how) {
  if (how === "switches") return [winner];
  return how === "corner" ? windowPlaces(place, window).slice(0, 1) : windowPlaces(place, window);
}

// The signal on a pool's map, sent back to a map of the given size.
export function unpool(signal, size, { winners, window }, how) {
  const found = zeros(size);
  mapValues(signal, (value, row, column) => {
    const places = landing([row, column], winners[row][column], window, how);
    for (const [y, x] of places) found[y][x] += value / places.length;
  });
  return found;
}

// The signal of one unit of the top on every stage's map; the last is the start, the first the
// pixels. The deconvnet starts with the activation, the others with 1.
/** @param {any[]} stages  @param {any} state */
export function backward(stages, { unit: [row, column], method, unpool: how }) {
  const signals = new Array(stages.length);
  const top = stages.at(-1).values;
  signals[stages.length - 1] = zeros(sizeOf(top));
  signals.at(-1)[row][column] = method === "deconvnet" ? top[row][column] : 1;
  for (let i = stages.length - 1; i > 0; i -= 1) {
    const [stage, below] = [stages[i], stages[i - 1].values];
    if (stage.kind === "relu") signals[i - 1] = rectify(signals[i], below, method);
    else if (stage.kind === "pool") signals[i - 1] = unpool(signals[i], sizeOf(below), stage, how);
    else signals[i - 1] = transpose(signals[i], stage.kernel);
  }
  return signals;
}

// The places of a map that are not 0.
export function nonzero(map) {
  const places = [];
  mapValues(map, (value, row, column) => { if (value !== 0) places.push([row, column]); });
  return places;
}

// The pool's windows that a unit of the top reads.
/** @param {number[]} unit  @param {any} last */
export function windowsOf([row, column], last) {
  if (last === 3) return [[row, column]];
  return [0, 1, 2, 3].map((i) => [row + (i >> 1), column + (i % 2)]);
}

// The stages of the net that a state chooses.
export function stagesOf(state, fixed) {
  return forward({
    picture: state.picture, kernel: fixed.kernels[state.kernel], pool: fixed.pools[state.pool],
    second: fixed.seconds[state.second],
  });
}

// The twin of Switches.settled.
export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  settlePicture(s, fixed);
  for (const [name, table] of Object.entries(TABLES)) s.oneOf(name, Object.keys(fixed[table]));
  const [size, stride] = fixed.pools[s.state.pool];
  const again = fixed.seconds[s.state.second].length;
  const top = sizeOf(s.state.picture).map((n) =>
    Math.floor((n - 2 - size) / stride) + 1 - Math.max(0, again - 1));
  s.place("unit", top);
  const [last, before] = [again ? 5 : 3, fixed.seconds[present.second].length ? 5 : 3];
  if (!s.asks("step") && present.step === before) s.take("step", last);
  s.whole("step", 0, last);
  return s.done();
}

const TABLES = {
  kernel: "kernels", second: "seconds", pool: "pools", unpool: "unpools", method: "methods",
};

function settlePicture(s, { sides: [least, most], brightest }) {
  const rows = s.wanted("picture");
  const between = (value, low, high) => Number.isInteger(value) && value >= low && value <= high;
  const fits = Array.isArray(rows) && between(rows.length, least, most)
    && rows.every((row) => Array.isArray(row) && between(row.length, least, most)
      && row.length === rows[0].length && row.every((value) => between(value, 0, brightest)));
  if (fits) s.take("picture", rows);
  else s.refuse("picture", "picture.expected", { least, most, brightest });
}
