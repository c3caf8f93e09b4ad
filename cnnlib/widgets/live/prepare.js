// A picture becomes a network's input, as cnnlib.weights.Preprocessing makes it: the same numbers.

import { LiveError } from "./arena.js";

// `picture`: an ImageBitmap, which is used up, or ImageData; what is transparent lies on white. `how`:
// {channel_order, height, width, mean, std, fit, resize}. Gives a Float32Array, (C, H, W). Only what is kept
// of the picture is worked out, a row at a time: a photograph may have 40 million pixels.
export function prepare(picture, how) {
  const { data, width, height } = picture.data ? picture : pixelsOf(picture);
  const cut = how.fit === "crop";
  const [tall, broad] = cut ? shrunk(height, width, how.resize) : [height, width];
  if (cut ? tall < how.height || broad < how.width : tall > how.height || broad > how.width) {
    const limit = `${cut ? "at least" : "at most"} ${how.width}x${how.height}`;
    throw new LiveError("input", `picture: expected ${limit} pixels, found ${broad}x${tall}`);
  }
  const [rows, columns] = [[height, tall, how.height], [width, broad, how.width]].map((sizes) =>
    (cut ? weightsOf(...sizes) : placesOf(...sizes)));
  const first = rows[0].start;
  const last = Math.max(...rows.map(({ start, weights }) => start + weights.length));
  const narrow = how.mean.map(() => new Float32Array((last - first) * how.width));
  for (let y = first; y < last; y += 1) {
    planesOf(data, y * width, width, how.channel_order).forEach((pixels, c) => {
      const to = (y - first) * how.width;
      columns.forEach(({ start, weights }, x) => {
        let sum = 0;
        for (let j = 0; j < weights.length; j += 1) sum += pixels[start + j] * weights[j];
        narrow[c][to + x] = sum;
      });
    });
  }
  const out = new Float32Array(how.mean.length * how.height * how.width);
  narrow.forEach((plane, c) => rows.forEach(({ start, weights }, y) => {
    for (let x = 0; x < how.width; x += 1) {
      let sum = 0;
      for (let j = 0; j < weights.length; j += 1) sum += plane[(start - first + j) * how.width + x] * weights[j];
      out[(c * how.height + y) * how.width + x] = (Math.fround(sum) - how.mean[c]) / how.std[c];
    }
  }));
  return out;
}

function pixelsOf(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  picture.close();
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

// The channels of `count` pixels from the one at `from` on.
function planesOf(data, from, count, order) {
  const channels = [0, 1, 2].map((at) => {
    const plane = new Float32Array(count);
    for (let i = 0; i < count; i += 1) {
      const value = data[4 * (from + i) + at];
      const opaque = data[4 * (from + i) + 3];
      plane[i] = opaque === 255 ? value : Math.round((value * opaque) / 255 + 255 - opaque);
    }
    return plane;
  });
  if (order === "RGB") return channels;
  if (order === "BGR") return channels.reverse();
  const [red, green, blue] = channels; // grey as Pillow makes it, so that a coloured drawing may come as well
  return [red.map((r, i) => Math.floor((r * 19595 + green[i] * 38470 + blue[i] * 7471 + 0x8000) / 65536))];
}

// The size with the shorter side at `resize` pixels.
function shrunk(height, width, resize) {
  if (resize === null || resize === undefined) return [height, width];
  return [height, width].map((side) => Math.floor((side * resize) / Math.min(height, width)));
}

// For each of the `kept` places in the middle of `after`, where its window begins on the old axis, and the
// window's weights: a triangle, as torch's bilinear interpolation with antialiasing has it.
function weightsOf(before, after, kept) {
  const scale = before / after;
  const support = Math.max(scale, 1);
  const left = Math.floor((after - kept) / 2);
  return Array.from({ length: kept }, (_, i) => {
    const centre = scale * (left + i + 0.5);
    const start = Math.max(Math.floor(centre - support + 0.5), 0);
    const end = Math.min(Math.floor(centre + support + 0.5), before);
    const weights = Float64Array.from({ length: end - start }, (_one, j) =>
      Math.max(0, 1 - Math.abs((j + start - centre + 0.5) / support)));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: weights.map((w) => w / sum) };
  });
}

// The same for a picture in the middle of a larger frame. Outside of it there is nothing: no weights.
function placesOf(before, after, kept) {
  const left = Math.floor((kept - before) / 2);
  return Array.from({ length: kept }, (_, i) =>
    (i < left || i >= left + before ? { start: 0, weights: [] } : { start: i - left, weights: [1] }));
}
