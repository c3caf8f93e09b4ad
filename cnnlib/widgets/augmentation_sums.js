// Augmentation, the sums: one picture distorted by amounts that are drawn or chosen.
//
// augmentation_sums.py is the twin, name by name, and says what each is; a browser test holds them
// equal. A picture is {size, values}: size × size pixels, row by row, three numbers from 0 to 1 each.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const SIDE = 96;
export const SEEDS = [0, 999];
export const DEVIATION = 0.1;
const amount = (least, most, none, drawn, step = 1) => ({ least, most, none, drawn, step });
export const AMOUNTS = {
  crop_size: amount(48, SIDE, SIDE, 0, 4),
  top: amount(0, SIDE - 48, 0, 0),
  left: amount(0, SIDE - 48, 0, 0),
  right: amount(-24, 24, 0, 10),
  down: amount(-24, 24, 0, 10),
  angle: amount(-180, 180, 0, 20),
  shear: amount(-50, 50, 0, 20),
  zoom: amount(50, 200, 100, 20),
  strength: amount(0, 400, 0, 0, 10),
  smoothness: amount(2, 16, 8, 0),
  red: amount(-80, 80, 0, 40),
  green: amount(-80, 80, 0, 40),
  blue: amount(-80, 80, 0, 40),
  alpha1: amount(-100, 100, 0, 10),
  alpha2: amount(-100, 100, 0, 10),
  alpha3: amount(-100, 100, 0, 10),
  brightness: amount(-80, 80, 0, 40),
  contrast: amount(0, 200, 100, 40),
  saturation: amount(0, 200, 100, 60),
};
export const PARTS = {
  frame: ["crop_size", "top", "left"],
  place: ["right", "down", "angle", "shear", "zoom"],
  warp: ["strength", "smoothness"],
  colour: ["red", "green", "blue"],
  axes: ["alpha1", "alpha2", "alpha3"],
  light: ["brightness", "contrast", "saturation"],
};
const DRAWN_CROP = (SIDE * 7) / 8;
const DRAWN_STRENGTH = 150;
const FIELD_STREAM = 100;

// The twin of AugmentationExplorer.settled.
export function settled(changes, present, { pictures, parts }) {
  const s = new Settling(changes, present);
  s.oneOf("picture", pictures.map(({ name }) => name));
  s.oneOf("part", parts);
  s.whole("seed", ...SEEDS);
  s.flag("mirror");
  s.flag("grid");
  for (const [name, { least, most, step }] of Object.entries(AMOUNTS)) {
    if (name === "top" || name === "left") s.whole(name, least, SIDE - s.state.crop_size);
    else if (step === 1) s.whole(name, least, most);
    else s.oneOf(name, upTo((most - least) / step + 1).map((i) => least + i * step));
  }
  return s.done();
}

export function randomNumbers(seed, stream, count) {
  let a = (Math.imul(seed, 0x9E3779B1) + Math.imul(stream, 0x85EBCA6B)) | 0;
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i += 1) {
    a = (a + 0x6D2B79F5) | 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    numbers[i] = ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  return numbers;
}

export function drawPart(part, seed, present) {
  const chance = randomNumbers(seed, Object.keys(PARTS).indexOf(part), 6);
  if (part === "frame") {
    const room = SIDE - DRAWN_CROP + 1;
    return {
      mirror: chance[2] < 0.5, crop_size: DRAWN_CROP,
      top: Math.floor(chance[0] * room), left: Math.floor(chance[1] * room),
    };
  }
  if (part === "warp") return { strength: present.strength || DRAWN_STRENGTH };
  return Object.fromEntries(PARTS[part].map((name, i) => {
    const { least, most, none, drawn } = AMOUNTS[name];
    const way = part === "axes"
      ? Math.sqrt(-2 * Math.log(1 - chance[2 * i])) * Math.cos(2 * Math.PI * chance[2 * i + 1])
      : 2 * chance[i] - 1;
    return [name, Math.min(Math.max(none + Math.floor(drawn * way + 0.5), least), most)];
  }));
}

export function without(part) {
  const values = Object.fromEntries(PARTS[part].map((name) => [name, AMOUNTS[name].none]));
  return part === "frame" ? { ...values, mirror: false } : values;
}

export function changesSomething(part, state) {
  if (part === "warp") return state.strength !== 0;
  return Object.entries(without(part)).some(([name, value]) => state[name] !== value);
}

// ---- The steps.

function crop({ size, values }, side, top, left) {
  const out = new Float64Array(side * side * 3);
  for (let row = 0; row < side; row += 1) {
    const start = ((top + row) * size + left) * 3;
    out.set(values.subarray(start, start + side * 3), row * side * 3);
  }
  return { size: side, values: out };
}

// `from(row, column)` gives the place [row, column] that each place of the result shows.
function sample({ size, values }, from) {
  const out = new Float64Array(values.length);
  const last = size - 1;
  const inside = (index) => Math.min(Math.max(index, 0), last);
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      const [y, x] = from(row, column).map(inside);
      const [above, before] = [Math.floor(y), Math.floor(x)];
      const [below, behind] = [Math.min(above + 1, last), Math.min(before + 1, last)];
      const [down, across] = [y - above, x - before];
      for (let c = 0; c < 3; c += 1) {
        const at = (i, j) => values[(i * size + j) * 3 + c];
        const upper = at(above, before) * (1 - across) + at(above, behind) * across;
        const lower = at(below, before) * (1 - across) + at(below, behind) * across;
        out[(row * size + column) * 3 + c] = upper * (1 - down) + lower * down;
      }
    }
  }
  return { size, values: out };
}

function cosine(degrees) {
  if (degrees % 90 === 0) return [1, 0, -1, 0][(((degrees / 90) % 4) + 4) % 4];
  return Math.cos((Math.PI * degrees) / 180);
}

function origins(size, { mirror, angle, shear, zoom, right, down }) {
  const middle = (size - 1) / 2;
  const [cos, sin] = [cosine(angle), cosine(angle - 90)];
  const side = mirror ? -1 : 1;
  return (row, column) => {
    const [y, x] = [row - middle, column - middle];
    return [
      (-sin * x + (cos - sin * shear) * y) / zoom - down + middle,
      (side * (cos * x + (cos * shear + sin) * y)) / zoom - right + middle,
    ];
  };
}

function smooth(noise, side, smoothness) {
  const reach = Math.ceil(3 * smoothness);
  const bell = upTo(2 * reach + 1).map((i) => Math.exp(-(((i - reach) / smoothness) ** 2) / 2));
  const total = bell.reduce((a, b) => a + b, 0);
  const weights = bell.map((weight) => weight / total);
  const size = side - 2 * reach;
  const rows = new Float64Array(size * side);
  weights.forEach((weight, i) => {
    for (let at = 0; at < rows.length; at += 1) rows[at] += weight * noise[i * side + at];
  });
  const out = new Float64Array(size * size);
  weights.forEach((weight, i) => {
    for (let row = 0; row < size; row += 1) {
      for (let column = 0; column < size; column += 1) {
        out[row * size + column] += weight * rows[row * side + column + i];
      }
    }
  });
  return out;
}

let kept = { key: "" }; // the last field: a slider of colours need not draw it again

export function displacements(size, strength, smoothness, seed) {
  const key = [size, strength, smoothness, seed].join();
  if (kept.key === key) return kept.field;
  const side = size + 2 * Math.ceil(3 * smoothness);
  const noise = randomNumbers(seed, FIELD_STREAM, 2 * side * side).map((number) => 2 * number - 1);
  const field = [0, 1].map((i) =>
    smooth(noise.subarray(i * side * side, (i + 1) * side * side), side, smoothness)
      .map((number) => strength * number));
  kept = { key, field };
  return field;
}

function relight({ size, values }, brightness, contrast, saturation) {
  const out = new Float64Array(values.length);
  let sum = 0;
  for (let i = 0; i < values.length; i += 3) {
    const grey = (values[i] + values[i + 1] + values[i + 2]) / 3;
    for (let c = i; c < i + 3; c += 1) {
      out[c] = grey + saturation * (values[c] - grey);
      sum += out[c];
    }
  }
  const mean = sum / values.length;
  return { size, values: out.map((value) => contrast * (value - mean) + mean + brightness) };
}

export function colourShift(alphas, variances, directions) {
  return directions.map((row) =>
    row.reduce((sum, weight, i) => sum + weight * alphas[i] * variances[i], 0));
}

// ---- All of them.

// {size, pixels (bytes), clipped, added, moved} of a picture's bytes.
export function distort(picture, state, { variances, directions }) {
  const size = state.crop_size;
  const whole = { size: SIDE, values: Float64Array.from(picture).map((level) => level / 255) };
  let image = crop(whole, size, state.top, state.left);
  if (state.mirror || changesSomething("place", state)) {
    image = sample(image,
      origins(size, { ...state, shear: state.shear / 100, zoom: state.zoom / 100 }));
  }
  let moved = 0;
  if (state.strength) {
    const [right, down] = displacements(size, state.strength, state.smoothness, state.seed);
    const square = (field) => field.reduce((sum, value) => sum + value * value, 0) / field.length;
    moved = Math.sqrt((square(right) + square(down)) / 2);
    image = sample(image, (row, column) =>
      [row + down[row * size + column], column + right[row * size + column]]);
  }
  if (changesSomething("light", state)) {
    image = relight(image, state.brightness / 255, state.contrast / 100, state.saturation / 100);
  }
  const alphas = [1, 2, 3].map((i) => (state[`alpha${i}`] * DEVIATION) / 10);
  const added = colourShift(alphas, variances, directions);
  const colour = ["red", "green", "blue"].map((name, i) => state[name] / 255 + added[i]);
  const pixels = new Uint8Array(image.values.length);
  let outside = 0;
  for (let i = 0; i < pixels.length; i += 1) {
    const level = (image.values[i] + colour[i % 3]) * 255;
    if (level < -0.5 || level >= 255.5) outside += 1;
    pixels[i] = Math.min(Math.max(Math.floor(level + 0.5), 0), 255);
  }
  return { size, pixels, clipped: outside / pixels.length, added: added.map((v) => 255 * v), moved };
}

export function withGrid(picture) {
  return picture.map((level, i) => {
    const [row, column] = [Math.floor(i / 3 / SIDE), Math.floor(i / 3) % SIDE];
    return row % 12 === 6 || column % 12 === 6 ? [255, 220, 0][i % 3] : level;
  });
}
