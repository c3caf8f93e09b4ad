// Grad-CAM, and how maps and signals are painted.

import { upTo } from "./kit/dom.js";
import { paintMap } from "./kit/pixels.js";

// The maps of a layer, (C, H, W), weighted by their mean signals, what is below 0 left out, on
// side x side pixels: as cnnlib.inside.attribute has it.
export function gradCam(map, signal, [channels, height, width], side) {
  const area = height * width;
  const small = new Float32Array(area);
  for (let c = 0; c < channels; c += 1) {
    let weight = 0;
    for (let i = 0; i < area; i += 1) weight += signal[c * area + i];
    weight /= area;
    for (let i = 0; i < area; i += 1) small[i] += weight * map[c * area + i];
  }
  return resized(small.map((value) => Math.max(value, 0)), [height, width], side);
}

// Bilinear, corners not aligned.
function resized(map, [height, width], side) {
  const places = (size) => upTo(side).map((i) => {
    const at = Math.max(((i + 0.5) * size) / side - 0.5, 0);
    const low = Math.min(Math.floor(at), size - 1);
    return [low, Math.min(low + 1, size - 1), at - low];
  });
  const [down, across] = [places(height), places(width)];
  const found = new Float32Array(side * side);
  down.forEach(([top, bottom, below], y) => across.forEach(([left, right, beside], x) => {
    const above = map[top * width + left] * (1 - beside) + map[top * width + right] * beside;
    const under = map[bottom * width + left] * (1 - beside) + map[bottom * width + right] * beside;
    found[y * side + x] = above * (1 - below) + under * below;
  }));
  return found;
}

// The largest size among numbers; 1 where all are 0.
export function strongestOf(numbers) {
  let most = 0;
  for (let i = 0; i < numbers.length; i += 1) most = Math.max(most, Math.abs(numbers[i]));
  return most || 1;
}

// One map of a layer, on the scale of all.
export function paintOne(canvas, map, [height, width], channel, palettes) {
  const area = height * width;
  const levels = new Uint8Array(area).fill(128);
  if (map) {
    const scale = strongestOf(map);
    map.subarray(channel * area, (channel + 1) * area)
      .forEach((value, i) => { levels[i] = Math.round((127 * value) / scale) + 128; });
  }
  paintMap(canvas, [height, width], levels, palettes.signed);
}

// All maps of a layer on one scale, in so many columns; null leaves the sheet empty.
export function paintAtlas(canvas, map, [channels, height, width], columns, palettes) {
  const wide = columns * width;
  const levels = new Uint8Array(columns * height * wide).fill(128);
  const [scale, count] = map ? [strongestOf(map), channels] : [1, 0];
  for (let c = 0; c < count; c += 1) {
    const start = Math.floor(c / columns) * height * wide + (c % columns) * width;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        levels[start + y * wide + x] = Math.round((127 * map[(c * height + y) * width + x]) / scale) + 128;
      }
    }
  }
  paintMap(canvas, [columns * height, wide], levels, palettes.signed);
}

// A signal on the picture, (3, side, side) in the network's order of the colours, as colours around grey.
export function paintColours(canvas, signal, side, order) {
  [canvas.width, canvas.height] = [side, side];
  const image = new ImageData(side, side);
  const [area, scale] = [side * side, strongestOf(signal)];
  const planes = order === "RGB" ? [0, 1, 2] : [2, 1, 0];
  for (let i = 0; i < area; i += 1) {
    planes.forEach((plane, c) => {
      image.data[4 * i + c] = Math.round(128 + (127 * signal[plane * area + i]) / scale);
    });
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Of each pixel the largest size over the channels, from 0 to the picture's most.
export function paintHeat(canvas, numbers, [height, width], palettes) {
  const area = height * width;
  const heat = new Float32Array(area);
  for (let i = 0; i < numbers.length; i += 1) heat[i % area] = Math.max(heat[i % area], Math.abs(numbers[i]));
  const scale = strongestOf(heat);
  const levels = Uint8Array.from(heat, (value) => Math.round((255 * value) / scale));
  paintMap(canvas, [height, width], levels, palettes.positive);
}
