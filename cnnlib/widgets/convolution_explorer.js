// Convolution explorer: which inputs, weights and outputs meet, one step at a time.
//
// The first half is sums and words, without a page: a browser test holds them to Python and torch.
// Everything drawn follows from the links of axisOf(): (input position, kernel tap, output
// position) that meet along one axis. In 2-D a row's link and a column's link make a pair of cells.

import {
  announcer, button, choice, element, gridStep, prefersStillness, slider, svgElement,
  uniqueId, watch,
} from "./page.js";
import { inputIndices, outputSize, span } from "./geometry.js";

const NAMES = {
  input_size: "Input size", kernel_size: "Kernel size", stride: "Stride", padding: "Padding",
  dilation: "Dilation", output_padding: "Output padding",
};
const MEANINGS = {
  input_size: "Cells along an axis",
  kernel_size: "Weights along an axis",
  stride: { forward: "Cells the kernel moves on", transposed: "Cells from stamp to stamp" },
  padding: { forward: "Zeros on each side of the input", transposed: "Cells cropped on each side" },
  dilation: "Cells from weight to weight",
  output_padding: "Extra cells at the output's end",
};
const STATE = [
  "dimensions", "mode", ...Object.keys(NAMES), "view", "step", "preset", "hide_ahead",
  "input_values", "kernel_values",
];

// ---------------------------------------------------------------------------------------- sums

export function windowOf(s) {
  return {
    kernel_size: s.kernel_size, stride: s.stride, padding: s.padding, dilation: s.dilation,
    output_padding: s.output_padding, transposed: s.mode === "transposed",
  };
}

const isScatter = (s) => s.mode === "transposed" && s.view === "scatter";
const isStuffed = (s) => s.mode === "transposed" && s.view === "stuffed";
const upTo = (n) => Array.from({ length: n }, (_, i) => i);

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

// What stands at a drawn position of the input: "real", "padding" or a "stuffed" zero.
function inputKind(s, at) {
  const stretch = isStuffed(s) ? s.stride : 1;
  if (at < 0 || at > (s.input_size - 1) * stretch) return "padding";
  return at % stretch === 0 ? "real" : "stuffed";
}

// The number of the input cell at a drawn position, for real positions.
const inputIndex = (s, at) => (isStuffed(s) ? at / s.stride : at);

// The links of the rows; in 1-D there is one row.
const rowLinks = (s, axis) => (s.dimensions === 2 ? axis.links : [{ input: 0, tap: 0, output: 0 }]);

// Values as rows, also in 1-D, and back.
const asRows = (s, values) => (s.dimensions === 2 ? values : [values]);
const fromRows = (s, rows) => (s.dimensions === 2 ? rows : rows[0]);

// Sums input × weight over the links, along the axes that `view` draws. `until` stops after that
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

// Why the settings cannot be shown, or an empty string. Legal is what Python accepts.
export function fault(s, { limits, widest }) {
  for (const [name, [least, most]] of Object.entries(limits)) {
    if (!(s[name] >= least && s[name] <= most)) {
      return `${NAMES[name].toLowerCase()} goes from ${least} to ${most}`;
    }
  }
  if (s.output_padding > 0 && s.mode === "forward") {
    return "only a transposed convolution has output padding";
  }
  if (s.output_padding > 0 && s.output_padding >= Math.max(s.stride, s.dilation)) {
    return "output padding must be smaller than the stride "
      + `(${s.stride}) or the dilation (${s.dilation})`;
  }
  try {
    outputSize(s.input_size, windowOf(s));
  } catch {
    return s.mode === "forward"
      ? `the kernel would span ${count(span(windowOf(s)), "cell")}, `
        + `the padded input has ${s.input_size + 2 * s.padding}`
      : `cropping ${count(s.padding, "cell")} on each side would leave no output`;
  }
  const cells = Math.max(...["scatter", "stuffed"].flatMap((view) => {
    const { input, output } = drawnOf({ ...s, view });
    return [input[1] - input[0], output[1] - output[0]];
  }));
  const most = widest[s.dimensions];
  return cells > most ? `a grid would need ${cells} cells a side, ${most} fit` : "";
}

// The values of one setting that can be reached from here, and why they end.
export function reachable(s, name, constants) {
  const why = (value) => fault({ ...s, [name]: value }, constants);
  let [low, high] = [s[name], s[name]];
  while (!why(low - 1)) low -= 1;
  while (!why(high + 1)) high += 1;
  return { low, high, below: why(low - 1), above: why(high + 1) };
}

// The settings in the other mode: a transposed convolution starts from the forward one's output
// and leads back to its size, and the other way round. What cannot be kept is lowered.
export function changeMode(s, mode, constants) {
  if (mode === s.mode) return s;
  const back = outputSize(s.input_size, windowOf(s));
  const other = { ...s, mode, input_size: back, output_padding: 0 };
  if (mode === "transposed") {
    other.output_padding = (s.input_size + 2 * s.padding - span(windowOf(s))) % s.stride;
  }
  return lowered(other, constants);
}

// The nearest legal settings below `s`: one setting lowered as little as will do.
export function lowered(s, constants) {
  if (!fault(s, constants)) return s;
  for (const name of ["output_padding", "input_size", "padding", "dilation", "kernel_size"]) {
    for (let value = s[name] - 1; value >= constants.limits[name][0]; value -= 1) {
      const less = { ...s, [name]: value };
      if (!fault(less, constants)) return less;
    }
  }
  const plain = { stride: 1, padding: 0, dilation: 1, output_padding: 0 };
  return { ...s, ...plain, input_size: 5, kernel_size: 3 };
}

export function presetOf(s, { presets }) {
  const matches = ([, { settings }]) =>
    Object.entries(settings).every(([name, value]) => s[name] === value);
  return Object.entries(presets).find(matches)?.[0] ?? "";
}

// How far old numbers move when `old` becomes `size`: a kernel's middle stays its middle.
const offset = (name, size, old) => (name === "kernel_values" ? Math.floor((size - old) / 2) : 0);

export function defaultValues(name, { mode, dimensions }, size, { patterns }) {
  const pattern = patterns[name][mode][dimensions];
  const wrap = (at, period) => ((at % period) + period) % period;
  const height = dimensions === 2 ? size : 1;
  const top = offset(name, height, pattern.length);
  const left = offset(name, size, pattern[0].length);
  const rows = upTo(height).map((y) => upTo(size).map((x) =>
    pattern[wrap(y - top, pattern.length)][wrap(x - left, pattern[0].length)]));
  return dimensions === 2 ? rows : rows[0];
}

// Values for new settings, as resized() of convolution_explorer.py makes them.
export function resized(name, values, { mode, dimensions }, size, constants) {
  const before = Array.isArray(values[0]) ? 2 : 1;
  if (before === dimensions && values.length === size) return values;
  const fresh = defaultValues(name, { mode, dimensions }, size, constants);
  const untouched = ["forward", "transposed"].some((one) => String(values)
    === String(defaultValues(name, { mode: one, dimensions: before }, values.length, constants)));
  if (values.length === 0 || untouched) return fresh;
  const old = before === 2 ? values : [values];
  const rows = dimensions === 2 ? fresh : [fresh];
  const top = offset(name, rows.length, old.length);
  const left = offset(name, rows[0].length, old[0].length);
  old.forEach((row, y) => row.forEach((value, x) => {
    if (rows[y + top]?.[x + left] !== undefined) rows[y + top][x + left] = value;
  }));
  return fresh;
}

// How many steps the animation has: one an output, but one an input where inputs are scattered.
export function steps(s) {
  const along = isScatter(s) ? s.input_size : outputSize(s.input_size, windowOf(s));
  return along ** s.dimensions;
}

// The whole state with what follows from the settings: values that fit, a step that exists.
function settled(s, constants) {
  return {
    ...s,
    input_values: resized("input_values", s.input_values, s, s.input_size, constants),
    kernel_values: resized("kernel_values", s.kernel_values, s, s.kernel_size, constants),
    step: Math.max(0, Math.min(s.step, steps(s) - 1)),
    preset: presetOf(s, constants),
  };
}

// --------------------------------------------------------------------------------------- words

const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

// A number in at most `decimals` decimals, with a true minus sign.
export function short(value, decimals = 2) {
  const rounded = Number(value.toFixed(decimals));
  const text = Math.abs(rounded) >= 1e6 ? rounded.toExponential(1) : String(rounded + 0);
  return text.replaceAll("-", "−");
}

const factor = (value) => (value < 0 ? `(${short(value, 4)})` : short(value, 4));
const isRounded = (value) => Math.abs(value - Number(value.toFixed(4))) > 1e-9;

// The number that a reader typed, or null. Takes 0,5 for 0.5 and a true minus sign.
export function parseNumber(text) {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : null;
}

// The size formula in three parts: with letters, with today's numbers, and what is left over.
export function sizeFormula(s) {
  const o = outputSize(s.input_size, windowOf(s));
  const [i, k, d, p, a] = [s.input_size, s.kernel_size, s.dilation, s.padding, s.output_padding];
  if (s.mode === "transposed") {
    return {
      letters: "o = (i − 1) · s − 2p + d · (k − 1) + a + 1",
      numbers: `o = (${i} − 1) · ${s.stride} − 2 · ${p} + ${d} · (${k} − 1) + ${a} + 1 = ${o}`,
      rest: "i input size, k kernel size, s stride, p padding (here it crops), d dilation, "
        + "a output padding.",
    };
  }
  const free = i + 2 * p - d * (k - 1) - 1;
  return {
    letters: "o = ⌊(i + 2p − d · (k − 1) − 1) / s⌋ + 1",
    numbers: `o = ⌊(${i} + 2 · ${p} − ${d} · (${k} − 1) − 1) / ${s.stride}⌋ + 1 `
      + `= ⌊${free} / ${s.stride}⌋ + 1 = ${o}`,
    rest: `${cutOff(s, free)} (i input size, k kernel size, s stride, p padding, d dilation.)`,
  };
}

// What the floor of free / stride does to the input's end.
function cutOff(s, free) {
  const rest = free % s.stride;
  if (rest === 0) return `The stride divides ${free}: nothing is cut off at the end.`;
  const many = rest === 1 ? "" : `${rest} `;
  const plural = rest === 1 ? "" : "s";
  const cells = s.dimensions === 2 ? `row${plural} and column${plural}` : `position${plural}`;
  const are = rest === 1 && s.dimensions === 1 ? "is" : "are";
  return `${free} / ${s.stride} leaves ${rest}, and the floor drops it: the last ${many}${cells} `
    + `of the ${s.padding > 0 ? "padded " : ""}input ${are} cut off and never read.`;
}

// The torch layer with these settings; defaults are left out.
export function torchLayer(s) {
  const name = `Conv${s.mode === "transposed" ? "Transpose" : ""}${s.dimensions}d`;
  return `torch.nn.${name}(1, 1, kernel_size=${s.kernel_size}${torchOptions(s)}, bias=False)`;
}

// A program that computes the output on show from the numbers on show.
export function torchProgram(s) {
  const name = `conv${s.mode === "transposed" ? "_transpose" : ""}${s.dimensions}d`;
  const list = (values) => JSON.stringify(values).replaceAll(",", ", ");
  const tensor = (values) => `torch.tensor(${list(values)}, dtype=torch.float32)`;
  return [
    "import torch", "",
    `x = ${tensor(s.input_values)}[None, None]`,
    `w = ${tensor(s.kernel_values)}[None, None]`,
    `print(torch.nn.functional.${name}(x, w${torchOptions(s)}))`, "",
  ].join("\n");
}

function torchOptions(s) {
  const defaults = { stride: 1, padding: 0, output_padding: 0, dilation: 1 };
  return Object.entries(defaults).filter(([name, value]) => s[name] !== value)
    .map(([name]) => `, ${name}=${s[name]}`).join("");
}

// The question that these settings ask.
function question(s, { presets }) {
  if (s.preset) return presets[s.preset].question;
  if (s.mode === "forward") return "Which inputs make each output?";
  return isScatter(s) ? "Where does each input land?" : "How is this an ordinary convolution?";
}

function story(s) {
  if (s.mode === "forward") {
    return "The kernel stands on the input. Cells that meet are multiplied, and the products are "
      + "added: one output. As in torch, the kernel is not flipped (cross-correlation).";
  }
  if (isScatter(s)) {
    return "Each input cell stamps the kernel, multiplied by its value, onto the output. "
      + "Where stamps overlap they add up. Padding crops the border of what was stamped.";
  }
  const border = span(windowOf(s)) - 1 - s.padding;
  const sum = `${s.dilation} · ${s.kernel_size - 1} − ${s.padding}`;
  const around = border >= 0
    ? `${border} around (dilation · (kernel − 1) − padding = ${sum})`
    : "none around (padding is more than dilation · (kernel − 1): the border is not even read)";
  const more = s.output_padding ? `, ${s.output_padding} more at the end (output padding)` : "";
  return "The same outputs by an ordinary convolution with stride 1 and the kernel flipped. Zeros: "
    + `${s.stride - 1} between neighbours (stride − 1), ${around}${more}.`;
}

// Where a cell stands, in words for the eye and for the ear.
const place = (s, [y, x]) =>
  (s.dimensions === 2 ? `(${short(y)}, ${short(x)})` : `[${short(x)}]`);
const placeAloud = (s, [y, x]) =>
  (s.dimensions === 2 ? `row ${short(y)}, column ${short(x)}` : `position ${short(x)}`);

const shape = (s, n) => (s.dimensions === 2 ? `${n}×${n}` : String(n));

// ------------------------------------------------------------------------------------- meetings

const LINK = { input: "input", kernel: "tap", output: "output" };

// All that the picture of a state needs: its axis and its output, whole and as far as it has come.
export function sceneOf(s) {
  const { input_values: input, kernel_values: kernel } = s;
  const axis = axisOf(s);
  const all = asRows(s, convolve(s, input, kernel));
  const now = isScatter(s) ? asRows(s, convolve(s, input, kernel, s.step + 1)) : all;
  return { s, axis, all, now, linked: linkedOn(axis), inputs: inputsOn(axis) };
}

// The positions of an axis that take part in any link, by the kind of cell.
const linkedOn = ({ links }) => Object.fromEntries(Object.entries(LINK).map(([kind, part]) =>
  [kind, new Set(links.map((link) => link[part]))]));

// The first and the last input that each output of an axis reads.
function inputsOn({ links }) {
  const ends = new Map();
  for (const { input, output } of links) {
    const [first, last] = ends.get(output) ?? [input, input];
    ends.set(output, [Math.min(first, input), Math.max(last, input)]);
  }
  return ends;
}

// The cell that the current step is about: an output, or an input where inputs are scattered.
export function stepTarget({ s, axis }) {
  const width = isScatter(s) ? s.input_size : axis.count;
  const at = s.dimensions === 2 ? [Math.floor(s.step / width), s.step % width] : [0, s.step];
  return { kind: isScatter(s) ? "input" : "output", at };
}

// Every meeting {input, tap, output} of cells that the target {kind, at} takes part in.
export function meetings({ s, axis }, { kind, at }) {
  const of = (links, position) => links.filter((link) => link[LINK[kind]] === position);
  const across = of(axis.links, at[1]);
  return of(rowLinks(s, axis), at[0]).flatMap((down) => across.map((along) => ({
    input: [down.input, along.input],
    tap: [down.tap, along.tap],
    output: [down.output, along.output],
  })));
}

const same = (one, other) => one[0] === other[0] && one[1] === other[1];

// What the cell is: "real", "padding" or "stuffed".
function kindOfInput(s, [y, x]) {
  const kinds = s.dimensions === 2 ? [inputKind(s, y), inputKind(s, x)] : [inputKind(s, x)];
  return ["padding", "stuffed", "real"].find((kind) => kinds.includes(kind));
}

// The place in input_values of a real cell.
const realPlace = (s, [y, x]) => [s.dimensions === 2 ? inputIndex(s, y) : 0, inputIndex(s, x)];

function inputValue(s, at) {
  if (kindOfInput(s, at) !== "real") return 0;
  const [y, x] = realPlace(s, at);
  return asRows(s, s.input_values)[y][x];
}

const weight = (s, [v, u]) => asRows(s, s.kernel_values)[v][u];

const isOutput = ({ s, axis }, [y, x]) =>
  x >= 0 && x < axis.count && (s.dimensions === 1 || (y >= 0 && y < axis.count));

// How far the steps have come at an output: "done", "partial" (a sum not finished) or "ahead".
function reachOf(scene, at) {
  const { s, axis, inputs } = scene;
  if (!isScatter(s)) return at[0] * axis.count + at[1] > s.step ? "ahead" : "done";
  const down = s.dimensions === 2 ? inputs.get(at[0]) : [0, 0];
  const across = inputs.get(at[1]);
  if (!down || !across) return "done"; // no stamp reaches it
  const [first, last] = [0, 1].map((end) => down[end] * s.input_size + across[end]);
  if (last <= s.step) return "done";
  return first <= s.step ? "partial" : "ahead";
}

const isHidden = (scene, at) =>
  scene.s.hide_ahead && !isScatter(scene.s) && reachOf(scene, at) === "ahead";

// What the target touches, in a sentence and in lines of terms. A term is a list of [kind, text].
// `met` are all meetings of the target, `pairs` those to be written out.
function explain(scene, target, met, pairs) {
  const { s } = scene;
  const step = stepTarget(scene);
  const lead = step.kind === target.kind && same(step.at, target.at)
    ? `Step ${s.step + 1} of ${steps(s)}. ` : "";
  const { text, lines } = {
    input: explainInput, kernel: explainKernel, output: explainOutput,
  }[target.kind](scene, target.at, met, pairs);
  return { text: lead + text, lines };
}

function explainInput(scene, at, met, pairs) {
  const { s } = scene;
  const look = kindOfInput(s, at);
  const value = short(inputValue(s, at), 4);
  const cell = look === "real" ? `Input ${place(s, realPlace(s, at))} = ${value}`
    : look === "stuffed" ? "This stuffed zero" : "This zero of the padding";
  if (met.length === 0) return { text: `${cell} is never read.`, lines: [] };
  const each = met.length > 1 ? ", each through another weight" : "";
  const text = isScatter(s)
    ? `${cell} stamps ${factor(inputValue(s, at))} × kernel onto the output:`
    : `${cell} feeds ${count(met.length, "output")}${each}:`;
  return { text, lines: arrivals(scene, pairs) };
}

function explainKernel(scene, at, met, pairs) {
  const { s } = scene;
  const text = `Weight ${place(s, at)} = ${short(weight(s, at), 4)} is used `
    + `${count(met.length, "time")}, once for each ${isScatter(s) ? "input" : "output"}. `
    + `At step ${s.step + 1}:`;
  return { text, lines: arrivals(scene, pairs) };
}

function explainOutput(scene, at, met, pairs) {
  const { s } = scene;
  const cell = `Output ${place(s, at)}`;
  if (!isOutput(scene, at)) {
    return { text: `${cell} is cropped by the padding: what is stamped there is lost.`, lines: [] };
  }
  if (met.length === 0) return { text: `${cell} is reached by no stamp: it stays 0.`, lines: [] };
  const zeros = pairs.filter(({ input }) => kindOfInput(s, input) !== "real").length;
  const origin = isStuffed(s) ? (zeros === 1 ? "an added zero" : "added zeros") : "padding";
  const added = zeros ? `, ${zeros} of them ${origin}` : "";
  const text = isScatter(s)
    ? `${cell} is the sum of ${count(met.length, "stamp")}; after step ${s.step + 1} it holds `
      + `${short(scene.now[at[0]][at[1]], 4)}. In the end:`
    : `${cell} reads ${count(met.length, "cell")}${added}:`;
  const lines = byRow(pairs, "tap").map((row) =>
    row.map((pair) => [[null, pair === pairs[0] ? "" : "+ "], ...product(s, pair)]));
  const total = scene.all[at[0]][at[1]];
  const sign = isRounded(total) ? "≈ " : "= ";
  lines.at(-1).push([[null, sign], ["output", isHidden(scene, at) ? "?" : short(total, 4)]]);
  return { text, lines };
}

const product = (s, { input, tap }) =>
  [["input", factor(inputValue(s, input))], [null, "×"], ["kernel", factor(weight(s, tap))]];

const arrivals = (scene, pairs) => byRow(pairs, "output").map((row) => row.map((pair) => [
  ...product(scene.s, pair), [null, " → "],
  ["output", isOutput(scene, pair.output) ? place(scene.s, pair.output) : "cropped"],
]));

const byRow = (pairs, part) => [...new Set(pairs.map((pair) => pair[part][0]))]
  .map((row) => pairs.filter((pair) => pair[part][0] === row));

// What a cell shows and its label for those who do not see it.
function content(scene, { kind, at, look, linked, extra }) {
  const { s } = scene;
  const where = placeAloud(s, at);
  if (kind === "kernel") {
    return { text: short(weight(s, at)), label: `${where}: weight ${short(weight(s, at), 4)}` };
  }
  if (kind === "input") {
    const value = inputValue(s, at);
    const seat = look === "real" ? placeAloud(s, realPlace(s, at))
      : isStuffed(s) ? `drawn ${where}` : where;
    const origin = { real: "", padding: ", padding", stuffed: ", stuffed zero" }[look];
    const label = `${seat}: ${short(value, 4)}${origin}${linked ? "" : ", never read"}`;
    return { text: short(value), label };
  }
  if (look === "cropped") return { text: "", label: `${where}: cropped by the padding` };
  const seat = extra ? `${where}, added by output padding` : where;
  const reach = reachOf(scene, at);
  if (isHidden(scene, at)) return { text: "?", reach, label: `${seat}: hidden` };
  const value = scene.now[at[0]][at[1]];
  const words = { done: "", partial: " so far", ahead: isScatter(s) ? ", nothing added yet" : "" };
  return { text: short(value), reach, label: `${seat}: ${short(value, 4)}${words[reach]}` };
}

// -------------------------------------------------------------------------------------- drawing

const UNMARKED = { look: "", note: "" };

function render({ model, el }) {
  const constants = model.get("constants");
  const read = () => Object.fromEntries(STATE.map((trait) => [trait, model.get(trait)]));
  let s = settled(read(), constants);
  let scene = sceneOf(s);
  let marked = [];
  let [hovered, focused, editor] = [null, null, null];
  let [timer, frame, saving, drawnFor, room] = [0, 0, false, "", 0];

  // -- the state: changes made here go to the model, changes of the model come here

  function change(changes) {
    s = settled({ ...s, ...changes }, constants);
    saving = true;
    for (const trait of STATE) {
      if (JSON.stringify(model.get(trait)) !== JSON.stringify(s[trait])) model.set(trait, s[trait]);
    }
    saving = false;
    model.save_changes();
    redraw();
  }

  function adopt(preset = "") {
    if (saving) return;
    const next = { ...read(), ...constants.presets[preset]?.settings };
    const why = fault(next, constants);
    refuse(why && `This setting cannot be shown: ${why}.`);
    if (why) return;
    s = settled(next, constants);
    redraw();
  }

  function chooseMode(mode) {
    stop();
    const before = [s.input_size, scene.axis.count];
    change({ ...changeMode(s, mode, constants), step: 0 });
    const [from, to] = [s.input_size, scene.axis.count];
    const what = from === before[1] && to === before[0]
      ? `This ${mode} convolution leads back` : "The way back does not fit here. Instead";
    notify(`${what}: from ${shape(s, from)} to ${shape(s, to)}.`);
  }

  function chooseDimensions(dimensions) {
    stop();
    const asked = { ...s, dimensions };
    const next = lowered(asked, constants);
    change({ ...next, step: 0 });
    const changed = Object.keys(NAMES).filter((setting) => next[setting] !== asked[setting]);
    notify(changed.map((setting) =>
      `${NAMES[setting]} is now ${next[setting]}: ${fault(asked, constants)}.`).join(" "));
  }

  function choosePreset(key) {
    stop();
    notify("");
    if (key) change({ ...constants.presets[key].settings, step: 0 });
    else presets.set(s.preset);
  }

  // -- fixed parts

  const spoken = announcer();
  const asks = element("p", { class: "cx-question" });
  const sizes = element("p", { class: "cx-sizes" });
  const notice = element("p", { class: "cx-notice", role: "status" });
  const refusal = element("p", { class: "cx-refusal", role: "alert" });
  const notify = (text) => { notice.textContent = text; };
  const refuse = (text) => { refusal.textContent = text; };

  const presets = choice({
    label: "Case (Dumoulin & Visin 2016)",
    options: [["", "Your own settings"], ...Object.entries(constants.presets)
      .map(([key, { title, figure }]) => [key, `${figure} ${title}`])],
    value: s.preset,
    onChange: choosePreset,
  });
  presets.node.classList.add("cx-case");
  const modes = radios("Convolution", [["forward", "Forward"], ["transposed", "Transposed"]],
    chooseMode);
  const dimensions = radios("Axes", [["1", "1-D"], ["2", "2-D"]],
    (value) => chooseDimensions(Number(value)));
  const views = radios("Seen as", [["scatter", "Scatter-add"], ["stuffed", "Zeros stuffed"]],
    (view) => { stop(); change({ view, step: 0 }); });

  const panels = { kernel: panel("kernel"), input: panel("input"), output: panel("output") };
  const blank = element("div", { role: "gridcell", tabindex: -1 }, "0");
  const grids = Object.fromEntries(Object.keys(panels).map((kind) => [kind, emptyGrid(kind)]));
  const beam = svgElement("polygon", { class: "cx-beam" });
  const laid = svgElement("rect", { class: "cx-laid", rx: 3 });
  const overlay = svgElement("svg", { class: "cx-overlay", "aria-hidden": "true" }, beam, laid);
  const stage = element("div", { class: "cx-stage" },
    ...Object.values(panels).map(({ node }) => node), overlay);
  const tale = element("p", { class: "cx-story" });

  const back = button("Back", () => { stop(); goTo(s.step - 1); });
  const next = button("Next", () => { stop(); goTo(s.step + 1); });
  const play = button("Play", () => (timer ? stop() : start()));
  back.prepend(icon("M11 2 4 8l7 6z"));
  next.append(icon("M5 2l7 6-7 6z"));
  const scrub = slider({
    label: "Step", min: 1, max: 1, value: 1,
    onInput: (value) => { stop(); goTo(value - 1); },
  });
  scrub.node.classList.add("cx-scrub");
  const hide = element("input", {
    type: "checkbox", onchange: () => change({ hide_ahead: hide.checked }),
  });
  const hideLabel = element("label", { class: "cx-hide" },
    hide, " Hide the outputs ahead: predict first");
  const still = element("p", { class: "cnn-help" },
    "Your system asks for less movement, so nothing plays by itself: go on with Next.");

  const sentence = element("p", { class: "cx-sentence" });
  const terms = element("div", { class: "cx-terms", role: "group", "aria-label": "Arithmetic" });
  const meeting = element("div", { class: "cx-meeting" }, sentence, terms);
  const sliders = Object.fromEntries(Object.keys(NAMES).map((setting) => [setting, slider({
    label: NAMES[setting],
    min: constants.limits[setting][0],
    max: constants.limits[setting][1],
    value: s[setting],
    onInput: (value) => { stop(); notify(""); change({ [setting]: value }); },
  })]));
  const reset = button("Reset the numbers", () => change({ input_values: [], kernel_values: [] }));

  const formula = {
    letters: element("p", { class: "cx-formula" }),
    numbers: element("p", { class: "cx-formula" }),
    rest: element("p", { class: "cnn-help" }),
  };
  const code = element("code");
  const copied = element("span", { class: "cx-copied", role: "status" });
  const copyCall = button("Copy the call", () => copy(torchLayer(s)));
  const copyProgram = button("Copy a program with these numbers", () => copy(torchProgram(s)));

  const root = element("div", { class: "cnn-convolution" },
    asks, sizes,
    element("div", { class: "cnn-row" }, presets.node, modes.node, dimensions.node, views.node),
    notice, stage, refusal,
    element("div", { class: "cx-transport" }, back, play, next, scrub.node, hideLabel),
    still,
    meeting,
    tale,
    element("p", { class: "cnn-help" },
      "Point at any cell, or go to it with Tab and the arrow keys, to see what it touches. To "
      + "change a number of the input or the kernel, press it twice, or press Enter on it."),
    element("div", { class: "cx-sliders" }, ...Object.values(sliders).map(({ node }) => node)),
    reset,
    element("div", { class: "cx-block" },
      element("p", { class: "cx-title" }, "Output size, along each axis"),
      formula.letters, formula.numbers, formula.rest),
    element("div", { class: "cx-block" },
      element("p", { class: "cx-title" }, "In torch"),
      element("pre", {}, code),
      element("div", { class: "cnn-row" }, copyCall, copyProgram, copied)),
    spoken.node);
  el.classList.add("cnn-widget");
  el.dataset.lmSuppressShortcuts = "true"; // else JupyterLab takes the digits typed on a cell
  el.append(root);

  function panel(kind) {
    const caption = element("p", { class: "cx-caption" });
    const box = element("div", { class: "cx-box", onscroll: () => drawOverlay() });
    const legend = element("p", { class: "cnn-help cx-legend" });
    const node = element("div", { class: `cx-panel cx-${kind}` }, caption, box, legend);
    return { node, caption, box, legend };
  }

  // -- grids: their cells are laid out anew when the settings change, and only marked afterwards

  // A grid without cells. `stop` is the cell in the tab order; `made` holds every row and cell that
  // was ever needed, for making them costs far more than using them again.
  function emptyGrid(kind) {
    const grid = { kind, down: [], across: [], rows: [], all: [], made: [], stop: null };
    grid.cell = ([y, x]) => grid.rows[grid.down.indexOf(y)]?.[grid.across.indexOf(x)];
    grid.cellAt = (node) => grid.all.find((cell) => cell.node.contains(node)) ?? null;
    grid.node = element("div", {
      role: "grid", class: "cx-grid", "aria-readonly": kind === "output" ? "true" : null,
      onpointerover: (event) => event.pointerType !== "touch" && hover(grid.cellAt(event.target)),
      onpointerleave: () => hover(null),
      onfocusin: (event) => enter(grid, grid.cellAt(event.target)),
      onfocusout: () => { focused = null; redrawSoon(); },
      onkeydown: (event) => key(event, grid),
      onpointerdown: (event) => {
        grid.again = focused && grid.cellAt(event.target) === cellIn(focused);
      },
      onclick: (event) => grid.again && edit(grid.cellAt(event.target)),
    });
    panels[kind].box.append(grid.node);
    return grid;
  }

  function build() {
    const field = editor;
    [hovered, focused, editor] = [null, null, null];
    field?.remove(); // what was being typed is for a cell that may be gone
    for (const cell of marked) cell.mark = UNMARKED;
    marked = [];
    const { axis } = scene;
    const range = ([from, to]) => upTo(to - from).map((i) => from + i);
    const taps = range([0, s.kernel_size]);
    if (isStuffed(s)) taps.reverse();
    const positions = { kernel: taps, input: range(axis.input), output: range(axis.output) };
    for (const kind of Object.keys(grids)) {
      layOut(grids[kind], s.dimensions === 2 ? positions[kind] : [0], positions[kind]);
    }
    describePanels();
    fit();
  }

  // Gives the grid one cell for each pair of positions.
  function layOut(grid, down, across) {
    const rows = down.map((y, i) => rowOf(grid, i, y, across));
    Object.assign(grid, { down, across, rows: rows.map(({ cells }) => cells) });
    grid.all = grid.rows.flat();
    setLength(grid.node, rows.map(({ node }) => node));
    grid.node.setAttribute("aria-label", titleOf(grid.kind));
    grid.node.style.width = extent("1.25rem", across.length);
    grid.node.style.height = extent("1.15rem", down.length);
    if (grid.stop) grid.stop.node.tabIndex = -1;
    grid.stop = grid.all.find(({ look }) => look === "real");
    grid.stop.node.tabIndex = 0;
  }

  // The room of `many` cells, whose borders overlap, with their indices before them.
  const extent = (indices, many) => `calc(${indices} + ${many} * (var(--cell) - 1px) + 1px)`;

  function rowOf(grid, i, y, across) {
    grid.made[i] ??= { node: element("div", { role: "row", class: "cx-row" }), made: [] };
    const { node, made } = grid.made[i];
    const cells = across.map((x, j) => {
      made[j] ??= newCell(grid.kind);
      seat(made[j], [y, x]);
      setData(made[j], "column", i === 0 ? indexOf(grid.kind, x) : null);
      return made[j];
    });
    setLength(node, cells.map((cell) => cell.node));
    setData(grid.made[i], "row", s.dimensions === 2 ? indexOf(grid.kind, y) : null);
    return { node, cells };
  }

  // Makes the nodes the children of `parent`, which has some first of them, or more than them.
  function setLength(parent, nodes) {
    while (parent.childElementCount > nodes.length) parent.lastElementChild.remove();
    parent.append(...nodes.slice(parent.childElementCount));
  }

  function setData(owner, name, value) {
    if (owner[name] === value) return;
    owner[name] = value;
    if (value === null) delete owner.node.dataset[name];
    else owner.node.dataset[name] = value;
  }

  function newCell(kind) {
    const node = blank.cloneNode(true);
    return { kind, node, number: node.firstChild, column: null, note: null, mark: UNMARKED };
  }

  // Gives a cell its place, and what it is there.
  function seat(cell, at) {
    const { kind } = cell;
    const has = (position) => scene.linked[kind].has(position);
    const linked = has(at[1]) && (s.dimensions === 1 || has(at[0]));
    const look = kind === "input" ? kindOfInput(s, at)
      : kind === "output" && !isOutput(scene, at) ? "cropped" : "real";
    const added = scene.axis.count - s.output_padding;
    const extra = kind === "output" && look === "real"
      && (at[1] >= added || (s.dimensions === 2 && at[0] >= added));
    const base = classes("cell", kind, look, kind === "input" && !linked && "unread",
      extra && "extra");
    Object.assign(cell, { at, look, linked, extra, base });
  }

  const cellIn = ({ kind, at }) => grids[kind].cell(at);

  const titleOf = (kind) => ({
    kernel: isStuffed(s) ? "Kernel, flipped" : "Kernel", input: "Input", output: "Output",
  }[kind]);

  // The index beside a row or above a column; among stuffed zeros only the inputs keep theirs.
  function indexOf(kind, position) {
    if (kind !== "input" || !isStuffed(s)) return short(position);
    return inputKind(s, position) === "real" ? short(inputIndex(s, position)) : "";
  }

  const name = (kind, text) => element("strong", { class: `cx-name cx-${kind}` }, text);

  function describePanels() {
    const drawn = scene.axis.input[1] - scene.axis.input[0];
    const sizeOf = {
      kernel: shape(s, s.kernel_size),
      input: shape(s, s.input_size) + (drawn > s.input_size ? ` (drawn ${shape(s, drawn)})` : ""),
      output: shape(s, scene.axis.count),
    };
    const has = (kind, test) => grids[kind].all.some(test);
    const legends = {
      kernel: [s.dilation > 1 && [null, `dilation ${s.dilation}: gaps of ${s.dilation - 1}`]],
      input: [
        has("input", ({ look }) => look === "padding") && ["padding", "padding, 0"],
        has("input", ({ look }) => look === "stuffed") && ["stuffed", "stuffed zero"],
        has("input", ({ linked }) => !linked) && ["unread", "never read"],
      ],
      output: [
        has("output", ({ look }) => look === "cropped") && ["cropped", "cropped by the padding"],
        s.output_padding > 0 && ["extra", "added by output padding"],
        isScatter(s) ? ["partial", "sum not finished"] : ["ahead", "still to come"],
      ],
    };
    for (const [kind, { caption, legend }] of Object.entries(panels)) {
      caption.replaceChildren(name(kind, titleOf(kind)), ` ${sizeOf[kind]}`);
      legend.replaceChildren(...legends[kind].filter(Boolean).map(([look, text]) =>
        element("span", { class: "cx-entry" },
          look && element("span", { class: `cx-swatch cx-${look}` }), text)));
    }
    meeting.style.setProperty("--lines", (s.dimensions === 2 ? Math.min(s.kernel_size, 6) : 1) + 1);
  }

  // -- redrawing

  function redraw() {
    cancelAnimationFrame(frame);
    frame = 0;
    scene = sceneOf(s);
    const settings = JSON.stringify([s.dimensions, s.mode, s.view, ...Object.keys(NAMES).map(
      (setting) => s[setting])]);
    const seat = settings === drawnFor ? null : focused;
    if (settings !== drawnFor) {
      drawnFor = settings;
      build();
      drawControls();
    }
    fill();
    drawTransport();
    drawMeeting();
    if (seat) focusOn(grids[seat.kind], seat.at);
  }

  // Gives the focus back to a place after its grid was laid out anew.
  function focusOn(grid, at) {
    const cell = grid.cell(at) ?? grid.stop;
    if (cell.node.matches(":focus")) enter(grid, cell);
    else cell.node.focus();
  }

  function redrawSoon() {
    if (!frame) frame = requestAnimationFrame(() => { frame = 0; drawMeeting(); });
  }

  function drawControls() {
    asks.textContent = question(s, constants);
    sizes.replaceChildren(name("input", `input ${shape(s, s.input_size)}`), " · ",
      name("kernel", `kernel ${shape(s, s.kernel_size)}`), " · ",
      name("output", `output ${shape(s, scene.axis.count)}`));
    presets.set(s.preset);
    modes.set(s.mode);
    dimensions.set(String(s.dimensions));
    views.set(s.view);
    views.node.hidden = s.mode === "forward";
    tale.textContent = story(s);
    for (const [setting, control] of Object.entries(sliders)) {
      const { low, high, below, above } = reachable(s, setting, constants);
      const [least, most] = constants.limits[setting];
      const meaning = MEANINGS[setting][s.mode] ?? MEANINGS[setting];
      const rules = low === high ? [`Fixed at ${low}: ${above}.`] : [
        `${meaning}: ${low} to ${high}.`,
        s[setting] === low && low > least && `Not ${low - 1}: ${below}.`,
        s[setting] === high && high < most && `Not ${high + 1}: ${above}.`,
      ];
      control.bound({ min: low, max: high, why: rules.filter(Boolean).join(" ") });
      control.set(s[setting]);
    }
    const parts = sizeFormula(s);
    for (const [part, node] of Object.entries(formula)) node.textContent = parts[part];
    code.textContent = torchLayer(s);
  }

  function drawTransport() {
    const total = steps(s);
    const { kind, at } = stepTarget(scene);
    scrub.bound({ min: 1, max: total, why: `of ${total}` });
    scrub.set(s.step + 1);
    scrub.input.setAttribute("aria-valuetext",
      `step ${s.step + 1} of ${total}, ${kind} ${placeAloud(s, at)}`);
    // Not `disabled`, which would take the keyboard's focus away at the first and the last step.
    back.setAttribute("aria-disabled", String(s.step === 0));
    next.setAttribute("aria-disabled", String(s.step === total - 1));
    hide.checked = s.hide_ahead;
    hideLabel.hidden = isScatter(s);
    play.hidden = prefersStillness();
    still.hidden = !prefersStillness();
    play.replaceChildren(icon(timer ? "M3 2h4v12H3zM9 2h4v12H9z" : "M4 2l9 6-9 6z"),
      timer ? "Pause" : s.step === total - 1 ? "Replay" : "Play");
  }

  // The numbers, labels and looks of all cells.
  function fill() {
    for (const cell of Object.values(grids).flatMap(({ all }) => all)) {
      const { text, label, reach = "" } = content(scene, cell);
      if (cell.text !== text) {
        cell.number.data = text;
        cell.node.dataset.length = Math.min(text.length, 7);
      }
      if (cell.label !== label) cell.node.setAttribute("aria-label", label);
      Object.assign(cell, { text, label, reach });
      paint(cell);
    }
  }

  // A cell's look, its outline and the note in its corner.
  function paint(cell) {
    const { look, note } = cell.mark;
    const looks = `${cell.base} ${classes(cell.reach, look && `is-${look}`)}`;
    if (cell.looks !== looks) cell.node.className = looks;
    cell.looks = looks;
    setData(cell, "note", note || null);
  }

  const classes = (...parts) => parts.filter(Boolean).map((part) => `cx-${part}`).join(" ");

  // What is looked at: the cell under the pointer, else the focused one, else the current step's.
  function looking() {
    const step = stepTarget(scene);
    const target = hovered ?? focused ?? step;
    const met = meetings(scene, target);
    const pairs = target.kind === "kernel"
      ? met.filter((pair) => same(pair[step.kind], step.at)) : met;
    return { step, target, met, pairs };
  }

  function drawMeeting() {
    const { step, target, met, pairs } = looking();
    const marks = new Map();
    const mark = (cell, look, note = "") =>
      marks.set(cell, { look, note: note.length > 6 ? "" : note }); // longer ones do not fit
    if (target.kind === "kernel") {
      for (const { input, output } of met) {
        mark(grids.input.cell(input), "met");
        mark(grids.output.cell(output), "met");
      }
    }
    for (const { input, tap, output } of pairs) {
      const times = `×${short(weight(s, tap), 1)}`;
      const plus = `+${factor(inputValue(s, input) * weight(s, tap))}`;
      const arrives = target.kind === "input";
      mark(grids.input.cell(input), "lit", arrives ? "" : times);
      mark(grids.kernel.cell(tap), "lit");
      mark(grids.output.cell(output), "lit", arrives ? (isScatter(s) ? plus : times) : "");
    }
    mark(cellIn(target), "self");
    if (target.kind === "kernel") mark(cellIn(step), "self");
    for (const cell of new Set([...marked, ...marks.keys()])) {
      cell.mark = marks.get(cell) ?? UNMARKED;
      paint(cell);
    }
    marked = [...marks.keys()];
    drawSentence(explain(scene, target, met, pairs));
    if (target === step) {
      bringIntoView("input", pairs[0]?.input);
      bringIntoView("output", pairs[0]?.output);
    }
    drawOverlay();
  }

  function drawSentence({ text, lines }) {
    sentence.textContent = text;
    terms.replaceChildren(...lines.map((line) => element("div", { class: "cx-line" },
      ...line.map((term) => element("span", { class: "cx-term" },
        ...term.map(([kind, part]) => (kind ? name(kind, part) : part)))))));
  }

  // The kernel's outline where it is laid, and the beam between the cells that meet.
  function drawOverlay() {
    const { target, pairs } = looking();
    const from = hull("input", pairs.map(({ input }) => input));
    const to = hull("output", pairs.map(({ output }) => output));
    beam.style.display = from && to ? "" : "none";
    if (from && to) {
      const sideways = ["row", "pair"].includes(stage.dataset.layout);
      const points = sideways
        ? [from.right, from.top, to.left, to.top, to.left, to.bottom, from.right, from.bottom]
        : [from.left, from.bottom, to.left, to.top, to.right, to.top, from.right, from.bottom];
      beam.setAttribute("points", points.join(" "));
    }
    const on = target.kind === "output" && !isScatter(s) ? from
      : target.kind === "input" && isScatter(s) ? to : null;
    laid.style.display = on ? "" : "none";
    if (on) {
      laid.setAttribute("x", on.left);
      laid.setAttribute("y", on.top);
      laid.setAttribute("width", on.right - on.left);
      laid.setAttribute("height", on.bottom - on.top);
    }
  }

  // The rectangle round some cells of a grid, in the overlay's pixels, cut at the edges of its box.
  function hull(kind, places) {
    if (places.length === 0) return null;
    const { down, across, rows } = grids[kind];
    const ys = places.map(([y]) => down.indexOf(y));
    const xs = places.map(([, x]) => across.indexOf(x));
    const bounds = (row, column) => rows[row][column].node.getBoundingClientRect();
    const first = bounds(Math.min(...ys), Math.min(...xs));
    const last = bounds(Math.max(...ys), Math.max(...xs));
    const { left, top } = stage.getBoundingClientRect();
    const box = panels[kind].box.getBoundingClientRect();
    const clip = (x) => Math.max(box.left, Math.min(box.right, x)) - left;
    const [right, bottom] = [clip(last.right), last.bottom - top];
    return { left: clip(first.left), right, top: first.top - top, bottom };
  }

  // Scrolls a grid's box sideways until the cell stands in its middle, where it is too narrow.
  function bringIntoView(kind, at) {
    const { box } = panels[kind];
    if (!at || box.scrollWidth <= box.clientWidth) return;
    const cell = grids[kind].cell(at).node.getBoundingClientRect();
    box.scrollLeft += cell.left - box.getBoundingClientRect().left - box.clientWidth / 2;
  }

  // Cells as large as the room allows. Input and output stand next to each other or one below the
  // other, with the kernel where the beam between them does not cross it.
  function fit() {
    room ||= stage.clientWidth - 20;
    if (room <= 0) return;
    const [k, i, o] = ["kernel", "input", "output"].map((kind) => grids[kind].across.length);
    const [around, gap, least, largest] = [30, 40, 32, 46];
    const share = (cells, many) =>
      Math.floor((room - many * around - (many - 1) * gap) / cells);
    const ways = [
      ["row", s.dimensions === 2, share(k + i + o, 3)], // kernel, input, output
      ["pair", s.dimensions === 2, share(i + o, 2)], // input, output, the kernel above them
      ["line", s.dimensions === 1, share(k + Math.max(i, o), 2)], // kernel, input, output below it
    ];
    let [layout, , cell] = ways.find(([, fits, size]) => fits && size >= least) ?? [];
    if (!layout) {
      cell = share(Math.max(k, i, o), 1);
      layout = share(k + o, 2) >= least ? "under" : "over"; // the kernel, of the input
      if (layout === "under") cell = Math.min(cell, share(k + o, 2));
    }
    stage.dataset.layout = layout;
    stage.style.setProperty("--cell", `${Math.max(26, Math.min(largest, cell))}px`);
    stage.classList.toggle("cx-is-small", cell < 30);
  }

  // -- pointer and keyboard on the grids

  function hover(cell) {
    if (editor || (!cell && !hovered)) return;
    hovered = cell && { kind: cell.kind, at: cell.at };
    redrawSoon();
  }

  function enter(home, cell) {
    if (!cell) return;
    home.stop.node.tabIndex = -1;
    home.stop = cell;
    cell.node.tabIndex = 0;
    focused = { kind: cell.kind, at: cell.at };
    drawMeeting();
    if (!editor) say();
  }

  function key(event, { rows, down, across, stop: cell }) {
    if (editor || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = [down.indexOf(cell.at[0]), across.indexOf(cell.at[1])];
    const to = gridStep(event.key, at, [down.length, across.length]);
    const typed = /^[-+.,\d−]$/.test(event.key);
    if (!to && !typed && event.key !== "Enter" && event.key !== "F2") return;
    event.preventDefault();
    hovered = null;
    if (to) rows[to[0]][to[1]].node.focus();
    else edit(cell, typed ? event.key : null);
  }

  // -- editing a number

  function edit(cell, typed = null) {
    if (!cell || editor) return;
    stop();
    if (cell.kind === "output") refuse("Outputs are computed. Change the input or the kernel.");
    else if (cell.look !== "real") refuse("This zero is not part of the input: it stays 0.");
    else open(cell, typed);
  }

  function open(cell, typed) {
    const list = cell.kind === "input" ? "input_values" : "kernel_values";
    const [y, x] = cell.kind === "input" ? realPlace(s, cell.at) : cell.at;
    const old = asRows(s, s[list])[y][x];
    const field = element("input", {
      type: "text", class: "cx-edit", autocomplete: "off",
      "aria-label": `${cell.kind} ${placeAloud(s, [y, x])}`,
      onkeydown: (event) => {
        event.stopPropagation();
        if (event.key === "Enter") finish(true);
        else if (event.key === "Escape") close(true);
      },
      onblur: () => finish(false),
    });
    editor = field;
    refuse("");
    field.value = typed ?? String(old);
    cell.node.append(field);
    field.focus();
    if (typed === null) field.select();

    function close(stay) {
      editor = null;
      refuse("");
      if (stay) cell.node.focus();
      field.remove();
      redrawSoon();
    }

    // Takes the number. A wrong one keeps the field open after Enter; leaving gives the old back.
    function finish(stay) {
      if (editor !== field) return;
      const number = parseNumber(field.value);
      const most = constants.largest;
      const why = number === null
        ? `“${field.value}” is not a number. Type one such as 2, -1 or 0.5.`
        : Math.abs(number) > most ? `${field.value} is too large: type −${most} to ${most}.` : "";
      if (why && stay) {
        field.setAttribute("aria-invalid", "true");
        refuse(why);
        return;
      }
      close(stay);
      if (why) {
        refuse(`${why} It stays ${short(old, 4)}.`);
        return;
      }
      const rows = asRows(s, s[list]).map((row) => [...row]);
      rows[y][x] = number;
      change({ [list]: fromRows(s, rows) });
      if (stay) say();
    }
  }

  // -- steps

  function goTo(step) {
    change({ step });
    if (!timer) say();
  }

  function start() {
    if (s.step === steps(s) - 1) change({ step: 0 });
    timer = setInterval(() => {
      if (s.step < steps(s) - 1) goTo(s.step + 1);
      if (s.step === steps(s) - 1) stop();
    }, 800);
    drawTransport();
  }

  function stop() {
    if (!timer) return;
    clearInterval(timer);
    timer = 0;
    drawTransport();
    say();
  }

  // Speaks what the sentence and the arithmetic say, unless that takes too long to hear.
  function say() {
    const arithmetic = [...terms.children].map(({ textContent }) => textContent).join(" ");
    spoken.say(`${sentence.textContent} ${arithmetic.length < 400 ? arithmetic : ""}`);
  }

  // -- copying

  async function copy(text) {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = copyBySelection(text);
    }
    copied.textContent = done ? "Copied." : "The browser forbids copying: select the call instead.";
  }

  // The older way, for pages that may not use the clipboard (no https, an embedded frame).
  function copyBySelection(text) {
    const area = element("textarea", { class: "cnn-spoken", "aria-hidden": "true", tabindex: -1 });
    const before = document.activeElement;
    area.value = text;
    root.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }

  const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");
  const keepStill = () => { stop(); drawTransport(); };
  stillness.addEventListener("change", keepStill);
  const sizeWatch = new ResizeObserver(([{ contentRect }]) => {
    room = Math.floor(contentRect.width);
    fit();
    drawOverlay();
  });
  sizeWatch.observe(stage);
  const watches = [
    watch(model, STATE.filter((trait) => trait !== "preset"), () => adopt()),
    watch(model, ["preset"], () => adopt(model.get("preset"))),
  ];
  redraw();

  return () => {
    for (const undo of watches) undo();
    clearInterval(timer);
    cancelAnimationFrame(frame);
    spoken.stop();
    sizeWatch.disconnect();
    stillness.removeEventListener("change", keepStill);
  };
}

// A group of radio buttons that looks like one switch. Returns {node, set(value)}.
function radios(label, options, onChange) {
  const group = uniqueId("switch");
  const inputs = options.map(([value]) => element("input", {
    type: "radio", name: group, value, onchange: () => onChange(value),
  }));
  const node = element("fieldset", { class: "cx-switch" }, element("legend", {}, label),
    ...options.map(([, text], i) => element("label", {}, inputs[i], element("span", {}, text))));
  const set = (value) => inputs.forEach((input) => { input.checked = input.value === value; });
  return { node, set };
}

function icon(path) {
  return svgElement("svg", { class: "cx-icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svgElement("path", { d: path }));
}

export default { render };
