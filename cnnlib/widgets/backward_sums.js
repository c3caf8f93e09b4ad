// Backward: which numbers meet in a gradient, step by step. The twin of backward_sums.py.

import { same, upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const NAMES = [
  "mode", "preset", "rows", "columns", "size", "stride", "padding", "input", "kernel", "delta", "step",
];

const SIZES = ["rows", "columns", "size", "stride", "padding"];
const MAPS = ["input", "kernel", "delta"];
export const isPool = (mode) => mode === "max" || mode === "mean";
export const sizeOf = (map) => [map.length, map[0].length];
/** @type {(shape: number[], value: (row: number, column: number) => any) => any[][]} */
const grid = ([rows, columns], value) =>
  upTo(rows).map((row) => upTo(columns).map((column) => value(row, column)));

// Rows and columns of the output, and so of delta.
export function outputsOf({ rows, columns, size, stride, padding }) {
  return [rows, columns].map((n) => Math.floor((n + 2 * padding - size) / stride) + 1);
}

// Rows and columns that the steps go through: the gradient's own, or delta's.
export function stepGrid(state) {
  if (state.mode === "weight") return [state.size, state.size];
  if (state.mode === "input") return [state.rows, state.columns];
  return outputsOf(state);
}

export function stepsOf(state) {
  const [rows, columns] = stepGrid(state);
  return rows * columns;
}

export function placeOf(state, step) {
  const [, columns] = stepGrid(state);
  return [Math.floor(step / columns), step % columns];
}

// What meets in a sum of products: {at, value} of the input or the kernel, {out, delta} of delta.
export function termsOf(state, step) {
  const { mode, size, stride, padding, input, kernel, delta } = state;
  const [y, x] = placeOf(state, step);
  const [height, width] = outputsOf(state);
  const terms = [];
  for (let i = 0; i < height; i += 1) {
    for (let j = 0; j < width; j += 1) {
      const [top, left] = [i * stride - padding, j * stride - padding];
      const at = mode === "weight" ? [top + y, left + x] : [y - top, x - left];
      const value = mode === "weight" ? input[at[0]]?.[at[1]] ?? 0 : kernel[at[0]]?.[at[1]];
      const meets = mode === "weight" || (Math.max(...at) < size && Math.min(...at) >= 0);
      if (meets) terms.push({ at, value, out: [i, j], delta: delta[i][j] });
    }
  }
  return terms;
}

// The window of a pool's output: its places, and for max the winner and how many hold its value.
/** @param {any} state  @param {number[]} unit */
export function windowOf({ mode, size, stride, input }, [row, column]) {
  const places = grid([size, size], (y, x) => [row * stride + y, column * stride + x]).flat();
  if (mode !== "max") return { places, to: places };
  const value = ([y, x]) => input[y][x];
  const largest = Math.max(...places.map(value));
  const holders = places.filter((place) => value(place) === largest);
  return { places, to: [holders[0]], largest, ties: holders.length };
}

// The gradient after `step`, rows of numbers; null where its step has not come.
export function gradientAfter(state, step) {
  const { mode, rows, columns, size, delta } = state;
  if (mode === "weight" || mode === "input") {
    return grid(stepGrid(state), (row, column) => {
      const number = row * stepGrid(state)[1] + column;
      if (number > step) return null;
      return termsOf(state, number).reduce((sum, term) => sum + term.value * term.delta, 0);
    });
  }
  const found = grid(mode === "bias" ? [1, 1] : [rows, columns], () => 0);
  for (let number = 0; number <= step; number += 1) {
    const [i, j] = placeOf(state, number);
    const to = mode === "bias" ? [[0, 0]] : windowOf(state, [i, j]).to;
    // Whole ninths and quarters are added up, and divided at the end: 1/9 nine times is 1.
    for (const [y, x] of to) found[y][x] += delta[i][j];
  }
  const parts = mode === "mean" ? size ** 2 : 1;
  return found.map((line) => line.map((value) => value / parts));
}

// Delta with zeros put between its numbers, and padded until the flipped kernel gives the input's
// size: rows of {value, out}, out the place in delta or null for a zero that was put in; `inside`
// tells the zeros between from those around.
export function stuffedDelta(state) {
  const { rows, columns, size, stride, padding, delta } = state;
  const border = size - 1 - padding;
  const ends = outputsOf(state).map((n) => border + (n - 1) * stride);
  return grid([rows + size - 1, columns + size - 1], (y, x) => {
    const [i, j] = [(y - border) / stride, (x - border) / stride];
    const value = delta[i]?.[j];
    const inside = y >= border && x >= border && y <= ends[0] && x <= ends[1];
    return { value: value ?? 0, out: value === undefined ? null : [i, j], inside };
  });
}

export function flipped(kernel) {
  return [...kernel].reverse().map((row) => [...row].reverse());
}

// A map for a new size: numbers keep their places, new ones come out of the pattern.
export function resized(map, [rows, columns], pattern) {
  return grid([rows, columns], (y, x) =>
    map[y]?.[x] ?? pattern[y % pattern.length][x % pattern[0].length]);
}

// ------------------------------------------------------------------------------------- settling

// The twin of Backward.settled.
export function settled(changes, present, fixed) {
  const { presets, limits, largest, modes, patterns } = fixed;
  const s = new Settling(changes, present);
  const preset = s.preset(presets);
  if (preset) {
    const { modes: its, ...values } = preset;
    Object.assign(s.state, values);
    if (!its.includes(s.state.mode)) s.take("mode", its[0]);
    if (![...SIZES, ...MAPS, "step"].some((name) => s.asks(name))) s.take("step", 0);
  }
  const asked = s.oneOf("mode", modes);
  if (asked !== present.mode && !s.asks("step")) s.take("step", 0);
  sizesFromMaps(s, largest, limits);
  const pool = isPool(asked);
  s.whole("rows", ...limits.rows);
  s.whole("columns", ...limits.columns);
  s.whole("size", pool ? 2 : 1, limits.size[1]);
  s.whole("stride", ...limits.stride);
  s.whole("padding", 0, pool ? 0 : s.state.size - 1);
  settleMap(s, "input", [s.state.rows, s.state.columns], largest, patterns);
  settleMap(s, "kernel", [s.state.size, s.state.size], largest, patterns);
  settleMap(s, "delta", outputsOf(s.state), largest, patterns);
  s.whole("step", 0, stepsOf(s.state) - 1);
  s.take("preset", presetOf(s.state, presets));
  return s.done();
}

// Rows of equal length of whole numbers from -largest to largest.
function isMap(map, largest) {
  const isWhole = (value) => Number.isInteger(value) && Math.abs(value) <= largest;
  return Array.isArray(map) && map.length > 0 && map.every((row) => Array.isArray(row)
    && row.length > 0 && row.length === map[0].length && row.every(isWhole));
}

// Numbers that are asked for bring their sizes with them.
function sizesFromMaps(s, largest, limits) {
  const within = (name, n) => n >= limits[name][0] && n <= limits[name][1];
  const input = s.wanted("input");
  if (s.asks("input") && isMap(input, largest)) {
    const [rows, columns] = sizeOf(input);
    if (!s.asks("rows") && within("rows", rows)) s.take("rows", rows);
    if (!s.asks("columns") && within("columns", columns)) s.take("columns", columns);
  }
  const kernel = s.wanted("kernel");
  if (s.asks("kernel") && isMap(kernel, largest) && !s.asks("size")
    && kernel.length === kernel[0].length && within("size", kernel.length)) {
    s.take("size", kernel.length);
  }
}

function settleMap(s, name, size, largest, patterns) {
  const map = s.wanted(name);
  if (s.asks(name) && isMap(map, largest) && same(sizeOf(map), size)) {
    s.take(name, map);
    return;
  }
  s.refuse(name, "map.expected", { rows: size[0], columns: size[1], largest });
  s.take(name, resized(s.state[name], size, patterns[name]));
}

function presetOf(state, presets) {
  return Object.keys(presets).find((key) => {
    const { modes, ...values } = presets[key];
    return modes.includes(state.mode)
      && Object.entries(values).every(([name, value]) => same(state[name], value));
  }) ?? "";
}
