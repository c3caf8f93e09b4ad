// Feature maps: the maps of a chosen layer for a chosen image, and the window that a unit saw.
//
// The pinned unit is the state's (`image, layer, channel, unit`). Hovering looks at another one
// without pinning it. A new layer or image repaints the canvases; a new unit only moves marks.

import { readRows, seenBy } from "./geometry.js";
import { button } from "./kit/controls.js";
import { element, uniqueId, unpack, upTo, write } from "./kit/dom.js";
import {
  frame, paintMap, paintPicture, scaleBar, setSize, unpackPalettes, valueOf, writeValue, zoom,
} from "./kit/pixels.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { listed, signed, span } from "./kit/words.js";
import { channelOf, inputPanel, isVector, mapsPanel, windowInWords } from "./maps.js";

const MOST_BARS = 12; // classes; where there are more, the best of them are shown
const MOST_BELOW = 32; // channels of the layer below that are drawn one by one

export default teach({
  stem: "feature_maps", names: ["image", "layer", "channel", "unit"], settled, view,
});

// The twin of FeatureMaps.settled.
function settled(changes, present, { maps, titles }) {
  const s = new Settling(changes, present);
  const sizes = new Map(maps.map(({ row, levels }) => [row, levels.shape.slice(1)]));
  s.whole("image", 0, titles.length - 1);
  const layer = s.oneOf("layer", [...sizes.keys()]);
  const [channels, ...size] = sizes.get(layer);
  if (layer !== present.layer) { // over the same place of the image
    const [, ...before] = sizes.get(present.layer);
    s.take("unit", present.unit.map((index, axis) =>
      Math.floor(((2 * index + 1) * size[axis]) / (2 * before[axis]))));
  }
  s.whole("channel", 0, channels - 1);
  s.place("unit", size);
  return s.done();
}

function view({ say, fixed, controls, choose, now, redraw }) {
  const data = unpackAll(fixed);
  const size = data.images.shape.slice(1, 3);
  let looked = null; // the place under the pointer, {channel, unit}, or null
  let onScreen = {}; // the entry of data.maps and the image that are painted

  const images = controls.picks("image", {
    label: say("image"),
    options: data.titles.map((title, value) => ({
      value, label: title, content: [thumbnail(data.images, value)],
    })),
  });
  const layers = controls.picks("layer", {
    role: "tab",
    label: say("layer"),
    options: data.maps.map((entry) => ({
      value: entry.row,
      content: [element("strong", {}, entry.name), element("span", {}, shapeInWords(entry))],
    })),
  });
  const input = inputPanel(say, size);
  const below = belowPanel(say, data.palettes);
  const grid = mapsPanel(say, {
    chosen: now,
    hover(place) { looked = place; redraw(); },
    pin(place) { looked = null; choose(place); },
  });
  const answer = answerPanel(say, data);
  const words = element("p", { class: "cnn-words" });
  const largest = button("", () => choose(largestIn(shown(now()), now())));
  const panel = element("div", { role: "tabpanel", id: uniqueId("layer"), class: "cnn-panel" },
    element("div", { class: "cnn-seen" }, input.node, words, below.node),
    element("div", { class: "cnn-maps" }, grid.node, largest, answer.node));
  layers.control(panel);

  const shown = ({ layer }) => data.maps.find(({ row }) => row === layer);

  function draw(state) {
    const { image } = state;
    const entry = shown(state);
    if (onScreen.entry !== entry) {
      looked = null;
      grid.build(entry, legend(say, entry, data.palettes));
      below.build(entry, data.maps.find(({ row }) => row === entry.below));
      write(largest, say(isVector(entry) ? "largest.layer" : "largest.map"));
    }
    if (onScreen.entry !== entry || onScreen.image !== image) {
      grid.paint(levelsOf(entry, image), paletteOf(data.palettes, entry));
      below.paint(image);
    }
    if (onScreen.image !== image) {
      input.paint((canvas) => paintPicture(canvas, data.images, image), data.titles[image]);
      answer.show(image);
    }
    onScreen = { entry, image };
    const place = looked ?? state;
    const seen = seenBy(data.rows, entry.row, place.unit);
    grid.mark(place);
    input.mark(seen.get(-1));
    below.mark(place.channel, seen);
    words.replaceChildren(
      ...sentences(state, place, seen).map((text) => element("span", {}, text)));
  }

  function sentences(state, { channel, unit }, seen) {
    const entry = shown(state);
    const value = writeValue(entry.scale, valueAt(entry, state.image, channel, unit));
    const [row, column] = unit;
    return [
      say(isVector(entry) ? "unit.vector" : "unit.map",
        { name: entry.name, channel, row, column, value }),
      say("saw", { window: windowInWords(say, seen.get(-1), size) }),
      below.inWords(channel, seen),
    ].filter(Boolean);
  }

  return {
    node: element("div", { class: "cnn-map-viewer" }, images.node, layers.node, panel),
    draw,
    words: (state) => sentences(state, state, seenBy(data.rows, state.layer, state.unit)).join(" "),
    fit() { input.fit(panel.clientWidth); },
  };
}

// ---- The numbers.

function unpackAll({ rows, maps, images, titles, scores, categories, palettes }) {
  return {
    rows: readRows(rows),
    maps: maps.map(({ levels, ...entry }) => ({ ...entry, ...unpack(levels) })),
    images: unpack(images),
    titles,
    scores,
    categories,
    palettes: unpackPalettes(palettes),
  };
}

// A layer's levels for an image: channel by channel, row by row.
function levelsOf({ bytes, shape: [, channels, height, width] }, image) {
  const size = channels * height * width;
  return bytes.subarray(image * size, (image + 1) * size);
}

function valueAt(entry, image, channel, [y, x]) {
  const [height, width] = entry.shape.slice(2);
  return valueOf(entry.scale, levelsOf(entry, image)[(channel * height + y) * width + x]);
}

// Where a map has its largest value; in a vector, which unit has it.
function largestIn(entry, { image, channel }) {
  const size = entry.shape.slice(2);
  const levels = levelsOf(entry, image);
  const own = isVector(entry) ? levels : channelOf(levels, size, channel);
  const best = own.reduce((most, level, i) => (level > own[most] ? i : most), 0);
  if (isVector(entry)) return { channel: best, unit: [0, 0] };
  return { channel, unit: [Math.floor(best / size[1]), best % size[1]] };
}

function shapeInWords(entry) {
  const [, channels, height, width] = entry.shape;
  return isVector(entry) ? `${channels}` : `${channels} × ${height} × ${width}`;
}

// ---- Pixels.

const paletteOf = (palettes, { scale }) => palettes[scale.signed ? "signed" : "positive"];

function thumbnail(images, number) {
  const canvas = element("canvas", { class: "cnn-pixels", "aria-hidden": "true" });
  paintPicture(canvas, images, number);
  return canvas;
}

function legend(say, { scale }, palettes) {
  const end = (key, value) => say(key, { value: writeValue(scale, value) });
  const ticks = scale.signed
    ? [end("scale.below", scale.low), say("scale.zero"), end("scale.above", scale.high)]
    : [say("scale.zero"), end("scale.bright", scale.high)];
  return [
    scaleBar(scale, palettes, ticks).node,
    element("span", { class: "cnn-help" }, say("scale.help")),
  ];
}

// ---- The shown layer below: which of its maps the channel reads, and where. Only where Python
// said so (`reads`): the trace does not know.

function belowPanel(say, palettes) {
  const title = element("p", { class: "cnn-below-title" });
  const list = element("div", { class: "cnn-grid" });
  const node = element("div", { class: "cnn-below", "aria-hidden": "true" }, title, list);
  let entry = null; // the layer that reads
  let source = null; // the layer that is read, or null
  let cells = [];

  const channelsRead = (channel) =>
    (entry.reads === "all" ? upTo(source.shape[1]) : entry.reads[channel]);

  return {
    node,
    build(reader, read) {
      entry = reader;
      source = entry.reads ? read : null;
      const isDrawn = source && source.shape[1] <= MOST_BELOW && !isVector(source);
      node.hidden = !isDrawn;
      cells = upTo(isDrawn ? source.shape[1] : 0).map((channel) => {
        const canvas = element("canvas", { class: "cnn-pixels" });
        const size = source.shape.slice(2);
        setSize(canvas, size, zoom(size, 42));
        const outline = frame(size);
        const cell = element("div", { class: "cnn-cell" },
          element("span", {}, String(channel)),
          element("div", { class: "cnn-stage" }, canvas, outline.node));
        return { canvas, outline, cell };
      });
      list.replaceChildren(...cells.map(({ cell }) => cell));
    },
    paint(image) {
      if (!cells.length) return;
      const [levels, size] = [levelsOf(source, image), source.shape.slice(2)];
      cells.forEach(({ canvas }, channel) =>
        paintMap(canvas, size, channelOf(levels, size, channel), paletteOf(palettes, source)));
    },
    mark(channel, seen) {
      if (!cells.length) return;
      const read = channelsRead(channel);
      write(title, say("below", { name: source.name, count: read.length, of: cells.length }));
      cells.forEach(({ cell, outline }, number) => {
        cell.classList.toggle("cnn-unread", !read.includes(number));
        outline.set(read.includes(number) ? seen.get(source.row) : null);
      });
    },
    inWords(channel, seen) {
      if (!source) return "";
      const { name } = source;
      const read = channelsRead(channel);
      const kind = isVector(source) ? "units" : "maps";
      const which = read.length === source.shape[1]
        ? say(`below.${kind}.all`, { count: read.length })
        : say(`below.${kind}.some`, { count: read.length, which: listed(say, read.map(String)) });
      if (kind === "units") return say("below.reads.units", { name, which });
      const [rows, columns] = seen.get(source.row);
      if (!rows || !columns) return say("below.nothing", { name });
      return say("below.reads",
        { name, which, rows: span(say, "row", rows), columns: span(say, "column", columns) });
    },
  };
}

// ---- What the network answers.

function answerPanel(say, { scores, categories }) {
  const node = element("div", { class: "cnn-answer" });
  if (!scores.length) {
    node.hidden = true;
    return { node, show() {} };
  }
  const count = Math.min(categories.length, MOST_BARS);
  const isWhole = count === categories.length;
  const title = element("p", { class: "cnn-verdict" });
  const lines = upTo(count).map(() => {
    const name = element("th", { scope: "row" });
    const bar = element("div", { class: "cnn-bar" });
    const number = element("td");
    const note = element("td");
    const cell = element("td", { class: "cnn-bar-cell" }, bar);
    return { name, bar, number, note, line: element("tr", {}, name, cell, number, note) };
  });
  const caption = element("caption", { class: "cnn-help" });
  const heads = ["class", "bar", "score", "rank"].map((head) =>
    element("th", { scope: "col" }, say(`answer.${head}`)));
  node.append(title, element("table", {}, caption,
    element("thead", { class: "cnn-spoken" }, element("tr", {}, ...heads)),
    element("tbody", {}, ...lines.map(({ line }) => line))));
  return {
    node,
    show(image) {
      const values = scores[image];
      const order = upTo(values.length);
      if (!isWhole) order.sort((a, b) => values[b] - values[a]);
      const best = values.indexOf(Math.max(...values));
      const floor = Math.min(0, ...values);
      const reach = values[best] - floor || 1;
      write(title, say("answer", { name: categories[best] }));
      write(caption, [
        isWhole ? say("answer.all") : say("answer.best", { count, of: values.length }),
        say(floor < 0 ? "answer.from_lowest" : "answer.from_zero"),
      ].join(" "));
      lines.forEach(({ name, bar, number, note, line }, place) => {
        const category = order[place];
        write(name, categories[category]);
        bar.style.width = `${(100 * (values[category] - floor)) / reach}%`;
        write(number, scoreInWords(values[category]));
        write(note, category === best ? say("answer.largest") : "");
        line.classList.toggle("cnn-best", category === best);
      });
    },
  };
}

function scoreInWords(value) {
  return signed(value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2));
}
