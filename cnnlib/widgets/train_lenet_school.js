// The networks in their workers, and the course that one of them takes.

import { LiveError } from "./live/engine.js";
import { readSafetensors } from "./live/safetensors.js";

const TURN = 60; // milliseconds of training between two messages
const POINTS = 400; // of the loss's curve, at most

export const codeOf = (fault) => (fault instanceof LiveError ? fault.code : "broken");

// How a course begins (another such text begins another), and what may change on the way.
const beginOf = ({ network, labels, seed }) => [network, labels, seed].join(" ");

function howOf({ optimiser, rate }, { momentum, decay }) {
  return {
    optimiser: optimiser === "adamw" ? "adamw" : "sgd", lr: rate,
    momentum: optimiser === "momentum" ? momentum : 0,
    weight_decay: optimiser === "adamw" ? decay : 0,
  };
}

// A curve's points [seen, loss, steps], halved where there are too many.
export function thinned(points) {
  if (points.length <= POINTS) return points;
  const found = [];
  for (let i = 0; i + 1 < points.length; i += 2) {
    const [[, a, n], [seen, b, m]] = [points[i], points[i + 1]];
    found.push([seen, (a * n + b * m) / (n + m), n + m]);
  }
  return points.length % 2 ? [...found, points.at(-1)] : found;
}

// Both networks, each with the digits: key -> network. `progress` is called with the share that is loaded.
async function loaded({ open, data, fixed, signal }, progress) {
  const found = new Map();
  const parts = fixed.networks.length + 1;
  const tell = (part) => progress((found.size + Math.min(part, 1)) / parts);
  try {
    // One after the other: a notebook sends one file at a time.
    for (const { key } of fixed.networks) {
      found.set(key, await open(key, { signal, onProgress: ({ loaded, total }) => tell(loaded / total) }));
    }
    const about = fixed.digits;
    const file = await data("digits", { signal, onProgress: ({ loaded }) => tell(loaded / about.bytes) });
    for (const network of found.values()) await network.course.take(file, about);
    return found;
  } catch (fault) {
    for (const network of found.values()) network.close();
    throw fault;
  }
}

// {status(), load(), unload(), follow(state), train(on), step(), anew(), weights(), take(), stop()}.
//
// status(): {state, share, error, training, busy, run}. `state` is "idle", "loading", "ready" or "failed". `run` is
// {told: [[seen, loss, steps]], exams: [[seen, share right]], counts, start, first, seen, seconds, broken}, or
// null before a course has begun. `changed` is called when any of this has changed. One request is
// under way at a time.
export function school({ open, data, fixed, changed }) {
  let [state, share, error, training, steps] = ["idle", 0, null, false, 0];
  let [run, wanted, begun, given] = [null, null, null, null];
  let networks = new Map();
  let control = null; // of the loading or the loaded networks; another, and it is out of date
  let busy = false;
  const waiting = []; // work that is to be done between two turns

  function leave(next, code = null) {
    control?.abort();
    for (const network of networks.values()) network.close();
    waiting.length = 0;
    [control, networks, state, error] = [null, new Map(), next, code];
    [run, begun, given, training, steps] = [null, null, null, false, 0];
    changed();
  }

  async function load() {
    if (control) return;
    const own = new AbortController();
    control = own;
    [state, share, error] = ["loading", 0, null];
    changed();
    try {
      const found = await loaded({ open, data, fixed, signal: own.signal }, (next) => {
        if (control !== own) return;
        share = next;
        changed();
      });
      if (control !== own) {
        for (const network of found.values()) network.close();
        return;
      }
      [networks, state] = [found, "ready"];
      changed();
      pump();
    } catch (fault) {
      if (control === own) leave("failed", codeOf(fault));
    }
  }

  // What is to be done next: what waits, a new course, an exam that is due, or training.
  function next() {
    if (waiting.length) return waiting.shift();
    if (begun !== beginOf(wanted) || given) return begin;
    if (run.broken) return null;
    if (run.exams.length === 0 || (run.seen % fixed.exam === 0 && run.exams.at(-1)[0] !== run.seen)) return examine;
    return training || steps ? teach : null;
  }

  async function pump() {
    if (busy || state !== "ready" || !wanted) return;
    const work = next();
    if (!work) return;
    const own = control;
    busy = true;
    try {
      await work(networks.get(wanted.network), wanted, () => control === own);
    } catch (fault) {
      if (control === own && codeOf(fault) !== "aborted") leave("failed", codeOf(fault));
    }
    busy = false;
    changed();
    pump();
  }

  async function begin(network, settings, current) {
    const { parameters, rubbish } = fixed.networks.find(({ key }) => key === settings.network);
    const how = {
      ...howOf(settings, fixed), seed: settings.seed, shuffled: settings.labels === "shuffled",
      ...(rubbish === null ? {} : { rubbish }),
    };
    const weights = given?.network === settings.network ? given.weights : null;
    const { first } = await network.course.begin({ parameters, weights, how });
    if (!current()) return;
    [given, begun] = [null, beginOf(settings)];
    run = { told: [], exams: [], counts: null, start: first, first, seen: 0, seconds: 0, broken: false };
  }

  async function examine(network, settings, current) {
    const course = run;
    const begunAt = performance.now();
    const { counts } = await network.course.examine({ count: fixed.examined });
    if (!current() || course !== run) return;
    const right = counts.reduce((sum, row, digit) => sum + row[digit], 0);
    run.seconds += (performance.now() - begunAt) / 1000;
    Object.assign(run, { counts, exams: [...run.exams, [run.seen, right / fixed.examined]] });
  }

  async function teach(network, settings, current) {
    const course = run;
    const begunAt = performance.now();
    const until = (Math.floor(run.seen / fixed.exam) + 1) * fixed.exam;
    const how = howOf(settings, fixed);
    const { told, seen, first } = await network.course.teach(
      { batch: settings.batch, until, how, time: TURN, steps: steps || Infinity });
    if (!current() || course !== run) return;
    steps = Math.max(0, steps - told.length);
    const points = [];
    told.reduce((at, { loss, count }) => {
      points.push([at + count, loss, 1]);
      return at + count;
    }, run.seen);
    const broken = points.some(([, loss]) => !Number.isFinite(loss));
    run.seconds += (performance.now() - begunAt) / 1000;
    const good = points.filter(([, loss]) => Number.isFinite(loss));
    Object.assign(run, { told: thinned([...run.told, ...good]), seen, broken, first: broken ? run.first : first });
    if (broken) training = false;
  }

  return {
    status: () => ({ state, share, error, training, busy, run }),
    load,
    unload: () => leave("idle"),
    follow(settings) {
      wanted = settings;
      pump();
    },
    train(on) {
      [training, steps] = [on, 0];
      changed();
      pump();
    },
    step() {
      [training, steps] = [false, 1];
      changed();
      pump();
    },
    anew() {
      begun = null;
      changed();
      pump();
    },
    // The weights as they are between two steps: name -> Float32Array.
    weights: () => new Promise((done) => {
      waiting.push(async (network) => done(await network.train.weights()));
      pump();
    }),
    // Begins a course with these weights.
    take(network, weights) {
      given = { network, weights };
      pump();
    },
    stop() {
      changed = () => {};
      leave("idle");
    },
  };
}

// ---- Weights as a file of safetensors, as PyTorch names them.

export function written(weights, { key, parameters }) {
  const heading = { __metadata__: { network: key } };
  let end = 0;
  for (const { name, shape } of parameters) {
    const start = end;
    end += 4 * weights[name].length;
    heading[name] = { dtype: "F32", shape, data_offsets: [start, end] };
  }
  let text = JSON.stringify(heading);
  text = text.padEnd(Math.ceil(text.length / 8) * 8);
  const length = new BigUint64Array([BigInt(text.length)]);
  return new Blob([length, text, ...parameters.map(({ name }) => weights[name])], { type: "application/octet-stream" });
}

// The weights in a file, or the key of a sentence that says why not.
export function readWeights(buffer, { parameters }) {
  let tensors;
  try {
    ({ tensors } = readSafetensors(buffer));
  } catch {
    return { wrong: "file.damaged" };
  }
  const fits = parameters.every(({ name, shape }) =>
    tensors.get(name)?.length === shape.reduce((a, b) => a * b, 1));
  if (!fits) return { wrong: "file.other" };
  const found = parameters.map(({ name }) => [name, tensors.get(name)]);
  if (found.some(([, numbers]) => !numbers.every(Number.isFinite))) return { wrong: "file.damaged" };
  return { weights: Object.fromEntries(found) };
}
