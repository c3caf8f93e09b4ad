// The sums of cnnlib/geometry.py for the front end, name for name and rule for rule.
//
// A window is a plain object {kernel_size, stride, padding, dilation, output_padding, transposed,
// ceil_mode} with Python's defaults; padding is a number or [before, after]. Index lists come as
// arrays, ascending. A browser test holds every function to Python's over all small cases.

const DEFAULTS = {
  stride: 1, padding: 0, dilation: 1, output_padding: 0, transposed: false, ceil_mode: false,
};

// The window with every default filled in and its padding as [before, after].
// Throws an Error that names the value and the rule, where Python raises ValueError.
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
export function span(window) {
  const w = makeWindow(window);
  return w.dilation * (w.kernel_size - 1) + 1;
}

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
  if (count < 1) {
    throw new Error(
      `size=${size}: with padding ${before}+${after} it is smaller than the window's span of ${span(w)}`);
  }
  return count;
}

// Input positions that output `index` reads, those in the padding included.
export function inputIndices(window, size, index) {
  const w = makeWindow(window);
  inside(index, outputSize(size, w));
  return w.transposed ? sources(w, index) : targets(w, index);
}

// Outputs that input `index` feeds.
export function outputIndices(window, size, index) {
  const w = makeWindow(window);
  inside(index, size);
  const count = outputSize(size, w);
  return (w.transposed ? targets(w, index) : sources(w, index)).filter((i) => i >= 0 && i < count);
}

function targets(w, index) {
  const first = index * w.stride - w.padding[0];
  return Array.from({ length: w.kernel_size }, (_, tap) => first + tap * w.dilation);
}

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

// What one unit sees, through a whole network: the twin of cnnlib.trace.seen_by.
//
// rows: [{inputs, windows, in_sizes}], as cnnlib.widgets.base.rows_of writes them. inputs are row
// numbers, -1 the network's input; in_sizes holds [height, width] of each; windows hold one window
// an axis, null where the layer reads every position of it. Returns a Map: row number (and -1) ->
// one [first, last] an axis, or null for an axis along which nothing is read.
export function seenBy(rows, row, unit, clip = true) {
  const reached = new Map([[row, unit.map((index) => new Set([index]))]]);
  for (let here = row; here >= 0; here -= 1) {
    const sets = reached.get(here);
    if (!sets) continue;
    rows[here].inputs.forEach((below, which) => {
      const sizes = rows[here].in_sizes[which];
      const read = sets.map((set, axis) => readBy(set, rows[here].windows[axis], sizes[axis], clip));
      const known = reached.get(below);
      reached.set(below, known
        ? known.map((set, axis) => new Set([...set, ...read[axis]])) : read);
    });
  }
  return new Map([...reached].map(([name, sets]) => [name, sets.map(hull)]));
}

function readBy(set, window, size, clip) {
  const every = window === null || (size === 1 && isPointwise(window)); // size 1: it is broadcast
  if (every) return new Set(Array.from({ length: set.size ? size : 0 }, (_, i) => i));
  const read = new Set();
  for (const index of set) {
    for (const i of window.transposed ? sources(window, index) : targets(window, index)) {
      if (!clip || (i >= 0 && i < size)) read.add(i);
    }
  }
  return read;
}

function isPointwise(w) {
  return w.kernel_size === 1 && w.stride === 1 && !w.transposed && w.padding.every((p) => p === 0);
}

function hull(set) {
  return set.size ? [Math.min(...set), Math.max(...set)] : null;
}
