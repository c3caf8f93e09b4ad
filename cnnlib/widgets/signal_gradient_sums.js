// What becomes of a signal and of a gradient in a deep net, layer by layer.
//
// signal_gradient_sums.py is the twin, name by name, and says what each is; a browser test holds them
// equal. A matrix is a Float64Array, row after row; maps of activations have BATCH columns.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";
import { fixedPoint } from "./kit/words.js";

const FIXED = 0.01;
export const MARKS = { lecun: 1, he: 2 };
const SKIPS = { none: 0, identity: 1, scaled: 0.1 };
const WIDEST = 64;
export const DEPTHS = [2, 40];
export const SEEDS = [1, 9];
const BATCH = 32;
const EPSILON = 1e-5;
const NOUGHT = 1e-9;
const FLAT = 0.1;
const [SOME, ENOUGH] = [10, 100];

// The twin of SignalGradient.settled.
export function settled(changes, present, { options }) {
  const s = new Settling(changes, present);
  for (const [name, values] of Object.entries(options)) s.oneOf(name, values);
  const depth = s.whole("depth", ...DEPTHS);
  s.whole("seed", ...SEEDS);
  s.whole("layer", 0, depth);
  return s.done();
}

// ---- Chance.

// The throw number `at`, counted from 0.
export function throwAt(seed, at) {
  const state = (seed + Math.imul(at + 1, 0x6D2B79F5)) >>> 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1) >>> 0;
  mixed = (mixed ^ (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61))) >>> 0;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}

export function nearlyNormal(seed, block, count) {
  let at = 12 * block * WIDEST ** 2;
  const found = new Float64Array(count).fill(-6);
  for (let place = 0; place < count; place += 1) {
    let total = 0;
    for (let i = 0; i < 12; i += 1, at += 1) total += throwAt(seed, at);
    found[place] += total;
  }
  return found;
}

// ---- The net.

export function spread({ start, variance, width }) {
  return start === "fixed" ? FIXED : Math.sqrt(variance / width);
}

// The weights of all layers with variance 1, kept for the next call, as most changes leave them.
let drawn = { key: "", layers: [] };

function weightsOf({ seed, width }, layer) {
  const key = `${seed} ${width}`;
  if (drawn.key !== key) drawn = { key, layers: [] };
  drawn.layers[layer] ??= nearlyNormal(seed, 1 + layer, width * width);
  return drawn.layers[layer];
}

// {sizes, between, gradients, flat, dead}
export function run(state) {
  const { width, depth, seed, activation } = state;
  const count = width * BATCH;
  const scale = SKIPS[state.skip] || 1;
  const kept = state.skip === "none" ? 0 : 1;
  const std = spread(state);
  let h = nearlyNormal(seed, 0, count);
  const told = { sizes: [deviation(h)], between: [betweenOf(h)], gradients: [], flat: [], dead: [] };
  const layers = [];
  for (let layer = 1; layer <= depth; layer += 1) {
    const weights = weightsOf(state, layer);
    const z = product(weights, h, width, std);
    const roots = state.normalisation === "batch" ? normalise(z) : null;
    const slopes = new Float64Array(count);
    const next = new Float64Array(count);
    const steepest = activation === "sigmoid" ? 0.25 : 1;
    let level = 0;
    let dead = 0;
    for (let unit = 0; unit < width; unit += 1) {
      let here = 0;
      for (let i = unit * BATCH; i < (unit + 1) * BATCH; i += 1) {
        const [answer, slope] = activate(activation, z[i]);
        slopes[i] = slope;
        next[i] = kept * h[i] + scale * answer;
        if (slope < FLAT * steepest) here += 1;
      }
      level += here;
      if (here === BATCH) dead += 1;
    }
    h = next;
    told.flat.push(level / count);
    told.dead.push(dead / width);
    told.sizes.push(deviation(h));
    told.between.push(betweenOf(h));
    layers.push({ weights, z, roots, slopes });
  }
  let gradient = nearlyNormal(seed, 1, count);
  told.gradients.push(deviation(gradient));
  for (const { weights, z, roots, slopes } of layers.reverse()) {
    const back = gradient.map((value, i) => scale * value * slopes[i]);
    if (roots) normaliseBack(back, z, roots);
    const below = productBack(weights, back, width, std);
    gradient = below.map((value, i) => kept * gradient[i] + value);
    told.gradients.push(deviation(gradient));
  }
  told.gradients.reverse();
  return told;
}

export function activate(activation, z) {
  if (activation === "sigmoid") {
    const answer = 1 / (1 + Math.exp(-z));
    return [answer, answer * (1 - answer)];
  }
  if (activation === "tanh") {
    const answer = Math.tanh(z);
    return [answer, 1 - answer * answer];
  }
  if (activation === "relu") return z > 0 ? [z, 1] : [0, 0];
  return [z, 1];
}

// std times weights times h. Four rows of h at a time: that halves the time, and every width allows it.
function product(weights, h, width, std) {
  const z = new Float64Array(width * BATCH);
  for (let unit = 0; unit < width; unit += 1) {
    const here = unit * BATCH;
    for (let from = 0; from < width; from += 4) {
      const at = unit * width + from;
      const [a, b, c, d] = [std * weights[at], std * weights[at + 1], std * weights[at + 2], std * weights[at + 3]];
      const first = from * BATCH;
      for (let i = 0; i < BATCH; i += 1) {
        z[here + i] += a * h[first + i] + b * h[first + BATCH + i]
          + c * h[first + 2 * BATCH + i] + d * h[first + 3 * BATCH + i];
      }
    }
  }
  return z;
}

// The same with the weights turned over.
function productBack(weights, back, width, std) {
  const turned = new Float64Array(width * width);
  for (let i = 0; i < turned.length; i += 1) turned[(i % width) * width + Math.floor(i / width)] = weights[i];
  return product(turned, back, width, std);
}

// Each unit to mean 0 and variance 1 over the batch, in place; what each was divided by.
function normalise(z) {
  return upTo(z.length / BATCH).map((unit) => {
    const row = z.subarray(unit * BATCH, (unit + 1) * BATCH);
    const middle = mean(row);
    let square = 0;
    for (let i = 0; i < BATCH; i += 1) {
      row[i] -= middle;
      square += row[i] * row[i];
    }
    const root = Math.sqrt(square / BATCH + EPSILON);
    for (let i = 0; i < BATCH; i += 1) row[i] /= root;
    return root;
  });
}

function normaliseBack(back, z, roots) {
  roots.forEach((root, unit) => {
    const row = back.subarray(unit * BATCH, (unit + 1) * BATCH);
    const normal = z.subarray(unit * BATCH, (unit + 1) * BATCH);
    const middle = mean(row);
    let along = 0;
    for (let i = 0; i < BATCH; i += 1) along += row[i] * normal[i];
    along /= BATCH;
    for (let i = 0; i < BATCH; i += 1) row[i] = (row[i] - middle - normal[i] * along) / root;
  });
}

function mean(values) {
  let total = 0;
  for (let i = 0; i < values.length; i += 1) total += values[i];
  return total / values.length;
}

function deviation(values) {
  const middle = mean(values);
  let square = 0;
  for (let i = 0; i < values.length; i += 1) square += (values[i] - middle) ** 2;
  return Math.sqrt(square / values.length);
}

function betweenOf(values) {
  let square = 0;
  let whole = 0;
  for (let at = 0; at < values.length; at += BATCH) {
    const row = values.subarray(at, at + BATCH);
    const middle = mean(row);
    for (let i = 0; i < BATCH; i += 1) {
      square += (row[i] - middle) ** 2;
      whole += row[i] * row[i];
    }
  }
  const found = Math.sqrt(square / values.length);
  return found < NOUGHT * Math.sqrt(whole / values.length) ? null : found;
}

// ---- What it is called.

export function predicted(state) {
  if (state.normalisation !== "none" || state.skip !== "none") return null;
  if (!["relu", "linear"].includes(state.activation)) return null;
  return spread(state) * Math.sqrt(state.width * (state.activation === "relu" ? 0.5 : 1));
}

export function report(state, { between, gradients, flat, dead }) {
  const [first, last] = [between[0], between.at(-1)];
  const forwards = last === null ? null : last / first;
  const backwards = gradients[0] / gradients.at(-1);
  const lost = between.indexOf(null);
  return {
    signal: forwards === null ? "vanishes" : kind(forwards),
    gradient: kind(backwards),
    forwards,
    backwards,
    lost: lost < 0 ? null : lost,
    predicted: predicted(state),
    flat: mean(flat),
    dead: mean(dead),
  };
}

export function kind(share) {
  if (share * SOME < 1) return share * ENOUGH < 1 ? "vanishes" : "shrinks";
  if (share > SOME) return share > ENOUGH ? "bursts" : "grows";
  return "stays";
}

// ---- Numbers of any size, in short.

export function power(exponent) {
  return `10${String(exponent).replace(/[-\d]/g, (sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)])}`;
}

export function written(value) {
  if (value === 0) return "0";
  let exponent = Math.floor(Math.log10(value));
  if (exponent > -4 && exponent < 4) return fixedPoint(value, Math.max(0, 1 - exponent));
  let figures = fixedPoint(value / 10 ** exponent, 1);
  if (figures === "10.0") [figures, exponent] = ["1.0", exponent + 1];
  return `${figures} · ${power(exponent)}`;
}
