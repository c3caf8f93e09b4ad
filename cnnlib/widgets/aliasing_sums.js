// Aliasing, the sums: stripes, the filters that match them, and a strided layer's answers.
//
// aliasing_sums.py is the twin, name by name, and says what each is; a browser test holds them equal.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const PERIODS = upTo(45).map((i) => 2 + i / 2); // pixels
export const SIZES = [3, 5, 7, 9, 11, 13, 15]; // pixels
export const STRIDES = [1, 8];
export const PHASES = 24;
export const STAGES = ["signed", "relu", "pool"];
export const SPAN = 72; // pixels

const sum = (values) => values.reduce((total, value) => total + value, 0);

// The twin of Aliasing.settled.
export function settled(changes, present) {
  const s = new Settling(changes, present);
  for (const [name, options] of Object.entries({ period: PERIODS, kernel_size: SIZES })) {
    if (!options.includes(s.wanted(name))) {
      s.refuse(name, `${name}.expected`, { least: options[0], most: options.at(-1) });
    }
    s.oneOf(name, options);
  }
  s.whole("phase", 0, PHASES);
  const stride = s.whole("stride", ...STRIDES);
  if (stride !== present.stride && !s.asks("place")) { // over the same pixel, or nearly
    s.take("place", Math.floor((present.place * present.stride) / stride));
  }
  s.whole("place", 0, Math.floor(SPAN / stride));
  s.flag("twin");
  s.oneOf("stage", STAGES);
  return s.done();
}

// Light (1) and dark (-1) at a pixel.
export function stripes(pixel, period, phase) {
  return Math.cos(2 * Math.PI * (pixel / period - (phase % PHASES) / PHASES));
}

export function matchedFilter(period, size, twin = false) {
  if (twin && period === 2) return null;
  const places = upTo(size).map((i) => i - Math.floor(size / 2));
  const soft = places.map((place) => Math.exp(-(place ** 2) / (2 * (size / 4) ** 2)));
  const wave = twin ? Math.sin : Math.cos;
  const striped = places.map((place, i) => soft[i] * wave((2 * Math.PI * place) / period));
  const mean = sum(striped) / sum(soft);
  const weights = striped.map((weight, i) => weight - soft[i] * mean);
  const length = Math.sqrt(sum(weights.map((weight) => weight ** 2)));
  return weights.map((weight) => weight / length);
}

export function answers(weights, pixels, period, phase) {
  const half = Math.floor(weights.length / 2);
  return pixels.map((pixel) =>
    sum(weights.map((weight, i) => weight * stripes(pixel + i - half, period, phase))));
}

export function strongest(weights, period) {
  const turn = (i) => (2 * Math.PI * (i - Math.floor(weights.length / 2))) / period;
  return Math.hypot(sum(weights.map((weight, i) => weight * Math.cos(turn(i)))),
    sum(weights.map((weight, i) => weight * Math.sin(turn(i)))));
}

export function pooled(values) {
  return upTo(Math.floor((values.length - 3) / 2) + 1)
    .map((i) => Math.max(...values.slice(2 * i, 2 * i + 3)));
}

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

export function phasesMet(period, stride) {
  return (2 * period) / divisor(2 * period, 2 * stride);
}

export function ghost(period, stride) {
  const halves = 2 * period;
  const turns = -Math.floor((halves - 4 * stride) / (2 * halves));
  return (2 * stride - turns * halves) / (halves * stride);
}

export function kindOf(period, stride) {
  if (period > 2 * stride) return "honest";
  if (period === 2 * stride) return "limit";
  return ghost(period, stride) ? "ghost" : "same";
}

export function distance(pixel, period, phase) {
  const [halves, all] = [2 * period, 2 * period * PHASES];
  return (((2 * PHASES * pixel - halves * phase) % all) + all) % all / (2 * PHASES);
}

export function meanAnswers(weights, period, stride) {
  const pixels = upTo(2 * phasesMet(period, stride) + 1).map((place) => stride * place);
  return upTo(PHASES + 1).map((phase) => {
    const found = pooled(answers(weights, pixels, period, phase).map((x) => Math.max(x, 0)));
    return sum(found) / found.length;
  });
}

export function report(period, size, stride) {
  const filters = [false, true].map((twin) => matchedFilter(period, size, twin));
  const means = filters.map((weights) => weights && meanAnswers(weights, period, stride));
  const pair = means[1] && means[0].map((mean, phase) => Math.max(mean, means[1][phase]));
  return {
    kind: kindOf(period, stride),
    ghost: ghost(period, stride),
    phases: phasesMet(period, stride),
    filters,
    strongest: filters.map((weights) => weights && strongest(weights, period)),
    means,
    kept: [means[0], pair].map((each) => each && Math.min(...each) / Math.max(...each)),
  };
}
