// A course of training in the worker: digits, an order to see them in, steps, and an exam in between.
//
// Python has the same draws, start, order and exam (cnnlib/widgets/train_lenet_sums.py).

import { LiveError } from "./arena.js";
import { drawsOf } from "./draws.js";
import { sha256 } from "./sha256.js";
import { Trainer } from "./training.js";

const SIDE = 28;
const CLASSES = 10;
const STREAMS = { labels: 500, order: 1000, shifts: 2000 }; // what is drawn from a seed, apart from the weights

// The numbers from 0 to count - 1 in an order that the seed draws (Fisher and Yates).
export function orderOf(count, seed) {
  const draw = drawsOf(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = Math.floor(draw() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// Weights to begin with. `parameters`: {name, bounds: [[count, bound], ...]}; so many numbers are drawn evenly
// from -bound to bound.
export function startOf(parameters, seed) {
  const draw = drawsOf(seed);
  return Object.fromEntries(parameters.map(({ name, bounds }) => [name, Float32Array.from(
    bounds.flatMap(([count, bound]) => Array.from({ length: count }, () => (2 * draw() - 1) * bound)))]));
}

// The bytes of digits.gz: labels first, then the images, row by row. `train` and `test` say how many.
export async function unpackDigits(file, { sha256: expected, train, test }) {
  const damaged = (why) => new LiveError("damaged", `the digits' file is damaged: ${why}`);
  let bytes;
  try {
    const stream = new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"));
    bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    throw error instanceof ReferenceError ? new LiveError("simd", "this browser has no DecompressionStream") : damaged(error.message);
  }
  if (sha256(bytes) !== expected) throw damaged("it has another SHA-256");
  const count = train + test;
  return { labels: bytes.subarray(0, count), images: bytes.subarray(count), train, test };
}

export class Course {
  // `digits`: as unpackDigits gives them. `how`: {optimiser, lr, ...}, see training.js. With `shuffled`
  // the training digits have each other's labels.
  constructor(network, digits, { seed, shuffled, ...how }) {
    Object.assign(this, { network, digits, seed });
    const { mean, std, height, width } = network.plan.preprocessing;
    this.levels = Float32Array.from({ length: 256 }, (_, pixel) => (pixel - mean[0]) / std[0]);
    this.size = height * width;
    this.corner = [(height - SIDE) / 2, (width - SIDE) / 2];
    this.width = width;
    const labels = Array.from(digits.labels.subarray(0, digits.train));
    this.labels = shuffled ? orderOf(digits.train, seed + STREAMS.labels).map((i) => labels[i]) : labels;
    this.trainer = new Trainer(network, how);
    this.seen = 0;
    this.pass = null;
  }

  // Image `number` as the network's input, so many rows further down and columns to the right than in its middle.
  image(number, [down, right] = [0, 0]) {
    const [top, left] = this.corner;
    const into = new Float32Array(this.size).fill(this.levels[0]);
    const start = number * SIDE * SIDE;
    for (let y = 0; y < SIDE; y += 1) {
      const row = (y + top + down) * this.width + left + right;
      for (let x = 0; x < SIDE; x += 1) into[row + x] = this.levels[this.digits.images[start + y * SIDE + x]];
    }
    return into;
  }

  // The next `count` of the training digits, {number, by}: `by` is how far it is shifted, `most` pixels up, down
  // and to the sides. Behind the last digit there is a new order.
  next(count, most) {
    const { train } = this.digits;
    return Array.from({ length: count }, (_, i) => {
      const [pass, place] = [Math.floor((this.seen + i) / train), (this.seen + i) % train];
      if (this.pass?.pass !== pass) {
        const draw = drawsOf(this.seed + STREAMS.shifts + pass);
        const order = orderOf(train, this.seed + STREAMS.order + pass);
        this.pass = { pass, order, draws: Array.from({ length: 2 * train }, () => draw()) };
      }
      const { order, draws } = this.pass;
      const by = [0, 1].map((axis) => Math.floor(draws[2 * place + axis] * (2 * most + 1)) - most);
      return { number: order[place], by };
    });
  }

  // Steps until `steps` are made, `until` digits are seen or the time is up, one at least. `how` may
  // have changed; another optimiser begins without the old one's memory. The rate falls evenly, and is zero
  // when `how.falls` digits are seen; it stays where `falls` is 0. Digits are shifted by up to `how.shift` pixels. Gives {told, seen, first}: of
  // each step its {loss, right, count}, and the first layer's kernels.
  async teach({ batch, steps, until, time, how }) {
    if (how.optimiser !== this.trainer.how.optimiser) this.trainer = new Trainer(this.network, how);
    else Object.assign(this.trainer.how, how);
    const { lr, falls = 0, shift = 0 } = how;
    const begun = performance.now();
    const told = [];
    do {
      const taken = this.next(Math.min(batch, until - this.seen), shift);
      const images = taken.map(({ number, by }) => this.image(number, by));
      if (falls) this.trainer.how.lr = lr * Math.max(0, 1 - this.seen / falls);
      const step = await this.trainer.step(images, taken.map(({ number }) => this.labels[number]));
      this.seen += taken.length;
      told.push({ ...step, count: taken.length });
    } while (told.length < steps && this.seen < until && performance.now() - begun < time);
    return { told, seen: this.seen, first: this.first() };
  }

  first() {
    const [name] = this.network.plan.parameters;
    return this.network.tensors.get(name).slice();
  }

  // The first `count` held-out digits: how many of each label (row) get each answer (column). Where
  // the best score is no finite number, there is no answer.
  examine({ count }) {
    const counts = Array.from({ length: CLASSES }, () => new Array(CLASSES).fill(0));
    for (let i = 0; i < count; i += 1) {
      const number = this.digits.train + i;
      this.network.runAtOnce(this.image(number));
      const { scores } = this.network;
      const most = Math.max(...scores);
      const best = scores.indexOf(most);
      if (Number.isFinite(most)) counts[this.digits.labels[number]][best] += 1;
    }
    return { counts, seen: this.seen };
  }
}
