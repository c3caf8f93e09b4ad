// Sums on a picture that a network is asked about. A picture is planes of whole numbers: see live/planes.js.

import { upTo } from "./kit/dom.js";
import { drawsOf } from "./live/draws.js";
import { AREA, SIDE } from "./live/planes.js";
import { smoothed } from "./smoothing.js";

const EDGE = 3; // a Gaussian ends after so many standard deviations

// ---- Shift, blur, noise, in this order.

export function changed(planes, { down, right, blur, noise }, mean) {
  let found = planes;
  if (down || right) found = shifted(found, down, right, mean);
  if (blur) found = blurred(found, blur / 2);
  if (noise) found = noised(found, noise);
  return found;
}

// What comes in over the edge has the colour `mean`.
export function shifted(planes, down, right, mean) {
  const found = new Float32Array(planes.length);
  for (let c = 0; c < 3; c += 1) {
    for (let y = 0; y < SIDE; y += 1) {
      for (let x = 0; x < SIDE; x += 1) {
        const [row, column] = [y - down, x - right];
        const isIn = row >= 0 && column >= 0 && row < SIDE && column < SIDE;
        found[c * AREA + y * SIDE + x] = isIn ? planes[c * AREA + row * SIDE + column] : mean[c];
      }
    }
  }
  return found;
}

// A Gaussian of a standard deviation in pixels; beyond the edge the edge's pixels go on.
export function blurred(planes, deviation) {
  return smoothed(planes, SIDE, deviation, Math.ceil(EDGE * deviation)).map(Math.round);
}

// Gaussian noise of a standard deviation in greys, the same at every call, cut at 0 and 255.
export function noised(planes, deviation) {
  const next = drawsOf(1);
  const found = new Float32Array(planes.length);
  for (let i = 0; i < found.length; i += 1) {
    const [radius, turn] = [Math.sqrt(-2 * Math.log(1 - next())), 2 * Math.PI * next()];
    const value = planes[i] + deviation * radius * Math.cos(turn);
    found[i] = Math.min(Math.max(Math.round(value), 0), 255);
  }
  return found;
}

// ---- The cover.

// What a cover holds: planes. `fill` is one of FILLS of ask_imagenet.py.
export function paintOf(planes, fill, mean) {
  if (fill === "blur") return blurred(planes, 8);
  const own = upTo(3).map((c) =>
    Math.round(planes.subarray(c * AREA, (c + 1) * AREA).reduce((a, b) => a + b, 0) / AREA));
  const colour = { grey: mean, black: [0, 0, 0], mean: own }[fill];
  const paint = new Float32Array(planes.length);
  colour.forEach((grey, c) => paint.fill(grey, c * AREA, (c + 1) * AREA));
  return paint;
}

// A square of `size` pixels at [top, left], as far as it lies on the picture.
export function coveredBy(paint, planes, size, [top, left]) {
  const found = planes.slice();
  const [bottom, right] = [Math.min(top + size, SIDE), Math.min(left + size, SIDE)];
  for (let c = 0; c < 3; c += 1) {
    for (let y = top; y < bottom; y += 1) {
      const row = c * AREA + y * SIDE;
      found.set(paint.subarray(row + left, row + right), row + left);
    }
  }
  return found;
}

// Where covers begin along an axis: as occlusion_map of cnnlib.inside has them.
export function startsOf(size, stride) {
  const starts = [];
  for (let at = 0; at < Math.min(SIDE - size + stride, SIDE); at += stride) starts.push(at);
  return starts;
}

// ---- Answers.

// Whole per cents, in words; what is nearly 0 or 1 is not said to be it.
export function perCent(say, share) {
  if (share < 0.005) return say("share.under");
  if (share >= 0.995) return say("share.over");
  return say("share", { percent: Math.floor(100 * share + 0.5) });
}
