// Feature maps: the maps of a chosen layer for a chosen image, and the window that a unit saw.
//
// The pinned unit is the model's (`image, layer, channel, unit`). Hovering looks at another one
// without pinning it. A new layer or image repaints the canvases; a new unit only moves marks.

import { seenBy } from "./geometry.js";
import { announcer, button, element, svgElement, uniqueId, unpack, watch } from "./page.js";

const MOST_BARS = 12; // classes; where there are more, the best of them are shown
const MOST_BELOW = 32; // channels of the layer below that are drawn one by one
const PICTURE = 208; // CSS pixels at most for the longer side of the image, and of the enlargement

export default {
  render({ model, el }) {
    el.classList.add("cnn-widget", "cnn-feature-maps");
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
    const input = inputPanel(data.images);
    const below = belowPanel(data.palettes);
    const grid = mapsPanel(data.palettes, {
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
        grid.paint(image);
        below.paint(image);
        input.paint(image, data.titles[image]);
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
    palettes: Object.fromEntries(Object.entries(model.get("palettes"))
      .map(([name, packed]) => [name, opaque(unpack(packed).bytes)])),
  };
}

// What a byte stands for: feature_maps.py's _quantised(), backwards.
export function valueOf({ signed, limit }, level) {
  return signed ? ((level - 128) / 127) * limit : (level / 255) * limit;
}

// A number with as many decimals as one step of its layer's scale is worth.
export function numberInWords(value, { signed, limit }) {
  const step = limit / (signed ? 127 : 255);
  if (step === 0) return "0";
  const text = step < 1e-6 || limit >= 1e6 ? value.toExponential(1)
    : value.toFixed(Math.max(0, Math.ceil(-Math.log10(step))));
  return text.replaceAll("-", "−");
}

function isVector({ shape: [, , height, width] }) {
  return height === 1 && width === 1;
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

function windowInWords([rows, columns], [height, width]) {
  if (!rows || !columns) return "nothing of the image";
  const [high, wide] = [rows, columns].map(([first, last]) => last - first + 1);
  if (high === height && wide === width) return `the whole image, ${height} × ${width} pixels`;
  return `${high} × ${wide} pixels of the image: `
    + `${spanInWords("row", rows)}, ${spanInWords("column", columns)}`;
}

function spanInWords(name, [first, last]) {
  return first === last ? `${name} ${first}` : `${name}s ${first} to ${last}`;
}

// ---- Choosing one of several: one tab stop, arrow keys move.

function pickOne(role, label, options) {
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

// Colours r, g, b, r, g, b, ... as one 32-bit pixel each, in the machine's own byte order.
function opaque(colours) {
  const bytes = new Uint8Array((colours.length / 3) * 4).fill(255);
  for (let i = 0; i < colours.length; i += 1) bytes[Math.floor(i / 3) * 4 + (i % 3)] = colours[i];
  return new Uint32Array(bytes.buffer);
}

function paintImage(canvas, { shape: [, height, width, depth = 1], bytes }, number) {
  const size = height * width * depth;
  const own = bytes.subarray(number * size, (number + 1) * size);
  const colours = depth === 3 ? own
    : Uint8Array.from({ length: 3 * size }, (_, i) => own[Math.floor(i / 3)]);
  paintPixels(canvas, height, width, opaque(colours));
}

function paintMap(canvas, entry, image, channel, palettes) {
  const { bytes, signed, shape: [, channels, height, width] } = entry;
  const start = (image * channels + channel) * height * width;
  const palette = palettes[signed ? "signed" : "positive"];
  const levels = bytes.subarray(start, start + height * width);
  paintPixels(canvas, height, width, Uint32Array.from(levels, (level) => palette[level]));
}

function paintPixels(canvas, height, width, pixels) {
  canvas.height = height;
  canvas.width = width;
  const bytes = new Uint8ClampedArray(pixels.buffer);
  canvas.getContext("2d").putImageData(new ImageData(bytes, width, height), 0, 0);
}

function thumbnail(images, number) {
  const canvas = element("canvas", { class: "cnn-pixels", "aria-hidden": "true" });
  paintImage(canvas, images, number);
  return canvas;
}

// CSS pixels for a map's pixel: whole, where the map is not larger than its place.
function zoom([height, width], side) {
  const scale = side / Math.max(height, width);
  return scale > 1 ? Math.floor(scale) : scale;
}

function setSize(canvas, [height, width], scale) {
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
}

// A frame over a picture of height x width pixels; set([rows, columns]) places it, null hides it.
function frame([height, width]) {
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

// ---- The image, with the window outlined, and the window enlarged.

function inputPanel(images) {
  const size = images.shape.slice(1, 3);
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
    paint(number, words) {
      paintImage(whole, images, number);
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
      cells.forEach(({ canvas }, channel) => paintMap(canvas, source, image, channel, palettes));
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

// ---- The chosen layer's maps: one tab stop, the arrow keys move over the units of all of them.

function mapsPanel(palettes, { hover, pin }) {
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
    const [, , height, width] = entry.shape;
    const y = along(clientY - box.top, box.height, height);
    const x = along(clientX - box.left, box.width, width);
    return { channel, unit: [y, x] };
  }

  // Over a map's border the next map follows; with Shift each step is a whole map.
  function stepFrom({ key, shiftKey }) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const { channel, unit } = marked;
    const size = entry.shape.slice(2);
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
      const [, channels, ...size] = entry.shape;
      const side = isVector(entry) ? 28 : channels <= 8 ? 112 : channels <= 32 ? 84 : 56;
      cells = Array.from({ length: channels }, (_, channel) => {
        const canvas = element("canvas", { class: "cnn-pixels" });
        setSize(canvas, size, zoom(size, side));
        return { canvas, cell: element("div", { class: "cnn-cell" },
          element("span", {}, String(channel)), canvas) };
      });
      grid.replaceChildren(...cells.map(({ cell }) => cell), mark);
      grid.style.gridTemplateColumns = entry.columns ? `repeat(${entry.columns}, max-content)` : "";
      grid.setAttribute("aria-label", `${entry.name}: ${channels} ${isVector(entry) ? "units"
        : `maps of ${size[0]} × ${size[1]}`}`);
      keys.textContent = `Point at a unit, or use the arrow keys${isVector(entry) ? ""
        : "; with Shift they go from map to map"}. Counted from 0.`;
      legend.replaceChildren(...legendOf(entry, palettes));
    },
    paint(image) {
      cells.forEach(({ canvas }, channel) => paintMap(canvas, entry, image, channel, palettes));
    },
    mark(place) {
      if (marked) cells[marked.channel]?.cell.classList.remove("cnn-chosen");
      marked = place;
      const { cell, canvas } = cells[place.channel];
      cell.classList.add("cnn-chosen");
      const [, , height, width] = entry.shape;
      const [high, wide] = [canvas.offsetHeight / height, canvas.offsetWidth / width];
      const [y, x] = place.unit;
      mark.style.width = `${wide}px`;
      mark.style.height = `${high}px`;
      mark.style.transform =
        `translate(${canvas.offsetLeft + x * wide}px, ${canvas.offsetTop + y * high}px)`;
    },
  };
}

function legendOf(entry, palettes) {
  const { signed, limit } = entry;
  const strip = element("canvas", { class: "cnn-strip", "aria-hidden": "true" });
  const palette = palettes[signed ? "signed" : "positive"];
  const levels = palette.slice(signed ? 1 : 0); // a signed scale has no level 0
  paintPixels(strip, 1, levels.length, levels);
  const [most, least] = [limit, -limit].map((value) => numberInWords(value, entry));
  const text = signed
    ? [`${least} (blue)`, "0 (dark)", `${most} (orange)`] : ["0 (dark)", `${most} (bright)`];
  return [
    element("div", { class: "cnn-scale" }, strip,
      element("div", { class: "cnn-ticks" }, ...text.map((words) => element("span", {}, words)))),
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
