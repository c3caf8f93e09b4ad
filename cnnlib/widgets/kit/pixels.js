// Bytes as values and as colours, and canvases that show them.
//
// A scale {low, high, signed} says what a byte stands for: 0 for `low` and 255 for `high`; where
// `signed`, 1 for `low`, so that 128 is zero. cnnlib/widgets/pixels.py is the twin. A colour is one
// 32-bit pixel, in the machine's own byte order; a palette is 256 of them.

import { element, setAttribute, svgElement } from "./dom.js";
import { signed as minus } from "./words.js";

// ---- The numbers.

// What a byte stands for.
export function valueOf({ low, high, signed = false }, level) {
  return signed ? ((level - 128) / 127) * high : low + (level / 255) * (high - low);
}

// A value's text, with as many decimals as one step of its scale is worth.
export function writeValue({ low, high, signed = false }, value) {
  const step = (high - low) / (signed ? 254 : 255);
  if (step === 0) return "0";
  if (step < 1e-6 || Math.max(Math.abs(low), Math.abs(high)) >= 1e6) {
    return minus(value.toExponential(1));
  }
  const text = value.toFixed(Math.max(0, Math.ceil(-Math.log10(step))));
  return Number(text) === 0 ? text.replace("-", "") : minus(text);
}

// ---- The colours.

// {positive, signed}: the palettes whose anchors PALETTES of pixels.py lists.
export function unpackPalettes(anchors) {
  return { positive: mixed(anchors.positive, 0), signed: mixed(anchors.signed, 1) };
}

// Between the anchors, from level `first` to 255, the colours are mixed.
function mixed(anchors, first) {
  const ends = anchors.map(rgb);
  const colours = new Uint8Array(256 * 3);
  for (let level = 0; level < 256; level += 1) {
    const along = (Math.max(0, level - first) / (255 - first)) * (ends.length - 1);
    const from = Math.min(Math.floor(along), ends.length - 2);
    for (let i = 0; i < 3; i += 1) {
      const [a, b] = [ends[from][i], ends[from + 1][i]];
      colours[level * 3 + i] = Math.round(a + (along - from) * (b - a));
    }
  }
  return opaque(colours);
}

// "#ee9a3f" as one pixel.
export function colourOf(text) {
  return opaque(rgb(text))[0];
}

function rgb(text) {
  return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
}

// Colours r, g, b, r, g, b, ... as pixels; with a depth of 1 each number is a grey.
export function opaque(colours, depth = 3) {
  const count = colours.length / depth;
  const bytes = new Uint8Array(count * 4).fill(255);
  for (let i = 0; i < count; i += 1) {
    for (let k = 0; k < 3; k += 1) bytes[i * 4 + k] = colours[i * depth + (k % depth)];
  }
  return new Uint32Array(bytes.buffer);
}

// ---- Canvases.

// The picture, ready to be drawn; null where it cannot be had.
export async function decoded(address) {
  const picture = new Image();
  picture.src = address;
  try {
    await picture.decode();
    return picture;
  } catch {
    return null;
  }
}

/** @param {HTMLCanvasElement} canvas  @param {number[]} size  @param {any} pixels  a typed array */
export function paintPixels(canvas, [height, width], pixels) {
  if (canvas.height !== height) canvas.height = height;
  if (canvas.width !== width) canvas.width = width;
  const bytes = new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  canvas.getContext("2d").putImageData(new ImageData(bytes, width, height), 0, 0);
}

// Paints a map's levels, row by row, in a palette's colours.
export function paintMap(canvas, size, levels, palette) {
  const pixels = new Uint32Array(levels.length); // from() with a function takes fifty times as long
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = palette[levels[i]];
  paintPixels(canvas, size, pixels);
}

// Paints picture `number` of {shape: [pictures, height, width] or [..., 3], bytes}.
/**
 * @param {HTMLCanvasElement} canvas  @param {{shape: number[], bytes: Uint8Array}} pictures
 * @param {number} number
 */
export function paintPicture(canvas, { shape: [, height, width, depth = 1], bytes }, number) {
  const size = height * width * depth;
  paintPixels(canvas, [height, width],
    opaque(bytes.subarray(number * size, (number + 1) * size), depth));
}

// CSS pixels for a map's pixel where the longer side gets `side` of them: whole, if not below 1.
/** @param {number[]} size  @param {number} side */
export function zoom([height, width], side) {
  const scale = side / Math.max(height, width);
  return scale > 1 ? Math.floor(scale) : scale;
}

// Gives a canvas `scale` CSS pixels a pixel. Only a map that is not shrunk shows its pixels' edges.
/** @param {HTMLElement} canvas  @param {number[]} size  @param {number} scale */
export function setSize(canvas, [height, width], scale) {
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  canvas.style.imageRendering = scale < 1 ? "auto" : "";
}

// A frame over a picture of height x width pixels: {node, set([[top, bottom], [left, right]]),
// resize([height, width])}. The pixels named are in it; null hides it, as does null for either.
/** @param {number[]} size */
export function frame([height, width]) {
  const lines = ["cnn-frame-edge", "cnn-frame-line"]
    .map((name) => svgElement("rect", { class: name }));
  const node = svgElement("svg", {
    viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", class: "cnn-frame",
    "aria-hidden": "true",
  }, ...lines);
  return {
    node,
    resize([high, wide]) { setAttribute(node, "viewBox", `0 0 ${wide} ${high}`); },
    set(span) {
      const shown = Boolean(span?.[0] && span[1]);
      node.style.display = shown ? "" : "none";
      if (!shown) return;
      const [[top, bottom], [left, right]] = span;
      for (const line of lines) {
        setAttribute(line, "x", left);
        setAttribute(line, "y", top);
        setAttribute(line, "width", right - left + 1);
        setAttribute(line, "height", bottom - top + 1);
      }
    },
  };
}

// A scale's colours from low to high, with a few texts below: {node, point(value), note(value)}.
// point() sets a tip above the colours, note() one below; without a call there is none.
export function scaleBar(scale, palettes, ticks) {
  const strip = element("canvas", { class: "cnn-strip", "aria-hidden": "true" });
  const colours = scale.signed ? palettes.signed.slice(1) : palettes.positive;
  paintPixels(strip, [1, colours.length], colours);
  const tip = (name) => element("span", { class: `cnn-tip ${name}`, hidden: true });
  const [above, below] = ["cnn-tip-above", "cnn-tip-below"].map(tip);
  const put = (node) => (value) => {
    const reach = scale.high - scale.low;
    node.hidden = false;
    node.style.left = `${reach > 0 ? (100 * (value - scale.low)) / reach : 0}%`;
  };
  return {
    node: element("div", { class: "cnn-scale" },
      element("div", { class: "cnn-strip-box" }, above, strip, below),
      element("div", { class: "cnn-ticks" },
        ...ticks.map((text) => element("span", {}, text)))),
    point: put(above),
    note: put(below),
  };
}
