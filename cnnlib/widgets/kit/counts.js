// A map of counts or sums: one row as bars, several rows as shades; with numbers where they have room.

import { element, same, setAttribute, svgElement } from "./dom.js";
import { cellAt, gridStep, pointing } from "./focus.js";
import { paintPixels } from "./pixels.js";
import { decimal } from "./words.js";

const [LEFT, TOP, FOOT] = [2, 18, 20]; // CSS pixels around the bars
const PLUS = [24, 150, 122]; // both show on light paper and on dark
const MINUS = [214, 96, 24];

// {node, show(values, {label, chosen, width, height, holes, root})}. `values` are rows of numbers.
//
// A press or an arrow key calls pick([row, column]); at() gives the place that arrow keys set out from.
// `label` says the map for the ear; `chosen` is a
// place, or null; `width` and `height` are the most CSS pixels that it may take, and bars with `stretch` take all of the width;
// `holes` marks zeros; with `root` a shade or a
// height follows the square root, where large values would leave nothing of the small ones.
export function countMap(pick, at) {
  const canvas = element("canvas", { class: "cnn-counts-shades", "aria-hidden": "true" });
  const over = svgElement("svg", { class: "cnn-counts-over", "aria-hidden": "true" });
  const box = element("div", { class: "cnn-counts-box" }, canvas, over);
  let size = [1, 1];
  let drawn = null;
  const node = element("div", {
    class: "cnn-counts", role: "application", tabindex: 0,
    onkeydown(event) {
      const next = gridStep(event.key, at(), size);
      if (!next) return;
      event.preventDefault();
      pick(next);
    },
  }, box);
  pointing(node, {
    at: (event) => cellAt(event, frameOf(over, size), size),
    press: pick,
  });
  return {
    node,
    show(values, shown) {
      size = [values.length, values[0].length];
      setAttribute(node, "aria-label", shown.label);
      if (drawn && drawn.values === values && same(drawn.shown, shown)) return;
      const again = !drawn || drawn.values !== values
        || !same({ ...drawn.shown, chosen: 0, label: 0 }, { ...shown, chosen: 0, label: 0 });
      drawn = { values, shown };
      const bars = size[0] === 1;
      if (again) {
        node.classList.toggle("cnn-counts-bars", bars);
        canvas.hidden = bars;
        if (!bars) paintShades(canvas, values, shown);
      }
      if (bars) drawBars(over, values[0], shown);
      else drawOver(over, values, shown);
      for (const name of ["width", "height"]) box.style[name] = `${over.getAttribute(name)}px`;
    },
  };
}

// Where the cells stand: all of the drawing, but for the bars' room at their sides.
/** @param {Element} over  @param {number[]} shape */
function frameOf(over, [rows]) {
  const { top, left, width, height } = over.getBoundingClientRect();
  const side = rows === 1 ? LEFT : 0;
  return { top, left: left + side, width: width - 2 * side, height };
}

function setSize(over, width, height) {
  setAttribute(over, "viewBox", `0 0 ${width} ${height}`);
  setAttribute(over, "width", width);
  setAttribute(over, "height", height);
}

const shareOf = (value, most, root) => {
  const share = most ? Math.abs(value) / most : 0;
  return root ? Math.sqrt(share) : share;
};

const mostOf = (values) => values.flat().reduce((most, value) => Math.max(most, Math.abs(value)), 0);

// A number in short: whole ones whole, large ones as powers of ten.
function written(value) {
  return Math.abs(value) >= 1e5 ? decimal(value / 1e3, 0) + "k" : decimal(value, 2);
}

function drawBars(over, line, { chosen, width, height, holes, root, stretch }) {
  const pitch = Math.min(stretch ? width : 44, (width - 2 * LEFT) / line.length);
  const tall = height - TOP - FOOT;
  const most = mostOf(line);
  const low = Math.min(...line) < 0;
  const zero = TOP + (low ? tall / 2 : tall);
  const reach = low ? tall / 2 - 8 : tall;
  const longest = Math.max(...line.map((value) => written(value).length));
  const numbered = pitch >= 7 * longest + 2 || (pitch >= 12 && longest < 2);
  const every = [1, 2, 5, 10, 20, 50, 100].find((step) => step * pitch >= 24) ?? 200;
  over.classList.remove("cnn-counts-tight");
  setSize(over, 2 * LEFT + pitch * line.length, height);
  const gap = pitch > 6 ? 1.5 : 0;
  over.replaceChildren(
    ...(chosen ? [svgElement("rect", { class: "cnn-counts-chosen-column",
      x: LEFT + chosen[1] * pitch, y: 0, width: Math.max(pitch, 1.5), height })] : []),
    ...line.flatMap((value, i) => {
      const x = LEFT + i * pitch;
      const long = reach * shareOf(value, most, root);
      const middle = x + pitch / 2;
      const bar = svgElement("rect", {
        class: value < 0 ? "cnn-counts-bar cnn-counts-minus" : "cnn-counts-bar",
        x: x + gap / 2, width: pitch - gap, y: value < 0 ? zero : zero - long, height: long,
      });
      const isHole = value === 0 && holes;
      const label = numbered ? svgElement("text", { class: isHole ? "cnn-counts-none" : null,
        x: middle, y: value < 0 ? zero + long + 13 : zero - long - 4 }, written(value)) : null;
      const arm = Math.min(3, Math.max(1.2, pitch / 2 - 0.5));
      const hole = isHole && !numbered ? svgElement("path", { class: "cnn-counts-hole",
        d: `M${middle - arm} ${zero - 5 - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}` })
        : null;
      const tick = i % every === 0
        ? svgElement("text", { class: "cnn-counts-tick", x: middle, y: height - 5 }, String(i)) : null;
      return [bar, label, hole, tick].filter(Boolean);
    }),
    svgElement("line", { class: "cnn-counts-zero", x1: LEFT, x2: LEFT + pitch * line.length,
      y1: zero, y2: zero }));
}

const cellOf = ([rows, columns], { width, height }) =>
  Math.min(34, width / columns, height / rows);

function paintShades(canvas, values, { width, height, root }) {
  const [rows, columns] = [values.length, values[0].length];
  const most = mostOf(values);
  const bytes = new Uint8ClampedArray(4 * rows * columns);
  let at = 0;
  for (const line of values) {
    for (const value of line) {
      if (value !== 0) {
        bytes.set(value < 0 ? MINUS : PLUS, at);
        bytes[at + 3] = 30 + 160 * shareOf(value, most, root);
      }
      at += 4;
    }
  }
  paintPixels(canvas, [rows, columns], bytes);
  const cell = cellOf([rows, columns], { width, height });
  canvas.style.width = `${cell * columns}px`;
  canvas.style.height = `${cell * rows}px`;
}

function drawOver(over, values, { chosen, width, height }) {
  const [rows, columns] = [values.length, values[0].length];
  const cell = cellOf([rows, columns], { width, height });
  setSize(over, cell * columns, cell * rows);
  const few = rows * columns <= 700;
  const longest = few ? Math.max(...values.flat().map((value) => written(value).length)) : 0;
  const numbered = few && cell >= Math.max(13, 5.6 * longest + 2);
  over.classList.toggle("cnn-counts-tight", cell < 6.4 * longest + 3);
  const side = Math.max(cell, 6);
  const middle = (index) => (index + 0.5) * cell;
  const frames = chosen ? ["cnn-counts-chosen-edge", "cnn-counts-chosen"].map((name) =>
    svgElement("rect", { class: name, x: middle(chosen[1]) - side / 2,
      y: middle(chosen[0]) - side / 2, width: side, height: side })) : [];
  over.replaceChildren(
    ...(numbered ? values.flatMap((line, row) => line.map((value, column) =>
      svgElement("text", { class: value === 0 ? "cnn-counts-nought" : null, x: middle(column),
        y: middle(row) + 4 }, written(value)))) : []),
    ...frames);
}
