// A linear layer on features, trained to its optimum, and each picture read by a head without it: the
// twin of new_head_sums.py, and of NewHead.settled. Matrices are arrays of Float64Array.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";
import { softmax, strongest } from "./live/answers.js";

export const MOST_STEPS = 3000;
const SMALL = 2e-5;
const FEWEST = 2;
const OWN = /^own-[1-9][0-9]?$/;
const LONGEST = 24;

// ---- What may be chosen.

export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  const names = s.wanted("names");
  if (areNames(names)) s.take("names", names);
  else s.refuse("names", "names.expected");
  const classes = s.state.names.length;
  const known = new Set(fixed.photographs.map(({ key }) => key));
  const isPicture = (key) => typeof key === "string" && (known.has(key) || OWN.test(key));
  const wanted = s.wanted("pictures");
  if (arePictures(wanted, isPicture, classes, fixed.most)) s.take("pictures", wanted);
  else {
    s.refuse("pictures", "pictures.expected", { most: fixed.most });
    s.take("pictures", s.state.pictures.filter(([, kind]) => kind < classes));
  }
  const tested = s.wanted("tested");
  if (isPicture(tested)) s.take("tested", tested);
  else s.refuse("tested", "tested.expected");
  s.whole("penalty", ...fixed.penalties);
  return s.done();
}

const areNames = (value) => Array.isArray(value) && (value.length === 2 || value.length === 3)
  && value.every(isName);

export const isName = (text) => typeof text === "string" && text.length <= LONGEST
  && text.replaceAll(" ", "") !== "";

const arePictures = (value, isPicture, classes, most) => Array.isArray(value) && value.length <= most
  && value.every((pair) => Array.isArray(pair) && pair.length === 2 && isPicture(pair[0])
    && Number.isInteger(pair[1]) && pair[1] >= 0 && pair[1] < classes)
  && new Set(value.map(([key]) => key)).size === value.length;

// ---- Sums.

// The mean of each of 512 maps: Float64Array.
export function averaged(maps, count) {
  const area = maps.length / count;
  return Float64Array.from({ length: count }, (_, c) => {
    let sum = 0;
    for (let i = c * area; i < (c + 1) * area; i += 1) sum += maps[i];
    return sum / area;
  });
}

export function dot(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i += 1) sum += one[i] * other[i];
  return sum;
}

export const gramOf = (features) => features.map((one) => Float64Array.from(features, (other) => dot(one, other)));

const meanOf = (values) => values.reduce((a, b) => a + b, 0) / values.length;

function scaled(gram) {
  const means = gram.map(meanOf);
  const all = meanOf(means);
  const centred = gram.map((row, i) => row.map((value, j) => value - means[i] - means[j] + all));
  const length = meanOf(centred.map((row, i) => row[i])) || 1;
  return { kernel: centred.map((row) => row.map((value) => value / length)), length, means, all };
}

const times = (kernel, a) => kernel.map((row) => {
  const out = new Float64Array(a[0].length);
  for (let j = 0; j < row.length; j += 1) for (let k = 0; k < out.length; k += 1) out[k] += row[j] * a[j][k];
  return out;
});
const inner = (one, other) => one.reduce((sum, row, i) => sum + dot(row, other[i]), 0);
const along = (from, by, way) => from.map((row, i) => row.map((value, k) => value + by * way[i][k]));

// A generator that yields now and then, so that a page can breathe: {a, b, losses}.
export function* fit(gram, labels, classes, penalty) {
  const { kernel } = scaled(gram);
  const n = gram.length;
  const rate = 1 / (0.5 + penalty);
  const zero = () => Array.from({ length: n }, () => new Float64Array(classes));
  let [a, b] = [zero(), [new Float64Array(classes)]];
  let turned = zero(); // kernel times a
  let [aheadA, aheadB, aheadTurned] = [a, b, turned];
  let count = 0;
  const losses = [];
  for (let step = 0; step < MOST_STEPS; step += 1) {
    if (step % 25 === 24) yield;
    losses.push(lossOf(turned, labels, a, b, penalty));
    const slopeB = [new Float64Array(classes)];
    const slopeA = aheadTurned.map((row, i) => {
      const shares = softmax(row.map((value, k) => value + aheadB[0][k]));
      return shares.map((share, k) => {
        const wrong = (share - (labels[i] === k ? 1 : 0)) / n;
        slopeB[0][k] += wrong;
        return wrong + penalty * aheadA[i][k];
      });
    });
    const turnedSlope = times(kernel, slopeA);
    const [newA, newB] = [along(aheadA, -rate, slopeA), along(aheadB, -rate, slopeB)];
    const newTurned = along(aheadTurned, -rate, turnedSlope);
    const [wayA, wayB] = [along(newA, -1, a), along(newB, -1, b)];
    count = inner(turnedSlope, wayA) + inner(slopeB, wayB) > 0 ? 0 : count + 1;
    const push = count / (count + 3);
    [aheadA, aheadB] = [along(newA, push, wayA), along(newB, push, wayB)];
    aheadTurned = along(newTurned, push, along(newTurned, -1, turned));
    [a, b, turned] = [newA, newB, newTurned];
    if (inner(turnedSlope, slopeA) + inner(slopeB, slopeB) < SMALL ** 2) break;
  }
  losses.push(lossOf(turned, labels, a, b, penalty));
  return { a, b: b[0], losses };
}

function lossOf(turned, labels, a, b, penalty) {
  const entropy = turned.map((row, i) =>
    -Math.log(softmax(row.map((value, k) => value + b[0][k]))[labels[i]]));
  return meanOf(entropy) + (penalty / 2) * inner(turned, a);
}

// The head as a plain linear layer on the features as they come: {weight: [row a class], bias}.
function weightsOf(features, { a, b }) {
  const [n, wide, classes] = [features.length, features[0].length, b.length];
  const mean = new Float64Array(wide);
  for (const row of features) for (let i = 0; i < wide; i += 1) mean[i] += row[i] / n;
  const centred = features.map((row) => row.map((value, i) => value - mean[i]));
  const length = meanOf(centred.map((row) => dot(row, row))) || 1;
  const weight = upTo(classes).map((k) => {
    const out = new Float64Array(wide);
    centred.forEach((row, j) => { for (let i = 0; i < wide; i += 1) out[i] += (a[j][k] * row[i]) / length; });
    return out;
  });
  return { weight, bias: Float64Array.from(b, (value, k) => value - dot(weight[k], mean)) };
}

export const sharesOf = ({ weight, bias }, features) => softmax(weight.map((row, k) => dot(row, features) + bias[k]));

// Trains a head and, where every class has two pictures, one without each picture in turn. Yields now and
// then; returns {head, losses, shares (a row a picture), held (a class a picture, or null)}.
export function* learn(features, labels, classes, penalty) {
  const gram = gramOf(features);
  const found = yield* fit(gram, labels, classes, penalty);
  const head = weightsOf(features, found);
  const shares = features.map((row) => sharesOf(head, row));
  const few = upTo(classes).some((k) => labels.filter((label) => label === k).length < FEWEST);
  const held = few ? null : [];
  for (const out of few ? [] : labels.keys()) {
    yield;
    held.push(yield* withoutOne(gram, labels, classes, penalty, out));
  }
  return { head, losses: found.losses, shares, held };
}

function* withoutOne(gram, labels, classes, penalty, out) {
  const rest = upTo(gram.length).filter((i) => i !== out);
  const inside = rest.map((i) => Float64Array.from(rest, (j) => gram[i][j]));
  const { a, b } = yield* fit(inside, rest.map((i) => labels[i]), classes, penalty);
  const { length, means, all } = scaled(inside);
  const mean = meanOf(rest.map((i) => gram[i][out]));
  const products = rest.map((i, j) => (gram[i][out] - means[j] - mean + all) / length);
  const scores = Float64Array.from(b);
  products.forEach((product, j) => { for (let k = 0; k < classes; k += 1) scores[k] += product * a[j][k]; });
  return strongest(scores);
}
