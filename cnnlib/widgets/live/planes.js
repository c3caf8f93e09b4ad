// Pictures as an ImageNet network sees them, between the page and the network.
//
// A picture is three planes, red, green, blue, of 227 x 227 numbers from 0 to 255, one after the other in a
// Float32Array. What the reader sees and what the network gets are the same numbers.

import { element } from "../kit/dom.js";
import { decoded } from "../kit/pixels.js";
import { prepare } from "./prepare.js";

export const SIDE = 227;
export const AREA = SIDE * SIDE;
const SHORTER = 512; // pixels of the shorter side, above which the browser makes a picture smaller first
const HOW = {
  channel_order: "RGB", height: SIDE, width: SIDE, mean: [0, 0, 0], std: [1, 1, 1], fit: "crop", resize: 256,
};

// ---- From the page.

// A Blob, or what a canvas can draw, as an ImageBitmap. A Blob that is no picture is refused.
export async function bitmapOf(source) {
  const whole = await createImageBitmap(source, { imageOrientation: "from-image" });
  const { width, height } = whole;
  const shorter = Math.min(width, height);
  if (shorter <= SHORTER) return whole;
  const made = await createImageBitmap(whole, {
    resizeWidth: Math.round((width * SHORTER) / shorter),
    resizeHeight: Math.round((height * SHORTER) / shorter),
    resizeQuality: "high",
  });
  whole.close();
  return made;
}

// The middle square of a picture, as cnnlib.weights.Preprocessing cuts it, in whole numbers.
export const cutOf = async (source) => prepare(await bitmapOf(source), HOW).map(Math.round);

// The picture at an address, of 227 x 227 pixels; null where it cannot be had.
export async function planesAt(address) {
  const picture = await decoded(address);
  if (!picture) return null;
  const canvas = element("canvas", { width: SIDE, height: SIDE });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  const { data } = pen.getImageData(0, 0, SIDE, SIDE);
  const planes = new Float32Array(3 * AREA);
  for (let i = 0; i < AREA; i += 1) {
    for (let c = 0; c < 3; c += 1) planes[c * AREA + i] = data[4 * i + c];
  }
  return planes;
}

// Paints planes; what lies outside of 0 to 255 is cut off. Null leaves the canvas empty.
export function paintPlanes(canvas, planes) {
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!planes) {
    pen.clearRect(0, 0, SIDE, SIDE);
    return;
  }
  pen.putImageData(imageOf(planes), 0, 0);
}

function imageOf(planes, side = SIDE) {
  const image = new ImageData(side, side);
  const area = side * side;
  for (let i = 0; i < area; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = planes[c * area + i];
    image.data[4 * i + 3] = 255;
  }
  return image;
}

// ---- To any network for photographs: the whole square, in the network's size and colours. `how` is its preprocessing,
// with `resize` at its height.

export const inputFor = (planes, how) => prepare(imageOf(planes), how);

// Paints what the network gets, at its own size. Null leaves the canvas empty.
export function paintInput(canvas, planes, how) {
  const side = how.height;
  [canvas.width, canvas.height] = [side, side];
  if (!planes) return;
  const seen = prepare(imageOf(planes), { ...how, channel_order: "RGB", mean: [0, 0, 0], std: [1, 1, 1] });
  canvas.getContext("2d").putImageData(imageOf(seen, side), 0, 0);
}

// ---- To a network of the square's own size and back. `how` is its preprocessing.

// Between the order of the picture and that of the network; it is its own undoing.
function turned(planes, order) {
  if (order === "RGB") return planes;
  const found = new Float32Array(planes.length);
  for (let c = 0; c < 3; c += 1) found.set(planes.subarray(c * AREA, (c + 1) * AREA), (2 - c) * AREA);
  return found;
}

// The network's input for a picture, (3, 227, 227), and a picture for an input.
export function inputOf(planes, { channel_order: order, mean, std }) {
  return turned(planes, order).map((grey, i) => (grey - mean[Math.floor(i / AREA)]) / std[Math.floor(i / AREA)]);
}

export function pictureOf(input, { channel_order: order, mean, std }) {
  return turned(input.map((x, i) => x * std[Math.floor(i / AREA)] + mean[Math.floor(i / AREA)]), order);
}

// The slope at the picture's greys, for one at the network's input.
export function slopeOf(slope, { channel_order: order, std }) {
  return turned(slope.map((x, i) => x / std[Math.floor(i / AREA)]), order);
}
