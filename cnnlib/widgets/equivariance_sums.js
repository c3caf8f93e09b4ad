// Equivariance, the sums: a small stack, a move of the picture, and both orders of the two.
//
// equivariance_sums.py is the twin, name by name, and says what each is; a browser test holds them
// equal. A map is an array of rows.

import { same, upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const SIDE = 36;
export const KERNELS = {
  edge: [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
  corner: [[-1, -1, -1], [-1, 2, 1], [-1, 1, 1]],
  spot: [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
  blur: [[1, 2, 1], [2, 4, 2], [1, 2, 1]].map((row) => row.map((n) => n / 16)),
  copy: [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
};
export const STRIDES = [1, 3];
export const POOL_SIZES = [2, 4];
export const FARTHEST = SIDE / 2;
export const ANGLES = upTo(25).map((i) => 15 * i - 180);
export const PERCENTS = upTo(16).map((i) => 10 * i + 50);
export const RESULTS = ["answer", "moved_first", "moved_last", "difference"];
const TINY = 1e-9;
const PIXELS = { start: 0, step: 1 };

// The twin of Equivariance.settled.
export function settled(changes, present, { pictures, names }) {
  const s = new Settling(changes, present);
  s.oneOf("picture", pictures.map(({ name }) => name));
  s.oneOf("kernel", names.kernel);
  s.whole("stride", ...STRIDES);
  s.oneOf("border", names.border);
  s.flag("relu");
  s.oneOf("pool", names.pool);
  s.whole("pool_size", ...POOL_SIZES);
  s.whole("pool_stride", ...STRIDES);
  s.oneOf("move", names.move);
  s.whole("down", -FARTHEST, FARTHEST);
  s.whole("right", -FARTHEST, FARTHEST);
  s.oneOf("angle", ANGLES);
  s.oneOf("percent", PERCENTS);
  return s.done();
}

export function gridOf({ stride, border, pool, pool_size: size, pool_stride: poolStride }) {
  const start = Number(border === "none");
  if (pool === "none") return { start, step: stride };
  return { start: start + (stride * (size - 1)) / 2, step: stride * poolStride };
}

const wrapped = (index, size) => ((index % size) + size) % size;

// For each window [row, column] of its first cell, `fold` gives what the map has there. `ends` are
// the cells that a window may reach into, before and behind the map.
/**
 * @param {number[][]} values  @param {number} size  @param {number} stride  @param {number[]} ends
 * @template Found  @param {(row: number, column: number) => Found} fold
 */
function overWindows(values, size, stride, [before, behind], fold) {
  const places = (length) => upTo(Math.floor((length + before + behind - size) / stride) + 1)
    .map((i) => i * stride - before);
  return places(values.length).map((row) =>
    places(values[0].length).map((column) => fold(row, column)));
}

// Reads a map: `outside` behind its edges, or the map anew.
function reader(values, wraps, outside) {
  const [rows, columns] = [values.length, values[0].length];
  if (wraps) return (row, column) => values[wrapped(row, rows)][wrapped(column, columns)];
  return (row, column) => values[row]?.[column] ?? outside;
}

const convolutionEnds = { zero: [1, 1], none: [0, 0], circular: [1, 1] };

function poolEnds({ border, pool_size: size }) {
  return border === "circular" ? [0, size - 1] : [0, 0];
}

export function answer(picture, stack, weights = KERNELS[stack.kernel]) {
  const { border, relu, stride, pool, pool_size: size, pool_stride: poolStride } = stack;
  const pixel = reader(picture, border === "circular", 0);
  const values = overWindows(picture, 3, stride, convolutionEnds[border], (row, column) => {
    let sum = 0;
    for (let i = 0; i < 3; i += 1) {
      for (let j = 0; j < 3; j += 1) sum += weights[i][j] * pixel(row + i, column + j);
    }
    return relu ? Math.max(sum, 0) : sum;
  });
  if (pool === "none") return values;
  const cell = reader(values, border === "circular", 0);
  return overWindows(values, size, poolStride, poolEnds(stack), (row, column) => {
    const window = upTo(size * size).map((i) => cell(row + Math.floor(i / size), column + (i % size)));
    return pool === "max" ? Math.max(...window) : window.reduce((a, b) => a + b, 0) / size ** 2;
  });
}

export function readsInside(inside, stack, closes) {
  const { border, stride, pool, pool_size: size, pool_stride: poolStride } = stack;
  const all = (values, side, step, ends) => {
    const read = reader(values, border === "circular" && closes, false);
    return overWindows(values, side, step, ends, (row, column) =>
      upTo(side * side).every((i) => read(row + Math.floor(i / side), column + (i % side))));
  };
  const found = all(inside, 3, stride, convolutionEnds[border]);
  return pool === "none" ? found : all(found, size, poolStride, poolEnds(stack));
}

export function origin(move, row, column) {
  if (move.move === "shift") return [row - move.down, column - move.right];
  const middle = (SIDE - 1) / 2;
  const [y, x] = [row - middle, column - middle];
  if (move.move === "scale") {
    return [(y * 100) / move.percent + middle, (x * 100) / move.percent + middle];
  }
  const [cos, sin] = [cosine(move.angle), cosine(move.angle - 90)];
  return [y * cos + x * sin + middle, x * cos - y * sin + middle];
}

function cosine(degrees) {
  if (degrees % 90 === 0) return [1, 0, -1, 0][wrapped(degrees / 90, 4)];
  return Math.cos((Math.PI * degrees) / 180);
}

export function moved(values, inside, grid, move, wraps) {
  const [rows, columns] = [values.length, values[0].length];
  const out = values.map((row) => row.map(() => 0));
  const clean = values.map((row) => row.map(() => true));
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const [y, x] = origin(move, grid.start + grid.step * row, grid.start + grid.step * column)
        .map((place) => neighbours(snapped((place - grid.start) / grid.step)));
      for (const [nearY, shareY] of y) {
        for (const [nearX, shareX] of x) {
          const [i, j] = wraps ? [wrapped(nearY, rows), wrapped(nearX, columns)] : [nearY, nearX];
          const there = i >= 0 && i < rows && j >= 0 && j < columns;
          if (there) out[row][column] += shareY * shareX * values[i][j];
          clean[row][column] &&= there && inside[i][j];
        }
      }
    }
  }
  return [out, clean];
}

function snapped(index) {
  const near = Math.floor(index + 0.5);
  return Math.abs(index - near) < TINY ? near : index;
}

function neighbours(index) {
  const low = Math.floor(index);
  const share = index - low;
  return share === 0 ? [[low, 1]] : [[low, 1 - share], [low + 1, share]];
}

export function isStill({ move, down, right, angle, percent }) {
  if (move === "shift") return down === 0 && right === 0;
  return move === "scale" ? percent === 100 : angle % 360 === 0;
}

export function turnedKernel(kernel, angle) {
  let weights = KERNELS[kernel];
  for (let i = wrapped(angle / 90, 4); i > 0; i -= 1) {
    weights = weights[0].map((_, column) => weights.map((row) => row[row.length - 1 - column]));
  }
  return weights;
}

const isQuarter = ({ move, angle }) => move === "turn" && angle % 90 === 0;
const most = (map) => map.reduce((high, row) =>
  row.reduce((most_, value) => Math.max(most_, Math.abs(value)), high), 0);
const total = (map) => map.reduce((sum, row) => row.reduce((s, value) => s + Math.abs(value), sum), 0);
const both = (one, other, how) => one.map((row, i) => row.map((value, j) => how(value, other[i][j])));

function orders(picture, state, stack, weights) {
  const wraps = state.border === "circular";
  const closes = wraps && (state.move === "shift" || isQuarter(state));
  const whole = picture.map((row) => row.map(() => true));
  const grid = gridOf(stack);
  const [shifted, clean] = moved(picture, whole, PIXELS, state, wraps);
  const first = answer(shifted, stack, weights);
  let firstInside = readsInside(clean, stack, closes);
  const [plain, plainInside] = [answer(picture, stack), readsInside(whole, stack, closes)];
  const [last, mixed] = moved(plain, plainInside, grid, state, wraps);
  let lastInside = mixed;
  if (wraps && !closes) {
    lastInside = both(mixed, moved(plain, plainInside, grid, state, false)[1], (a, b) => a && b);
    firstInside = readsInside(moved(picture, whole, PIXELS, state, false)[1], stack, false);
  }
  const difference = both(first, last, (a, b) => (Math.abs(a - b) <= TINY ? 0 : a - b));
  const inside = both(firstInside, lastInside, (a, b) => a && b);
  return {
    maps: { moved: shifted, answer: plain, moved_first: first, moved_last: last, difference },
    inside,
    largest: most(difference),
    largest_inside: inside.flat().includes(true)
      ? most(both(difference, inside, (value, is) => (is ? value : 0))) : null,
  };
}

export function report(picture, state) {
  const told = orders(picture, state, state);
  const { maps } = told;
  let control = null;
  if (told.largest_inside) {
    if (state.move === "shift") {
      control = orders(picture, state, { ...state, stride: 1, pool_stride: 1 }).largest_inside;
    } else if (isQuarter(state)) {
      control = orders(picture, state, state, turnedKernel(state.kernel, state.angle)).largest_inside;
    }
  }
  const { step } = gridOf(state);
  const size = total(maps.answer);
  const change = total(both(maps.moved_first, maps.answer, (a, b) => a - b));
  return {
    ...told,
    control,
    kind: kindOf(state, told, control, step),
    step,
    reach: Math.max(...RESULTS.map((name) => most(maps[name]))),
    differing: maps.difference.flat().filter(Boolean).length,
    unmoved: size ? change / size : null,
  };
}

function kindOf(state, told, control, step) {
  const { move, kernel, angle } = state;
  if (isStill(state)) return "still";
  const itself = isQuarter(state) && same(KERNELS[kernel], turnedKernel(kernel, angle));
  if (told.largest === 0) {
    if (move === "shift" && state.down % step === 0 && state.right % step === 0) return "equal.shift";
    return itself ? "equal.turn" : "equal";
  }
  if (told.largest_inside === null) return "unclear";
  if (told.largest_inside === 0) return "border";
  if (move === "shift") return "stride";
  if (!isQuarter(state)) return move;
  if (control === 0) return "kernel";
  return itself ? "grid" : "both";
}
