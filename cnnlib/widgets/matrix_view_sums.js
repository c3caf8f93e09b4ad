// One small convolution as products: which numbers meet, and where each stands in every picture. The
// twin of matrix_view_sums.py, which says what the pictures' places are; and of MatrixView.settled.

import { outputSize } from "./geometry.js";
import { same, upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const SETTINGS = ["in_channels", "height", "width", "out_channels", "kernel_size", "stride",
  "padding", "dilation", "groups"];
const SHAPES = SETTINGS.slice(0, -1);
export const PICTURES = ["input", "kernel", "output", "toeplitz", "rows", "columns"];
export const FORMS = ["toeplitz", "im2col"];
const HOMES = { toeplitz: "toeplitz", rows: "im2col", columns: "im2col" }; // the others: both

export function outSize({ height, width, kernel_size, stride, padding, dilation }) {
  const window = { kernel_size, stride, padding, dilation };
  return [outputSize(height, window), outputSize(width, window)];
}

export function isLegible(s, most) {
  let size;
  try {
    size = outSize(s);
  } catch {
    return false;
  }
  return s.in_channels * s.height * s.width <= most && s.out_channels * size[0] * size[1] <= most
    && s.in_channels * s.kernel_size ** 2 <= most;
}

function presetOf(s, presets) {
  return Object.keys(presets).find((name) => SETTINGS.every((n) => presets[name][n] === s[n])) ?? "";
}

// {kernel, channel, tapRow, tapColumn, window, row, column}, output by output.
export function products(s) {
  const [rows, columns] = outSize(s);
  const [eachIn, eachOut] = [s.in_channels / s.groups, s.out_channels / s.groups];
  const found = [];
  const taps = upTo(s.kernel_size);
  for (const kernel of upTo(s.out_channels)) {
    for (const window of upTo(rows * columns)) {
      const [y, x] = [Math.floor(window / columns), window % columns];
      for (const channel of upTo(eachIn)) {
        for (const tapRow of taps) {
          for (const tapColumn of taps) {
            found.push({
              kernel, channel: Math.floor(kernel / eachOut) * eachIn + channel, tapRow, tapColumn, window,
              row: y * s.stride - s.padding + tapRow * s.dilation,
              column: x * s.stride - s.padding + tapColumn * s.dilation,
            });
          }
        }
      }
    }
  }
  return found;
}

export function isReal(s, { row, column }) {
  return row >= 0 && row < s.height && column >= 0 && column < s.width;
}

// Where a product's numbers stand: {picture: [row, column]}; padding: [channel, row, column].
export function places(s, p) {
  const [rows, columns] = outSize(s);
  const [taps, cells] = [s.kernel_size ** 2, s.height * s.width];
  const tap = p.tapRow * s.kernel_size + p.tapColumn;
  const flat = p.channel * taps + tap;
  const own = (p.channel % (s.in_channels / s.groups)) * taps + tap;
  const found = {
    kernel: [p.kernel, own],
    output: [p.kernel, p.window],
    rows: [p.kernel, flat],
    columns: [flat, p.window],
  };
  if (!isReal(s, p)) return { ...found, padding: [p.channel, p.row, p.column] };
  const cell = p.row * s.width + p.column;
  return {
    ...found,
    input: [p.channel, cell],
    toeplitz: [p.kernel * rows * columns + p.window, p.channel * cells + cell],
  };
}

export function sizes(s) {
  const [rows, columns] = outSize(s);
  const [cells, windows, taps] = [s.height * s.width, rows * columns, s.kernel_size ** 2];
  return {
    input: [s.in_channels, cells],
    kernel: [s.out_channels, (s.in_channels / s.groups) * taps],
    output: [s.out_channels, windows],
    toeplitz: [s.out_channels * windows, s.in_channels * cells],
    rows: [s.out_channels, s.in_channels * taps],
    columns: [s.in_channels * taps, windows],
  };
}

// The numbers in every picture; null where a matrix stores none.
export function values(s) {
  const shape = sizes(s);
  const table = ([tall, wide], value) => upTo(tall).map(() => new Array(wide).fill(value));
  const tables = Object.fromEntries(PICTURES.map((name) =>
    [name, table(shape[name], name === "output" ? 0 : null)]));
  const [channels, cells] = shape.input;
  tables.input = upTo(channels).map((c) => upTo(cells).map((i) => c * cells + i));
  for (const { p, at } of placed(s)) {
    const [flat] = at.columns;
    const weight = (((flat + 5 * p.kernel) % 9) + 1) * (p.channel % 2 ? -1 : 1);
    const number = at.input ? tables.input[at.input[0]][at.input[1]] : 0;
    for (const name of ["kernel", "rows", "toeplitz"]) {
      if (at[name]) tables[name][at[name][0]][at[name][1]] = weight;
    }
    tables.columns[flat][p.window] = number;
    tables.output[p.kernel][p.window] += weight * number;
  }
  return tables;
}

// The products of the layer that was asked for last, each with its places: a pointer that moves over
// the pictures asks for the same ones again and again.
const last = { layer: null, found: [] };

function placed(s) {
  const layer = SETTINGS.map((name) => s[name]);
  if (!same(layer, last.layer)) {
    Object.assign(last, { layer, found: products(s).map((p) => ({ p, at: places(s, p) })) });
  }
  return last.found;
}

const meets = ({ at }, picture, [row, column]) => at[picture]?.[0] === row && at[picture][1] === column;

// The products that an entry takes part in.
export function meetings(s, picture, entry) {
  return placed(s).filter((one) => meets(one, picture, entry)).map(({ p }) => p);
}

// The entries of the im2col matrix that hold a zero of the padding, as texts.
export function paddingEntries(s) {
  return placed(s).filter(({ at }) => at.padding).map(({ at }) => at.columns.join());
}

// For every picture, and the padding, the entries that `entry` comes from or goes to.
export function lights(s, picture, entry) {
  const met = placed(s).filter((one) => meets(one, picture, entry)).map(({ at }) => at);
  if (!met.length) {
    const alone = { [picture]: entry };
    if (picture === "toeplitz") {
      const shape = sizes(s);
      alone.output = split(entry[0], shape.output[1]);
      alone.input = split(entry[1], shape.input[1]);
    }
    met.push(alone);
  }
  const found = Object.fromEntries([...PICTURES, "padding"].map((name) => [name, []]));
  const seen = new Set();
  for (const at of met) {
    for (const [name, place] of Object.entries(at)) {
      const key = `${name} ${place}`;
      if (!seen.has(key)) found[name].push(place);
      seen.add(key);
    }
  }
  return found;
}

export function split(index, size) {
  return [Math.floor(index / size), index % size];
}

export function counts(s) {
  const shape = sizes(s);
  const [[tall, wide], [high, windows]] = [shape.toeplitz, shape.columns];
  const at = placed(s).map((one) => one.at);
  const real = at.filter((place) => place.input);
  const different = (name) => new Set(real.map((place) => String(place[name]))).size;
  return {
    toeplitz: { rows: tall, columns: wide, entries: tall * wide, filled: real.length,
      stored: different("kernel"), products: tall * wide },
    im2col: { rows: high, columns: windows, entries: high * windows, filled: different("columns"),
      stored: different("input"), products: at.length },
  };
}

// ---- The twin of MatrixView.settled.

export function settled(changes, present, { limits, most, presets }) {
  const s = new Settling(changes, present);
  Object.assign(s.state, s.preset(presets));
  const start = { ...s.state };
  for (const name of SHAPES) s.whole(name, ...limits[name]);
  if (!isLegible(s.state, most)) approach(s, start, most);
  settleGroups(s);
  s.oneOf("form", FORMS);
  s.oneOf("picture", PICTURES);
  const home = HOMES[s.state.picture];
  if (home && home !== s.state.form) {
    if (s.asks("picture") && !s.asks("form")) s.take("form", home);
    else {
      s.refuse("picture", "picture.expected", { form: home });
      if (!s.asks("entry")) s.take("entry", outputOf(s.state));
      s.take("picture", "output");
    }
  }
  s.place("entry", sizes(s.state)[s.state.picture]);
  s.take("preset", presetOf(s.state, presets));
  return s.done();
}

// The largest common divisor of the channels that is no more than what was asked for.
function settleGroups(s) {
  const [wanted, divisors] = [s.wanted("groups"), groupings(s.state)];
  const near = Number.isInteger(wanted) ? wanted : s.state.groups;
  const groups = divisors.findLast((n) => n <= near) ?? 1;
  if (groups !== wanted) s.refuse("groups", "groups.expected", { options: divisors.join(", ") });
  s.take("groups", groups);
}

// An output that an entry of a matrix takes part in, for when that matrix goes out of sight.
function outputOf({ picture, entry: [row, column], ...s }) {
  if (picture === "columns") return [0, column];
  return picture === "rows" ? [row, 0] : split(row, sizes(s).output[1]);
}

// Takes what was asked for one by one, each as far as the layer stays legible.
function approach(s, start, most) {
  const asked = Object.fromEntries(SHAPES.map((name) => [name, s.state[name]]));
  for (const name of SHAPES) s.take(name, start[name]);
  for (const name of SHAPES) {
    const step = Math.sign(start[name] - asked[name]);
    let value = asked[name];
    while (!isLegible({ ...s.state, [name]: value }, most)) value += step;
    if (value !== asked[name]) s.refuse(name, "setting.expected", { most });
    s.take(name, value);
  }
}

// What `groups` can be: the common divisors of the channels.
export function groupings(s) {
  return upTo(s.in_channels).map((i) => i + 1)
    .filter((n) => s.in_channels % n === 0 && s.out_channels % n === 0);
}
