// What the widgets of feature maps share: choosing one of several, a picture with the part of it
// that a unit saw, and a layer's maps to walk over.
//
// An image's levels are bytes, channel by channel: (C, H, W). An entry says what they are:
// {name, shape: [..., C, H, W], signed, limit}. Where it shows some channels `of` so many, `channels`
// are their numbers; `columns` says how many to set side by side.

import { element, svgElement, uniqueId, unpack } from "./page.js";

const PICTURE = 208; // CSS pixels at most for the longer side of the image, and of the enlargement

// ---- The numbers.

// What a byte stands for: maps.py's quantised(), backwards.
export function valueOf({ signed, limit }, level) {
  return signed ? ((level - 128) / 127) * limit : (level / 255) * limit;
}

// A number with as many decimals as one step of its scale is worth.
export function numberInWords(value, { signed, limit }) {
  const step = limit / (signed ? 127 : 255);
  if (step === 0) return "0";
  const text = step < 1e-6 || limit >= 1e6 ? value.toExponential(1)
    : value.toFixed(Math.max(0, Math.ceil(-Math.log10(step))));
  return text.replaceAll("-", "−");
}

export function isVector({ shape }) {
  return shape.at(-2) === 1 && shape.at(-1) === 1;
}

export function windowInWords([rows, columns], [height, width]) {
  if (!rows || !columns) return "nothing of the image";
  const [high, wide] = [rows, columns].map(([first, last]) => last - first + 1);
  if (high === height && wide === width) return `the whole image, ${height} × ${width} pixels`;
  return `${high} × ${wide} pixels of the image: `
    + `${spanInWords("row", rows)}, ${spanInWords("column", columns)}`;
}

export function spanInWords(name, [first, last]) {
  return first === last ? `${name} ${first}` : `${name}s ${first} to ${last}`;
}

// ---- Choosing one of several: one tab stop, arrow keys move.

export function pickOne(role, label, options) {
  const picked = role === "tab" ? "aria-selected" : "aria-checked";
  const nodes = options.map(({ label: name = null, content, choose }) => element("button", {
    type: "button", role, id: uniqueId(role), class: "cnn-pick", "aria-label": name, title: name,
    onclick: choose,
  }, ...content));
  const steps = {
    ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity,
  };
  function step(event) {
    if (!(event.key in steps)) return;
    event.preventDefault();
    const from = nodes.indexOf(document.activeElement);
    const to = Math.max(0, Math.min(nodes.length - 1, from + steps[event.key]));
    nodes[to].focus();
    options[to].choose();
  }
  const list = element("div", {
    role: role === "tab" ? "tablist" : "radiogroup", "aria-label": label, class: "cnn-picks",
    onkeydown: step,
  }, ...nodes);
  return {
    node: element("div", { class: "cnn-picker" },
      element("span", { class: "cnn-picker-name", "aria-hidden": "true" }, label), list),
    set(chosen) {
      nodes.forEach((node, number) => {
        node.setAttribute(picked, String(number === chosen));
        node.tabIndex = number === chosen ? 0 : -1;
      });
      this.panel?.setAttribute("aria-labelledby", nodes[chosen].id);
    },
    control(panel) {
      this.panel = panel;
      for (const node of nodes) node.setAttribute("aria-controls", panel.id);
    },
  };
}

// ---- Pixels.

// The colour scales that maps.py packed, each colour one 32-bit pixel.
export function unpackPalettes(packed) {
  return Object.fromEntries(
    Object.entries(packed).map(([name, colours]) => [name, opaque(unpack(colours).bytes)]));
}

// Colours r, g, b, r, g, b, ... as one 32-bit pixel each, in the machine's own byte order.
export function opaque(colours) {
  const bytes = new Uint8Array((colours.length / 3) * 4).fill(255);
  for (let i = 0; i < colours.length; i += 1) bytes[Math.floor(i / 3) * 4 + (i % 3)] = colours[i];
  return new Uint32Array(bytes.buffer);
}

// Paints one channel of an image's levels.
export function paintMap(canvas, entry, levels, channel, palettes) {
  const [height, width] = entry.shape.slice(-2);
  const palette = palettes[entry.signed ? "signed" : "positive"];
  const own = levels.subarray(channel * height * width, (channel + 1) * height * width);
  paintPixels(canvas, height, width, Uint32Array.from(own, (level) => palette[level]));
}

export function paintPixels(canvas, height, width, pixels) {
  canvas.height = height;
  canvas.width = width;
  const bytes = new Uint8ClampedArray(pixels.buffer);
  canvas.getContext("2d").putImageData(new ImageData(bytes, width, height), 0, 0);
}

// CSS pixels for a map's pixel: whole, where the map is not larger than its place.
export function zoom([height, width], side) {
  const scale = side / Math.max(height, width);
  return scale > 1 ? Math.floor(scale) : scale;
}

export function setSize(canvas, [height, width], scale) {
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  canvas.style.imageRendering = scale < 1 ? "auto" : ""; // pixels of their own only where they fit
}

// A frame over a picture of height x width pixels; set([rows, columns]) places it, null hides it.
export function frame([height, width]) {
  const lines = ["cnn-frame-edge", "cnn-frame-line"]
    .map((name) => svgElement("rect", { class: name }));
  const node = svgElement("svg", {
    viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", class: "cnn-frame",
    "aria-hidden": "true",
  }, ...lines);
  return {
    node,
    set(span) {
      node.style.display = span?.[0] && span[1] ? "" : "none";
      if (!span?.[0] || !span[1]) return;
      const [[top, bottom], [left, right]] = span;
      for (const line of lines) {
        line.setAttribute("x", left);
        line.setAttribute("y", top);
        line.setAttribute("width", right - left + 1);
        line.setAttribute("height", bottom - top + 1);
      }
    },
  };
}

// ---- The image of height x width pixels, with the window outlined, and the window enlarged.

export function inputPanel(size) {
  const whole = element("canvas", { class: "cnn-pixels", role: "img" });
  const part = element("canvas", { class: "cnn-pixels", role: "img" });
  const outline = frame(size);
  const title = element("span", {}, "");
  const enlarged = element("span", {}, "");
  const figure = (caption, ...content) => element("figure", { class: "cnn-figure" },
    element("figcaption", {}, caption), element("div", { class: "cnn-stage" }, ...content));
  let name = "";
  let side = PICTURE;
  return {
    node: element("div", { class: "cnn-input" },
      figure(title, whole, outline.node), figure(enlarged, part)),
    fit(width) { // on a phone the two stand side by side
      side = width < 2 * PICTURE ? Math.min(PICTURE, (width - 12) / 2) : PICTURE;
      setSize(whole, size, zoom(size, side));
      part.parentNode.style.minHeight = `${side}px`;
    },
    paint(paintImage, words) {
      paintImage(whole);
      name = words;
      title.textContent = `Input: ${words}`;
    },
    mark(span) {
      outline.set(span);
      whole.setAttribute("aria-label", `${name}. The unit saw ${windowInWords(span, size)}.`);
      const [rows, columns] = span;
      part.parentNode.style.visibility = rows && columns ? "" : "hidden";
      if (!rows || !columns) return;
      const seen = [rows, columns].map(([first, last]) => last - first + 1);
      [part.height, part.width] = seen;
      part.getContext("2d").drawImage(
        whole, columns[0], rows[0], seen[1], seen[0], 0, 0, seen[1], seen[0]);
      setSize(part, seen, zoom(seen, side));
      enlarged.textContent = `What it saw: ${seen[0]} × ${seen[1]}`;
      part.setAttribute("aria-label", `The ${seen[0]} × ${seen[1]} pixels it saw, enlarged`);
    },
  };
}

// ---- A layer's maps: one tab stop, the arrow keys move over the units of all of them.
//
// A place is {channel, unit: [y, x]}; channels are counted among those that the entry shows.

export function mapsPanel(palettes, legendOf, { hover, pin }) {
  const legend = element("div", { class: "cnn-legend" });
  const keysId = uniqueId("keys");
  const mark = element("div", { class: "cnn-unit" });
  const grid = element("div", {
    class: "cnn-grid cnn-grid-maps", role: "application", tabindex: 0, "aria-describedby": keysId,
    "aria-roledescription": "feature maps",
    onkeydown: (event) => {
      const place = stepFrom(event);
      if (!place) return;
      event.preventDefault();
      pin(place);
    },
    onpointermove: (event) => hover(placeAt(event)),
    onpointerleave: () => hover(null),
    onclick: (event) => { const place = placeAt(event); if (place) pin(place); },
  });
  const keys = element("p", { class: "cnn-help", id: keysId });
  let entry = null;
  let cells = [];
  let marked = null;

  function placeAt({ target, clientX, clientY }) {
    const channel = cells.findIndex(({ canvas }) => canvas === target);
    if (channel < 0) return null;
    const box = target.getBoundingClientRect();
    const along = (offset, length, count) =>
      Math.max(0, Math.min(count - 1, Math.floor((offset / length) * count)));
    const [height, width] = entry.shape.slice(-2);
    const y = along(clientY - box.top, box.height, height);
    const x = along(clientX - box.left, box.width, width);
    return { channel, unit: [y, x] };
  }

  // Over a map's border the next map follows; with Shift each step is a whole map.
  function stepFrom({ key, shiftKey }) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const { channel, unit } = marked;
    const size = entry.shape.slice(-2);
    if (key === "Home") return { channel, unit: [unit[0], 0] };
    if (key === "End") return { channel, unit: [unit[0], size[1] - 1] };
    if (!(key in moves)) return null;
    const axis = moves[key][0] === 0 ? 1 : 0;
    const step = moves[key][axis];
    const next = unit[axis] + step;
    if (!shiftKey && next >= 0 && next < size[axis]) {
      return { channel, unit: unit.map((index, a) => (a === axis ? next : index)) };
    }
    const neighbour = channel + step * (axis === 0 ? columnsNow() : 1);
    if (neighbour < 0 || neighbour >= cells.length) return null;
    const entered = step > 0 ? 0 : size[axis] - 1;
    return {
      channel: neighbour,
      unit: shiftKey ? unit : unit.map((index, a) => (a === axis ? entered : index)),
    };
  }

  function columnsNow() {
    const top = cells[0].cell.offsetTop;
    const columns = cells.findIndex(({ cell }) => cell.offsetTop > top);
    return columns < 0 ? cells.length : columns;
  }

  return {
    node: element("div", {}, legend, grid, keys),
    build(next) {
      entry = next;
      const [channels, ...size] = entry.shape.slice(-3);
      const side = isVector(entry) ? 28 : channels <= 8 ? 112 : channels <= 32 ? 84 : 56;
      cells = Array.from({ length: channels }, (_, channel) => {
        const canvas = element("canvas", { class: "cnn-pixels" });
        setSize(canvas, size, zoom(size, side));
        return { canvas, cell: element("div", { class: "cnn-cell" },
          element("span", {}, String(entry.channels?.[channel] ?? channel)), canvas) };
      });
      grid.replaceChildren(...cells.map(({ cell }) => cell), mark);
      grid.style.gridTemplateColumns = entry.columns ? `repeat(${entry.columns}, max-content)` : "";
      const count = entry.of ? `${channels} of ${entry.of}` : channels;
      grid.setAttribute("aria-label", `${entry.name}: ${count} ${isVector(entry) ? "units"
        : `maps of ${size[0]} × ${size[1]}`}`);
      keys.textContent = `Point at a unit, or use the arrow keys${isVector(entry) ? ""
        : "; with Shift they go from map to map"}. Counted from 0.`;
      legend.replaceChildren(...legendOf(entry));
    },
    paint(levels) {
      cells.forEach(({ canvas }, channel) => paintMap(canvas, entry, levels, channel, palettes));
    },
    mark(place) {
      if (marked) cells[marked.channel]?.cell.classList.remove("cnn-chosen");
      marked = place;
      const { cell, canvas } = cells[place.channel];
      cell.classList.add("cnn-chosen");
      const [height, width] = entry.shape.slice(-2);
      const [high, wide] = [canvas.offsetHeight / height, canvas.offsetWidth / width];
      const [y, x] = place.unit;
      mark.style.width = `${wide}px`;
      mark.style.height = `${high}px`;
      mark.style.transform =
        `translate(${canvas.offsetLeft + x * wide}px, ${canvas.offsetTop + y * high}px)`;
    },
  };
}

// The colour scale with a few words under it, from its lower end to its upper.
export function scaleOf(palettes, signed, ticks) {
  const strip = element("canvas", { class: "cnn-strip", "aria-hidden": "true" });
  const palette = palettes[signed ? "signed" : "positive"];
  const levels = palette.slice(signed ? 1 : 0); // a signed scale has no level 0
  paintPixels(strip, 1, levels.length, levels);
  return element("div", { class: "cnn-scale" }, strip,
    element("div", { class: "cnn-ticks" }, ...ticks.map((words) => element("span", {}, words))));
}
