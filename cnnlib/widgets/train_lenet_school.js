// The networks in their workers, and the course that one of them takes.

import { loaderOf } from "./live/loader.js";
import { readSafetensors } from "./live/safetensors.js";

const TURN = 60; // milliseconds of training between two messages
const POINTS = 400; // of the loss's curve, at most

// How a course begins (another such text begins another), and what may change on the way.
const beginOf = ({ network, labels, seed }) => [network, labels, seed].join(" ");

function howOf({ optimiser, rate, falls, shift }, { momentum, decay }) {
  return {
    optimiser: optimiser === "adamw" ? "adamw" : "sgd", lr: rate, falls, shift,
    momentum: optimiser === "momentum" ? momentum : 0,
    weight_decay: optimiser === "adamw" ? decay : 0,
  };
}

// A curve's points [seen, loss, steps] of the steps that follow when so many digits are seen.
function pointsOf(told, before) {
  let seen = before;
  return told.map(({ loss, count }) => {
    seen += count;
    return [seen, loss, 1];
  });
}

// A curve's points, each of so many steps, the last one of what is left: where there are too many, of twice as many.
// A point is the mean of its steps, so none may have fewer than another: it would look noisier.
export function gathered(points, size = points[0]?.[2]) {
  const found = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && last[2] + point[2] <= size) found.push(meanOf(found.pop(), point));
    else found.push(point);
  }
  return found.length > POINTS ? gathered(found, 2 * size) : found;
}

const meanOf = ([, loss, steps], [seen, other, more]) => [seen, (loss * steps + other * more) / (steps + more), steps + more];

// A loader of the networks and the digits (live/loader.js), and a course that one of the networks takes: with
// follow(state), train(on), step(), anew(), weights() and take(network, weights).
//
// Its status() has `training`, too, and `run`: {told: [[seen, loss, steps]], exams: [[seen, share right]], counts,
// start, first, seen, seconds, broken}, or null before a course has begun.
export function school({ open, data, fixed, changed }) {
  let [training, steps] = [false, 0];
  let [run, wanted, begun, given] = [null, null, null, null];
  const waiting = []; // work that is to be done between two turns
  const loader = loaderOf({ open, keys: fixed.networks.map(({ key }) => key), more: takeDigits, changed, next, left });

  async function takeDigits(networks, { signal, progress }) {
    const about = fixed.digits;
    const file = await data("digits", { signal, onProgress: ({ loaded }) => progress(loaded / about.bytes) });
    for (const network of networks) await network.course.take(file, about);
  }

  function left() {
    waiting.length = 0;
    [run, begun, given, training, steps] = [null, null, null, false, 0];
  }

  function next() {
    const [work, settings] = [wanted && workOf(), wanted];
    return work && ((...networks) => {
      const mine = loader.get();
      return work(networks.find(({ key }) => key === settings.network), settings, () => loader.get() === mine);
    });
  }

  // Whether the course's rate has fallen to zero.
  const ended = () => Boolean(run && begun === beginOf(wanted) && wanted.falls && run.seen >= wanted.falls);

  // What is to be done next: what waits, a new course, an exam that is due, or training.
  function workOf() {
    if (waiting.length) return waiting.shift();
    if (begun !== beginOf(wanted) || given) return begin;
    if (run.broken) return null;
    if (run.exams.length === 0 || (run.seen % fixed.exam === 0 && run.exams.at(-1)[0] !== run.seen)) return examine;
    return (training || steps) && !ended() ? teach : null;
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
    const points = pointsOf(told, run.seen);
    const broken = points.some(([, loss]) => !Number.isFinite(loss));
    run.seconds += (performance.now() - begunAt) / 1000;
    const good = points.filter(([, loss]) => Number.isFinite(loss));
    Object.assign(run, { told: gathered([...run.told, ...good]), seen, broken, first: broken ? run.first : first });
    if (broken || ended()) training = false;
  }

  return {
    ...loader,
    status: () => ({ ...loader.status(), training, run }),
    follow(settings) {
      wanted = settings;
      if (ended()) [training, steps] = [false, 0];
      loader.kick();
    },
    train(on) {
      [training, steps] = [on && !ended(), 0];
      changed();
      loader.kick();
    },
    step() {
      [training, steps] = [false, Number(!ended())];
      changed();
      loader.kick();
    },
    anew() {
      begun = null;
      changed();
      loader.kick();
    },
    // The weights as they are between two steps: name -> Float32Array.
    weights: () => new Promise((done) => {
      waiting.push(async (network) => done(await network.train.weights()));
      loader.kick();
    }),
    // Begins a course with these weights.
    take(network, weights) {
      given = { network, weights };
      loader.kick();
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
