// The sums of a photograph that is changed along a gradient, and of a picture made for a class.
//
// A picture is planes: see live/planes.js. The twin of the walk is cnnlib/inside/adversarial.py, that of the
// climb class_picture.py.

import { Settling } from "./kit/settling.js";
import { drawsOf } from "./live/draws.js";
import { AREA, SIDE } from "./live/planes.js";
import { smoothed } from "./smoothing.js";

export const BEST = 3;
export const SIZES = [1, 8];
export const BUDGETS = [1, 32];
export const FACTORS = [1, 64];
export const STEPS = 20;
export const CLIMB = 48;

// The twin of FoolIt.settled.
export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  s.whole("photograph", 0, fixed.photographs.length - 1);
  s.oneOf("way", fixed.ways);
  s.whole("target", 0, fixed.categories.length - 1);
  s.oneOf("rule", fixed.rules);
  s.whole("size", ...SIZES);
  s.whole("budget", ...BUDGETS);
  s.whole("steps", 0, STEPS);
  s.whole("factor", ...FACTORS);
  s.oneOf("helps", fixed.helps);
  s.whole("climb", 0, CLIMB);
  return s.done();
}

// ---- Pictures.

export const whole = (planes) => planes.map((grey) => Math.floor(grey + 0.5));

export function magnified(before, after, factor) {
  return after.map((grey, i) => 128 + factor * (grey - before[i]));
}

export function mostApart(before, after) {
  let most = 0;
  for (let i = 0; i < after.length; i += 1) most = Math.max(most, Math.abs(after[i] - before[i]));
  return most;
}

// ---- The walk.

// One step from `present`, not rounded, along `slope`: it stays within `budget` of `start`, and of 0 to 255.
export function stepped(present, slope, start, { rule, size, budget, away }) {
  const scale = (away ? -size : size) * (rule === "sign" ? 1 : 1 / (meanSquare(slope) ** 0.5 || 1));
  return present.map((grey, i) => {
    const moved = grey + scale * (rule === "sign" ? Math.sign(slope[i]) : slope[i]);
    const near = Math.min(Math.max(moved, start[i] - budget), start[i] + budget);
    return Math.min(Math.max(near, 0), 255);
  });
}

function meanSquare(numbers) {
  let sum = 0;
  for (let i = 0; i < numbers.length; i += 1) sum += numbers[i] * numbers[i];
  return sum / numbers.length;
}

// ---- The climb, in the units of the network's input.

const CLIMBS = {
  penalty: { rate: 2, l2: 1e-6, jitter: 0, blur: 0 },
  soft: { rate: 6, l2: 0, jitter: 8, blur: 0.6 },
};

// Noise of -20 to 20, the same at every call.
export function noise() {
  const next = drawsOf(1);
  return Float32Array.from({ length: 3 * AREA }, () => Math.floor(next() * 41) - 20);
}

// How far step `number` shifts the picture before it asks the network: [down, right].
export function shiftOf(helps, number) {
  const { jitter } = CLIMBS[helps];
  const next = drawsOf(1000 + number);
  return [next(), next()].map((share) => Math.floor(share * (2 * jitter + 1)) - jitter);
}

// `input` behind a step: `slope` was found at the input, rolled by `shift`. The last step is not blurred.
export function climbed(input, slope, shift, helps, last) {
  const { rate, l2, blur } = CLIMBS[helps];
  const back = rolled(slope, shift.map((by) => -by));
  const pulled = back.map((x, i) => x - 2 * l2 * input[i]);
  const scale = rate / (meanSquare(pulled) ** 0.5 || 1);
  const moved = input.map((x, i) => x + scale * pulled[i]);
  return blur && !last ? blurred(moved, blur) : moved;
}

// Round the border, as torch.roll does it.
export function rolled(planes, [down, right]) {
  if (!down && !right) return planes;
  const found = new Float32Array(planes.length);
  const wrap = (place) => (place + SIDE) % SIDE;
  for (let row = 0; row < 3 * SIDE; row += 1) {
    const to = Math.floor(row / SIDE) * SIDE + wrap((row % SIDE) + down);
    for (let column = 0; column < SIDE; column += 1) {
      found[to * SIDE + wrap(column + right)] = planes[row * SIDE + column];
    }
  }
  return found;
}

// As blur_image of cnnlib.inside: a Gaussian, beyond the edge the edge's pixels go on.
export function blurred(planes, deviation) {
  return smoothed(planes, SIDE, deviation, Math.floor(3 * deviation + 0.5));
}
