// A constant input through stacks of transposed convolutions, and of resizing and convolving: the
// twin of checkerboard_sums.py, and of Checkerboard.settled. A map is a list of rows.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const LIMITS = { kernel_size: [1, 6], stride: [1, 4], layers: [1, 3], seed: [1, 8] };
export const WEIGHTS = ["ones", "positive", "random"];
export const WAYS = ["transposed", "resize"];

export function settled(changes, present, { inputs }) {
  const s = new Settling(changes, present);
  s.oneOf("dimensions", [1, 2]);
  for (const name of ["kernel_size", "stride", "layers"]) s.whole(name, ...LIMITS[name]);
  s.oneOf("weights", WEIGHTS);
  s.whole("seed", ...LIMITS.seed);
  s.oneOf("way", WAYS);
  s.place("place", outputShape(s.state, inputs));
  return s.done();
}

const zeros = (rows, columns) => upTo(rows).map(() => new Array(columns).fill(0));
const shapeOf = (map) => [map.length, map[0].length];
export const total = (map) => map.flat().reduce((sum, value) => sum + value, 0);

function eachOf(map, call) {
  map.forEach((line, row) => line.forEach((value, column) => call(value, row, column)));
}

// The layers' kernels, first layer first.
export function kernelsOf(state, drawn) {
  const [rows, size] = kernelShape(state);
  if (state.weights === "ones") {
    return upTo(state.layers).map(() => upTo(rows).map(() => new Array(size).fill(1)));
  }
  return drawn[state.weights][state.seed - 1].slice(0, state.layers)
    .map((kernel) => kernel.slice(0, rows).map((line) => line.slice(0, size)));
}

const kernelShape = ({ dimensions, kernel_size: size }) => [dimensions === 2 ? size : 1, size];

const stridesOf = ({ dimensions, stride }) => [dimensions === 2 ? stride : 1, stride];

function inputShape({ dimensions }, inputs) {
  return [dimensions === 2 ? inputs[2] : 1, inputs[dimensions]];
}

// Rows and columns of the output of the stack in state.way.
export function outputShape(state, inputs) {
  const taps = kernelShape(state);
  const strides = stridesOf(state);
  return inputShape(state, inputs).map((first, axis) => {
    let size = first;
    for (let layer = 0; layer < state.layers; layer += 1) {
      size = size * strides[axis] + taps[axis] - (state.way === "transposed" ? strides[axis] : 1);
    }
    return size;
  });
}

// Each input stamps the kernel on the output, `strides` apart; stamps add up.
/** @param {number[][]} x  @param {number[][]} kernel  @param {number[]} strides */
function transposed(x, kernel, [down, across]) {
  const [rows, columns] = shapeOf(x);
  const [tall, wide] = shapeOf(kernel);
  const y = zeros((rows - 1) * down + tall, (columns - 1) * across + wide);
  eachOf(kernel, (weight, k, l) => {
    for (let row = 0; row < rows; row += 1) {
      const [from, to] = [x[row], y[row * down + k]];
      for (let column = 0; column < columns; column += 1) to[column * across + l] += weight * from[column];
    }
  });
  return y;
}

const turned = (kernel) => kernel.map((line) => [...line].reverse()).reverse();

/** @param {number[][]} x  @param {number[][]} kernel  @param {number[]} strides */
function resized(x, kernel, [down, across]) {
  const [rows, columns] = shapeOf(x);
  const large = upTo(rows * down).map((row) =>
    upTo(columns * across).map((column) => x[Math.floor(row / down)][Math.floor(column / across)]));
  return transposed(large, turned(kernel), [1, 1]);
}

// What a constant input of ones becomes in state.way.
export function output(state, { drawn, inputs }) {
  const layer = state.way === "transposed" ? transposed : resized;
  const [rows, columns] = inputShape(state, inputs);
  return kernelsOf(state, drawn).reduce((x, kernel) => layer(x, kernel, stridesOf(state)),
    zeros(rows, columns).map((line) => line.fill(1)));
}

// One period of the output far from the edges, or one value where all are equal.
export function inside(state, drawn) {
  const [down, across] = stridesOf(state);
  let x = [[1]];
  for (const kernel of kernelsOf(state, drawn)) {
    if (state.way === "resize") {
      x = x.map((line) => line.map((value) => value * total(kernel)));
      continue;
    }
    const [rows, columns] = shapeOf(x);
    const y = zeros(rows * down, columns * across);
    eachOf(kernel, (weight, k, l) => eachOf(x, (value, row, column) => {
      y[(row * down + k) % y.length][(column * across + l) % y[0].length] += weight * value;
    }));
    x = y;
  }
  return x.flat().some((value) => value !== x[0][0]) ? x : [[x[0][0]]];
}

// Multiplications of a weight with a value that is there, over all layers.
export function products(state, inputs) {
  const { dimensions, kernel_size: size, stride, way } = state;
  return upTo(state.layers).reduce((sum, layers) => {
    const [rows, columns] = outputShape({ ...state, layers }, inputs);
    return sum + rows * columns * (way === "resize" ? stride ** dimensions : 1) * size ** dimensions;
  }, 0);
}

// One layer backwards: how much of each of its inputs is in the weighted outputs.
/**
 * @param {number[][]} signal  @param {number[][]} kernel
 * @param {number[]} strides  @param {string} way
 */
function spreadBack(signal, kernel, [down, across], way) {
  const [rows, columns] = shapeOf(signal);
  const [tall, wide] = shapeOf(kernel);
  const [d, a] = way === "transposed" ? [down, across] : [1, 1];
  const used = way === "transposed" ? kernel : turned(kernel);
  const large = zeros(Math.floor((rows - tall) / d) + 1, Math.floor((columns - wide) / a) + 1);
  signal.forEach((line, row) => line.forEach((value, column) => {
    if (value === 0) return; // nearly all are
    eachOf(used, (weight, k, l) => {
      const [r, c] = [(row - k) / d, (column - l) / a];
      if (Number.isInteger(r) && Number.isInteger(c) && large[r]?.[c] !== undefined) {
        large[r][c] += weight * value;
      }
    });
  }));
  if (way === "transposed") return large;
  const x = zeros(large.length / down, large[0].length / across);
  eachOf(large, (value, row, column) => {
    x[Math.floor(row / down)][Math.floor(column / across)] += value;
  });
  return x;
}

// What reaches the output at state.place: {amount, ways} of each input, and the last layer's taps.
export function reaching(state, { drawn, inputs }) {
  const [rows, columns] = outputShape(state, inputs);
  let amount = zeros(rows, columns);
  amount[state.place[0]][state.place[1]] = 1;
  let ways = amount;
  for (const kernel of kernelsOf(state, drawn).reverse()) {
    const ones = kernel.map((line) => line.map(() => 1));
    amount = spreadBack(amount, kernel, stridesOf(state), state.way);
    ways = spreadBack(ways, ones, stridesOf(state), state.way);
  }
  return { amount, ways, taps: tapsAt(state, inputs) };
}

// The places of the last kernel that have an input under them.
function tapsAt(state, inputs) {
  const below = outputShape({ ...state, layers: state.layers - 1 }, inputs);
  const [rows, columns] = stridesOf(state).map((stride, axis) => {
    const count = kernelShape(state)[axis];
    return upTo(count).filter((k) => {
      const at = state.way === "transposed" ? (state.place[axis] - k) / stride
        : (state.place[axis] + k - count + 1) / stride;
      const whole = state.way === "resize" || Number.isInteger(at);
      return whole && at >= 0 && at < below[axis];
    });
  });
  return rows.flatMap((row) => columns.map((column) => [row, column]));
}
