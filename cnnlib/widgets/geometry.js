// The sums of cnnlib/geometry.py and cnnlib/rows.py for the front end, name for name and rule for rule.
//
// A window is a plain object {kernel_size, stride, padding, dilation, output_padding, transposed,
// ceil_mode} with Python's defaults; padding is a number or [before, after]. Index lists come as
// arrays, ascending. A browser test holds every function to Python's over all small cases.

/**
 * @typedef {object} Settings  one axis of a window, as it is asked for
 * @property {number} kernel_size
 * @property {number} [stride]
 * @property {number | number[]} [padding]
 * @property {number} [dilation]
 * @property {number} [output_padding]
 * @property {boolean} [transposed]
 * @property {boolean} [ceil_mode]
 *
 * @typedef {Required<Settings> & {padding: number[]}} Window
 */

const DEFAULTS = {
  stride: 1, padding: 0, dilation: 1, output_padding: 0, transposed: false, ceil_mode: false,
};

// The window with every default filled in and its padding as [before, after].
// Throws an Error that names the value and the rule, where Python raises ValueError.
/** @param {Settings} settings  @returns {Window} */
export function makeWindow(settings) {
  const w = { ...DEFAULTS, ...settings };
  for (const name of ["kernel_size", "stride", "dilation"]) whole(name, w[name], 1);
  const pair = Array.isArray(w.padding) ? w.padding : [w.padding, w.padding];
  if (pair.length !== 2) throw new Error(`padding=${w.padding}: expected one number or [before, after]`);
  for (const amount of pair) whole("padding", amount, 0);
  whole("output_padding", w.output_padding, 0);
  if (w.output_padding && !w.transposed) {
    throw new Error(`output_padding=${w.output_padding}: only a transposed window has output padding`);
  }
  if (w.output_padding >= Math.max(w.stride, w.dilation)) {
    throw new Error(
      `output_padding=${w.output_padding}: must be smaller than stride=${w.stride} or dilation=${w.dilation}`);
  }
  if (w.ceil_mode && w.transposed) {
    throw new Error("ceil_mode=true: a transposed window has no rounding to do");
  }
  return { ...w, padding: pair };
}

// Positions from the first tap to the last, gaps included.
/** @param {Settings} window */
export function span(window) {
  const w = makeWindow(window);
  return w.dilation * (w.kernel_size - 1) + 1;
}

/** @param {number} size  @param {Settings} window */
export function outputSize(size, window) {
  whole("size", size, 1);
  const w = makeWindow(window);
  const [before, after] = w.padding;
  if (w.transposed) {
    const count = (size - 1) * w.stride - (before + after) + span(w) + w.output_padding;
    if (count < 1) throw new Error(`size=${size}: nothing is left after the padding is cropped`);
    return count;
  }
  const free = size + before + after - span(w);
  let count = Math.floor((free + (w.ceil_mode ? w.stride - 1 : 0)) / w.stride) + 1;
  if (w.ceil_mode && (count - 1) * w.stride >= size + before) count -= 1;
  if (count < 1) throw tooSmall(size, w);
  return count;
}

// Number of windows that cover an axis; the last may hang over its end: by AlexNet's authors.
/** @param {number} size  @param {Settings} window */
export function coveringSize(size, window) {
  whole("size", size, 1);
  const w = makeWindow(window);
  if (w.transposed) throw new Error("transposed=true: expected a forward window");
  const free = size + w.padding[0] + w.padding[1] - span(w);
  if (free < 0) throw tooSmall(size, w);
  return 1 + Math.ceil(free / w.stride);
}

// The input positions that none of the first `count` windows reads, ascending.
/** @param {number} size  @param {Settings} window  @param {number} count */
export function unreadInputs(size, window, count) {
  whole("size", size, 1);
  const w = makeWindow(window);
  const read = new Set();
  for (let unit = 0; unit < count; unit += 1) {
    for (const place of w.transposed ? sources(w, unit) : targets(w, unit)) read.add(place);
  }
  return Array.from({ length: size }, (_, place) => place).filter((place) => !read.has(place));
}

/** @param {number} size  @param {Window} w */
function tooSmall(size, w) {
  const [before, after] = w.padding;
  return new Error(
    `size=${size}: with padding ${before}+${after} it is smaller than the window's span of ${span(w)}`);
}

// Input positions that output `index` reads, those in the padding included.
/** @param {Settings} window  @param {number} size  @param {number} index */
export function inputIndices(window, size, index) {
  const w = makeWindow(window);
  inside(index, outputSize(size, w));
  return w.transposed ? sources(w, index) : targets(w, index);
}

// Outputs that input `index` feeds.
/** @param {Settings} window  @param {number} size  @param {number} index */
export function outputIndices(window, size, index) {
  const w = makeWindow(window);
  inside(index, size);
  const count = outputSize(size, w);
  return (w.transposed ? targets(w, index) : sources(w, index)).filter((i) => i >= 0 && i < count);
}

/** @param {Window} w  @param {number} index */
function targets(w, index) {
  const first = index * w.stride - w.padding[0];
  return Array.from({ length: w.kernel_size }, (_, tap) => first + tap * w.dilation);
}

/** @param {Window} w  @param {number} position */
function sources(w, position) {
  const places = [];
  for (let tap = w.kernel_size - 1; tap >= 0; tap -= 1) {
    const distance = position + w.padding[0] - tap * w.dilation;
    if (distance % w.stride === 0) places.push(distance / w.stride);
  }
  return places;
}

function whole(name, value, least) {
  if (!Number.isInteger(value)) throw new Error(`${name}=${value}: expected a whole number`);
  if (value < least) throw new Error(`${name}=${value}: expected ${least} or more`);
}

function inside(index, size) {
  if (!Number.isInteger(index) || index < 0 || index >= size) {
    throw new Error(`index=${index}: expected a whole number from 0 to ${size - 1}`);
  }
}

// The rows of a trace from their JSON: the twin of LayerTrace.from_json in cnnlib/rows.py, which says
// what the JSON leaves out. Here it is filled in, and each row has in_sizes as well: the grid of each
// of its inputs, -1 being the network's. windows hold how each axis is read: a window, {reads, chain}
// where no one window says it, "all" for every position.
export function readRows(list) {
  const grids = list.map((row) => row.grid ?? row.out_shape.slice(2));
  const gridOf = (number) => (number < 0 ? list[0].in_shape.slice(2) : grids[number]);
  return list.map((row, number) => {
    const axes = (values) => (values.length === 1 ? grids[number].map(() => values[0]) : values);
    return {
      ...row,
      field: axes(row.field.map(({ size, stride, start }) => (
        { size: readNumber(size), stride: readNumber(stride), start: readNumber(start) }))),
      windows: axes(row.windows.map(readReading)),
      aligned: row.aligned ?? true,
      grid: grids[number],
      parents: row.parents ?? [],
      in_sizes: row.inputs.map(gridOf),
    };
  });
}

function readNumber(value) {
  if (typeof value === "number") return value;
  const [above, below] = value.split("/");
  return above / below;
}

function readReading(reading) {
  if (reading === "all") return reading;
  if (reading.reads) return { ...reading, chain: reading.chain.map(makeWindow) };
  return makeWindow(reading);
}

// What one unit sees, through a whole network: the twin of seen_by in cnnlib/rows.py, over the rows
// that readRows gives.
//
// Returns a Map: row number (and -1) -> one [first, last] an axis, nulls where nothing is read. A row
// that no path leads to is not in it.
//
// Paths that differ (1x7 beside 7x1) touch a union of boxes, so boxes are followed, not their hull.
// A box has for each axis a list of runs [start, stop), ascending and apart: five hundred rows are
// followed within a frame.
export function seenBy(rows, row, unit, clip = true) {
  const reached = new Map([[row, [unit.map((index) => [[index, index + 1]])]]]);
  for (let number = row; number >= 0; number -= 1) {
    const here = rows[number];
    const boxes = reached.get(number);
    if (!boxes) continue;
    here.inputs.forEach((below, which) => {
      if (!reached.has(below)) reached.set(below, []);
      for (const box of boxes) {
        include(reached.get(below), box.map((runs, axis) => (
          readBy(runs, here.windows[axis], here.in_sizes[which][axis], here.grid[axis], clip))));
      }
    });
  }
  return new Map([...reached].map(([name, boxes]) => [name, hull(boxes, unit.length)]));
}

// Adds a box, unless it is empty or lies in another; drops those that lie in it.
function include(boxes, box) {
  if (box.some((runs) => !runs.length) || boxes.some((other) => lies(box, other))) return;
  const kept = boxes.filter((other) => !lies(other, box));
  boxes.splice(0, boxes.length, ...kept, box);
}

function lies(small, large) {
  return small.every((runs, axis) => runs.every(([start, stop]) => (
    large[axis].some(([from, to]) => from <= start && stop <= to))));
}

// The positions, of `size`, that runs of units of an axis of `count` read.
function readBy(runs, reading, size, count, clip) {
  if (reading === "all") return [[0, size]];
  if (reading.reads) return readByList(runs, reading, count, clip);
  if (size === 1 && count > 1 && isPointwise(reading)) return [[0, 1]]; // one value for all places
  const read = runs.flatMap(([start, stop]) => readByRun(start, stop, reading));
  if (!clip) return joined(read);
  return joined(read.map(([start, stop]) => [Math.max(start, 0), Math.min(stop, size)])
    .filter(([start, stop]) => start < stop));
}

/** @param {number} start  @param {number} stop  @param {Window} w */
function readByRun(start, stop, w) {
  if (!w.transposed && w.dilation === 1 && w.stride <= w.kernel_size) { // the windows meet: no gaps
    const [before] = w.padding;
    return [[start * w.stride - before, (stop - 1) * w.stride - before + w.kernel_size]];
  }
  const read = [];
  for (let index = start; index < stop; index += 1) {
    for (const i of w.transposed ? sources(w, index) : targets(w, index)) read.push([i, i + 1]);
  }
  return read;
}

function readByList(runs, { reads, chain }, count, clip) {
  if (!clip && chain.length) {
    return chain.reduceRight((some, w) => (
      joined(some.flatMap(([start, stop]) => readByRun(start, stop, w)))), runs);
  }
  const read = [];
  for (const [start, stop] of runs) {
    for (let unit = Math.max(start, 0); unit < Math.min(stop, count); unit += 1) {
      for (const i of reads[unit]) read.push([i, i + 1]);
    }
  }
  return joined(read);
}

// The runs in order, those that touch or overlap made one.
function joined(runs) {
  if (runs.length < 2) return runs;
  const result = [];
  for (const [start, stop] of [...runs].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], stop);
    else result.push([start, stop]);
  }
  return result;
}

// Whether unit i reads position i and no other.
/** @param {Window} w */
export function isPointwise(w) {
  return w.kernel_size === 1 && w.stride === 1 && !w.transposed && w.padding.every((p) => p === 0);
}

function hull(boxes, axes) {
  return Array.from({ length: axes }, (_, axis) => (boxes.length
    ? [Math.min(...boxes.map((box) => box[axis][0][0])),
      Math.max(...boxes.map((box) => box[axis].at(-1)[1])) - 1] : null));
}
