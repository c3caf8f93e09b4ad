// Receptive field explorer: the chosen layer's map, and under it the input with the unit's window.

import { setAttribute, svgElement, uniqueId, write } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import {
  clamp, common, extent, fitBox, grown, isEmpty, outlineOf, setBox, windowBox,
} from "./receptive_field_explorer_sums.js";
import { fromTo, times } from "./receptive_field_explorer_words.js";

const WIDTH = 420;
const UPPER = { x: 125, y: 26, width: 190, height: 120 };
const LOWER = { x: 84, y: 216, width: 290, height: 290 };
const MARGIN = 20; // round the input, where the padding that a unit sees is hatched

// Branches are told apart by their dashes.
export const dashes = (which) => ["1 3", "5 3", "10 3", "10 3 2 3", "16 4", "5 3 1 3 1 3"][which % 6];

const rect = (name, attributes = {}) => svgElement("rect", { class: name, ...attributes });
const text = (name, attributes, words = "") => svgElement("text",
  { class: `cnn-rf-caption ${name}`, "text-anchor": "middle", ...attributes }, words);
const squares = (attributes) => svgElement("pattern",
  { patternUnits: "userSpaceOnUse", ...attributes },
  svgElement("path", {
    class: "cnn-rf-gridline", d: `M${attributes.width} 0H0V${attributes.height}`,
  }));

// Presses and drags on a map: onPlace([down, across]), each from 0 to 1. The map is taken to stand
// where it stood at the press, though the words above it may have got longer.
function listen(target, map, { onPlace, holdsTouch }) {
  let box;
  const tell = ([x, y]) => onPlace([(y - box.top) / box.height, (x - box.left) / box.width]
    .map((part) => clamp(part, 0, 1 - 1e-9)));
  pointing(target, {
    at: ({ clientX, clientY }) => [clientX, clientY],
    press(point) {
      box = map.getBoundingClientRect();
      tell(point);
    },
    drag: tell,
    holdsTouch,
  });
}

// {node, setLayer(row), setUnit(row, unit, ranges, whole), setBranches(windows)}. `ranges` is the
// unit's window on the input, `whole` the same without a border. onPlace([down, across]) is called
// for a place of either map, onKey(event) for keys on the upper.
export function stage(say, network, { image, imageAlt, onPlace, onKey }) {
  const size = network.at(-1).grid;
  const lower = inputMap(say, size, { image, imageAlt, onPlace });
  const centre = lower.box.x + lower.box.width / 2;
  const upper = unitMap(say, centre, { onPlace, onKey });
  const funnel = svgElement("polygon", { class: "cnn-rf-funnel cnn-rf-answer" });
  const columnLabel = text("cnn-rf-window-words", { y: lower.box.y - MARGIN - 5 });
  const rowLabel = text("cnn-rf-window-words", { y: 15, "text-anchor": "end" });
  const rowLabels = svgElement("g", {},
    text("cnn-rf-window-words", { "text-anchor": "end" }, say("stage.rows")), rowLabel);
  const windowWords = svgElement("g", { class: "cnn-rf-answer" }, columnLabel, rowLabels);

  return {
    node: svgElement("svg", {
      class: "cnn-rf-stage", viewBox: `0 0 ${WIDTH} ${lower.bottom + 46}`, role: "group",
      "aria-label": say("stage"),
    }, upper.node, lower.node, funnel, lower.numbers, upper.words, windowWords, lower.caption),
    setLayer: upper.setLayer,
    setUnit(row, unit, ranges, whole) {
      const from = upper.setUnit(row, unit);
      const to = lower.setWindow(ranges, whole);
      for (const part of [funnel, windowWords]) part.style.display = to ? "" : "none";
      if (!to) return;
      setAttribute(funnel, "points", [
        from.x, from.y + from.height, from.x + from.width, from.y + from.height,
        to.x + to.width, to.y, to.x, to.y,
      ].map((value) => value.toFixed(1)).join(" "));
      write(columnLabel, say("stage.window", {
        size: times(ranges.map(extent)), columns: fromTo(ranges[1]),
      }));
      setAttribute(columnLabel, "x", clamp(to.x + to.width / 2, 132, WIDTH - 132));
      write(rowLabel, fromTo(ranges[0]));
      const middle = clamp(to.y + to.height / 2, lower.box.y + 8, lower.bottom - 12);
      setAttribute(rowLabels, "transform", `translate(${lower.box.x - MARGIN - 4} ${middle})`);
    },
    setBranches: lower.setBranches,
  };
}

// The chosen layer's units: {node, words, setLayer(row), setUnit(row, unit) -> the unit's box}.
function unitMap(say, centre, { onPlace, onKey }) {
  const id = uniqueId("units");
  const grid = squares({ id, width: 1, height: 1 });
  const caption = text("", { x: centre, y: 15 });
  const label = text("cnn-rf-unit-words", { "text-anchor": "start" });
  const surface = rect("cnn-rf-map");
  const lines = rect("cnn-rf-grid", { fill: `url(#${id})` });
  const mark = rect("cnn-rf-mark cnn-rf-unit");
  const ring = rect("cnn-rf-ring");
  const node = svgElement("g", {
    class: "cnn-rf-units", tabindex: 0, role: "application", onkeydown: onKey,
  }, svgElement("defs", {}, grid), surface, lines, mark, ring);
  let map = UPPER; // where the chosen layer's map is drawn
  listen(node, surface, { onPlace, holdsTouch: true });

  return {
    node,
    words: svgElement("g", {}, caption, label),
    setLayer(row) {
      map = row.vector ? { ...UPPER, y: UPPER.y + 48, height: 24 } : fitBox(row.grid, UPPER);
      map.x += centre - (map.x + map.width / 2);
      const [rows, columns] = row.vector ? [1, Math.min(40, row.shape[0])] : row.grid;
      const cell = { ...map, width: map.width / columns, height: map.height / rows };
      for (const part of [surface, lines]) setBox(part, map);
      setBox(grid, cell);
      setAttribute(grid.firstChild, "d", `M${cell.width} 0H0V${cell.height}`);
      lines.style.display = cell.width >= 5 ? "" : "none";
      setBox(ring, grown(map, 4));
      const { name } = row;
      const words = (shown) => (row.vector
        ? say("stage.vector", { name: shown, count: row.shape[0] })
        : say("stage.units", { name: shown, size: times(row.grid) }));
      write(caption, words(name.length > 26 ? `…${name.slice(-25)}` : name));
      setAttribute(node, "aria-label",
        row.vector ? words(name) : say("stage.keys", { name, rows, columns }));
    },
    setUnit(row, unit) {
      const box = windowBox(unit.map((index) => [index, index]), row.grid, map, 8);
      setBox(mark, box);
      write(label, row.vector ? say("stage.any") : say("stage.unit", { row: unit[0], column: unit[1] }));
      setAttribute(label, "x", map.x + map.width + 8);
      setAttribute(label, "y", box.y + box.height / 2 + 5);
      return box;
    },
  };
}

// The input, of `size` pixels: {node, box, bottom, numbers, caption, setWindow(ranges, whole) -> the
// window's box or null, setBranches(windows)}.
function inputMap(say, size, { image, imageAlt, onPlace }) {
  const id = uniqueId("input");
  const box = { ...fitBox(size, LOWER), y: LOWER.y };
  const beyond = grown(box, MARGIN);
  const pixel = box.width / size[1];
  const bottom = box.y + box.height;
  const surface = rect("cnn-rf-map cnn-rf-input", box);
  const picture = image ? svgElement("image", {
    ...box, preserveAspectRatio: "none", role: "img", href: image,
    "aria-label": imageAlt || say("stage.image"),
  }) : rect("cnn-rf-grid", { ...box, fill: pixel >= 5 ? `url(#${id}-pixels)` : "none" });
  if (Math.max(...size) <= 96) picture.style.imageRendering = "pixelated";
  const veil = svgElement("path", { class: "cnn-rf-veil cnn-rf-answer", "fill-rule": "evenodd" });
  const padding = svgElement("path", {
    class: "cnn-rf-answer", fill: `url(#${id}-hatch)`, "fill-rule": "evenodd",
  });
  const full = rect("cnn-rf-whole cnn-rf-answer");
  const branches = svgElement("g", { class: "cnn-rf-answer" });
  const halo = rect("cnn-rf-halo cnn-rf-answer");
  const window = rect("cnn-rf-window cnn-rf-answer");
  const node = svgElement("g", { class: "cnn-rf-picture" },
    svgElement("defs", {},
      squares({ id: `${id}-pixels`, x: box.x, y: box.y, width: pixel, height: pixel }),
      svgElement("pattern", {
        id: `${id}-hatch`, patternUnits: "userSpaceOnUse", width: 7, height: 7,
        patternTransform: "rotate(45)",
      }, svgElement("path", { class: "cnn-rf-hatchline", d: "M0 0V7" })),
      svgElement("clipPath", { id: `${id}-beyond` }, rect(null, beyond))),
    surface, picture, veil, rect("cnn-rf-edge", box),
    svgElement("g", { "clip-path": `url(#${id}-beyond)` }, padding, full), branches, halo, window);
  const hatched = svgElement("tspan", { class: "cnn-rf-answer" });
  const caption = text("", { x: box.x + box.width / 2, y: bottom + 38 },
    say("stage.input", { size: times(size) }));
  caption.append(hatched);
  listen(node, surface, { onPlace, holdsTouch: "sideways" });

  // Row and column numbers along the right and bottom edges.
  function numbers() {
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((n) => n * pixel >= 34) ?? 1000;
    const steps = (count) => Array.from({ length: Math.ceil(count / every) }, (_, i) => i * every);
    return svgElement("g", { class: "cnn-rf-numbers", "aria-hidden": "true" },
      ...steps(size[1]).map((at) => svgElement("text", {
        x: box.x + (at + 0.5) * pixel, y: bottom + 14, "text-anchor": "middle",
      }, at)),
      ...steps(size[0]).map((at) => svgElement("text", {
        x: box.x + box.width + 5, y: box.y + (at + 0.5) * pixel + 4,
      }, at)));
  }

  return {
    node,
    box,
    bottom,
    numbers: numbers(),
    caption,
    setWindow(ranges, whole) {
      const nothing = isEmpty(ranges);
      for (const part of [veil, padding, full, halo, window]) part.style.display = nothing ? "none" : "";
      write(hatched, nothing || String(ranges) === String(whole) ? "" : say("stage.padding"));
      if (nothing) return null;
      const to = windowBox(ranges, size, box, 4);
      const around = windowBox(isEmpty(whole) ? ranges : whole, size, box, 4);
      for (const part of [halo, window]) setBox(part, grown(to, 1.5));
      setBox(full, around);
      setAttribute(veil, "d", outlineOf(box) + outlineOf(to));
      setAttribute(padding, "d", outlineOf(around) + outlineOf(common(around, box)));
      return to;
    },
    // Each branch's own window, dashed as its line in the list of branches.
    setBranches(windows) {
      branches.replaceChildren(...windows.flatMap((ranges, which) => {
        if (isEmpty(ranges)) return [];
        const own = grown(windowBox(ranges, size, box, 6), -1);
        return [rect("cnn-rf-under", own),
          rect("cnn-rf-branch", { ...own, "stroke-dasharray": dashes(which) })];
      }));
    },
  };
}
