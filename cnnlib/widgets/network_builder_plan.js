// The plan of a network that a reader builds: the twin of network_builder_plan.py, which says what a
// plan and a path are.

import { same, upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const MOST_LAYERS = 40;
export const MOST_DEPTH = 2;
export const BRANCHES = [2, 4];
export const MOST_INPUT = [1024, 512, 512];
export const MOST_BATCH = 512;

const OUT = setting("out_channels", 1, 1024, 16);
const BIAS = setting("bias", 0, 1, 1);
const POOL = [
  setting("kernel_size", 1, 11, 2), setting("stride", 1, 8, null), setting("padding", 0, 10, 0),
  setting("ceil_mode", 0, 1, 0),
];

export const KINDS = {
  conv: [
    OUT, setting("kernel_size", 1, 11, 3, true), setting("stride", 1, 8, 1),
    setting("padding", 0, 20, 0, true), setting("dilation", 1, 8, 1),
    setting("groups", 1, 1024, 1), BIAS,
  ],
  transposed: [
    OUT, setting("kernel_size", 1, 11, 2), setting("stride", 1, 8, 2), setting("padding", 0, 10, 0),
  ],
  max: POOL,
  mean: POOL,
  global: [],
  norm: [],
  lrn: [],
  relu: [],
  relu6: [],
  sigmoid: [],
  tanh: [],
  dropout: [setting("percent", 1, 95, 50)],
  shuffle: [setting("groups", 1, 64, 2)],
  dense: [setting("growth", 1, 128, 12), setting("layers", 1, 12, 4)],
  flatten: [],
  linear: [setting("out_features", 1, 4096, 10), BIAS],
};
export const BLOCKS = ["add", "cat"];

function setting(name, least, most, preset, pair = false) {
  return { name, least, most, default: preset, pair };
}

// A legal layer's settings by their names, all there; kernel and padding of a pair as [h, w].
/** @returns {any} */
export function settingsOf(layer) {
  const found = {};
  KINDS[layer[0]].forEach(({ name, default: preset, pair }, place) => {
    const value = layer[place + 1] ?? preset ?? found.kernel_size;
    found[name] = pair && !Array.isArray(value) ? [value, value] : value;
  });
  return found;
}

export const isBlock = (layer) => BLOCKS.includes(layer[0]);

// How many layers a plan has, those in branches counted in.
export function countLayers(plan) {
  return plan.reduce((sum, layer) => sum + 1
    + (isBlock(layer) ? layer.slice(1).reduce((all, branch) => all + countLayers(branch), 0) : 0), 0);
}

// What a path leads to: a layer, a branch (a list of layers), or the plan itself.
export function at(plan, path) {
  return path.reduce((here, index, depth) => here[depth % 2 ? index + 1 : index], plan);
}

// ------------------------------------------------------------------------- the nearest legal plan

export function nearestPlan(wanted) {
  return nearestLayers(wanted, MOST_DEPTH, { left: MOST_LAYERS });
}

function nearestLayers(wanted, depth, budget) {
  const found = [];
  for (const item of wanted) {
    const kind = Array.isArray(item) ? item[0] : null;
    if (budget.left === 0 || typeof kind !== "string") continue;
    if (BLOCKS.includes(kind) && depth > 0) {
      budget.left -= 1;
      const branches = item.slice(1).filter(Array.isArray).slice(0, BRANCHES[1]);
      while (branches.length < BRANCHES[0]) branches.push([]);
      found.push([kind, ...branches.map((part) => nearestLayers(part, depth - 1, budget))]);
    } else if (Object.hasOwn(KINDS, kind)) {
      budget.left -= 1;
      found.push([kind, ...nearestSettings(KINDS[kind], item.slice(1))]);
    }
  }
  return found;
}

function nearestSettings(settings, wanted) {
  const found = [];
  for (const place of upTo(Math.min(settings.length, wanted.length))) {
    const [one, value] = [settings[place], wanted[place]];
    const preset = one.default ?? found[0];
    found.push(one.pair && Array.isArray(value) && value.length === 2
      ? value.map((part) => nearest(one, part, preset)) : nearest(one, value, preset));
  }
  return found;
}

function nearest({ least, most }, value, preset) {
  return Math.min(Math.max(Number.isInteger(value) ? value : preset, least), most);
}

export function nearestPath(plan, wanted) {
  const path = [];
  let here = plan;
  for (const index of Array.isArray(wanted) ? wanted : []) {
    if (!Number.isInteger(index)) break;
    if (path.length % 2 === 0) { // a layer of a list
      if (!here.length) break;
      path.push(Math.min(Math.max(index, 0), here.length - 1));
      here = here[path.at(-1)];
    } else { // a branch of a block
      if (!isBlock(here)) break;
      path.push(Math.min(Math.max(index, 0), here.length - 2));
      here = here[path.at(-1) + 1];
    }
  }
  return path;
}

export function settled(changes, present) {
  const s = new Settling(changes, present);
  let plan = s.wanted("plan");
  if (!Array.isArray(plan)) {
    s.refuse("plan", "expected.plan");
    plan = s.state.plan;
  }
  const legal = nearestPlan(plan);
  if (!same(legal, plan)) s.refuse("plan", "expected.layers");
  s.take("plan", legal);
  const wanted = s.wanted("input");
  const fits = Array.isArray(wanted) && wanted.length === 3;
  const shape = MOST_INPUT.map((most, axis) => Math.min(Math.max(
    fits && Number.isInteger(wanted[axis]) ? wanted[axis] : s.state.input[axis], 1), most));
  if (!same(shape, wanted)) {
    s.refuse("input", "expected.input", { channels: MOST_INPUT[0], size: MOST_INPUT[1] });
  }
  s.take("input", shape);
  s.whole("batch", 1, MOST_BATCH);
  const place = nearestPath(legal, s.wanted("selected"));
  if (!same(place, s.wanted("selected"))) s.refuse("selected", "expected.selected");
  s.take("selected", place);
  return s.done();
}
