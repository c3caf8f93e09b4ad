// Receptive field explorer, the sums: the network, who sees what, the lines beside the list of
// layers, where a window is drawn. Row -1 is the input.

import { isPointwise, readRows, seenBy, span } from "./geometry.js";
import { setAttribute } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

// The twin of ReceptiveFieldExplorer.settled.
export function settled(changes, present, { rows }) {
  const s = new Settling(changes, present);
  const layer = s.whole("layer", -1, rows.length - 1);
  s.place("unit", layer < 0 ? rows[0].in_shape.slice(2)
    : rows[layer].grid ?? rows[layer].out_shape.slice(2));
  s.flag("leave_out");
  s.flag("shown");
  return s.done();
}

// ------------------------------------------------------------------------------------ the network

// The rows of the trace with what the picture needs beside. A row's `shape` is its output's without
// the batch. It `varies` where its units may see windows of different sizes, as behind a transposed
// convolution. A `vector` has no places left.
export function expand(list, inputName) {
  const rows = readRows(list);
  for (const row of rows) {
    row.shape = row.out_shape.slice(1);
    row.vector = row.shape.length === 1 && hasOnePlace(row);
    row.varies = !row.aligned || row.windows.some((w) => w.transposed || w.reads)
      || row.inputs.some((below) => below >= 0 && rows[below].varies);
  }
  const shape = rows[0].in_shape.slice(1);
  const pixel = { size: 1, stride: 1, start: 0 };
  const input = {
    name: inputName, kind: "", inputs: [], shape, grid: shape.slice(1), field: [pixel, pixel],
    vector: false, aligned: true, varies: false,
  };
  return { rows, at: (number) => (number < 0 ? input : rows[number]) };
}

export const hasOnePlace = ({ grid }) => grid.every((count) => count === 1);

// What one unit sees: a Map from row number (and -1) to [[first, last], [first, last]], nulls where
// nothing is read. A pixel of the input sees itself.
export function seen(network, row, unit, clip = true) {
  if (row < 0) return new Map([[-1, unit.map((index) => [index, index])]]);
  return seenBy(network.rows, row, unit, clip);
}

// What it sees of the input through one of a join's inputs alone.
export function seenThrough(network, row, unit, which) {
  const join = network.rows[row];
  const alone = { ...join, inputs: [join.inputs[which]], in_sizes: [join.in_sizes[which]] };
  return seenBy([...network.rows.slice(0, row), alone], row, unit).get(-1) ?? null;
}

export const isEmpty = (ranges) => !ranges || ranges.includes(null);
export const extent = ([first, last]) => last - first + 1;

// Size and step of the field after one more window (Araujo et al. 2019).
export function widen(field, window) {
  return {
    size: field.size + (span(window) - 1) * field.stride,
    stride: field.stride * window.stride,
  };
}

// A ReLU, say: it has one input and reads it place by place, so that every window stays as it is.
export function changesNothing(row) {
  return row.inputs.length === 1 && row.windows.every(isPointwise)
    && String(row.grid) === String(row.in_sizes[0]);
}

// What of a window lies in the padding. `whole` is the window as if every layer went on beyond its
// border. For each axis: `before` and `after`, outside of the image; `behind`, in the image, but only
// some layer's padding looks at it.
export function beyondBorder(whole, ranges, size) {
  return [0, 1].map((axis) => {
    const [first, last] = whole[axis];
    const before = Math.max(0, Math.min(last, -1) - first + 1);
    const after = Math.max(0, last - Math.max(first, size[axis]) + 1);
    return { before, after, behind: extent(whole[axis]) - before - after - extent(ranges[axis]) };
  });
}

// ----------------------------------------------------------------- the lines beside the list

const MOST_LANES = 6;

// The lines of the network's graph beside the list: [{from, to, lane}], indices into `order`, which
// holds row numbers from the input upwards. A row left out of `order` hands on what it reads.
// Lane 0 joins neighbours; other lines go round, one lane for all that read the same row.
export function lanes(network, order) {
  const indexOf = new Map(order.map((layer, index) => [layer, index]));
  const listedRow = (layer) => (
    indexOf.has(layer) ? layer : listedRow(network.rows[layer].inputs[0]));
  const lines = order.flatMap((layer, to) => {
    const read = new Set(network.at(layer).inputs.map((below) => indexOf.get(listedRow(below))));
    return [...read].map((from) => ({ from, to, lane: 0 }));
  });
  const takenUpTo = [];
  for (const from of new Set(lines.map((line) => line.from))) {
    const round = lines.filter((line) => line.from === from && line.to > from + 1);
    if (!round.length) continue;
    let lane = 1;
    while (lane < MOST_LANES && takenUpTo[lane] > from) lane += 1;
    takenUpTo[lane] = Math.max(takenUpTo[lane] ?? 0, ...round.map((line) => line.to));
    for (const line of round) line.lane = lane;
  }
  return lines;
}

// ---------------------------------------------------------------- boxes: {x, y, width, height}

export const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

// The largest box of a map's proportions in `room`, centred.
export function fitBox([height, width], room) {
  const scale = Math.min(room.width / width, room.height / height);
  return {
    x: room.x + (room.width - width * scale) / 2, y: room.y + (room.height - height * scale) / 2,
    width: width * scale, height: height * scale,
  };
}

// Where a window lies on a map drawn in `map`; never smaller than `least`, so that it can be seen.
export function windowBox(ranges, size, map, least) {
  const along = ([first, last], count, start, room) => {
    const long = Math.max(least, (last - first + 1) * room / count);
    return [start + (first + last + 1) / 2 * room / count - long / 2, long];
  };
  const [y, height] = along(ranges[0], size[0], map.y, map.height);
  const [x, width] = along(ranges[1], size[1], map.x, map.width);
  return { x, y, width, height };
}

export function grown({ x, y, width, height }, by) {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by };
}

export function common(one, other) {
  const x = Math.max(one.x, other.x);
  const y = Math.max(one.y, other.y);
  const width = Math.min(one.x + one.width, other.x + other.width) - x;
  const height = Math.min(one.y + one.height, other.y + other.height) - y;
  return { x, y, width: Math.max(0, width), height: Math.max(0, height) };
}

export function outlineOf({ x, y, width, height }) {
  return `M${x} ${y}h${width}v${height}h${-width}z`;
}

export function setBox(node, box) {
  for (const [name, value] of Object.entries(box)) setAttribute(node, name, value.toFixed(2));
}
