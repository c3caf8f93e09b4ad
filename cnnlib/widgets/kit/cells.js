// A map drawn as numbers on tinted cells: orange above 0, blue below, on a scale of its own.

import { same, setAttribute, svgElement, upTo, write } from "./dom.js";
import { cellAt } from "./focus.js";
import { decimal } from "./words.js";

const U = 20; // a cell's side in the drawing's units

const sizeOf = (map) => [map.length, map[0].length];
const middle = (index) => (index + 0.5) * U;

// A number in short, with a true minus sign: it fits a cell.
export function short(value) {
  return decimal(value, Math.abs(value) >= 9.95 ? 0 : 1);
}

// A map in words, row by row.
export function inRows(map) {
  return map.map((row) => row.map(short).join(" ")).join("; ");
}

// {node, at(event), show(map, marks)}. The node's size comes from --cnn-cell, CSS pixels a cell.
//
// show(null, {size}) draws empty cells. Marks: `label` says the map for the ear, and `silent` that
// another element does; `shut(value)` strikes a number out; `rings`, `crosses` and `chosen` are
// places [row, column], `frames` squares [row, column, side]; `soft` draws `chosen` as a cursor.
export function cells() {
  const grid = svgElement("g");
  const over = svgElement("g");
  const node = svgElement("svg", { class: "cnn-cells" }, grid, over);
  let size = [0, 0];
  let drawn = []; // the cells, each with what it shows
  let shown = null; // the marks
  let named = null; // what the label says

  /** @param {number[]} shape */
  function build([rows, columns]) {
    size = [rows, columns];
    node.setAttribute("viewBox", `-1.5 -1.5 ${columns * U + 3} ${rows * U + 3}`);
    node.style.setProperty("--cnn-columns", String(columns));
    node.style.setProperty("--cnn-rows", String(rows));
    drawn = upTo(rows).map((row) => upTo(columns).map((column) => {
      const tint = svgElement("rect", { x: column * U, y: row * U, width: U, height: U });
      const text = svgElement("text", { x: middle(column), y: middle(row) });
      return { tint, text };
    }));
    named = null;
    grid.replaceChildren(
      svgElement("rect", { class: "cnn-cells-paper", width: columns * U, height: rows * U }),
      ...drawn.flat().flatMap(({ tint, text }) => [tint, text]));
  }

  // Writes the numbers; returns whether any changed.
  function fill(map, shut) {
    const limit = map ? Math.max(...map.flat().map(Math.abs)) || 1 : 1;
    let changed = false;
    drawn.forEach((line, row) => line.forEach((cell, column) => {
      const value = map ? map[row][column] : null;
      const struck = value !== null && shut(value);
      if (cell.value === value && cell.limit === limit && cell.struck === struck) return;
      Object.assign(cell, { value, limit, struck });
      paint(cell);
      changed = true;
    }));
    return changed;
  }

  function mark({ rings, crosses, frames, chosen, soft }) {
    over.replaceChildren(
      ...rings.map(([row, column]) => svgElement("circle", {
        class: "cnn-cells-ring", cx: middle(column), cy: middle(row), r: U / 2 - 1.2,
      })),
      ...crosses.map(([row, column]) => svgElement("path", {
        class: "cnn-cells-cross", d: `M${column * U + 3} ${row * U + 3}l${U - 6} ${U - 6}m0 ${6 - U}`
          + `l${6 - U} ${U - 6}`,
      })),
      ...frames.flatMap(([row, column, side]) =>
        ["cnn-cells-frame-edge", "cnn-cells-frame"].map((name) => svgElement("rect", {
          class: name, x: column * U, y: row * U, width: side * U, height: side * U,
        }))),
      ...(chosen ? [svgElement("rect", {
        class: soft ? "cnn-cells-cursor" : "cnn-cells-chosen",
        x: chosen[1] * U + 1, y: chosen[0] * U + 1, width: U - 2, height: U - 2,
      })] : []));
  }

  return {
    node,
    size: () => size,
    at: (event) => (drawn.length ? cellAt(event, grid.firstElementChild.getBoundingClientRect(), size) : null),
    show(map, {
      label, silent = false, shut = () => false, rings = [], crosses = [], frames = [],
      chosen = null, soft = false, size: wanted = sizeOf(map),
    }) {
      if (!same(wanted, size)) build(wanted);
      node.classList.toggle("cnn-cells-empty", map === null);
      setAttribute(node, "role", silent ? "presentation" : "img");
      setAttribute(node, "aria-hidden", String(silent));
      const says = silent ? null : label;
      if (fill(map, shut) || says !== named) {
        named = says;
        setAttribute(node, "aria-label", says && map ? `${says}: ${inRows(map)}` : says);
      }
      const marks = { rings, crosses, frames, chosen, soft };
      if (same(marks, shown)) return;
      shown = marks;
      mark(marks);
    },
  };
}

function paint({ tint, text, value, limit, struck }) {
  const words = value === null ? "" : short(value);
  tint.setAttribute("class", value < 0 ? "cnn-cells-minus" : "cnn-cells-plus");
  tint.setAttribute("fill-opacity", (0.62 * Math.abs(value) / limit).toFixed(3));
  text.setAttribute("class", `cnn-cells-digits-${Math.min(words.length, 5)}`
    + `${value === 0 ? " cnn-cells-zero" : ""}${struck ? " cnn-cells-struck" : ""}`);
  write(text, words);
}
