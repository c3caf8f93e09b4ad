// Training, as torch does it: the loss of a batch, its gradient for every weight, and a step.

import { LiveError } from "./arena.js";

// The cross-entropy of scores and its signal on them: softmax less one at the label. With `rubbish`, a
// number j, there is one class more whose score is always -j: the loss of LeNet-5 (LeCun et al. 1998,
// equation 9; cnnlib.train.losses.map_criterion).
export function crossEntropy(scores, label, rubbish = Infinity) {
  const top = Math.max(...scores, -rubbish);
  const powers = Float64Array.from(scores, (s) => Math.exp(s - top));
  const sum = powers.reduce((a, b) => a + b, Math.exp(-rubbish - top));
  const signal = Float32Array.from(powers, (p, i) => p / sum - Number(i === label));
  return { loss: Math.log(sum) + top - scores[label], signal };
}

// Makes room for all gradients. Refuses where a weight would silently stay as it is: it lies in a step that
// cannot learn, or was worked out beforehand.
function makeRoom(network) {
  const learning = network.steps.filter(({ operator }) => operator.learn)
    .flatMap(({ step }) => [step.weight, step.bias, step.first, step.second]).filter(Boolean);
  const names = new Set(learning.map(({ tensor }) => tensor));
  const missing = network.plan.parameters.find((name) => !names.has(name));
  if (missing) throw new LiveError("input", `train: the engine cannot train ${missing}`);
  learning.forEach((reference) => network.owedFor(reference));
}

export class Trainer {
  // `how`: {optimiser: "sgd" or "adamw", lr, momentum, weight_decay, betas, eps}, as torch has them, and
  // `rubbish` for the loss.
  constructor(network, how) {
    if (!["sgd", "adamw"].includes(how?.optimiser)) {
      throw new LiveError("input", `optimiser=${how?.optimiser}: expected sgd or adamw`);
    }
    if (!Number.isFinite(how.lr)) throw new LiveError("input", `lr=${how.lr}: expected a number`);
    makeRoom(network);
    this.network = network;
    this.how = { momentum: 0, weight_decay: 0, betas: [0.9, 0.999], eps: 1e-8, ...how };
    this.names = network.plan.parameters;
    this.memory = new Map(this.names.map((name) => [name, null]));
    this.count = 0;
  }

  // One step on a batch. `images`: one Float32Array an image. Gives {loss, right}: mean loss, count of right.
  async step(images, labels, breathe = null) {
    const { network, how } = this;
    const classes = network.sizes[network.plan.output];
    const wrong = Array.from(labels).find((label) => !Number.isInteger(label) || label < 0 || label >= classes);
    if (wrong !== undefined || labels.length !== images.length) {
      throw new LiveError("input", `labels: expected ${images.length} numbers from 0 to ${classes - 1}, found ${wrong ?? labels.length}`);
    }
    for (const { reference } of network.owed.values()) network.owedFor(reference).fill(0);
    let [loss, right] = [0, 0];
    for (let i = 0; i < images.length; i += 1) {
      network.runAtOnce(images[i]);
      const { scores } = network;
      const found = crossEntropy(scores, labels[i], how.rubbish);
      loss += found.loss / images.length;
      right += Number(scores.every((s, k) => k === labels[i] || s < scores[labels[i]]));
      const signal = found.signal.map((s) => s / images.length);
      await network.sendBack({ number: network.plan.output, signal }, "gradient", { learn: true });
      if (breathe) await breathe();
    }
    this.count += 1;
    for (const name of this.names) if (network.owed.has(name)) this.move(name);
    network.reload();
    return { loss, right };
  }

  gradientOf(name) {
    const { reference } = this.network.owed.get(name);
    const numbers = this.network.owedFor(reference);
    const { shape, pairs } = reference;
    if (!pairs) return numbers;
    const [, depth, high, wide] = shape;
    const area = high * wide;
    const packed = new Float32Array(pairs.length * area);
    pairs.forEach(([to, from], i) => {
      const start = (to * depth + from) * area;
      packed.set(numbers.subarray(start, start + area), i * area);
    });
    return packed;
  }

  move(name) {
    const weights = this.network.tensors.get(name);
    const gradient = this.gradientOf(name);
    const { optimiser, lr: rate, momentum, weight_decay: decay, betas: [b1, b2], eps } = this.how;
    if (optimiser === "adamw") {
      const kept = this.memory.get(name) ?? { m: new Float32Array(weights.length), v: new Float32Array(weights.length) };
      this.memory.set(name, kept);
      const [one, two] = [1 - b1 ** this.count, Math.sqrt(1 - b2 ** this.count)];
      for (let i = 0; i < weights.length; i += 1) {
        weights[i] *= 1 - rate * decay;
        kept.m[i] += (1 - b1) * (gradient[i] - kept.m[i]);
        kept.v[i] = b2 * kept.v[i] + (1 - b2) * gradient[i] ** 2;
        weights[i] -= ((rate / one) * kept.m[i]) / (Math.sqrt(kept.v[i]) / two + eps);
      }
      return;
    }
    const first = !this.memory.get(name);
    if (first) this.memory.set(name, new Float32Array(weights.length));
    const speed = this.memory.get(name);
    for (let i = 0; i < weights.length; i += 1) {
      const slope = gradient[i] + decay * weights[i];
      speed[i] = momentum && !first ? momentum * speed[i] + slope : slope;
      weights[i] -= rate * speed[i];
    }
  }
}
