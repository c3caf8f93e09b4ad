// Convolution explorer, the scene: who meets whom in the picture of a state, and all of it in words.

import { same, upTo } from "./kit/dom.js";
import { decimal } from "./kit/words.js";
import { outputSize, span } from "./geometry.js";
import {
  asRows, axisOf, changeDimensions, changeMode, convolve, fault, inputIndex, inputKind, isScatter,
  isStuffed, rowLinks, settingsOf, SIZES, steps, windowOf,
} from "./convolution_explorer_sums.js";

// ----------------------------------------------------------------------------------------- scene

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

// The positions along an axis of each grid, as drawn. A kernel is flipped among stuffed zeros.
export function positionsOf({ s, axis }) {
  const range = ([from, to]) => upTo(to - from).map((i) => from + i);
  const taps = range([0, s.kernel_size]);
  return {
    kernel: isStuffed(s) ? taps.reverse() : taps,
    input: range(axis.input),
    output: range(axis.output),
  };
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

// What is looked at: {step, target, met, pairs}. `met` are all meetings of the target, `pairs` those
// to be written out: of a kernel's cell only that of the current step.
export function meetingOf(scene, target) {
  const step = stepTarget(scene);
  const met = meetings(scene, target);
  const pairs = target.kind === "kernel"
    ? met.filter((pair) => same(pair[step.kind], step.at)) : met;
  return { step, target, met, pairs };
}

// What the cell is: "real", "padding" or "stuffed".
export function kindOfInput(s, [y, x]) {
  const kinds = s.dimensions === 2 ? [inputKind(s, y), inputKind(s, x)] : [inputKind(s, x)];
  return ["padding", "stuffed", "real"].find((kind) => kinds.includes(kind));
}

// The place in input_values of a real cell.
export const realPlace = (s, [y, x]) =>
  [s.dimensions === 2 ? inputIndex(s, y) : 0, inputIndex(s, x)];

export function inputValue(s, at) {
  if (kindOfInput(s, at) !== "real") return 0;
  const [y, x] = realPlace(s, at);
  return asRows(s, s.input_values)[y][x];
}

export const weight = (s, [v, u]) => asRows(s, s.kernel_values)[v][u];

const isOutput = ({ s, axis }, [y, x]) =>
  x >= 0 && x < axis.count && (s.dimensions === 1 || (y >= 0 && y < axis.count));

// What stands at a drawn place: {look, linked, extra}. `linked` cells take part in a meeting, and
// `extra` ones are there by output padding.
export function standing(scene, kind, [y, x]) {
  const { s, axis } = scene;
  const has = (position) => scene.linked[kind].has(position);
  const look = kind === "input" ? kindOfInput(s, [y, x])
    : kind === "output" && !isOutput(scene, [y, x]) ? "cropped" : "real";
  const added = axis.count - s.output_padding;
  return {
    look,
    linked: has(x) && (s.dimensions === 1 || has(y)),
    extra: kind === "output" && look === "real"
      && (x >= added || (s.dimensions === 2 && y >= added)),
  };
}

// What a cell holds now: its value, and how far the steps have come there: "done", "partial" (a sum
// that is not finished), "ahead" or "hidden"; "" for cells that no step computes.
export function holds(scene, { kind, at, look }) {
  const { s } = scene;
  if (kind === "kernel") return { value: weight(s, at), reach: "" };
  if (kind === "input") return { value: inputValue(s, at), reach: "" };
  if (look === "cropped") return { value: null, reach: "" };
  const reach = reachOf(scene, at);
  const hidden = reach === "ahead" && s.hide_ahead && !isScatter(s);
  return { value: scene.now[at[0]][at[1]], reach: hidden ? "hidden" : reach };
}

function reachOf({ s, axis, inputs }, at) {
  if (!isScatter(s)) return at[0] * axis.count + at[1] > s.step ? "ahead" : "done";
  const down = s.dimensions === 2 ? inputs.get(at[0]) : [0, 0];
  const across = inputs.get(at[1]);
  if (!down || !across) return "done"; // no stamp reaches it
  const [first, last] = [0, 1].map((end) => down[end] * s.input_size + across[end]);
  if (last <= s.step) return "done";
  return first <= s.step ? "partial" : "ahead";
}

// ----------------------------------------------------------------------------- numbers and places

const factor = (value) => (value < 0 ? `(${decimal(value, 4)})` : decimal(value, 4));
const isRounded = (value) => Math.abs(value - Number(value.toFixed(4))) > 1e-9;

// The number that a reader typed, or null. Takes 0,5 for 0.5 and a true minus sign.
export function parseNumber(text) {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) ? Number(plain) : null;
}

export const shape = (s, n) => (s.dimensions === 2 ? `${n}×${n}` : String(n));

// The sizes of the three grids, each as [kind, text].
export const sizesOf = ({ s, axis }) => [
  ["input", shape(s, s.input_size)], ["kernel", shape(s, s.kernel_size)],
  ["output", shape(s, axis.count)],
];

// Where a cell stands, for the eye and for the ear.
const place = (s, [y, x]) =>
  (s.dimensions === 2 ? `(${decimal(y)}, ${decimal(x)})` : `[${decimal(x)}]`);
export const placeAloud = (say, s, [row, column]) =>
  (s.dimensions === 2 ? say("kit.at", { row, column }) : say("at", { x: column }));

// The index beside a row or above a column; among stuffed zeros only the inputs keep theirs.
export function indexOf(s, kind, position) {
  if (kind !== "input" || !isStuffed(s)) return decimal(position);
  return inputKind(s, position) === "real" ? decimal(inputIndex(s, position)) : "";
}

// ----------------------------------------------------------------------------- cells and meetings

// A cell's label, for those who do not see it: {kind, at, look, linked, extra, value, reach}.
export function labelOf(say, { s }, { kind, at, look, linked, extra, value, reach }) {
  const here = placeAloud(say, s, at);
  if (look === "cropped") return say("cell.cropped", { place: here });
  const number = decimal(value, 4);
  if (kind === "kernel") return say("cell.kernel", { place: here, value: number });
  if (kind === "input") {
    const seat = look === "real" ? placeAloud(say, s, realPlace(s, at))
      : isStuffed(s) ? say("at.drawn", { place: here }) : here;
    return say(`cell.${look}${linked ? "" : ".unread"}`, { place: seat, value: number });
  }
  const seat = extra ? say("at.extra", { place: here }) : here;
  const shown = { partial: "partial", hidden: "hidden", ahead: isScatter(s) ? "untouched" : "real" };
  return say(`cell.${shown[reach] ?? "real"}`, { place: seat, value: number });
}

// The current step, for the ear.
export function stepAloud(say, s, step) {
  const count = outputSize(s.input_size, windowOf(s));
  const { kind, at } = stepTarget({ s: { ...s, step }, axis: { count } });
  return say(`step.${kind}`, { step: step + 1, count: steps(s), place: placeAloud(say, s, at) });
}

// What the target touches, in a sentence and in lines of terms. A term is a list of [kind, text].
export function explain(say, scene, { step, target, met, pairs }) {
  const { s } = scene;
  const lead = same(step, target)
    ? `${say("step.now", { step: s.step + 1, count: steps(s) })} ` : "";
  const { text, lines } = {
    input: explainInput, kernel: explainKernel, output: explainOutput,
  }[target.kind](say, scene, target.at, met, pairs);
  return { text: lead + text, lines };
}

function explainInput(say, scene, at, met, pairs) {
  const { s } = scene;
  const look = kindOfInput(s, at);
  const cell = look !== "real" ? {}
    : { place: place(s, realPlace(s, at)), value: decimal(inputValue(s, at), 4) };
  if (met.length === 0) return { text: say(`input.${look}.unread`, cell), lines: [] };
  const text = isScatter(s) ? say("input.stamps", { ...cell, factor: factor(inputValue(s, at)) })
    : say(`input.${look}`, { ...cell, count: met.length });
  return { text, lines: arrivals(say, scene, pairs) };
}

function explainKernel(say, scene, at, met, pairs) {
  const { s } = scene;
  const text = say(isScatter(s) ? "kernel.inputs" : "kernel.outputs", {
    place: place(s, at), value: decimal(weight(s, at), 4), count: met.length, step: s.step + 1,
  });
  return { text, lines: arrivals(say, scene, pairs) };
}

function explainOutput(say, scene, at, met, pairs) {
  const { s } = scene;
  const cell = place(s, at);
  if (!isOutput(scene, at)) return { text: say("output.cropped", { place: cell }), lines: [] };
  if (met.length === 0) return { text: say("output.unreached", { place: cell }), lines: [] };
  const zeros = pairs.filter(({ input }) => kindOfInput(s, input) !== "real").length;
  const origin = zeros === 0 ? "" : isStuffed(s) ? ".stuffed" : ".padding";
  const text = isScatter(s)
    ? say("output.stamps", {
      place: cell, count: met.length, step: s.step + 1, value: decimal(scene.now[at[0]][at[1]], 4),
    })
    : say(`output.reads${origin}`, { place: cell, count: met.length, zeros });
  const lines = byRow(pairs, "tap").map((row) =>
    row.map((pair) => [[null, pair === pairs[0] ? "" : "+ "], ...product(s, pair)]));
  const total = scene.all[at[0]][at[1]];
  const { reach } = holds(scene, { kind: "output", at, look: "real" });
  lines.at(-1).push([[null, isRounded(total) ? "≈ " : "= "],
    ["output", reach === "hidden" ? "?" : decimal(total, 4)]]);
  return { text, lines };
}

const product = (s, { input, tap }) =>
  [["input", factor(inputValue(s, input))], [null, "×"], ["kernel", factor(weight(s, tap))]];

const arrivals = (say, scene, pairs) => byRow(pairs, "output").map((row) => row.map((pair) => [
  ...product(scene.s, pair), [null, " → "],
  ["output", isOutput(scene, pair.output) ? place(scene.s, pair.output) : say("term.cropped")],
]));

const byRow = (pairs, part) => [...new Set(pairs.map((pair) => pair[part][0]))]
  .map((row) => pairs.filter((pair) => pair[part][0] === row));

// The notes in the corners of the cells that meet: {input, output}, "" for none.
export function notesOf(s, target, { input, tap }) {
  const times = `×${decimal(weight(s, tap), 1)}`;
  if (target.kind !== "input") return { input: times, output: "" };
  const plus = `+${factor(inputValue(s, input) * weight(s, tap))}`;
  return { input: "", output: isScatter(s) ? plus : times };
}

// ------------------------------------------------------------------------ the settings, in words

// The question that these settings ask.
export function question(say, s) {
  if (s.preset) return say(`question.${s.preset}`);
  return say(`question.${s.mode === "forward" ? s.mode : s.view}`);
}

export function story(say, s) {
  if (!isStuffed(s)) return say(`story.${s.mode === "forward" ? s.mode : s.view}`);
  const border = span(windowOf(s)) - 1 - s.padding;
  const zeros = say(`story.zeros${border < 0 ? ".bare" : ""}${s.output_padding ? ".extra" : ""}`, {
    between: s.stride - 1, border, dilation: s.dilation, taps: s.kernel_size - 1,
    padding: s.padding, extra: s.output_padding,
  });
  return `${say("story.stuffed")} ${zeros}`;
}

// How far a setting's slider goes, and why it ends there.
export function rangeInWords(say, s, name, { low, high, below, above }, [least, most]) {
  const why = ([key, values]) => say(key, values);
  if (low === high) return say("range.fixed", { value: low, why: why(above) });
  const by = ["stride", "padding"].includes(name) ? `.${s.mode}` : "";
  const rules = [say(`range.${name}${by}`, { low, high })];
  const not = (value, reason) => rules.push(say("range.not", { value, why: why(reason) }));
  if (s[name] === low && low > least) not(low - 1, below);
  if (s[name] === high && high < most) not(high + 1, above);
  return rules.join(" ");
}

// What a change of the mode or the axes made of the other settings, or "".
export function notice(say, s, before, fixed) {
  if (s.mode !== before.mode) {
    if (!same(settingsOf(s), changeMode(before, s.mode, fixed))) return "";
    const [from, to] = [s.input_size, outputSize(s.input_size, windowOf(s))];
    const leadsBack = to === before.input_size
      && from === outputSize(before.input_size, windowOf(before));
    return say(`notice.${leadsBack ? s.mode : "instead"}`,
      { from: shape(s, from), to: shape(s, to) });
  }
  if (!same(settingsOf(s), changeDimensions(before, s.dimensions, fixed))) return "";
  const why = fault({ ...before, dimensions: s.dimensions }, fixed);
  return SIZES.filter((name) => s[name] !== before[name]).map((name) => say("notice.lowered", {
    name: say(name), value: s[name], why: say(...why),
  })).join(" ");
}

// The size formula in three parts: with letters, with today's numbers, and what is left over.
export function sizeFormula(say, s) {
  const o = outputSize(s.input_size, windowOf(s));
  const [i, k, d, p, a] = [s.input_size, s.kernel_size, s.dilation, s.padding, s.output_padding];
  const meaning = say(`formula.letters.${s.mode}`);
  if (s.mode === "transposed") {
    return {
      letters: "o = (i − 1) · s − 2p + d · (k − 1) + a + 1",
      numbers: `o = (${i} − 1) · ${s.stride} − 2 · ${p} + ${d} · (${k} − 1) + ${a} + 1 = ${o}`,
      rest: meaning,
    };
  }
  const free = i + 2 * p - d * (k - 1) - 1;
  const rest = free % s.stride;
  const many = `${s.dimensions}.${rest === 1 ? "one" : "more"}${p > 0 ? ".padded" : ""}`;
  const cut = say(`formula.${rest === 0 ? "divides" : many}`, { free, stride: s.stride, rest });
  return {
    letters: "o = ⌊(i + 2p − d · (k − 1) − 1) / s⌋ + 1",
    numbers: `o = ⌊(${i} + 2 · ${p} − ${d} · (${k} − 1) − 1) / ${s.stride}⌋ + 1 `
      + `= ⌊${free} / ${s.stride}⌋ + 1 = ${o}`,
    rest: `${cut} ${meaning}`,
  };
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
