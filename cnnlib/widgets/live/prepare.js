// A picture becomes a network's input, as cnnlib.weights.Preprocessing makes it: the same numbers.

import { LiveError } from "./arena.js";

// `picture`: an ImageBitmap, which is used up, or ImageData; what is transparent lies on white. `how`:
// {channel_order, height, width, mean, std, fit, resize}. Gives a Float32Array, (C, H, W).
export function prepare(picture, how) {
  const { data, width, height } = picture.data ? picture : pixelsOf(picture);
  const planes = planesOf(data, width * height, how.channel_order);
  const [map, tall, broad] = how.fit === "crop" ? shrunk(planes, height, width, how) : [planes, height, width];
  const out = new Float32Array(planes.length * how.height * how.width);
  const cut = how.fit === "crop";
  if (cut ? tall < how.height || broad < how.width : tall > how.height || broad > how.width) {
    const limit = `${cut ? "at least" : "at most"} ${how.width}x${how.height}`;
    throw new LiveError("input", `picture: expected ${limit} pixels, found ${broad}x${tall}`);
  }
  const top = Math.floor(Math.abs(tall - how.height) / 2);
  const left = Math.floor(Math.abs(broad - how.width) / 2);
  planes.forEach((_, c) => {
    const plane = map[c];
    for (let y = 0; y < how.height; y += 1) {
      for (let x = 0; x < how.width; x += 1) {
        const [row, column] = cut ? [y + top, x + left] : [y - top, x - left];
        const inside = row >= 0 && row < tall && column >= 0 && column < broad;
        const pixel = inside ? plane[row * broad + column] : 0;
        out[(c * how.height + y) * how.width + x] = (pixel - how.mean[c]) / how.std[c];
      }
    }
  });
  return out;
}

function pixelsOf(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  picture.close();
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

function planesOf(data, count, order) {
  const places = { grey: [0], RGB: [0, 1, 2], BGR: [2, 1, 0] }[order];
  const planes = places.map(() => new Float32Array(count));
  for (let i = 0; i < count; i += 1) {
    const share = data[4 * i + 3] / 255;
    const on = (at) => (share === 1 ? data[4 * i + at] : Math.round(data[4 * i + at] * share + 255 * (1 - share)));
    // Grey as Pillow makes it, so that a coloured drawing may come as well.
    if (order === "grey") planes[0][i] = Math.floor((on(0) * 19595 + on(1) * 38470 + on(2) * 7471 + 0x8000) / 65536);
    else places.forEach((at, c) => { planes[c][i] = on(at); });
  }
  return planes;
}

// The shorter side at `resize` pixels, as torch's bilinear interpolation with antialiasing does it.
function shrunk(planes, height, width, { resize }) {
  if (resize === null || resize === undefined) return [planes, height, width];
  const shorter = Math.min(height, width);
  const [tall, broad] = [height, width].map((side) => Math.floor((side * resize) / shorter));
  if (tall === height && broad === width) return [planes, height, width];
  const columns = weightsOf(width, broad);
  const rows = weightsOf(height, tall);
  return [planes.map((plane) => along(plane, height, width, columns, rows)), tall, broad];
}

// For each new place, where its window begins on the old axis, and the window's weights: a triangle.
function weightsOf(before, after) {
  const scale = before / after;
  const support = Math.max(scale, 1);
  return Array.from({ length: after }, (_, i) => {
    const centre = scale * (i + 0.5);
    const start = Math.max(Math.floor(centre - support + 0.5), 0);
    const end = Math.min(Math.floor(centre + support + 0.5), before);
    const weights = Float64Array.from({ length: end - start }, (_one, j) =>
      Math.max(0, 1 - Math.abs((j + start - centre + 0.5) / support)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((w) => w / sum) };
  });
}

function along(plane, height, width, columns, rows) {
  const half = new Float32Array(height * columns.length);
  for (let y = 0; y < height; y += 1) {
    columns.forEach(({ start, weights }, x) => {
      let sum = 0;
      for (let j = 0; j < weights.length; j += 1) sum += plane[y * width + start + j] * weights[j];
      half[y * columns.length + x] = sum;
    });
  }
  const out = new Float32Array(rows.length * columns.length);
  rows.forEach(({ start, weights }, y) => {
    for (let x = 0; x < columns.length; x += 1) {
      let sum = 0;
      for (let j = 0; j < weights.length; j += 1) sum += half[(start + j) * columns.length + x] * weights[j];
      out[y * columns.length + x] = sum;
    }
  });
  return out;
}
