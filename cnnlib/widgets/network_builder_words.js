// A layer in words, and what the middle unit sees in words. describe() is the twin of describe in
// network_builder.py.

import { at, isBlock, KINDS, settingsOf } from "./network_builder_plan.js";
import { asNumber, times } from "./network_builder_sums.js";

const pair = (value) => (Array.isArray(value) ? value : [value, value]);

// A pair of equal numbers as one of them.
function once(value) {
  const [rows, columns] = pair(value);
  return rows === columns ? String(rows) : times([rows, columns]);
}

// A layer and its settings: "Convolution, 5×5, 6 channels". What has its default is left out.
export function describe(say, layer) {
  const [kind] = layer;
  const name = say(`kind.${kind}`);
  if (isBlock(layer)) return name;
  const found = settingsOf(layer);
  return [name, ...KINDS[kind].map((setting) => told(say, kind, setting.name, found[setting.name]))
    .filter(Boolean)].join(", ");
}

function told(say, kind, name, value) {
  if (name === "bias") return value ? null : say("say.no_bias");
  if (name === "ceil_mode") return value ? say("say.ceil_mode") : null;
  if (name === "kernel_size") return say("say.kernel_size", { size: times(pair(value)) });
  if (name === "padding") return pair(value).some(Boolean) ? say("say.padding", { size: once(value) }) : null;
  if (["stride", "dilation"].includes(name) && value === 1) return null;
  if (name === "groups" && value === 1 && kind !== "shuffle") return null;
  return say(`say.${name}`, { count: value });
}

// The name of a place of the plan.
export function titleOf(say, plan, path) {
  if (!path.length) return say("kind.input");
  if (path.length % 2 === 0) return say("kind.branch", { number: path.at(-1) + 1 });
  return describe(say, at(plan, path));
}

export const whole = (number) => number.toLocaleString("en-GB");

// The sizes of a row's field: one number an axis. The input's is a pixel.
export function fieldSizes(row) {
  if (!row) return [1, 1];
  const [rows, columns = rows] = row.field;
  return [rows.size, columns.size];
}

// What the middle unit of a row sees, in sentences. `row` is undefined for the input.
export function seenInWords(say, row, found, input) {
  if (!found) return say("sees.none");
  const picture = times(input.slice(1));
  const seen = found.seen.map(([first, last]) => last - first + 1);
  const size = times(seen);
  const parts = [size === picture ? say("sees.whole", { picture })
    : say("sees.part", { size, picture, share: String(found.share / 10) })];
  const field = times(found.whole.map(([first, last]) => last - first + 1));
  if (field !== size) parts.push(say("sees.beyond", { field }));
  if (row) {
    const [rows, columns = rows] = row.field.map(({ stride }) => stride);
    if (rows === 0 && columns === 0) parts.push(say("sees.same"));
    else {
      const one = rows === columns && asNumber(rows) === 1 ? 1 : 2;
      parts.push(say("sees.step", { step: once([rows, columns]), count: one }));
    }
    if (row.aligned === false) parts.push(say("sees.aside"));
  }
  return parts.join(" ");
}
