// Drawings of 28×28 pixels: the twin of draw_digit_sums.py and of DrawDigit.settled, and what a map of
// Grad-CAM is made of. A drawing is a Uint8Array, row by row: 0 for paper, 255 for full ink.

import { Settling } from "./kit/settling.js";

export const SIDE = 28;
const CENTRE = 14;
export const SHIFTS = [-10, 10];
export const ANGLES = Array.from({ length: 73 }, (_, i) => 5 * i - 180);
export const THICKEN = [0, 3];
export const NOISE = [0, 100];
const RADIUS = 1.1;
const NOISE_STEPS = 32;

export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  const wanted = s.wanted("drawing");
  if (fixed.samples.some(({ name }) => name === wanted) || read(wanted)) s.take("drawing", wanted);
  else s.refuse("drawing", "drawing.expected");
  s.flag("centre");
  s.oneOf("angle", ANGLES);
  s.whole("thicken", ...THICKEN);
  s.whole("down", ...SHIFTS);
  s.whole("right", ...SHIFTS);
  s.whole("noise", ...NOISE);
  s.oneOf("look", fixed.looks);
  s.oneOf("tool", fixed.tools);
  return s.done();
}

// ---- Written down.

export function write(pixels) {
  let [text, blank] = ["", 0];
  const end = () => {
    for (; blank > 0; blank -= 26) text += String.fromCharCode(64 + Math.min(blank, 26));
    blank = 0;
  };
  for (const ink of pixels) {
    if (ink === 0) blank += 1;
    else {
      end();
      text += ink.toString(16).padStart(2, "0");
    }
  }
  end();
  return text;
}

// The drawing that write() wrote, or null.
export function read(text) {
  if (typeof text !== "string" || !/^(?:[A-Z]|[0-9a-f]{2})*$/.test(text)) return null;
  const pixels = new Uint8Array(SIDE * SIDE);
  let place = 0;
  for (const piece of text.match(/[A-Z]|[0-9a-f]{2}/g) ?? []) {
    if (piece.length === 1) place += piece.charCodeAt(0) - 64;
    else {
      pixels[place] = parseInt(piece, 16);
      place += 1;
    }
  }
  return place === SIDE * SIDE ? pixels : null;
}

// ---- The brush.

export function drawLine(pixels, start, end, erase = false) {
  const out = pixels.slice();
  const [down, right] = [end[0] - start[0], end[1] - start[1]];
  const length = down * down + right * right;
  for (let i = 0; i < out.length; i += 1) {
    const [row, column] = [Math.floor(i / SIDE) + 0.5 - start[0], (i % SIDE) + 0.5 - start[1]];
    const share = length ? Math.min(Math.max((row * down + column * right) / length, 0), 1) : 0;
    const away = Math.sqrt((row - share * down) ** 2 + (column - share * right) ** 2);
    const ink = Math.floor(255 * Math.min(Math.max(RADIUS + 0.5 - away, 0), 1) + 0.5);
    out[i] = erase ? Math.min(out[i], 255 - ink) : Math.max(out[i], ink);
  }
  return out;
}

// ---- What the networks get of a drawing.

export function changed(drawing, { centre, angle, thicken, down, right, noise }, pattern) {
  let pixels = centre ? centred(drawing) : drawing;
  if (angle) pixels = turned(pixels, angle);
  for (let i = 0; i < thicken; i += 1) pixels = thickened(pixels);
  pixels = shifted(pixels, down, right);
  if (!noise) return pixels;
  return pixels.map((ink, i) => {
    const grey = Math.floor(ink + 2.55 * noise * ((pattern[i] - 128) / NOISE_STEPS) + 0.5);
    return Math.min(Math.max(grey, 0), 255);
  });
}

function centred(pixels) {
  let [mass, rows, columns] = [0, 0, 0];
  pixels.forEach((ink, i) => {
    mass += ink;
    rows += ink * Math.floor(i / SIDE);
    columns += ink * (i % SIDE);
  });
  if (!mass) return pixels;
  const [down, right] = [rows, columns].map((moment) => Math.floor(CENTRE - moment / mass + 0.5));
  return shifted(pixels, down, right);
}

function shifted(pixels, down, right) {
  return pixels.map((_, i) => inkAt(pixels, Math.floor(i / SIDE) - down, (i % SIDE) - right));
}

function inkAt(pixels, row, column) {
  return row >= 0 && column >= 0 && row < SIDE && column < SIDE ? pixels[row * SIDE + column] : 0;
}

function turned(pixels, angle) {
  const [cos, sin] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  const middle = (SIDE - 1) / 2;
  return pixels.map((_, i) => {
    const [down, across] = [Math.floor(i / SIDE) - middle, (i % SIDE) - middle];
    const row = across * sin + down * cos + middle;
    const column = across * cos - down * sin + middle;
    const [top, left] = [Math.floor(row), Math.floor(column)];
    const [below, beside] = [row - top, column - left];
    let ink = 0;
    for (const [y, high] of [[top, 1 - below], [top + 1, below]]) {
      for (const [x, wide] of [[left, 1 - beside], [left + 1, beside]]) {
        ink += high * wide * inkAt(pixels, y, x);
      }
    }
    return Math.floor(ink + 0.5);
  });
}

function thickened(pixels) {
  return pixels.map((ink, i) => {
    const [row, column] = [Math.floor(i / SIDE), i % SIDE];
    return Math.max(ink, inkAt(pixels, row - 1, column), inkAt(pixels, row + 1, column),
      inkAt(pixels, row, column - 1), inkAt(pixels, row, column + 1));
  });
}

// ---- Of the answers.

// Values as bytes of a scale: the twin of Scale.levels for scales that begin at 0, or are signed.
export function packed(values, high, signed) {
  const bytes = Uint8Array.from(values, (value) => (signed
    ? Math.round((value / (high || 1)) * 127) + 128 : Math.round((value / (high || 1)) * 255)));
  return { high, signed, bytes };
}

export const highest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// Grad-CAM of `count` maps of `side` × `side` cells and the score's slopes on them, on an input of
// `wide` × `wide`: the maps, each times its mean slope, summed; nothing below 0; bilinear.
export function gradCam(maps, slopes, side, wide) {
  const area = side * side;
  const sum = new Float64Array(area);
  for (let start = 0; start < maps.length; start += area) {
    let mean = 0;
    for (let i = 0; i < area; i += 1) mean += slopes[start + i] / area;
    for (let i = 0; i < area; i += 1) sum[i] += mean * maps[start + i];
  }
  const found = sum.map((value) => Math.max(value, 0));
  const steps = Array.from({ length: wide }, (_, i) => {
    const at = Math.max(((i + 0.5) * side) / wide - 0.5, 0);
    const low = Math.floor(at);
    return [low, Math.min(low + 1, side - 1), at - low];
  });
  return Float64Array.from({ length: wide * wide }, (_, i) => {
    const [top, bottom, below] = steps[Math.floor(i / wide)];
    const [left, right, beside] = steps[i % wide];
    const along = (row) => (1 - beside) * found[row * side + left] + beside * found[row * side + right];
    return (1 - below) * along(top) + below * along(bottom);
  });
}
