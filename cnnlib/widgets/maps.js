// What the viewers of feature maps share: the image with the part of it that a unit saw, and a
// layer's maps to walk over.
//
// A layer's levels are bytes, channel by channel: (C, H, W). Its entry says what they are:
// {name, shape: [..., C, H, W]}. Where it shows some channels `of` so many, `channels` are their
// numbers; `columns` says how many to set side by side.

import { element, replaced, setAttribute, uniqueId, upTo, write } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import { frame, paintMap, setSize, zoom } from "./kit/pixels.js";
import { span } from "./kit/words.js";

const PICTURE = 208; // CSS pixels at most for the longer side of the image, and of the enlargement

const BESIDE = 2.4; // CSS pixels: what lies that near to a map, half of the gap, is on its edge

// Axis and step of the arrow keys.
const MOVES = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [1, -1], ArrowRight: [1, 1] };

export function isVector({ shape }) {
  return shape.at(-2) === 1 && shape.at(-1) === 1;
}

// One channel of a layer's levels.
export function channelOf(levels, [height, width], channel) {
  return levels.subarray(channel * height * width, (channel + 1) * height * width);
}

// What a unit saw of an image of height x width pixels, as seenBy of geometry.js says it.
export function windowInWords(say, [rows, columns], [height, width]) {
  if (!rows || !columns) return say("window.nothing");
  const [high, wide] = sizeOf([rows, columns]);
  if (high === height && wide === width) return say("window.whole", { height, width });
  return say("window.part",
    { high, wide, rows: span(say, "row", rows), columns: span(say, "column", columns) });
}

// Which of `count` parts of a length an offset lies on; the first or the last where it lies outside.
const along = (offset, length, count) =>
  Math.max(0, Math.min(count - 1, Math.floor((offset / length) * count)));

const sizeOf = (window) => window.map(([first, last]) => last - first + 1);

// The image of height x width pixels, with the window outlined, and the window enlarged.
export function inputPanel(say, size) {
  const whole = element("canvas", { class: "cnn-pixels", role: "img" });
  const part = element("canvas", { class: "cnn-pixels", role: "img" });
  const outline = frame(size);
  const stage = (...content) => element("div", { class: "cnn-stage" }, ...content);
  const figure = (caption, content) => element("figure", { class: "cnn-figure" },
    element("figcaption", {}, caption), content);
  const [name, enlarged] = [element("span"), element("span")];
  const seenStage = stage(part);
  let title = "";
  let side = PICTURE;
  return {
    node: element("div", { class: "cnn-input" },
      figure(name, stage(whole, outline.node)), figure(enlarged, seenStage)),
    fit(width) { // on a phone the two stand side by side
      side = width < 2 * PICTURE ? Math.min(PICTURE, (width - 12) / 2) : PICTURE;
      setSize(whole, size, zoom(size, side));
      seenStage.style.minHeight = `${side}px`;
    },
    paint(paintImage, words) {
      paintImage(whole);
      title = words;
      write(name, say("input", { title }));
    },
    mark(window) {
      outline.set(window);
      setAttribute(whole, "aria-label",
        say("input.seen", { title, window: windowInWords(say, window, size) }));
      const isEmpty = window.includes(null);
      seenStage.style.visibility = isEmpty ? "hidden" : "";
      if (isEmpty) return;
      const [[top], [left]] = window;
      const [high, wide] = sizeOf(window);
      [part.height, part.width] = [high, wide];
      part.getContext("2d").drawImage(whole, left, top, wide, high, 0, 0, wide, high);
      setSize(part, [high, wide], zoom([high, wide], side));
      write(enlarged, say("enlarged", { high, wide }));
      setAttribute(part, "aria-label", say("enlarged.alt", { high, wide }));
    },
  };
}

// A layer's maps: one tab stop, the arrow keys move over the units of all of them.
//
// A place is {channel, unit: [y, x]}; channels are counted among those that the entry shows. chosen()
// gives the chosen place; hover(place or null) and pin(place) are called with others.
export function mapsPanel(say, { chosen, hover, pin }) {
  const keysId = uniqueId("keys");
  const mark = element("div", { class: "cnn-unit" });
  const grid = element("div", {
    class: "cnn-grid cnn-grid-maps", role: "application", tabindex: 0, "aria-describedby": keysId,
    "aria-roledescription": say("grid.role"),
    onkeydown: (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const place = stepFrom(event);
      if (!place) return;
      event.preventDefault();
      pin(place);
    },
  });
  const legend = element("div", { class: "cnn-legend" });
  const keys = element("p", { class: "cnn-help", id: keysId });
  let entry = null;
  let size = [1, 1];
  let cells = [];
  let marked = null;

  pointing(grid, { at: placeAt, hover, press: pin });

  function placeAt({ clientX, clientY }) {
    for (const [channel, { canvas }] of cells.entries()) {
      const { left, right, top, bottom, width, height } = canvas.getBoundingClientRect();
      if (clientX > left - BESIDE && clientX < right + BESIDE
        && clientY > top - BESIDE && clientY < bottom + BESIDE) {
        const unit = [along(clientY - top, height, size[0]), along(clientX - left, width, size[1])];
        return { channel, unit };
      }
    }
    return null;
  }

  // Over a map's border the next map follows; with Shift each step is a whole map.
  function stepFrom({ key, shiftKey }) {
    const { channel, unit } = chosen();
    if (key === "Home") return { channel, unit: [unit[0], 0] };
    if (key === "End") return { channel, unit: [unit[0], size[1] - 1] };
    if (!Object.hasOwn(MOVES, key)) return null;
    const [axis, step] = MOVES[key];
    const next = unit[axis] + step;
    if (!shiftKey && next >= 0 && next < size[axis]) return { channel, unit: replaced(unit, axis, next) };
    const neighbour = channel + step * (axis === 0 ? columnsNow() : 1);
    if (neighbour < 0 || neighbour >= cells.length) return null;
    const entered = step > 0 ? 0 : size[axis] - 1;
    return { channel: neighbour, unit: shiftKey ? unit : replaced(unit, axis, entered) };
  }

  function columnsNow() {
    const top = cells[0].cell.offsetTop;
    const columns = cells.findIndex(({ cell }) => cell.offsetTop > top);
    return columns < 0 ? cells.length : columns;
  }

  return {
    node: element("div", {}, legend, grid, keys),
    build(next, legendNodes) {
      entry = next;
      const [count, height, width] = entry.shape.slice(-3);
      size = [height, width];
      const kind = isVector(entry) ? "units" : "maps";
      const side = isVector(entry) ? 28 : count <= 8 ? 112 : count <= 32 ? 84 : 56;
      cells = upTo(count).map((channel) => {
        const canvas = element("canvas", { class: "cnn-pixels" });
        setSize(canvas, size, zoom(size, side));
        const cell = element("div", { class: "cnn-cell" },
          element("span", {}, String(entry.channels?.[channel] ?? channel)), canvas);
        return { canvas, cell };
      });
      marked = null;
      grid.replaceChildren(...cells.map(({ cell }) => cell), mark);
      grid.style.gridTemplateColumns = entry.columns ? `repeat(${entry.columns}, max-content)` : "";
      setAttribute(grid, "aria-label", say(entry.of ? `grid.${kind}.some` : `grid.${kind}`,
        { name: entry.name, count, height, width, of: entry.of ?? count }));
      write(keys, say(`keys.${kind}`));
      legend.replaceChildren(...legendNodes);
    },
    paint(levels, palette) {
      cells.forEach(({ canvas }, channel) =>
        paintMap(canvas, size, channelOf(levels, size, channel), palette));
    },
    mark({ channel, unit: [y, x] }) {
      const { cell, canvas } = cells[channel];
      marked?.classList.remove("cnn-chosen");
      marked = cell;
      marked.classList.add("cnn-chosen");
      const [high, wide] = [canvas.offsetHeight / size[0], canvas.offsetWidth / size[1]];
      const [top, left] = [canvas.offsetTop + y * high, canvas.offsetLeft + x * wide];
      Object.assign(mark.style,
        { width: `${wide}px`, height: `${high}px`, transform: `translate(${left}px, ${top}px)` });
    },
  };
}
