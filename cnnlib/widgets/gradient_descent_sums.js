// Gradient descent on a loss of two weights: the surfaces, the steps, and what the path is called.
//
// gradient_descent_sums.py is the twin, name by name, and says what each is; a browser test holds
// both equal.

import { Settling } from "./kit/settling.js";

export const EDGE = 2;
export const PLACES = 41;
export const STEPS = 80;
export const FAR = 10;
export const RATES = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.19, 0.21, 0.3, 0.5, 0.7, 1,
  1.5, 1.9, 2.1, 3];
export const MOMENTA = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99];
export const NOISES = [0, 0.1, 0.2, 0.5, 1, 2, 5];
export const SEEDS = [1, 9];
export const OPTIMISERS = ["descent", "adam"];
const [BETA2, EPSILON] = [0.999, 1e-8];
export const STARTS = {
  bowl: [12, 4], valley: [12, 2], ravine: [4, 5], two_valleys: [10, 39], saddle: [3, 20], net: [20, 10],
};

// The twin of GradientDescent.settled.
export function settled(changes, present, { surfaces }) {
  const s = new Settling(changes, present);
  s.oneOf("surface", surfaces);
  s.place("start", [PLACES, PLACES]);
  s.oneOf("optimiser", OPTIMISERS);
  s.oneOf("rate", RATES);
  s.oneOf("momentum", MOMENTA);
  s.oneOf("noise", NOISES);
  s.whole("seed", ...SEEDS);
  s.whole("step", 0, STEPS);
  return s.done();
}

// ---- The surfaces.

export function height(surface, first, second, heights = null) {
  const [x, y] = [first, second];
  if (surface === "bowl") return (x * x + y * y) / 2;
  if (surface === "valley") return (x * x / 2 + 10 * y * y) / 2;
  if (surface === "ravine") {
    const bend = y - x * x + 1;
    return (1 - x) * (1 - x) / 4 + 2 * bend * bend;
  }
  if (surface === "two_valleys") {
    const along = (((x / 4 - 0.4 / 3) * x - 0.58) * x + 0.24) * x;
    return 2 * (along + 0.58 + 0.24 - 0.25 - 0.4 / 3) + y * y / 2;
  }
  if (surface === "saddle") return y * y / 2 - x * x / 2 + x * x * x * x / 8 + 0.5;
  return between(first, second, heights)[0];
}

export function slopes(surface, first, second, heights = null) {
  const [x, y] = [first, second];
  if (surface === "bowl") return [x, y];
  if (surface === "valley") return [x / 2, 10 * y];
  if (surface === "ravine") {
    const bend = y - x * x + 1;
    return [-(1 - x) / 2 - 8 * bend * x, 4 * bend];
  }
  if (surface === "two_valleys") return [2 * (((x - 0.4) * x - 1.16) * x + 0.24), y];
  if (surface === "saddle") return [x * x * x / 2 - x, y];
  return between(first, second, heights).slice(1);
}

export function lowest(surface, heights = null) {
  return surface === "net" ? Math.min(...heights.map((line) => Math.min(...line))) : 0;
}

function between(first, second, heights) {
  const last = heights.length - 1;
  const scale = last / (2 * EDGE);
  const [column, u] = cell((first + EDGE) * scale, last);
  const [row, v] = cell((second + EDGE) * scale, last);
  const [across, acrossSlope] = cubic(u);
  const [up, upSlope] = cubic(v);
  const total = [0, 0, 0];
  for (let i = 0; i < 4; i += 1) {
    const line = heights[Math.min(Math.max(row + i - 1, 0), last)];
    let [value, slope] = [0, 0];
    for (let j = 0; j < 4; j += 1) {
      const here = line[Math.min(Math.max(column + j - 1, 0), last)];
      value += across[j] * here;
      slope += acrossSlope[j] * here;
    }
    total[0] += up[i] * value;
    total[1] += up[i] * slope * scale;
    total[2] += upSlope[i] * value * scale;
  }
  return total;
}

function cell(at, last) {
  const whole = Math.min(Math.max(Math.floor(at), 0), last - 1);
  return [whole, at - whole];
}

function cubic(u) {
  return [
    [((2 - u) * u - 1) * u / 2, ((3 * u - 5) * u * u + 2) / 2, ((4 - 3 * u) * u + 1) * u / 2,
      (u - 1) * u * u / 2],
    [((4 - 3 * u) * u - 1) / 2, (9 * u - 10) * u / 2, ((8 - 9 * u) * u + 1) / 2, (3 * u - 2) * u / 2],
  ];
}

// ---- Chance.

export function dice(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1) >>> 0;
    mixed = (mixed ^ (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61))) >>> 0;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function nearlyNormal(throws) {
  let total = 0;
  for (let i = 0; i < 12; i += 1) total += throws();
  return total - 6;
}

// ---- The path.

export function placeWeights([row, column]) {
  const half = (PLACES - 1) / 2;
  return [(column - half) * EDGE / half, (half - row) * EDGE / half];
}

// {points, losses, end}, as Path in Python has it.
export function follow({ surface, start, rate, momentum, noise, seed, optimiser }, heights = null) {
  const throws = dice(seed);
  const at = placeWeights(start);
  const points = [[...at]];
  const losses = [height(surface, ...at, heights)];
  const [kept, squares] = [[0, 0], [0, 0]];
  let powers = [1, 1];
  for (let step = 0; step < STEPS; step += 1) {
    const slope = slopes(surface, ...at, heights);
    powers = [powers[0] * momentum, powers[1] * BETA2];
    for (let k = 0; k < 2; k += 1) {
      let g = slope[k];
      if (noise) g += noise * nearlyNormal(throws);
      if (optimiser === "adam") {
        kept[k] += (1 - momentum) * (g - kept[k]);
        squares[k] = BETA2 * squares[k] + (1 - BETA2) * g * g;
        const usual = Math.sqrt(squares[k]) / Math.sqrt(1 - powers[1]) + EPSILON;
        at[k] -= rate / (1 - powers[0]) * kept[k] / usual;
      } else {
        kept[k] = momentum * kept[k] + g;
        at[k] -= rate * kept[k];
      }
    }
    points.push([...at]);
    const most = Math.max(Math.abs(at[0]), Math.abs(at[1]));
    if (surface === "net" && most > EDGE) return { points, losses, end: "left" };
    losses.push(height(surface, ...at, heights));
    if (most > FAR) return { points, losses, end: "burst" };
  }
  return { points, losses, end: "" };
}

// ---- What it is called.

const [NEAR, STILL, LATE, LITTLE, ZIGZAGS] = [0.01, 0.02, 20, 0.05, 4];

// {kind, arrived, left, turns, bends, zigzag}, as Report in Python has it.
export function report({ points, losses, end }, { surface, noise }, heights = null) {
  const low = lowest(surface, heights);
  const over = losses.map((loss) => loss - low);
  const first = over[0] > 1e-12 ? over[0] : 1e-12;
  let arrived = over.length;
  while (arrived && over[arrived - 1] <= NEAR * first) arrived -= 1;
  const slope = end ? [1, 1] : slopes(surface, ...points.at(-1), heights);
  const late = over.slice(-LATE - 1);
  const little = late[0] - late.at(-1) < LITTLE * first;
  const falls = late.every((loss, i) => i === 0 || loss <= late[i - 1]);
  const still = Math.sqrt(slope[0] * slope[0] + slope[1] * slope[1]) < STILL;
  let kind = "underway";
  if (end) kind = end;
  else if (arrived < over.length) kind = "arrived";
  else if (!noise && still) kind = "rest";
  else if (little && noise) kind = "wander";
  else if (little && falls) kind = "creep";
  const until = kind === "arrived" ? arrived + 1 : points.length;
  let [turns, bends] = [0, 0];
  for (let i = 2; i < until; i += 1) {
    const [a, b, c] = points.slice(i - 2, i + 1);
    if ((b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0) turns += 1;
    bends += 1;
  }
  return { kind, arrived, left: over.at(-1) / first, turns, bends,
    zigzag: turns >= ZIGZAGS && 2 * turns > bends };
}
