// One network, loaded: runs a plan's steps forwards, and sends a signal back to the picture.

import { Arena, LiveError } from "./arena.js";
import { plainest } from "./convolution.js";
import { CURVES } from "./curves.js";
import { OPERATORS } from "./operators.js";
import { changedPart, partBehind, wholeOf } from "./parts.js";

// What a rectifier sends back: only where its own input was let through (`gated`), only a signal above 0
// (`rectified`). Springenberg et al. 2015, Fig. 1; the same table stands in cnnlib/inside/deconvnet.py.
export const RULES = {
  gradient: { gated: true, rectified: false },
  deconvnet: { gated: false, rectified: true },
  guided: { gated: true, rectified: true },
};

const product = (sizes) => sizes.reduce((one, other) => one * other, 1);

export class Network {
  // `tensors`: name -> Float32Array.
  constructor(plan, tensors) {
    this.plan = plan;
    this.shapes = plan.values;
    this.sizes = plan.values.map(product);
    this.tensors = new Map(tensors);
    for (const [name, { data }] of Object.entries(plan.constants)) this.tensors.set(name, floatsOf(data));
    this.arena = new Arena();
    this.address = this.sizes.map((size) => this.arena.take(size));
    this.signalAddress = null;
    this.dense = new Map(); // of tables
    this.owed = new Map(); // name of a tensor -> where its gradient gathers
    this.layers = plan.layers.map(({ name, kind, shape }) => ({ name, kind, shape: shape.slice(1) }));
    this.valueOf = new Map(plan.layers.map(({ name, value }) => [name, value]));
    this.steps = plan.steps.map((planned) => {
      const step = plainest(planned, this.sizes);
      const operator = OPERATORS[step.op];
      if (!operator) throw new LiveError("plan", `the plan has a step ${step.op}, which the engine does not know`);
      return { step, operator, state: operator.open(this, step) };
    });
    this.reload();
  }

  // Takes the weights anew, after they have changed.
  reload() {
    this.kept = false;
    this.dense.clear();
    for (const { operator, state } of this.steps) {
      operator.load?.(this, state);
      if (state) delete state.back; // kernels turned on their side: made again when they are needed
    }
  }

  // ---- For the operators.

  values(number) { return this.arena.floats(this.address[number], this.sizes[number]); }

  signal(number) { return this.signalAddress[number]; }

  signals(number) { return this.arena.floats(this.signalAddress[number], this.sizes[number]); }

  // Something that a step makes when it is first needed, and keeps.
  once(state, name, make) {
    state[name] ??= make();
    return state[name];
  }

  // The numbers of a tensor that a plan names. Kernels of a table are laid out among zeros.
  tensor({ tensor: name, shape, pairs }) {
    const found = this.tensors.get(name);
    if (!found) throw new LiveError("damaged", `the weights have no ${name}`);
    if (!pairs) return found;
    if (!this.dense.has(name)) {
      const [, depth, high, wide] = shape;
      const all = new Float32Array(product(shape));
      const area = high * wide;
      pairs.forEach(([to, from], i) => {
        all.set(found.subarray(i * area, (i + 1) * area), (to * depth + from) * area);
      });
      this.dense.set(name, all);
    }
    return this.dense.get(name);
  }

  // Where the gradient of a tensor gathers. A table's kernels gather laid out, among zeros.
  owedFor(reference) {
    const { tensor: name, shape } = reference;
    const count = product(shape);
    if (!this.owed.has(name)) this.owed.set(name, { reference, address: this.arena.take(count) });
    return this.arena.floats(this.owed.get(name).address, count);
  }

  refuseKinks(what, numbers, kinks) {
    if (this.ruleName === "gradient") return;
    for (const kink of kinks) {
      if (numbers.some((x) => x < kink) && numbers.some((x) => x > kink)) {
        throw new LiveError("input", `rule=${this.ruleName}: ${what} has a kink and is no rectifier`);
      }
    }
  }

  // ---- Forwards.

  // Runs the steps; `breathe`, awaited between them, may end it by an error. Where the image is as it was at the
  // last run, what that run has made stays, unless all is to be made anew (`whole`).
  async run(image, breathe = null, { whole: all = false } = {}) {
    if (all) this.kept = false;
    for (const { step, operator, state, part } of this.due(image)) {
      operator.forward(this, step, state, part);
      if (breathe) await breathe();
    }
    this.kept = true;
  }

  // The steps that have something to do, each with the part of its output.
  due(image) {
    const before = this.kept ? this.values(0).slice() : null;
    this.fill(image);
    const parts = before ? [changedPart(before, image, this.shapes[0])] : this.shapes.map(wholeOf);
    if (before) for (const each of this.steps) parts[each.step.output] = partBehind(each, parts, this.shapes);
    return this.steps.map((each) => ({ ...each, part: parts[each.step.output] })).filter(({ part }) => part);
  }

  runAtOnce(image) {
    this.fill(image);
    for (const { step, operator, state } of this.steps) operator.forward(this, step, state);
  }

  fill(image) {
    if (!(image instanceof Float32Array) || image.length !== this.sizes[0]) {
      const [, ...shape] = this.shapes[0];
      const found = image?.length === undefined ? typeof image : `${image.length} numbers`;
      throw new LiveError("input", `image: expected a Float32Array of ${shape.join("x")}, found ${found}`);
    }
    this.kept = false;
    this.values(0).set(image);
  }

  get scores() { return this.values(this.plan.output).slice(); }

  // A copy of a layer's numbers, (C, H, W).
  map(name) { return this.values(this.numberOf(name)).slice(); }

  // Refuses a list of layers that holds an unknown one: before the work.
  expectLayers(names) {
    if (!Array.isArray(names)) throw new LiveError("input", `layers=${names}: expected a list of names`);
    names.forEach((name) => this.numberOf(name));
  }

  numberOf(name) {
    if (name === "") return this.plan.output;
    if (!this.valueOf.has(name)) throw new LiveError("input", `layer=${name}: the network has no such layer`);
    return this.valueOf.get(name);
  }

  // ---- Backwards.

  // Where a signal begins: a target among the scores, or a unit of a layer. Behind a run.
  startOf({ target, logarithm, layer, channel, position, rule }) {
    if (target !== undefined && target !== null) {
      if ([layer, channel, position].some((part) => part !== undefined && part !== null)) {
        throw new LiveError("input", `target=${target}: expected either a target or a unit of a layer, found both`);
      }
      const number = this.plan.output;
      const place = whole(target, "target", this.sizes[number]);
      const signal = logarithm ? slopesOfLogarithm(this.values(number), place) : null;
      return { number, place, size: 1, signal, strict: true };
    }
    const number = this.numberOf(layer ?? "");
    const [, channels, ...grid] = this.shapes[number];
    const values = this.values(number);
    const area = product(grid);
    if (channels === undefined) throw new LiveError("input", `layer=${layer ?? ""}: it has no channels`);
    if (![0, 2].includes(grid.length)) throw new LiveError("input", `layer=${layer}: its units have no rows and columns`);
    let chosen = channel;
    if (chosen === undefined || chosen === null) chosen = Math.floor(strongest(values, 0, values.length) / area);
    else whole(chosen, "channel", channels);
    let place = chosen * area;
    if (position === undefined || position === null) place = strongest(values, place, place + area);
    else {
      if (!grid.length || position.length !== 2) throw new LiveError("input", `position=${position}: expected (row, column)`);
      position.forEach((at, axis) => whole(at, "position", grid[axis]));
      place += position[0] * grid[1] + position[1];
    }
    const size = rule === "deconvnet" ? Math.max(values[place], 0) : 1;
    return { number, place, size, strict: false };
  }

  // The signal on the picture. `start`: as startOf gives it, or {number, signal}, all numbers of one value.
  async sendBack(start, rule, { breathe = null, learn = false } = {}) {
    if (!Object.hasOwn(RULES, rule)) {
      throw new LiveError("input", `rule=${rule}: expected one of ${Object.keys(RULES).join(", ")}`);
    }
    this.rule = RULES[rule];
    this.ruleName = rule;
    this.passesOverNorms = rule === "deconvnet";
    this.beginSignal(start);
    const reached = new Set([start.number]);
    const met = { rectifier: false, other: false };
    for (let i = this.steps.length - 1; i >= 0; i -= 1) {
      const { step, operator, state } = this.steps[i];
      if (!reached.has(step.output)) continue;
      if (step.op === "clamp" && step.min === 0) met.rectifier = true;
      else if (CURVES[step.curve]?.bends) met.other = true;
      if (learn) operator.learn?.(this, step, state);
      if (!learn || step.inputs.some((value) => value > 0)) operator.backward(this, step, state); // no weight owes by the picture's signal
      step.inputs.forEach((value) => reached.add(value));
      if (breathe) await breathe();
    }
    if (!reached.has(0)) throw new LiveError("input", "the picture has no part in this");
    if (rule !== "gradient" && !met.rectifier && (met.other || start.strict)) {
      throw new LiveError("input", `rule=${rule}: no rectifier lies on the way back`);
    }
  }

  beginSignal({ number, place, size, signal }) {
    this.signalAddress ??= this.sizes.map((count) => this.arena.take(count));
    this.sizes.forEach((_, value) => this.signals(value).fill(0));
    if (signal) this.signals(number).set(signal);
    else this.signals(number)[place] = size;
  }
}

function strongest(values, from, to) {
  let best = from;
  for (let i = from + 1; i < to; i += 1) if (values[i] > values[best]) best = i;
  return best;
}

// d log(softmax(scores)[place]) / d scores: 1 at the place, less every score's own share.
function slopesOfLogarithm(scores, place) {
  const most = scores[strongest(scores, 0, scores.length)];
  const powers = Float64Array.from(scores, (score) => Math.exp(score - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  const others = powers.reduce((all, power, i) => (i === place ? all : all + power), 0);
  return Float32Array.from(powers, (power, i) => (i === place ? others : -power) / sum);
}

function whole(number, name, end) {
  if (!Number.isInteger(number) || number < 0 || number >= end) {
    throw new LiveError("input", `${name}=${number}: expected a whole number from 0 to ${end - 1}`);
  }
  return number;
}

export function floatsOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
