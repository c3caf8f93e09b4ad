// What each step of a plan does, forwards and backwards. A table: operation -> {open, forward, backward}.
// `open` gives what the step keeps, `forward` writes the output's numbers, `backward` adds the output's
// signal to the inputs' signals. The settings have torch's names (see plan.py).

import { LiveError } from "./arena.js";
import { conv2d, conv_transpose2d, linear } from "./convolution.js";
import { adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d } from "./pools.js";
import { CURVES } from "./curves.js";
import { isWhole } from "./parts.js";

const keep = (net, step) => step;
const product = (sizes) => sizes.reduce((one, other) => one * other, 1);

// How far apart neighbours along each axis lie.
export function stridesOf(shape) {
  const strides = new Array(shape.length);
  let at = 1;
  for (let d = shape.length - 1; d >= 0; d -= 1) {
    strides[d] = at;
    at *= shape[d];
  }
  return strides;
}

// Calls use(place in the whole, place in the other) for each number of `shape`, whose neighbours lie
// `strides` apart in the other.
function eachPlace(shape, strides, start, use) {
  eachPair(shape, [{ strides }, { strides }], (i, other) => use(i, start + other));
}

// ---- One number to one number.

// A rectifier, max(x, 0) or min(max(x, 0), max), or another clamp. RULES of rules.js is asked for the first.
const clamp = {
  local: true, // each number hangs on those at its own place

  open: (net, step) => ({ ...step, low: step.min ?? -Infinity, high: step.max ?? Infinity }),

  forward(net, { inputs, output }, { low, high }, part) {
    if (low === 0 && high === Infinity) {
      eachPiece(net.shapes[output], part, (start, count) => net.arena.kernel.rectify(
        net.address[inputs[0]] + 4 * start, net.address[output] + 4 * start, Math.ceil(count / 4)));
      return;
    }
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    for (let i = 0; i < x.length; i += 1) y[i] = Math.min(Math.max(x[i], low), high);
  },

  backward(net, { inputs, output }, { low, high }) {
    const [x, to, from] = [net.values(inputs[0]), net.signals(inputs[0]), net.signals(output)];
    if (low === 0) {
      const [ungated, unrectified] = [Number(!net.rule.gated), Number(!net.rule.rectified)];
      for (let i = 0; i < x.length; i += 1) { // products of 0 and 1, for a branch is often guessed wrong
        to[i] += from[i] * ((ungated | ((x[i] > 0) & (x[i] < high))) & (unrectified | (from[i] > 0)));
      }
      return;
    }
    net.refuseKinks("clamp", x, [low, high].filter(Number.isFinite));
    for (let i = 0; i < x.length; i += 1) if (x[i] > low && x[i] < high) to[i] += from[i];
  },
};

// Calls use(start, count) for the numbers of a part, whole rows of each map.
function eachPiece(shape, part, use) {
  if (!part || isWhole(part, shape)) {
    use(0, product(shape));
    return;
  }
  const [, channels, height, width] = shape;
  const [top, bottom] = part;
  for (let c = 0; c < channels; c += 1) use((c * height + top) * width, (bottom - top) * width);
}

const bend = {
  local: true,

  open(net, step) {
    const curve = CURVES[step.curve];
    if (!curve) throw new LiveError("plan", `the plan has a curve ${step.curve}, which the engine does not know`);
    return { curve, slope: step.slope };
  },

  forward(net, { inputs, output }, { curve, slope }) {
    const [x, y, value] = [net.values(inputs[0]), net.values(output), curve.value];
    for (let i = 0; i < x.length; i += 1) y[i] = value(x[i], slope);
  },

  backward(net, { inputs, output, curve: name }, { curve, slope }) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    if (curve.kinks) net.refuseKinks(name, x, curve.kinks);
    for (let i = 0; i < x.length; i += 1) to[i] += from[i] * curve.slope(x[i], y[i], slope);
  },
};

const scale = {
  local: true,
  open: keep,

  forward(net, { inputs, output }, { times, plus }) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    for (let i = 0; i < x.length; i += 1) y[i] = x[i] * times + plus;
  },

  backward(net, { inputs, output }, { times }) {
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    for (let i = 0; i < to.length; i += 1) to[i] += from[i] * times;
  },
};

// ---- Normalisation.

// At test batch normalisation is a scale and a shift a channel.
const batch_norm = {
  local: true,
  open: (net, step) => ({ ...step, plane: product(net.shapes[step.output].slice(2)) }),

  load(net, s) {
    const [mean, variance] = [net.tensor(s.running_mean), net.tensor(s.running_var)];
    const weight = s.weight && net.tensor(s.weight);
    const bias = s.bias && net.tensor(s.bias);
    s.times = Float64Array.from(variance, (v, c) => (weight ? weight[c] : 1) / Math.sqrt(v + s.eps));
    s.plus = s.times.map((t, c) => (bias ? bias[c] : 0) - mean[c] * t);
  },

  forward(net, { inputs, output }, { plane, times, plus }) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    for (let c = 0; c < times.length; c += 1) {
      const [t, p, end] = [times[c], plus[c], (c + 1) * plane];
      for (let i = c * plane; i < end; i += 1) y[i] = x[i] * t + p;
    }
  },

  backward(net, { inputs, output }, { plane, times }) {
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    for (let c = 0; c < times.length; c += 1) {
      const [t, end] = [times[c], (c + 1) * plane];
      for (let i = c * plane; i < end; i += 1) to[i] += from[i] * t;
    }
  },
};

// Local response normalisation: y = x / (k + alpha / size * sum of x^2 over `size` channels)^beta.
const lrn = {
  local: true,
  open(net, step) {
    const [, channels, ...grid] = net.shapes[step.output];
    const bases = new Float64Array(net.sizes[step.output]);
    return { ...step, channels, plane: product(grid), bases };
  },

  forward(net, { inputs, output }, { size, alpha, beta, k, channels, plane, bases }) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    const below = Math.floor(size / 2);
    const above = Math.floor((size - 1) / 2);
    for (let i = 0; i < plane; i += 1) {
      for (let c = 0; c < channels; c += 1) {
        let sum = 0;
        for (let o = Math.max(0, c - below); o <= Math.min(channels - 1, c + above); o += 1) sum += x[o * plane + i] ** 2;
        bases[c * plane + i] = k + (alpha / size) * sum;
      }
    }
    for (let i = 0; i < x.length; i += 1) y[i] = x[i] / bases[i] ** beta;
  },

  backward(net, { inputs, output }, { size, alpha, beta, channels, plane, bases }) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    if (net.passesOverNorms) {
      for (let i = 0; i < to.length; i += 1) to[i] += from[i];
      return;
    }
    const below = Math.floor(size / 2);
    const above = Math.floor((size - 1) / 2);
    for (let i = 0; i < plane; i += 1) {
      for (let c = 0; c < channels; c += 1) {
        const here = c * plane + i;
        let sum = 0; // of the channels in whose window this one lies
        for (let o = Math.max(0, c - above); o <= Math.min(channels - 1, c + below); o += 1) {
          const there = o * plane + i;
          sum += (from[there] * y[there]) / bases[there];
        }
        to[here] += from[here] / bases[here] ** beta - ((2 * alpha * beta) / size) * x[here] * sum;
      }
    }
  },
};

const softmax = {
  open(net, { inputs, dim, log }) {
    const shape = net.shapes[inputs[0]];
    return { log, length: shape[dim], inner: product(shape.slice(dim + 1)), outer: product(shape.slice(0, dim)) };
  },

  forward(net, { inputs, output }, { log, length, inner, outer }) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    eachLine(length, inner, outer, (start) => {
      let top = -Infinity;
      for (let i = 0; i < length; i += 1) top = Math.max(top, x[start + i * inner]);
      let sum = 0;
      for (let i = 0; i < length; i += 1) sum += Math.exp(x[start + i * inner] - top);
      for (let i = 0; i < length; i += 1) {
        const at = start + i * inner;
        y[at] = log ? x[at] - top - Math.log(sum) : Math.exp(x[at] - top) / sum;
      }
    });
  },

  backward(net, { inputs, output }, { log, length, inner, outer }) {
    const [y, to, from] = [net.values(output), net.signals(inputs[0]), net.signals(output)];
    eachLine(length, inner, outer, (start) => {
      let sum = 0;
      for (let i = 0; i < length; i += 1) sum += from[start + i * inner] * (log ? 1 : y[start + i * inner]);
      for (let i = 0; i < length; i += 1) {
        const at = start + i * inner;
        to[at] += log ? from[at] - Math.exp(y[at]) * sum : y[at] * (from[at] - sum);
      }
    });
  },
};

function eachLine(length, inner, outer, use) {
  for (let o = 0; o < outer; o += 1) for (let i = 0; i < inner; i += 1) use(o * length * inner + i);
}

// ---- Two tensors.

const FUNCTIONS = {
  add: { value: (a, b) => a + b, first: () => 1, second: () => 1 },
  sub: { value: (a, b) => a - b, first: () => 1, second: () => -1 },
  mul: { value: (a, b) => a * b, first: (a, b) => b, second: (a) => a },
  div: { value: (a, b) => a / b, first: (a, b) => 1 / b, second: (a, b) => -a / (b * b) },
  maximum: { value: Math.max, first: share((a, b) => a > b), second: share((a, b) => b > a) },
  minimum: { value: Math.min, first: share((a, b) => a < b), second: share((a, b) => b < a) },
};

// Of equal numbers each gets half, as in torch.
function share(wins) {
  return (a, b) => (a === b ? 0.5 : Number(wins(a, b)));
}

// Tensors of different shapes are spread out over each other, as in torch. One may be a constant.
const binary = {
  local: true,
  open(net, step) {
    const shape = net.shapes[step.output];
    const inputs = [...step.inputs];
    const sides = [step.first, step.second].map((constant) => {
      const value = constant ? null : inputs.shift();
      return { constant, value, strides: spread(constant?.shape ?? net.shapes[value], shape) };
    });
    const same = sides.every(({ constant, value }) => !constant && net.sizes[value] === net.sizes[step.output]);
    return { sides, shape, same, rule: FUNCTIONS[step.function] };
  },

  forward(net, { output }, { sides, shape, same, rule }) {
    const [a, b] = sides.map((side) => numbersOf(net, side));
    const y = net.values(output);
    if (same) for (let i = 0; i < y.length; i += 1) y[i] = rule.value(a[i], b[i]);
    else eachPair(shape, sides, (i, p, q) => { y[i] = rule.value(a[p], b[q]); });
  },

  backward(net, { output }, { sides, shape, rule }) {
    const [a, b] = sides.map((side) => numbersOf(net, side));
    const from = net.signals(output);
    const [first, second] = sides.map(({ constant, value }) => (constant ? null : net.signals(value)));
    eachPair(shape, sides, (i, p, q) => {
      if (first) first[p] += from[i] * rule.first(a[p], b[q]);
      if (second) second[q] += from[i] * rule.second(a[p], b[q]);
    });
  },

  learn(net, { output }, { sides, shape, rule }) {
    const [a, b] = sides.map((side) => numbersOf(net, side));
    const from = net.signals(output);
    const [first, second] = sides.map(({ constant }) => constant && net.owedFor(constant));
    eachPair(shape, sides, (i, p, q) => {
      if (first) first[p] += from[i] * rule.first(a[p], b[q]);
      if (second) second[q] += from[i] * rule.second(a[p], b[q]);
    });
  },
};

const numbersOf = (net, { constant, value }) => (constant ? net.tensor(constant) : net.values(value));

// The strides of a tensor seen as one of the larger shape; 0 along axes where it is spread out.
function spread(shape, larger) {
  const missing = larger.length - shape.length;
  const strides = stridesOf(shape);
  return larger.map((size, d) => (d < missing || shape[d - missing] === 1 ? 0 : strides[d - missing]));
}

function eachPair(shape, [first, second], use) {
  const index = new Array(shape.length).fill(0);
  const count = product(shape);
  let p = 0;
  let q = 0;
  for (let i = 0; i < count; i += 1) {
    use(i, p, q);
    for (let d = shape.length - 1; d >= 0; d -= 1) {
      index[d] += 1;
      p += first.strides[d];
      q += second.strides[d];
      if (index[d] < shape[d]) break;
      p -= first.strides[d] * shape[d];
      q -= second.strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

// ---- Sums over axes.

const reduce = {
  open(net, { inputs, dims, function: name }) {
    const shape = net.shapes[inputs[0]];
    const kept = shape.map((size, d) => (dims.includes(d) ? 1 : size));
    const strides = spread(kept, shape);
    return { name, shape, strides, count: product(dims.map((d) => shape[d])) };
  },

  forward(net, { inputs, output }, { name, shape, strides, count }) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    if (name === "amax") {
      y.fill(-Infinity);
      eachPlace(shape, strides, 0, (i, o) => { y[o] = Math.max(y[o], x[i]); });
      return;
    }
    const sums = new Float64Array(y.length);
    eachPlace(shape, strides, 0, (i, o) => { sums[o] += x[i]; });
    const divisor = name === "mean" ? count : 1;
    for (let o = 0; o < y.length; o += 1) y[o] = sums[o] / divisor;
  },

  backward(net, { inputs, output }, { name, shape, strides, count }) {
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    if (name !== "amax") {
      const share = name === "mean" ? 1 / count : 1;
      eachPlace(shape, strides, 0, (i, o) => { to[i] += from[o] * share; });
      return;
    }
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    const winners = new Int32Array(y.length);
    eachPlace(shape, strides, 0, (i, o) => { winners[o] += Number(x[i] === y[o]); });
    eachPlace(shape, strides, 0, (i, o) => { if (x[i] === y[o]) to[i] += from[o] / winners[o]; });
  },
};

// ---- Numbers that only move: each is a walk over places.

function mover(placesOf) {
  return {
    open: (net, step) => placesOf(net, step),

    forward(net, { inputs, output }, { shape, strides, start, whole, value }) {
      const [x, y] = [net.values(inputs[0]), net.values(output)];
      if (whole === "output") eachPlace(shape, strides, start, (i, other) => { y[i] = x[other]; });
      else {
        y.fill(value);
        eachPlace(shape, strides, start, (i, other) => { y[other] = x[i]; });
      }
    },

    backward(net, { inputs, output }, { shape, strides, start, whole }) {
      const [to, from] = [net.signals(inputs[0]), net.signals(output)];
      if (whole === "output") eachPlace(shape, strides, start, (i, other) => { to[other] += from[i]; });
      else eachPlace(shape, strides, start, (i, other) => { to[i] += from[other]; });
    },
  };
}

const permute = mover((net, { inputs, output, order }) => {
  const strides = stridesOf(net.shapes[inputs[0]]);
  return { shape: net.shapes[output], strides: order.map((d) => strides[d]), start: 0, whole: "output" };
});

// Behind a select the axis is gone; the shape with it is the input's with another length.
const slice = mover((net, { inputs, output, dim, start, step }) => {
  const before = net.shapes[inputs[0]];
  const strides = stridesOf(before);
  const length = (net.sizes[output] * before[dim]) / net.sizes[inputs[0]];
  return {
    shape: before.map((size, d) => (d === dim ? length : size)),
    strides: strides.map((s, d) => (d === dim ? s * step : s)),
    start: start * strides[dim],
    whole: "output",
  };
});

const pad = mover((net, { inputs, output, before, value }) => {
  const strides = stridesOf(net.shapes[output]);
  const start = before.reduce((sum, b, d) => sum + b * strides[d], 0);
  return { shape: net.shapes[inputs[0]], strides, start, whole: "input", value };
});

const expand = mover((net, { inputs, output }) => ({
  shape: net.shapes[output], strides: spread(net.shapes[inputs[0]], net.shapes[output]), start: 0, whole: "output",
}));

const reshape = {
  open: keep,
  forward(net, { inputs, output }) { net.values(output).set(net.values(inputs[0])); },
  backward(net, { inputs, output }) {
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    for (let i = 0; i < to.length; i += 1) to[i] += from[i];
  },
};

const cat = {
  local: true,
  open(net, { inputs, output, dim }) {
    const inner = product(net.shapes[output].slice(dim + 1));
    const outer = product(net.shapes[output].slice(0, dim));
    let at = 0;
    const parts = inputs.map((value) => {
      const length = net.shapes[value][dim] * inner;
      at += length;
      return { value, length, start: at - length };
    });
    return { parts, outer, row: at };
  },

  forward(net, { output }, { parts, outer, row }) {
    const y = net.values(output);
    for (const { value, length, start } of parts) {
      const x = net.values(value);
      for (let o = 0; o < outer; o += 1) y.set(x.subarray(o * length, (o + 1) * length), o * row + start);
    }
  },

  backward(net, { output }, { parts, outer, row }) {
    const from = net.signals(output);
    for (const { value, length, start } of parts) {
      const to = net.signals(value);
      for (let o = 0; o < outer; o += 1) {
        for (let i = 0; i < length; i += 1) to[o * length + i] += from[o * row + start + i];
      }
    }
  },
};

const upsample_nearest2d = {
  open(net, { inputs, output }) {
    const [, , height, width] = net.shapes[inputs[0]];
    const [, channels, rows, columns] = net.shapes[output];
    return { height, width, channels, rows, columns };
  },

  forward(net, { inputs, output }, s) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    eachCopy(s, (i, o) => { y[o] = x[i]; });
  },

  backward(net, { inputs, output }, s) {
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    eachCopy(s, (i, o) => { to[i] += from[o]; });
  },
};

function eachCopy({ height, width, channels, rows, columns }, use) {
  for (let o = 0; o < channels * rows * columns; o += 1) {
    const x = Math.floor(((o % columns) * width) / columns);
    const y = Math.floor(((Math.floor(o / columns) % rows) * height) / rows);
    use((Math.floor(o / (rows * columns)) * height + y) * width + x, o);
  }
}

export const OPERATORS = {
  conv2d, conv_transpose2d, linear, batch_norm, clamp, bend, scale, binary, max_pool2d, avg_pool2d,
  adaptive_avg_pool2d, adaptive_max_pool2d, reduce, softmax, lrn, cat, reshape, permute, slice, pad,
  expand, upsample_nearest2d,
};
