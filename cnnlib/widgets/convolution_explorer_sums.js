// Convolution explorer, the sums: what a setting draws, which settings are legal, what they put out.
//
// The twin of convolution_explorer_sums.py where both have a function; browser tests hold it to
// Python and torch. All that is drawn follows from the links of axisOf(): (input position, kernel
// tap, output position) that meet along one axis. In 2-D a row's link and a column's link make a
// pair of cells.

import { inputIndices, outputSize, span } from "./geometry.js";
import { same, upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const SIZES = [
  "input_size", "kernel_size", "stride", "padding", "dilation", "output_padding",
];
export const SETTINGS = ["dimensions", "mode", ...SIZES];
const VALUES = { input_values: "input_size", kernel_values: "kernel_size" };

export const isScatter = (s) => s.mode === "transposed" && s.view === "scatter";
export const isStuffed = (s) => s.mode === "transposed" && s.view === "stuffed";

export const settingsOf = (s) => Object.fromEntries(SETTINGS.map((name) => [name, s[name]]));

export function windowOf(s) {
  return {
    kernel_size: s.kernel_size, stride: s.stride, padding: s.padding, dilation: s.dilation,
    output_padding: s.output_padding, transposed: s.mode === "transposed",
  };
}

// Values as rows, also in 1-D, and back.
export const asRows = (s, values) => (s.dimensions === 2 ? values : [values]);
export const fromRows = (s, rows) => (s.dimensions === 2 ? rows : rows[0]);

// ------------------------------------------------------------------------------- one axis, drawn

// The positions [from, to) of input and output that the picture of one axis draws, and the number
// of outputs. In the stuffed view an input position counts the stuffed zeros. Throws where the
// settings are illegal.
function drawnOf(s) {
  const count = outputSize(s.input_size, windowOf(s));
  if (s.mode === "forward") {
    return { count, input: [-s.padding, s.input_size + s.padding], output: [0, count] };
  }
  if (s.view === "scatter") {
    const stamped = (s.input_size - 1) * s.stride + span(windowOf(s)) - s.padding;
    return { count, input: [0, s.input_size], output: [-s.padding, Math.max(count, stamped)] };
  }
  const border = span(windowOf(s)) - 1 - s.padding;
  const stretched = (s.input_size - 1) * s.stride + 1;
  const end = Math.max(stretched, stretched + border + s.output_padding);
  return { count, input: [Math.min(0, -border), end], output: [0, count] };
}

// One axis of the picture: what is drawn of it and its links {input, tap, output}.
export function axisOf(s) {
  const drawn = drawnOf(s);
  return { ...drawn, links: linksOf(s, drawn.count) };
}

function linksOf(s, count) {
  if (s.mode === "forward") {
    return upTo(count).flatMap((output) => inputIndices(windowOf(s), s.input_size, output)
      .map((input, tap) => ({ input, tap, output })));
  }
  if (s.view === "scatter") {
    // An input stamps the kernel where the convolution that this one transposes would read.
    const forward = { ...windowOf(s), transposed: false, output_padding: 0 };
    return upTo(s.input_size).flatMap((input) =>
      inputIndices(forward, count, input).map((output, tap) => ({ input, tap, output })));
  }
  const border = span(windowOf(s)) - 1 - s.padding;
  return upTo(count).flatMap((output) => upTo(s.kernel_size).map((place) => ({
    input: output + place * s.dilation - border, tap: s.kernel_size - 1 - place, output,
  })));
}

// The links of the rows; in 1-D there is one row.
export const rowLinks = (s, axis) =>
  (s.dimensions === 2 ? axis.links : [{ input: 0, tap: 0, output: 0 }]);

// What stands at a drawn position of the input: "real", "padding" or a "stuffed" zero.
export function inputKind(s, at) {
  const stretch = isStuffed(s) ? s.stride : 1;
  if (at < 0 || at > (s.input_size - 1) * stretch) return "padding";
  return at % stretch === 0 ? "real" : "stuffed";
}

// The number of the input cell at a drawn position, for real positions.
export const inputIndex = (s, at) => (isStuffed(s) ? at / s.stride : at);

// Sums input × weight over the links, along the axes that the view draws. `until` stops after that
// many inputs (the running sums of the scatter view).
export function convolve(s, input, kernel, until = Infinity) {
  const axis = axisOf(s);
  const rows = asRows(s, input);
  const weights = asRows(s, kernel);
  const sums = upTo(s.dimensions === 2 ? axis.count : 1).map(() => new Array(axis.count).fill(0));
  const inside = (links) => links.filter(({ input: at, output }) =>
    inputKind(s, at) === "real" && output >= 0 && output < axis.count);
  const across = inside(axis.links);
  for (const down of s.dimensions === 2 ? across : rowLinks(s, axis)) {
    for (const along of across) {
      const [y, x] = [inputIndex(s, down.input), inputIndex(s, along.input)];
      if (y * s.input_size + x < until) {
        sums[down.output][along.output] += rows[y][x] * weights[down.tap][along.tap];
      }
    }
  }
  return fromRows(s, sums);
}

// How many steps the animation has: one an output, but one an input where inputs are scattered.
export function steps(s) {
  const along = isScatter(s) ? s.input_size : outputSize(s.input_size, windowOf(s));
  return along ** s.dimensions;
}

// ------------------------------------------------------------------------------------- legality

// Why the settings cannot be shown, as [key, values] of the words' table, or null.
export function fault(s, { limits, widest }) {
  for (const [name, [least, most]] of Object.entries(limits)) {
    if (!(s[name] >= least && s[name] <= most)) return ["kit.whole", { least, most }];
  }
  const { stride, dilation, padding } = s;
  if (s.output_padding > 0 && s.mode === "forward") return ["fault.forward", {}];
  if (s.output_padding > 0 && s.output_padding >= Math.max(stride, dilation)) {
    return ["fault.output_padding", { stride, dilation }];
  }
  const length = span(windowOf(s));
  const padded = s.input_size + 2 * padding;
  if (s.mode === "forward" && length > padded) return ["fault.span", { span: length, padded }];
  const stamped = (s.input_size - 1) * stride + length + s.output_padding;
  if (s.mode === "transposed" && stamped <= 2 * padding) return ["fault.crop", { padding }];
  const cells = Math.max(...["scatter", "stuffed"].flatMap((view) => {
    const { input, output } = drawnOf({ ...s, view });
    return [input[1] - input[0], output[1] - output[0]];
  }));
  const most = widest[s.dimensions];
  return cells > most ? ["fault.wide", { cells, most }] : null;
}

// Legal settings as near to `wanted` as they come from legal ones: one setting after the other goes
// as far as the rest lets it.
function approached(wanted, present, fixed) {
  if (!fault(wanted, fixed)) return wanted;
  const near = { ...present };
  for (let moved = true; moved;) {
    moved = false;
    for (const name of SETTINGS) {
      const value = nearest(near, name, wanted[name], fixed);
      moved ||= value !== near[name];
      near[name] = value;
    }
  }
  return near;
}

// The legal value of a setting that is nearest to the wanted one, on the way from the present one.
function nearest(s, name, wanted, fixed) {
  const here = s[name];
  const way = name === "mode" ? [wanted] : upTo(Math.abs(wanted - here)).map((i) =>
    wanted + (wanted > here ? -i : i));
  return way.find((value) => !fault({ ...s, [name]: value }, fixed)) ?? here;
}

// The values of one setting that can be reached from here, and why they end.
export function reachable(s, name, fixed) {
  const why = (value) => fault({ ...s, [name]: value }, fixed);
  let [low, high] = [s[name], s[name]];
  while (!why(low - 1)) low -= 1;
  while (!why(high + 1)) high += 1;
  return { low, high, below: why(low - 1), above: why(high + 1) };
}

// The settings in the other mode: a transposed convolution starts from the forward one's output
// and leads back to its size, and the other way round. What cannot be kept is lowered.
export function changeMode(s, mode, fixed) {
  if (mode === s.mode) return settingsOf(s);
  const back = outputSize(s.input_size, windowOf(s));
  const other = { ...settingsOf(s), mode, input_size: back, output_padding: 0 };
  if (mode === "transposed") {
    other.output_padding = (s.input_size + 2 * s.padding - span(windowOf(s))) % s.stride;
  }
  return lowered(other, fixed);
}

// The settings along one axis or two. What has no room there is lowered.
export function changeDimensions(s, dimensions, fixed) {
  return lowered({ ...settingsOf(s), dimensions }, fixed);
}

// The nearest legal settings below `s`: one setting lowered as little as will do.
function lowered(s, fixed) {
  if (!fault(s, fixed)) return s;
  for (const name of ["output_padding", "input_size", "padding", "dilation", "kernel_size"]) {
    for (let value = s[name] - 1; value >= fixed.limits[name][0]; value -= 1) {
      const less = { ...s, [name]: value };
      if (!fault(less, fixed)) return less;
    }
  }
  const plain = { stride: 1, padding: 0, dilation: 1, output_padding: 0 };
  return { ...s, ...plain, input_size: 5, kernel_size: 3 };
}

// --------------------------------------------------------------------------------------- values

function presetOf(s, { presets }) {
  const matches = ([, { settings }]) =>
    Object.entries(settings).every(([name, value]) => s[name] === value);
  return Object.entries(presets).find(matches)?.[0] ?? "";
}

// How far old numbers move when `old` becomes `size`: a kernel's middle stays its middle.
const offset = (name, size, old) => (name === "kernel_values" ? Math.floor((size - old) / 2) : 0);

// The numbers to start from: the pattern repeats, a kernel's outwards from its middle.
function defaultValues(name, { mode, dimensions }, size, { patterns }) {
  const pattern = patterns[name][mode][dimensions];
  const wrap = (at, period) => ((at % period) + period) % period;
  const height = dimensions === 2 ? size : 1;
  const top = offset(name, height, pattern.length);
  const left = offset(name, size, pattern[0].length);
  const rows = upTo(height).map((y) => upTo(size).map((x) =>
    pattern[wrap(y - top, pattern.length)][wrap(x - left, pattern[0].length)]));
  return fromRows({ dimensions }, rows);
}

// The numbers to start from for both grids: {input_values, kernel_values}.
export function freshValues(s, fixed) {
  return Object.fromEntries(Object.entries(VALUES).map(([name, size]) =>
    [name, defaultValues(name, s, s[size], fixed)]));
}

// Values for new settings: numbers that still have a place keep it, others start afresh. Untouched
// numbers become the ones to start from at the new size.
function resized(name, values, { mode, dimensions }, size, fixed) {
  const before = Array.isArray(values[0]) ? 2 : 1;
  if (before === dimensions && values.length === size) return values;
  const fresh = defaultValues(name, { mode, dimensions }, size, fixed);
  const untouched = ["forward", "transposed"].some((one) =>
    same(values, defaultValues(name, { mode: one, dimensions: before }, values.length, fixed)));
  if (untouched) return fresh;
  const rows = asRows({ dimensions }, fresh);
  const old = asRows({ dimensions: before }, values);
  const top = offset(name, rows.length, old.length);
  const left = offset(name, rows[0].length, old[0].length);
  old.forEach((row, y) => row.forEach((value, x) => {
    if (rows[y + top]?.[x + left] !== undefined) rows[y + top][x + left] = value;
  }));
  return fresh;
}

// Along how many axes numbers lie: 1 for a list, 2 for a square of rows, 0 for anything else.
function axesOf(values, largest) {
  const isRow = (row) => Array.isArray(row) && row.length > 0 && row.every((value) =>
    typeof value === "number" && Math.abs(value) <= largest);
  if (isRow(values)) return 1;
  const square = Array.isArray(values) && values.length > 0
    && values.every((row) => isRow(row) && row.length === values.length);
  return square ? 2 : 0;
}

// -------------------------------------------------------------------------------------- settled

// The twin of ConvolutionExplorer.settled.
export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  const preset = s.preset(fixed.presets);
  if (preset) {
    Object.assign(s.state, preset.settings);
    if (![...SETTINGS, "step"].some((name) => s.asks(name))) s.take("step", 0);
  }
  settleSettings(s, { ...s.state }, fixed);
  s.oneOf("view", ["scatter", "stuffed"]);
  s.flag("hide_ahead");
  for (const [name, size] of Object.entries(VALUES)) settleValues(s, name, s.state[size], fixed);
  s.whole("step", 0, steps(s.state) - 1);
  s.take("preset", presetOf(s.state, fixed));
  return s.done();
}

function settleSettings(s, start, fixed) {
  const given = Object.keys(VALUES).filter((name) => s.asks(name))
    .map((name) => [name, axesOf(s.wanted(name), fixed.largest)]);
  for (const [, axes] of given) {
    if (axes && !s.asks("dimensions")) s.take("dimensions", axes);
  }
  s.oneOf("dimensions", [1, 2]);
  for (const [name, axes] of given) {
    const fits = axes === s.state.dimensions && !s.asks(VALUES[name]);
    if (fits) s.take(VALUES[name], s.wanted(name).length);
  }
  s.oneOf("mode", ["forward", "transposed"]);
  for (const name of SIZES) s.whole(name, ...fixed.limits[name]);
  const wanted = settingsOf(s.state);
  const near = approached(wanted, settingsOf(start), fixed);
  for (const name of SETTINGS) {
    if (near[name] !== wanted[name]) {
      s.refuse(name, ...fault({ ...near, [name]: wanted[name] }, fixed));
    }
    s.take(name, near[name]);
  }
}

function settleValues(s, name, size, fixed) {
  const { dimensions } = s.state;
  const wanted = s.wanted(name);
  const fits = s.asks(name) && axesOf(wanted, fixed.largest) === dimensions
    && wanted.length === size;
  if (fits) {
    s.take(name, wanted);
    return;
  }
  s.refuse(name, `values.${dimensions}`, { size, largest: fixed.largest });
  s.take(name, resized(name, s.state[name], s.state, size, fixed));
}
