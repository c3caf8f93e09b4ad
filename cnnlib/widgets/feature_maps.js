// Feature maps: the maps of a chosen layer for a chosen image, and the window that a unit saw.
//
// The pinned unit is the model's (`image, layer, channel, unit`). Hovering looks at another one
// without pinning it. A new layer or image repaints the canvases; a new unit only moves marks.

import { seenBy } from "./geometry.js";
import {
  frame, inputPanel, isVector, mapsPanel, numberInWords, opaque, paintMap, paintPixels, pickOne,
  scaleOf, setSize, spanInWords, unpackPalettes, valueOf, windowInWords, zoom,
} from "./maps.js";
import { announcer, button, element, uniqueId, unpack, watch } from "./page.js";

const MOST_BARS = 12; // classes; where there are more, the best of them are shown
const MOST_BELOW = 32; // channels of the layer below that are drawn one by one

export default {
  render({ model, el }) {
    el.classList.add("cnn-widget", "cnn-map-viewer", "cnn-feature-maps");
    const data = unpackAll(model);
    const spoken = announcer();
    let hovered = null; // {channel, unit}, or null
    let onScreen = {}; // the entry of data.maps and the image that are painted

    const images = pickOne("radio", "Image", data.titles.map((title, number) => ({
      label: title,
      content: [thumbnail(data.images, number)],
      choose: () => save({ image: number }),
    })));
    const layers = pickOne("tab", "Layer", data.maps.map((entry) => ({
      content: [element("strong", {}, entry.name), element("span", {}, shapeInWords(entry))],
      choose: () => save({ layer: entry.row, ...samePlace(entry) }),
    })));
    const input = inputPanel(data.images.shape.slice(1, 3));
    const below = belowPanel(data.palettes);
    const grid = mapsPanel(data.palettes, (entry) => legendOf(entry, data.palettes), {
      hover(place) { hovered = place; drawUnit(); },
      pin(place) { hovered = null; save(place); },
    });
    const answer = answerPanel(data.scores, data.categories);
    const words = element("p", { class: "cnn-words" });
    const largest = button("", () =>
      save(largestIn(shown(), model.get("image"), pinned().channel)));
    const panel = element("div", { role: "tabpanel", id: uniqueId("layer"), class: "cnn-panel" },
      element("div", { class: "cnn-seen" }, input.node, words, below.node),
      element("div", { class: "cnn-maps" }, grid.node, largest, answer.node));
    layers.control(panel);
    el.append(images.node, layers.node, panel, spoken.node);

    function shown() {
      return data.maps.find((entry) => entry.row === model.get("layer"));
    }

    // The model's unit, kept inside the layer: the traits of one choice change one by one.
    function pinned() {
      const [, channels, ...size] = shown().shape;
      return {
        channel: Math.min(model.get("channel"), channels - 1),
        unit: model.get("unit").map((index, axis) => Math.min(index, size[axis] - 1)),
      };
    }

    // The pinned unit's counterpart in another layer: over the same place of the image.
    function samePlace(entry) {
      const { channel, unit } = pinned();
      const scale = (axis) => entry.shape[2 + axis] / shown().shape[2 + axis];
      return {
        channel: Math.min(channel, entry.shape[1] - 1),
        unit: unit.map((index, axis) => Math.floor((index + 0.5) * scale(axis))),
      };
    }

    function save(choice) {
      for (const [name, value] of Object.entries(choice)) model.set(name, value);
      model.save_changes();
      spoken.say(sentences(pinned()).join(" "));
    }

    function draw() {
      const entry = shown();
      const image = model.get("image");
      if (onScreen.entry !== entry) {
        layers.set(data.maps.indexOf(entry));
        grid.build(entry);
        below.build(entry, data.maps.find((other) => other.row === entry.below));
        const whose = isVector(entry) ? "the layer" : "this map";
        largest.textContent = `Go to the largest value of ${whose}`;
      }
      if (onScreen.entry !== entry || onScreen.image !== image) {
        images.set(image);
        grid.paint(levelsOf(entry, image));
        below.paint(image);
        input.paint((canvas) => paintImage(canvas, data.images, image), data.titles[image]);
        answer.show(image);
      }
      onScreen = { entry, image };
      drawUnit();
    }

    function drawUnit() {
      const place = hovered ?? pinned();
      const seen = seenBy(data.rows, shown().row, place.unit);
      grid.mark(place);
      input.mark(seen.get(-1));
      below.mark(place.channel, seen);
      words.replaceChildren(...sentences(place).map((text) => element("span", {}, text)));
    }

    function sentences({ channel, unit }) {
      const entry = shown();
      const seen = seenBy(data.rows, entry.row, unit);
      const value = valueOf(entry, levelAt(entry, model.get("image"), channel, unit));
      const where = isVector(entry) ? `unit ${channel}`
        : `map ${channel}, row ${unit[0]}, column ${unit[1]}`;
      return [
        `${entry.name}, ${where}: ${numberInWords(value, entry)}.`,
        `It saw ${windowInWords(seen.get(-1), data.images.shape.slice(1, 3))}.`,
        below.inWords(channel, seen),
      ].filter(Boolean);
    }

    const unwatch = watch(model, ["image", "layer", "channel", "unit"], draw);
    const follow = new ResizeObserver(() => { // the marks stand where the canvases stand
      input.fit(panel.clientWidth);
      drawUnit();
    });
    follow.observe(panel);
    draw();
    return () => {
      unwatch();
      follow.disconnect();
      spoken.stop();
    };
  },
};

// ---- The numbers.

function unpackAll(model) {
  return {
    rows: model.get("rows"),
    maps: model.get("maps").map(({ levels, ...entry }) => ({ ...entry, ...unpack(levels) })),
    images: unpack(model.get("images")),
    titles: model.get("titles"),
    scores: model.get("scores"),
    categories: model.get("categories"),
    palettes: unpackPalettes(model.get("palettes")),
  };
}

function levelsOf({ bytes, shape: [, channels, height, width] }, image) {
  const size = channels * height * width;
  return bytes.subarray(image * size, (image + 1) * size);
}

function levelAt({ bytes, shape: [, channels, height, width] }, image, channel, [y, x]) {
  return bytes[((image * channels + channel) * height + y) * width + x];
}

// Where a map has its largest value; in a vector, which unit has it.
function largestIn(entry, image, channel) {
  const { bytes, shape: [, channels, height, width] } = entry;
  const size = height * width;
  const [start, count] = isVector(entry)
    ? [image * channels, channels] : [(image * channels + channel) * size, size];
  let best = start;
  for (let i = start; i < start + count; i += 1) if (bytes[i] > bytes[best]) best = i;
  if (isVector(entry)) return { channel: best - start, unit: [0, 0] };
  return { channel, unit: [Math.floor((best - start) / width), (best - start) % width] };
}

function shapeInWords(entry) {
  const [, channels, height, width] = entry.shape;
  return isVector(entry) ? `${channels}` : `${channels} × ${height} × ${width}`;
}

// ---- Pixels.

function paintImage(canvas, { shape: [, height, width, depth = 1], bytes }, number) {
  const size = height * width * depth;
  const own = bytes.subarray(number * size, (number + 1) * size);
  const colours = depth === 3 ? own
    : Uint8Array.from({ length: 3 * size }, (_, i) => own[Math.floor(i / 3)]);
  paintPixels(canvas, height, width, opaque(colours));
}

function thumbnail(images, number) {
  const canvas = element("canvas", { class: "cnn-pixels", "aria-hidden": "true" });
  paintImage(canvas, images, number);
  return canvas;
}

// ---- The shown layer below: which of its maps the channel reads, and where. Only where Python
// said so (`reads`): the records do not know.

function belowPanel(palettes) {
  const title = element("p", { class: "cnn-below-title" });
  const list = element("div", { class: "cnn-grid" });
  const node = element("div", { class: "cnn-below", "aria-hidden": "true" }, title, list);
  let entry = null; // the layer that reads
  let source = null; // the layer that is read, or null
  let cells = [];

  const isRead = (channel, number) =>
    entry.reads === "all" || entry.reads[channel].includes(number);
  const countRead = (channel) =>
    (entry.reads === "all" ? source.shape[1] : entry.reads[channel].length);

  return {
    node,
    build(reader, read) {
      entry = reader;
      source = entry.reads ? read : null;
      const drawable = source && source.shape[1] <= MOST_BELOW && !isVector(source);
      node.hidden = !drawable;
      cells = Array.from({ length: drawable ? source.shape[1] : 0 }, (_, channel) => {
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
      cells.forEach(({ canvas }, channel) => {
        paintMap(canvas, source, levelsOf(source, image), channel, palettes);
      });
    },
    mark(channel, seen) {
      if (!cells.length) return;
      title.textContent = `${source.name}: it reads ${countRead(channel)} of ${cells.length} maps`;
      cells.forEach(({ cell, outline }, number) => {
        const read = isRead(channel, number);
        cell.classList.toggle("cnn-unread", !read);
        outline.set(read ? seen.get(source.row) : null);
      });
    },
    inWords(channel, seen) {
      if (!source) return "";
      const count = countRead(channel);
      const noun = `${isVector(source) ? "unit" : "map"}${count === 1 ? "" : "s"}`;
      const which = count === source.shape[1] ? `all ${count} ${noun}`
        : `${noun} ${listInWords(entry.reads[channel])}`;
      if (isVector(source)) return `In ${source.name} it reads ${which}.`;
      const [rows, columns] = seen.get(source.row);
      if (!rows || !columns) return `In ${source.name} it reads nothing.`;
      return `In ${source.name} it reads ${which}, `
        + `${spanInWords("row", rows)}, ${spanInWords("column", columns)}.`;
    },
  };
}

function listInWords(numbers) {
  if (numbers.length < 2) return numbers.join("");
  return `${numbers.slice(0, -1).join(", ")} and ${numbers.at(-1)}`;
}

// ---- What the colours mean.

function legendOf(entry, palettes) {
  const [most, least] = [entry.limit, -entry.limit].map((value) => numberInWords(value, entry));
  const ticks = entry.signed
    ? [`${least} (blue)`, "0 (dark)", `${most} (orange)`] : ["0 (dark)", `${most} (bright)`];
  return [
    scaleOf(palettes, entry.signed, ticks),
    element("span", { class: "cnn-help" }, "One scale for all maps of the layer and all images."),
  ];
}

// ---- What the network answers.

function answerPanel(scores, categories) {
  const node = element("div", { class: "cnn-answer" });
  if (!scores.length) {
    node.hidden = true;
    return { node, show() {} };
  }
  const count = Math.min(categories.length, MOST_BARS);
  const every = count === categories.length;
  const title = element("p", { class: "cnn-verdict" });
  const lines = Array.from({ length: count }, () => {
    const name = element("th", { scope: "row" });
    const bar = element("div", { class: "cnn-bar" });
    const number = element("td");
    const note = element("td");
    const cell = element("td", { class: "cnn-bar-cell" }, bar);
    const line = element("tr", {}, name, cell, number, note);
    return { name, bar, number, note, line };
  });
  const caption = element("caption", { class: "cnn-help" });
  node.append(title, element("table", {}, caption,
    element("thead", { class: "cnn-spoken" }, element("tr", {}, ...["Class", "Bar", "Score", "Rank"]
      .map((words) => element("th", { scope: "col" }, words)))),
    element("tbody", {}, ...lines.map(({ line }) => line))));
  return {
    node,
    show(image) {
      const values = scores[image];
      const order = values.map((_, number) => number);
      if (!every) order.sort((a, b) => values[b] - values[a]);
      const best = values.indexOf(Math.max(...values));
      const floor = Math.min(0, ...values);
      const reach = values[best] - floor || 1;
      title.textContent = `The network’s answer: ${categories[best]}`;
      caption.textContent = [
        every ? "Scores; the largest wins." : `The ${count} largest of ${values.length} scores.`,
        floor < 0 ? "Every bar starts at the lowest score." : "Every bar starts at 0.",
      ].join(" ");
      lines.forEach(({ name, bar, number, note, line }, place) => {
        const category = order[place];
        name.textContent = categories[category];
        bar.style.width = `${(100 * (values[category] - floor)) / reach}%`;
        number.textContent = scoreInWords(values[category]);
        note.textContent = category === best ? "largest" : "";
        line.classList.toggle("cnn-best", category === best);
      });
    },
  };
}

function scoreInWords(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits).replace("-", "−");
}
