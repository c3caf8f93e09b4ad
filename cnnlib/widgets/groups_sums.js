// The groups widget's sums: which channels each layer reads, what reaches an output, what it costs.
//
// The twin of groups_sums.py, name by name, and of Groups.settled. A step is [in_channels,
// out_channels, groups, kernel_size]; a shuffle has a kernel of size 0.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const GROUPED = ["grouped", "twice", "shuffled"]; // the kinds that have a number of groups
export const SIZES = [1, 3, 5, 7, 9, 11];
export const CHANNELS = [1, 512];
export const MAPS = [1, 256];
const DOTS = 64;

export function divisors(ins, outs) {
  let [most, rest] = [ins, outs];
  while (rest) [most, rest] = [rest, most % rest];
  return upTo(most).map((i) => i + 1).filter((groups) => most % groups === 0);
}

export function settled(changes, present, { kinds }) {
  const s = new Settling(changes, present);
  const kind = s.oneOf("kind", kinds);
  const ins = s.whole("in_channels", ...CHANNELS);
  const outs = s.whole("out_channels", ...CHANNELS);
  const groups = s.whole("groups", ...CHANNELS);
  if (GROUPED.includes(kind)) {
    const options = divisors(ins, outs);
    const near = options.findLast((count) => count <= groups);
    if (near !== s.wanted("groups")) {
      s.refuse("groups", "groups.expected", { ins, outs, options: options.join(", ") });
    }
    s.take("groups", near);
  }
  s.oneOf("kernel_size", SIZES);
  s.whole("map_size", ...MAPS);
  s.whole("output", 0, outputsOf(s.state) - 1);
  return s.done();
}

export const outputsOf = (state) => steps(state).at(-1)[1];

export function steps({ kind, in_channels: ins, out_channels: outs, groups, kernel_size: size }) {
  const [first, second] = [[ins, outs, groups, size], [outs, outs, groups, size]];
  return {
    dense: [[ins, outs, 1, size]],
    grouped: [first],
    depthwise: [[ins, ins, ins, size]],
    pointwise: [[ins, outs, 1, 1]],
    separable: [[ins, ins, ins, size], [ins, outs, 1, 1]],
    twice: [first, second],
    shuffled: [first, [outs, outs, groups, 0], second],
  }[kind];
}

export function rivals({ kind, in_channels: ins, out_channels: outs, kernel_size: size }) {
  if (kind === "depthwise") return [[ins, ins, 1, size]];
  const dense = [[ins, outs, 1, size], [outs, outs, 1, size]];
  return kind === "twice" || kind === "shuffled" ? dense : dense.slice(0, 1);
}

export const weights = ([ins, outs, groups, size]) => outs * (ins / groups) * size ** 2;

export function reads([ins, outs, groups, size], channel) {
  const each = ins / groups;
  if (size === 0) {
    const source = (channel % groups) * each + Math.floor(channel / groups);
    return [source, source];
  }
  const group = Math.floor(channel / (outs / groups));
  return [group * each, (group + 1) * each - 1];
}

// The different ranges that some channels read, in order.
function rangesOf(step, channels) {
  const found = new Map(channels.map((channel) => {
    const range = reads(step, channel);
    return [range[0], range];
  }));
  return [...found.values()].sort(([a], [b]) => a - b);
}

export function reached(layers, output) {
  const columns = [[output]];
  for (const step of [...layers].reverse()) {
    columns.unshift(rangesOf(step, columns[0]).flatMap(([first, last]) =>
      upTo(last - first + 1).map((i) => first + i)));
  }
  return columns;
}

export function columnGroups(layers) {
  const counts = layers.map(([, , groups]) => groups);
  return [1, ...counts].map((count, i) => Math.max(count, counts[i] ?? 1));
}

export function bundles(channels, groups) {
  const size = channels / groups;
  const [whole, step] = groups > DOTS ? [channels, size * Math.ceil(groups / DOTS)]
    : [size, Math.ceil(size / Math.floor(DOTS / groups))];
  return upTo(channels / whole).flatMap((group) => upTo(Math.ceil(whole / step)).map((i) => {
    const first = group * whole + i * step;
    return [first, Math.min(first + step, (group + 1) * whole) - 1];
  }));
}

export function threads(step, left, right, lit = null) {
  const counted = lit && new Set(lit);
  return right.flatMap(([first, last], j) => {
    const channels = upTo(last - first + 1).map((i) => first + i);
    const ranges = rangesOf(step, counted ? channels.filter((c) => counted.has(c)) : channels);
    return upTo(left.length)
      .filter((i) => ranges.some(([a, b]) => a <= left[i][1] && left[i][0] <= b))
      .map((i) => [i, j]);
  });
}

export function runs(channels) {
  const found = [];
  for (const channel of channels) {
    if (found.length && found.at(-1)[1] === channel - 1) found.at(-1)[1] = channel;
    else found.push([channel, channel]);
  }
  return found;
}
