// Receptive field explorer, the sentences. Each takes `say` and what it speaks of.

import { span } from "./geometry.js";
import { decimal, listed } from "./kit/words.js";
import {
  beyondBorder, changesNothing, extent, hasOnePlace, isEmpty, widen,
} from "./receptive_field_explorer_sums.js";

export const times = (sizes) => sizes.join("×");
export const fromTo = ([first, last]) => (first === last ? `${first}` : `${first}–${last}`);
export const titleOf = ({ name, kind }) => (kind === name ? name : `${name} ${kind}`.trim());

const short = (number) => decimal(number, 3);

function byAxis(say, [down, across]) {
  return down === across ? short(down) : say("by_axis", { down: short(down), across: short(across) });
}

export function rangesInWords(say, [rows, columns]) {
  const part = (axis, [first, last]) => (
    first === last ? say(`kit.${axis}`, { [axis]: first }) : say(`${axis}s`, { first, last }));
  return say("ranges", { rows: part("row", rows), columns: part("column", columns) });
}

const subjectKind = (network, layer) => (
  layer < 0 ? "pixel" : network.at(layer).vector ? "vector" : "unit");

// What the unit sees of the input. `ranges` is its window there.
export function sentence(say, network, layer, [row, column], ranges) {
  const at = network.at(layer);
  const who = say(`subject.${subjectKind(network, layer)}`, { row, column, name: at.name });
  return layer < 0 ? say("sees.itself", { who }) : windowInWords(say, "sees", at, ranges, { who });
}

// What the reader is to guess.
export function question(say, network, layer, [row, column]) {
  const { name } = network.at(layer);
  return say(`predict.${subjectKind(network, layer)}`, { row, column, name });
}

// A window and how far on the next unit's lies, by one of four keys that begin with `key`.
function windowInWords(say, key, { grid, field }, ranges, values = {}) {
  if (isEmpty(ranges)) return say(`${key}.nothing`, values);
  const steps = field.map((f) => f.stride);
  const all = {
    ...values, ranges: rangesInWords(say, ranges), size: times(ranges.map(extent)),
    pixels: extent(ranges[0]) * extent(ranges[1]), step: byAxis(say, steps),
  };
  if (hasOnePlace({ grid })) return say(`${key}.alone`, all);
  return say(`${key}.${steps.every((step) => step === 0) ? "alike" : "step"}`, all);
}

// What the unit sees through one branch of a join; `row` is the branch's last.
export const branchInWords = (say, row, ranges) => windowInWords(say, "branch", row, ranges);

// What the border takes of the window.
export function borderSentence(say, whole, ranges, size) {
  if (isEmpty(whole) || isEmpty(ranges)) return "";
  if (String(whole) === String(ranges)) return say("border.nothing");
  const lost = beyondBorder(whole, ranges, size);
  const outside = [["above", "below"], ["left", "right"]].flatMap((sides, axis) =>
    sides.map((side, end) => [side, end ? lost[axis].after : lost[axis].before]));
  const behind = ["rows", "columns"].map((axis, i) => [axis, lost[i].behind]);
  const named = (parts) => listed(say, parts.filter(([, count]) => count)
    .map(([key, count]) => say(`border.${key}`, { count })));
  const count = outside.reduce((sum, [, lines]) => sum + lines, 0);
  const parts = [
    count ? say("border.outside", { lost: named(outside), count }) : "",
    named(behind) ? say("border.behind", { lost: named(behind) }) : "",
  ];
  return say("border", { size: times(whole.map(extent)), parts: parts.filter(Boolean).join("; ") });
}

// How a layer makes its field out of the field below: lines of {text} and of {sum}.
export function growth(say, network, layer) {
  if (layer < 0) return [];
  const row = network.rows[layer];
  const sources = row.inputs.map((number) => network.at(number));
  const { name } = row;
  const below = listed(say, [...new Set(sources.map((source) => source.name))]);
  const kernels = times(row.windows.map((w) => w.kernel_size));
  const line = (key, values) => [{ text: say(`growth.${key}`, { name, below, ...values }) }];
  if (row.windows.includes("all")) {
    const [down, across] = row.windows;
    return line(`all.${down === across ? "places" : down === "all" ? "rows" : "columns"}`);
  }
  if (row.windows.some((w) => w.reads)) return line("positions");
  if (row.windows.some((w) => w.transposed)) {
    return line("transposed", { kernels, apart: byAxis(say, row.windows.map((w) => w.stride)) });
  }
  if (sources.length > 1) {
    const spread = hasOnePlace(row) ? [] : sources.filter(hasOnePlace);
    const count = sources.length;
    if (!spread.length) return line("join", { count });
    return line("join.shared", { count, shared: listed(say, spread.map((source) => source.name)) });
  }
  if (changesNothing(row)) return line(hasOnePlace(row) ? "same.one" : "same");
  const reads = row.windows.every((w) => w.dilation === 1) ? line("reads", { kernels })
    : line("reads.apart", {
      kernels, apart: byAxis(say, row.windows.map((w) => w.dilation)),
      spans: times(row.windows.map(span)),
    });
  if (sources[0].varies) return [...reads, ...line("varies")];
  const { field } = sources[0];
  const [down, across] = [0, 1].map((axis) => sums(say, field[axis], row.windows[axis]));
  return [
    ...reads,
    ...line("field", { size: times(field.map((f) => f.size)), step: byAxis(say, field.map((f) => f.stride)) }),
    { sum: say("growth.rule") },
    ...(down === across ? [{ sum: down }]
      : [{ sum: say("growth.rows", { sum: down }) }, { sum: say("growth.columns", { sum: across }) }]),
  ];
}

function sums(say, field, window) {
  const wider = widen(field, window);
  return say("growth.sum", {
    below: short(field.size), span: span(window), step_below: short(field.stride),
    size: short(wider.size), stride: window.stride, step: short(wider.stride),
  });
}
