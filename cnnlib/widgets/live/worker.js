// The engine's side in a worker. It gets {id, kind, ...} and answers {id, answer}, {id, error} or, on the
// way, {id, progress}. A newer request ends an older one that has not ended: its error's code is "aborted".

import { LiveError } from "./arena.js";
import { Course, startOf, unpackDigits } from "./course.js";
import { fetched } from "./fetching.js";
import { Network } from "./network.js";
import { prepare } from "./prepare.js";
import { readSafetensors } from "./safetensors.js";
import { sha256 } from "./sha256.js";
import { Trainer } from "./training.js";

const BREATH = 8; // milliseconds at work before messages are heard

let network = null;
let trainer = null;
let digits = null;
let course = null;
let newest = 0;
let work = Promise.resolve();
let breathed = 0;

const { port1, port2 } = new MessageChannel();
port1.start();

// Lets the worker hear its messages.
const pause = () => new Promise((done) => {
  port1.addEventListener("message", done, { once: true });
  port2.postMessage(null);
});

function breathing(id) {
  return async () => {
    if (performance.now() - breathed < BREATH) return;
    await pause();
    breathed = performance.now();
    if (id !== newest) throw new LiveError("aborted", "a newer request has come");
  };
}

const KINDS = {
  async open(question) {
    const { address } = question;
    const buffer = await fileOf(question);
    const { metadata, tensors } = readSafetensors(buffer);
    if (!metadata.plan) throw new LiveError("damaged", `${address} holds no plan`);
    const plan = JSON.parse(metadata.plan);
    if (plan.format !== 1) throw new LiveError("plan", `${address}: its plan has format ${plan.format}, expected 1`);
    network = new Network(plan, tensors);
    const { layers } = network;
    const { preprocessing, categories } = plan;
    return { inputShape: plan.input.slice(1), layers, preprocessing, categories };
  },

  async run({ id, image, layers = [], whole = false }) {
    network.expectLayers(layers);
    const start = performance.now();
    await network.run(image, breathing(id), { whole });
    const milliseconds = performance.now() - start;
    return { scores: network.scores, maps: mapsOf(layers), milliseconds };
  },

  async gradient({ id, image, layers = [], rule = "gradient", ...what }) {
    network.expectLayers(layers);
    await network.run(image, breathing(id));
    const start = network.startOf({ ...what, rule });
    await network.sendBack(start, rule, { breathe: breathing(id) });
    const maps = Object.fromEntries(layers.map((name) => [name, network.signals(network.numberOf(name)).slice()]));
    const value = network.values(start.number)[start.place];
    return { image: network.signals(0).slice(), maps, scores: network.scores, value };
  },

  async prepare({ picture }) {
    const { preprocessing } = network.plan;
    if (!preprocessing) throw new LiveError("input", "prepare: the network's file does not say how pictures are prepared");
    return prepare(picture, preprocessing);
  },

  async train({ how }) {
    trainer = new Trainer(network, how);
  },

  async step({ id, images, labels }) {
    if (!trainer) throw new LiveError("input", "step: expected begin() before it");
    return trainer.step(images, labels, breathing(id));
  },

  async rates({ how }) { // changes them on the way
    if (!trainer) throw new LiveError("input", "change: expected begin() before it");
    Object.assign(trainer.how, how);
  },

  async weights() {
    return Object.fromEntries(network.plan.parameters.map((name) => [name, network.tensors.get(name).slice()]));
  },

  async setWeights({ weights }) {
    for (const [name, numbers] of Object.entries(weights)) {
      const known = network.tensors.get(name);
      if (known?.length !== numbers.length) {
        throw new LiveError("input", `weights: ${name} has ${numbers.length} numbers, expected ${known?.length ?? "no such tensor"}`);
      }
    }
    for (const [name, numbers] of Object.entries(weights)) network.tensors.set(name, Float32Array.from(numbers));
    network.reload();
  },

  async digits({ file, about }) {
    digits = await unpackDigits(file, about);
  },

  // Begins a course, with weights that are given or drawn. Gives the first layer's kernels.
  async course({ weights, parameters, how }) {
    await KINDS.setWeights({ weights: weights ?? startOf(parameters, how.seed) });
    course = new Course(network, digits, how);
    return { first: course.first() };
  },

  async teach({ what }) {
    return course.teach(what);
  },

  async examine({ what }) {
    return course.examine(what);
  },
};

const mapsOf = (layers) => Object.fromEntries(layers.map((name) => [name, network.map(name)]));

// The network's file, checked. A copy that is damaged may lie in the browser's cache: it is loaded once more.
async function fileOf({ id, address, sha256: expected, bytes, file }) {
  const check = (buffer) => {
    const found = buffer.byteLength;
    if (bytes && found !== bytes) throw new LiveError("damaged", `${address} has ${found} bytes, expected ${bytes}`);
    if (expected && sha256(new Uint8Array(buffer)) !== expected) {
      throw new LiveError("damaged", `${address} has another SHA-256 than networks.json says`);
    }
    return buffer;
  };
  if (file) return check(file);
  const onProgress = ({ loaded }) => tell({ id, progress: { loaded, total: bytes } });
  try {
    return check(await fetched(address, { onProgress }));
  } catch (error) {
    if (error.code !== "damaged") throw error;
    return check(await fetched(address, { onProgress, fresh: true }));
  }
}

function tell(message, transfer = []) { globalThis.postMessage(message, transfer); }

async function answer(data) {
  try {
    breathed = performance.now();
    if (data.id !== newest && data.kind !== "open") throw new LiveError("aborted", "a newer request has come");
    const found = await KINDS[data.kind](data);
    tell({ id: data.id, answer: found });
  } catch (error) {
    const code = error instanceof LiveError ? error.code : error instanceof RangeError ? "memory" : "broken";
    tell({ id: data.id, error: { code, message: error.message } });
  }
}

globalThis.addEventListener("message", ({ data }) => {
  newest = data.id;
  work = work.then(() => answer(data));
});

export default KINDS;
