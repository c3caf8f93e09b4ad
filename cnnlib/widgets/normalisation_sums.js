// Normalisation, the sums: which numbers of a batch share a mean, and what is kept for the test.
//
// normalisation_sums.py is the twin, name by name, and says what each is.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const NAMES = ["norm", "mode", "batch_size", "positions", "seen", "momentum", "gamma", "beta", "undo", "place"];
export const BATCH_SIZES = [1, 6];
export const POSITIONS = [1, 4];
export const CHANNELS = 4;
export const GROUP = 2;
export const BATCHES = 12;
export const MOMENTA = [0.01, 0.1, 0.3, 1];
export const GAMMAS = upTo(9).map((half) => half / 2);
export const BETAS = upTo(17).map((half) => (half - 8) / 2);
export const EPSILON = 1e-5;
export const TRUE_MEANS = [2, -1, 0, 4];
export const TRUE_DEVIATIONS = [1, 2, 0.5, 1.5];

const sum = (values) => values.reduce((total, value) => total + value, 0);

// The twin of Normalisation.settled.
export function settled(changes, present, { norms, modes }) {
  const s = new Settling(changes, present);
  s.oneOf("norm", norms);
  s.oneOf("mode", modes);
  const images = s.whole("batch_size", ...BATCH_SIZES);
  const positions = s.oneOf("positions", POSITIONS);
  s.whole("seen", 0, BATCHES);
  s.oneOf("momentum", MOMENTA);
  s.oneOf("gamma", GAMMAS);
  s.oneOf("beta", BETAS);
  s.flag("undo");
  s.place("place", [images, CHANNELS, positions]);
  return s.done();
}

export function batchAt({ batch_size: images, positions }, drawn, number) {
  return drawn[number].slice(0, images).map((image) => image.map((channel) => channel.slice(0, positions)));
}

export function setOf(norm, image, channel) {
  return {
    batch: [-1, channel], layer: [image, -1], instance: [image, channel],
    group: [image, Math.floor(channel / GROUP)],
  }[norm];
}

export function isTogether(norm, [image, channel], [otherImage, otherChannel]) {
  const [one, other] = [setOf(norm, image, channel), setOf(norm, otherImage, otherChannel)];
  return one[0] === other[0] && one[1] === other[1];
}

export function moments(values) {
  const mean = sum(values) / values.length;
  return [mean, sum(values.map((value) => (value - mean) ** 2)) / values.length];
}

export function together(norm, batch, image, channel) {
  return batch.flatMap((channels, i) => channels.flatMap((values, c) =>
    (isTogether(norm, [image, channel], [i, c]) ? values : [])));
}

export function kept(state, drawn, channel) {
  const found = [{ mean: 0, variance: 1, seen_mean: 0, seen_variance: 1 }];
  for (const number of upTo(BATCHES)) {
    const values = together("batch", batchAt(state, drawn, number), 0, channel);
    const last = found.at(-1);
    if (values.length === 1) {
      found.push(last);
      continue;
    }
    const [mean, plain] = moments(values);
    const variance = plain * (values.length / (values.length - 1));
    const step = state.momentum;
    found.push({
      mean: (1 - step) * last.mean + step * mean,
      variance: (1 - step) * last.variance + step * variance,
      seen_mean: mean,
      seen_variance: variance,
    });
  }
  return found;
}

export function used(state, drawn, image, channel) {
  if (state.norm === "batch" && state.mode === "test") {
    const { mean, variance } = kept(state, drawn, channel)[state.seen];
    return { mean, variance, count: 0 };
  }
  const values = together(state.norm, batchAt(state, drawn, state.seen), image, channel);
  const [mean, variance] = moments(values);
  return { mean, variance, count: values.length };
}

export function affine(state, drawn, channel) {
  if (!state.undo) return [state.gamma, state.beta];
  const batch = batchAt(state, drawn, state.seen);
  const [mean, variance] = moments(together("batch", batch, 0, channel));
  return [Math.sqrt(variance + EPSILON), mean];
}

export function output(state, drawn) {
  const scales = upTo(CHANNELS).map((channel) => affine(state, drawn, channel));
  return batchAt(state, drawn, state.seen).map((channels, i) => channels.map((values, c) => {
    const { mean, variance } = used(state, drawn, i, c);
    const deviation = Math.sqrt(variance + EPSILON);
    const [gamma, beta] = scales[c];
    return values.map((value) => (gamma * (value - mean)) / deviation + beta);
  }));
}

export const side = ({ positions }) => Math.sqrt(positions);

export function board(state, batch) {
  const wide = side(state);
  return upTo(wide * state.batch_size).map((row) => upTo(wide * CHANNELS).map((column) =>
    batch[Math.floor(row / wide)][Math.floor(column / wide)][wide * (row % wide) + (column % wide)]));
}

// Where a place [image, channel, position] stands on the board, and which place stands there.
export function cellOf(state, [image, channel, position]) {
  const wide = side(state);
  return [image * wide + Math.floor(position / wide), channel * wide + (position % wide)];
}

export function placeAt(state, [row, column]) {
  const wide = side(state);
  return [Math.floor(row / wide), Math.floor(column / wide), wide * (row % wide) + (column % wide)];
}
