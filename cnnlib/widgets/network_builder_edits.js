// Changes of a plan: each takes a state and gives the changes that it makes, or null where it cannot
// be made. Nothing is changed in place.

import { same, upTo } from "./kit/dom.js";
import {
  at, BRANCHES, countLayers, isBlock, KINDS, MOST_DEPTH, MOST_LAYERS, settingsOf,
} from "./network_builder_plan.js";
import { build } from "./network_builder_sums.js";

export const isLayer = (path) => path.length % 2 === 1;

// What can be added, in the order of the menu; those that are no kind are blocks ready to work.
export const NEW = [...Object.keys(KINDS), "residual", "branches"];

// The plan with other layers in the list at this path (of a branch, or [] for the plan itself).
function withList(plan, path, layers) {
  if (!path.length) return layers;
  const [place, branch, ...rest] = path;
  const block = plan[place];
  const inner = withList(block[branch + 1], rest, layers);
  return replaced(plan, place, replaced(block, branch + 1, inner));
}

function replaced(list, place, value) {
  return list.map((one, index) => (index === place ? value : one));
}

function spliced(list, place, gone, ...coming) {
  return [...list.slice(0, place), ...coming, ...list.slice(place + gone)];
}

// The list that a path's layer stands in, and its place there.
const home = (path) => [path.slice(0, -1), path.at(-1)];

// What comes into the place behind `selected`: its shape, or null.
function shapeAt({ plan, input, selected }) {
  const { entries } = build(plan, input);
  if (selected.length && !isLayer(selected)) { // a branch's start: what comes into its block
    const [list, place] = home(selected.slice(0, -1));
    return shapeAt({ plan, input, selected: place ? [...list, place - 1] : list });
  }
  return entries.find(({ path }) => same(path, selected))?.shape ?? null;
}

// ----------------------------------------------------------------------------- adding and leaving

// Why nothing of this kind can be added here: a key of the words' table, or null.
export function whyNotAdd({ plan, selected }, kind) {
  const [list] = isLayer(selected) ? home(selected) : [selected];
  if (["residual", "branches"].includes(kind) && list.length / 2 >= MOST_DEPTH) return "do.add.deep";
  return countLayers(plan) + countLayers([fresh(kind, null)]) > MOST_LAYERS ? "do.add.full" : null;
}

export function add(state, kind) {
  if (whyNotAdd(state, kind)) return null;
  const { plan, selected } = state;
  const [list, place] = isLayer(selected) ? home(selected) : [selected, -1];
  const layers = at(plan, list);
  const layer = fresh(kind, shapeAt(state));
  return {
    plan: withList(plan, list, spliced(layers, place + 1, 0, layer)), selected: [...list, place + 1],
  };
}

// A new layer that works, if any does, behind what gives `shape`.
function fresh(kind, shape) {
  const channels = Math.min(shape?.length === 3 ? shape[0] : 16, 1024);
  const wide = Math.max(channels, 8);
  if (kind === "conv") return ["conv", wide, 3, 1, 1];
  if (kind === "transposed") return ["transposed", wide];
  if (kind === "residual") {
    const conv = ["conv", channels, 3, 1, 1, 1, 1, 0];
    return ["add", [conv, ["norm"], ["relu"], conv, ["norm"]], []];
  }
  if (kind === "branches") return ["cat", [["conv", wide, 1]], [["conv", wide, 3, 1, 1]]];
  return [kind];
}

export function remove({ plan, selected }) {
  if (!selected.length) return null;
  if (!isLayer(selected)) {
    const [path, branch] = home(selected);
    const block = at(plan, path);
    if (block.length - 1 <= BRANCHES[0]) return null;
    return { plan: set(plan, path, spliced(block, branch + 1, 1)), selected: path };
  }
  const [list, place] = home(selected);
  const layers = spliced(at(plan, list), place, 1);
  const next = layers.length ? [...list, Math.min(place, layers.length - 1)] : list;
  return { plan: withList(plan, list, layers), selected: next };
}

export function duplicate({ plan, selected }) {
  if (!isLayer(selected)) return null;
  const [list, place] = home(selected);
  const layers = at(plan, list);
  if (countLayers(plan) + countLayers([layers[place]]) > MOST_LAYERS) return null;
  return {
    plan: withList(plan, list, spliced(layers, place, 0, layers[place])),
    selected: [...list, place + 1],
  };
}

// One place up (by -1) or down (by 1) in its list.
export function move({ plan, selected }, by) {
  if (!isLayer(selected)) return null;
  const [list, place] = home(selected);
  const layers = at(plan, list);
  const to = place + by;
  if (to < 0 || to >= layers.length) return null;
  const without = spliced(layers, place, 1);
  return {
    plan: withList(plan, list, spliced(without, to, 0, layers[place])), selected: [...list, to],
  };
}

// ---------------------------------------------------------------------------------------- setting

// The plan with another layer at this path.
function set(plan, path, layer) {
  const [list, place] = home(path);
  return withList(plan, list, replaced(at(plan, list), place, layer));
}

const chosen = ({ plan, selected }) => (isLayer(selected) ? at(plan, selected) : null);

// The chosen layer with other settings, by their names; null where it has none of these.
export function change(state, settings) {
  const layer = chosen(state);
  if (!layer || isBlock(layer)) return null;
  const names = new Set(KINDS[layer[0]].map(({ name }) => name));
  if (!Object.keys(settings).every((name) => names.has(name))) return null;
  return { plan: set(state.plan, state.selected, written(layer[0], { ...settingsOf(layer), ...settings })) };
}

// A layer in its shortest form: what has its default at the end is left out.
function written(kind, settings) {
  const values = KINDS[kind].map(({ name }) => settings[name])
    .map((value) => (Array.isArray(value) && value[0] === value[1] ? value[0] : value));
  const presets = KINDS[kind].map(({ default: preset }) => preset ?? settings.kernel_size);
  while (values.length && values.at(-1) === presets[values.length - 1]) values.pop();
  return [kind, ...values];
}

export const FORMS = ["square", "column", "row"];

// Which of the forms a kernel has, null for another; and its longer side.
export function formOf([rows, columns]) {
  if (rows === columns) return "square";
  if (columns === 1) return "column";
  return rows === 1 ? "row" : null;
}

const sides = (form, long, short) => {
  if (form === "square") return [long, long];
  return form === "column" ? [long, short] : [short, long];
};

// Kernel and padding of a form; a side of 1 needs no padding.
export function kernelChange(state, { form, kernel, padding }) {
  if (chosen(state)?.[0] !== "conv") return null;
  return change(state, { kernel_size: sides(form, kernel, 1), padding: sides(form, padding, 0) });
}

// The buttons of a convolution.
const SHAPERS = {
  same({ kernel_size: kernel, dilation }) {
    return { padding: kernel.map((size) => Math.floor((dilation * (size - 1)) / 2)) };
  },
  point: () => ({ kernel_size: [1, 1], padding: [0, 0], dilation: 1, groups: 1 }),
  depthwise: (_, channels) => ({ out_channels: channels, groups: channels }),
};

const MOST_PADDING = KINDS.conv.find(({ name }) => name === "padding").most;

// What comes into the chosen layer: its shape, or null.
function coming(state) {
  const [list, place] = home(state.selected);
  return shapeAt({ ...state, selected: place ? [...list, place - 1] : list });
}

export function shape(state, name) {
  if (chosen(state)?.[0] !== "conv") return null;
  const given = coming(state);
  if (name === "depthwise" && (given?.length !== 3 || given[0] > 1024)) return null;
  const made = SHAPERS[name](settingsOf(chosen(state)), given?.[0]);
  if (made.padding?.some((size) => size > MOST_PADDING)) return null; // a wide, dilated kernel
  return change(state, made);
}

// A depthwise convolution and a 1x1 one in the place of the chosen convolution.
export function separate(state) {
  const { plan, selected } = state;
  const layer = chosen(state);
  const given = layer?.[0] === "conv" ? coming(state) : null;
  if (given?.length !== 3 || given[0] > 1024 || countLayers(plan) >= MOST_LAYERS) return null;
  const found = settingsOf(layer);
  const depthwise = written("conv", { ...found, out_channels: given[0], groups: given[0], bias: 0 });
  const point = written("conv", {
    ...found, kernel_size: [1, 1], padding: [0, 0], stride: 1, dilation: 1, groups: 1,
  });
  const [list, place] = home(selected);
  return { plan: withList(plan, list, spliced(at(plan, list), place, 1, depthwise, point)), selected };
}

// ----------------------------------------------------------------------------------------- blocks

export function joinBy(state, kind) {
  const layer = chosen(state);
  if (!layer || !isBlock(layer)) return null;
  return { plan: set(state.plan, state.selected, [kind, ...layer.slice(1)]) };
}

export function addBranch(state) {
  const layer = chosen(state);
  if (!layer || !isBlock(layer) || layer.length - 1 >= BRANCHES[1]) return null;
  return {
    plan: set(state.plan, state.selected, [...layer, []]),
    selected: [...state.selected, layer.length - 1],
  };
}

// A 1x1 convolution in the first empty branch, so that it gives what the first other branch gives.
export function project(state) {
  const { plan, input, selected } = state;
  const layer = chosen(state);
  if (!layer || !isBlock(layer) || countLayers(plan) >= MOST_LAYERS) return null;
  const empty = layer.slice(1).findIndex((branch) => !branch.length);
  const given = coming(state);
  const { entries } = build(plan, input);
  const other = upTo(layer.length - 1).filter((branch) => layer[branch + 1].length)
    .map((branch) => entries.find(({ path }) => same(path, [...selected, branch])).shape)
    .find(Boolean);
  if (empty < 0 || given?.length !== 3 || other?.length !== 3) return null;
  if (other[0] > 1024) return null;
  const stride = Math.min(Math.max(1, Math.round(given[1] / other[1])), 8);
  const conv = written("conv", {
    out_channels: other[0], kernel_size: [1, 1], stride, padding: [0, 0], dilation: 1, groups: 1, bias: 1,
  });
  return { plan: set(plan, selected, replaced(layer, empty + 1, [conv])) };
}
