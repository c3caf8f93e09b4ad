// A Gaussian over a picture's planes, in one home: each widget says how far it reaches.

import { upTo } from "./kit/dom.js";

// `planes`: squares of side x side numbers, one after the other. `deviation` and `reach` are in pixels; beyond
// the edge the edge's pixels go on.
export function smoothed(planes, side, deviation, reach) {
  const kernel = upTo(2 * reach + 1).map((i) => Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)));
  const sum = kernel.reduce((a, b) => a + b, 0);
  const weights = Float32Array.from(kernel, (weight) => weight / sum);
  return slid(slid(planes, side, weights, side, 1), side, weights, 1, side);
}

// Along one axis: `step` to the next pixel of a line, `next` to the next line.
function slid(planes, side, weights, step, next) {
  const found = new Float32Array(planes.length);
  const reach = (weights.length - 1) / 2;
  const line = new Float32Array(side + 2 * reach);
  for (let plane = 0; plane < planes.length; plane += side * side) {
    for (let n = 0; n < side; n += 1) {
      const start = plane + n * next;
      for (let i = 0; i < line.length; i += 1) {
        line[i] = planes[start + Math.min(Math.max(i - reach, 0), side - 1) * step];
      }
      for (let i = 0; i < side; i += 1) {
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) sum += weights[k] * line[i + k];
        found[start + i * step] = sum;
      }
    }
  }
  return found;
}
