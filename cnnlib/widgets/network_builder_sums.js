// What a plan comes to: a row for each of its operations, in the form in which a trace's rows are
// written, and where it fails. The twin of network_builder_sums.py.

import { makeWindow, outputSize, readRows, seenBy, span } from "./geometry.js";
import { same, upTo } from "./kit/dom.js";
import { BLOCKS, settingsOf } from "./network_builder_plan.js";
import { fieldOf, join, seeAll, seeItself, seeThrough } from "./sight.js";

const MOST_CHANNELS = 4096;
const MOST_SIZE = 512; // of a map, along an axis
const MOST_FIELD = 10 ** 6; // pixels that a unit sees, or steps over
const MOST_SPANS = 1024; // units that see each another window, behind transposed convolutions
const RESPONSE_SIZE = 5;

const POINTWISE = {
  lrn: "LocalResponseNorm", relu: "ReLU", relu6: "ReLU6", sigmoid: "Sigmoid", tanh: "Tanh",
  dropout: "Dropout",
};
const VECTORS_TOO = new Set(["norm", "relu", "relu6", "sigmoid", "tanh", "dropout"]);
const IDENTITY = makeWindow({ kernel_size: 1 });
const CLASSES = { add: "Add", cat: "Cat" };

const product = (numbers) => numbers.reduce((all, number) => all * number, 1);
export const times = (sizes) => sizes.join("×");

class Fault extends Error {
  constructor(key, values = {}) {
    super(key);
    this.said = [`fault.${key}`, values];
  }
}

// {rows, entries, fault}. An entry is {path, shape, row, first, end, fault}, as Entry in Python has
// it; `fault` of all is the first entry with one, or null. The last answer is kept: many ask for it.
export function build(plan, shape) {
  const asked = JSON.stringify([plan, shape]);
  if (asked !== latest.asked) latest = { asked, built: buildAnew(plan, shape) };
  return latest.built;
}

let latest = { asked: "", built: null };

function buildAnew(plan, shape) {
  const work = { rows: [], entries: [{ path: [], shape, row: -1, first: 0, end: 0, fault: null }] };
  const [, height, width] = shape;
  const down = seeItself(height);
  const across = width === height ? down : seeItself(width);
  chain(work, plan, { row: -1, shape, sights: [down, across] }, [], "", []);
  return { ...work, fault: work.entries.find(({ fault }) => fault) ?? null };
}

// A flow is what comes out of a row, {row, shape, sights}; null where it is not known.
function chain(work, layers, flow, path, name, parents) {
  return layers.reduce((given, layer, place) => (
    make(work, layer, given, [...path, place], name ? `${name}.${place}` : String(place), parents)
  ), flow);
}

function make(work, layer, flow, path, name, parents) {
  let [out, fault] = [null, null];
  const entry = open(work, path);
  try {
    if (BLOCKS.includes(layer[0])) out = block(work, layer, flow, path, name, parents);
    else if (flow) out = single(work, layer, flow, path.length > 1, name, parents);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    fault = error.said;
  }
  close(work, entry, out, fault);
  return out;
}

function open({ rows, entries }, path) {
  const first = rows.length;
  const entry = { path, shape: null, row: -1, first, end: first, fault: null };
  entries.push(entry);
  return entry;
}

function close({ rows }, entry, out, fault) {
  Object.assign(entry, { end: rows.length, fault });
  if (out) Object.assign(entry, { shape: out.shape, row: out.row });
}

function block(work, [kind, ...branches], flow, path, name, parents) {
  const around = [...parents, CLASSES[kind], "ModuleList", "Sequential"];
  const ends = branches.map((branch, number) => {
    const here = [...path, number];
    const entry = open(work, here);
    const end = chain(work, branch, flow, here, `${name}.branches.${number}`, around);
    close(work, entry, end, null);
    return end;
  });
  if (!flow || ends.includes(null)) return null;
  if (flow.shape.length === 1) throw new Fault("maps");
  return (kind === "cat" ? cat : add)(work, name, ends, [...parents, CLASSES[kind]]);
}

function add(work, name, ends, parents) {
  const [one, ...others] = ends;
  others.forEach(({ shape }, place) => {
    if (same(shape, one.shape)) return;
    throw new Fault("add", { branch: place + 2, shape: times(shape), one: times(one.shape) });
  });
  return others.reduce((total, end, place) => write(work, {
    name: place ? `${name}.add#${place + 1}` : `${name}.add`, kind: "add",
    flows: [total, end], shape: total.shape, parents,
  }), one);
}

function cat(work, name, ends, parents) {
  const sizes = ends[0].shape.slice(1);
  ends.slice(1).forEach(({ shape }, place) => {
    if (same(shape.slice(1), sizes)) return;
    throw new Fault("cat", { branch: place + 2, shape: times(shape.slice(1)), one: times(sizes) });
  });
  const shape = [ends.reduce((sum, end) => sum + end.shape[0], 0), ...sizes];
  return write(work, { name: `${name}.cat`, kind: "cat", flows: ends, shape, parents });
}

// A layer that is no block. `inside`: it stands in a branch.
function single(work, layer, flow, inside, name, parents) {
  const [kind] = layer;
  const found = settingsOf(layer);
  const isMap = flow.shape.length === 3;
  const own = { name, flows: [flow], shape: flow.shape, parents };
  if (kind === "flatten" || kind === "linear") {
    if (inside) throw new Fault("branch");
    if (kind === "linear") return linear(work, found, flow, own);
    return write(work, { ...own, kind: "Flatten", shape: [product(flow.shape)] });
  }
  if (!isMap && !VECTORS_TOO.has(kind)) throw new Fault("maps");
  if (kind === "norm") {
    return write(work, {
      ...own, kind: isMap ? "BatchNorm2d" : "BatchNorm1d", parameters: 2 * flow.shape[0],
    });
  }
  if (Object.hasOwn(POINTWISE, kind)) return write(work, { ...own, kind: POINTWISE[kind] });
  if (kind === "shuffle") {
    divides(found.groups, flow.shape[0], "in");
    return write(work, { ...own, kind: "ChannelShuffle" });
  }
  if (kind === "global") {
    const shape = [flow.shape[0], 1, 1];
    return write(work, { ...own, kind: "AdaptiveAvgPool2d", shape, readings: ["all", "all"] });
  }
  if (kind === "dense") return dense(work, found, flow, name, parents);
  return slide(work, kind, found, flow, own);
}

function linear(work, { out_features: out, bias }, { shape, sights }, own) {
  if (shape.length === 3) throw new Fault("vector", { shape: times(shape) });
  const [given] = shape;
  return write(work, {
    ...own, kind: "Linear", shape: [out],
    readings: sights.map(({ units }) => (units > 1 ? "all" : IDENTITY)),
    parameters: given * out + out * bias, macs: given * out,
  });
}

// A convolution, plain or transposed, or a pool.
function slide(work, kind, found, { shape: [channels, ...sizes] }, own) {
  const windows = windowsOf(kind, found);
  const out = found.out_channels ?? channels;
  const pools = kind === "max" || kind === "mean";
  if (kind === "conv") {
    divides(found.groups, channels, "in");
    divides(found.groups, out, "out");
  } else if (pools && 2 * found.padding > found.kernel_size) {
    throw new Fault("pool_padding", { most: Math.floor(found.kernel_size / 2) });
  }
  const places = sizes.map((size, axis) => placesOf(size, windows[axis]));
  if (places.includes(null)) {
    if (kind === "transposed") throw new Fault("cropped");
    const padded = sizes.map((size, axis) => size + 2 * windows[axis].padding[0]);
    throw new Fault("kernel", { span: times(windows.map(span)), padded: times(padded) });
  }
  const shape = [out, ...places];
  const row = { ...own, shape, readings: windows };
  if (pools) return write(work, { ...row, kind: kind === "max" ? "MaxPool2d" : "AvgPool2d" });
  const taps = windows[0].kernel_size * windows[1].kernel_size;
  if (kind === "transposed") {
    return write(work, {
      ...row, kind: "ConvTranspose2d", parameters: out * (channels * taps + 1),
      macs: channels * product(sizes) * out * taps,
    });
  }
  const each = taps * (channels / found.groups); // weights that go into an output
  return write(work, {
    ...row, kind: "Conv2d", parameters: out * (each + found.bias), macs: product(shape) * each,
  });
}

export function windowsOf(kind, { kernel_size: kernel, stride, padding, dilation, ceil_mode: up }) {
  if (kind === "conv") {
    return [0, 1].map((axis) => makeWindow(
      { kernel_size: kernel[axis], stride, padding: padding[axis], dilation }));
  }
  const window = makeWindow({
    kernel_size: kernel, stride, padding, transposed: kind === "transposed", ceil_mode: up === 1,
  });
  return [window, window];
}

// How many places a window has, null where none.
function placesOf(size, window) {
  const free = size + 2 * window.padding[0] - span(window) + (window.ceil_mode ? window.stride - 1 : 0);
  const left = (size - 1) * window.stride - 2 * window.padding[0] + span(window);
  return (window.transposed ? left < 1 : free < 0) ? null : outputSize(size, window);
}

function divides(groups, channels, way) {
  if (channels % groups) throw new Fault(`groups.${way}`, { groups, channels });
}

// Each layer reads all before it: batch norm, ReLU, a 3x3 convolution, concatenation.
function dense(work, { growth, layers }, flow, name, parents) {
  const around = [...parents, "Dense", "ModuleList", "Sequential"];
  return upTo(layers).reduce((given, number) => {
    const inner = [["norm"], ["relu"], ["conv", growth, 3, 1, 1, 1, 1, 0]];
    const made = inner.reduce((now, layer, place) => (
      single(work, layer, now, true, `${name}.layers.${number}.${place}`, around)), given);
    const [channels, ...sizes] = given.shape;
    return write(work, {
      name: number ? `${name}.cat#${number + 1}` : `${name}.cat`, kind: "cat",
      flows: [given, made], shape: [channels + growth, ...sizes], parents: [...parents, "Dense"],
    });
  }, flow);
}

// Appends a row. One that could not be counted to its end is a fault.
/** @param {any} work  @param {any} row */
function write({ rows }, {
  name, kind, flows, shape, readings = [IDENTITY, IDENTITY], parameters = 0, macs = 0, parents,
}) {
  if (shape.length === 3 && shape[0] > MOST_CHANNELS) {
    throw new Fault("channels", { count: shape[0], most: MOST_CHANNELS });
  }
  if (shape.length === 3 && Math.max(shape[1], shape[2]) > MOST_SIZE) {
    throw new Fault("size", { shape: times(shape.slice(1)), most: MOST_SIZE });
  }
  const inputs = [...new Map(flows.map((flow) => [flow.row, flow])).values()];
  let aligned = true;
  const square = same(readings[0], readings[1])
    && inputs.every((flow) => flow.sights[0] === flow.sights[1]);
  const sights = [];
  readings.forEach((reading, axis) => {
    sights.push(axis && square ? sights[0] : see(reading, axis));
  });
  function see(reading, axis) {
    const below = inputs.map((flow) => flow.sights[axis]);
    const spans = product(below.map(({ step, spans }) => (step === null ? 1 : spans.length)));
    if (spans * (reading.transposed ? reading.stride : 1) > MOST_SPANS) throw new Fault("uneven");
    const seen = reading === "all" ? below.map(seeAll) : below;
    const [sight, fits] = join(seen, seen[0].units);
    aligned = aligned && fits;
    if (reading === "all" || reading === IDENTITY) return sight;
    return seeThrough(sight, reading, outputSize(sight.units, reading));
  }
  const field = sights.map(fieldOf);
  if (field.some(({ size, stride }) => Math.max(size, asNumber(stride)) > MOST_FIELD)) {
    throw new Fault("field");
  }
  const row = {
    name, kind, in_shape: [1, ...flows[0].shape], out_shape: [1, ...shape], parameters, macs,
    activations: 4 * product(shape), field: once(field), inputs: inputs.map((flow) => flow.row),
    windows: once(readings.map(shortened)),
  };
  if (!aligned) row.aligned = false;
  const grid = sights.map(({ units }) => units);
  if (!same(grid, shape.slice(1))) row.grid = grid;
  if (parents.length) row.parents = parents;
  rows.push(row);
  return { row: rows.length - 1, shape, sights };
}

// A number of a row: 2, or "3/2".
export function asNumber(number) {
  if (typeof number === "number") return number;
  const [above, below] = number.split("/");
  return above / below;
}

const once = (axes) => (same(axes[0], axes[1]) ? axes.slice(0, 1) : axes);

// A window without the settings that have their defaults.
function shortened(window) {
  if (window === "all") return window;
  const { kernel_size, stride, padding: [before], dilation, transposed, ceil_mode } = window;
  return {
    kernel_size, ...(stride > 1 && { stride }), ...(before > 0 && { padding: before }),
    ...(dilation > 1 && { dilation }), ...(transposed && { transposed }),
    ...(ceil_mode && { ceil_mode }),
  };
}

// ------------------------------------------------------------------------------- for a batch

const KEPT_INPUT = new Set([
  "Conv2d", "Linear", "MaxPool2d", "AvgPool2d", "BatchNorm2d", "LocalResponseNorm",
  "ConvTranspose2d", "BatchNorm1d", "ReLU6",
]);
const KEPT_OUTPUT = new Set(["ReLU", "Sigmoid", "Tanh"]);

// Bytes that torch keeps for the way back: of the images, then of each row's output.
export function keptBytes(rows, shape, batch) {
  const owner = new Map([[-1, -1]]);
  const kept = new Set([-1]);
  rows.forEach(({ kind, inputs: [below] }, number) => {
    owner.set(number, kind === "Flatten" ? owner.get(below) : number);
    if (KEPT_INPUT.has(kind)) kept.add(owner.get(below));
    else if (KEPT_OUTPUT.has(kind)) kept.add(number);
  });
  return [4 * batch * product(shape), ...rows.map(({ kind, out_shape: out }, number) => {
    const values = product(out);
    let each = kept.has(number) ? 4 * values : 0;
    each += values * ({ MaxPool2d: 8, Dropout: 1 }[kind] ?? 0);
    if (kind === "LocalResponseNorm") { // the squares, the sum's base and its power
      each += 4 * (3 * values + (RESPONSE_SIZE - 1) * product(out.slice(2)));
    }
    return batch * each + (kind.startsWith("BatchNorm") ? 8 * out[1] : 0);
  })];
}

// ------------------------------------------------------------------------- what a unit sees

// The middle unit of a row's map: {unit, whole, seen, share}, as Seen in Python; null where it reads
// nothing of the picture.
export function seenFrom(rows, row, shape) {
  const sizes = shape.slice(1);
  const middle = (grid) => grid.map((size) => Math.floor(size / 2));
  const share = (pixels) => Math.floor((1000 * pixels) / product(sizes));
  if (row < 0) {
    const unit = middle(sizes);
    const here = unit.map((place) => [place, place]);
    return { unit, whole: here, seen: here, share: share(1) };
  }
  const all = readRows(rows);
  const unit = middle(all[row].grid);
  const [whole, seen] = [false, true].map((clip) => seenBy(all, row, unit, clip).get(-1));
  if (!whole || !seen || whole.includes(null) || seen.includes(null)) return null;
  return { unit, whole, seen, share: share(product(seen.map(([a, b]) => b - a + 1))) };
}
