// The pictures of the matrix view: numbers on cells, laid out channel by channel, that light up.

import { element, same, setAttribute, svgElement, upTo } from "./kit/dom.js";
import { gridStep, pointing } from "./kit/focus.js";
import { signed } from "./kit/words.js";
import { outSize, sizes, split } from "./matrix_view_sums.js";

const GAP = 6; // between channels, kernels and groups, in CSS pixels
const HEAD = 18; // for the numbers of rows and columns

// How a picture is drawn: {picture, rows, columns, bands: cells between gaps down and across, lines:
// cells between strong lines down and across, border: cells of padding around a band, place(entry),
// entry(row, column)}. `flat` ones are the input over the Toeplitz matrix's columns and the output
// beside its rows; `product` is the output where rows and columns of the other product cross.
export function layoutOf(name, s) {
  const shape = sizes(s);
  const [outRows, outColumns] = outSize(s);
  const [channels, cells] = shape.input;
  const [kernels, windows] = shape.output;
  const { height, width, kernel_size: size, padding } = s;
  const taps = size * size;
  const matrix = (picture, bands, lines) => ({
    picture, rows: shape[picture][0], columns: shape[picture][1], bands, lines, border: 0,
    place: (entry) => entry, entry: (row, column) => [row, column],
  });
  // Bands of `tall` x `wide` cells. An entry is [band, cell] of bands side by side; for kernels, which
  // stand one below the other, [kernel, weight], and a band is a kernel's channel.
  const banded = (picture, [down, across], [tall, wide], border = 0) => ({
    picture, rows: down * tall, columns: across * wide, bands: [tall, wide], lines: [tall, wide], border,
    place([one, flat]) {
      const [channel, cell] = picture === "kernel" ? split(flat, tall * wide) : [one, flat];
      const [row, column] = split(cell, wide);
      return [(picture === "kernel" ? one * tall : 0) + row, channel * wide + column];
    },
    entry(row, column) {
      const [[kernel, y], [channel, x]] = [split(row, tall), split(column, wide)];
      return picture === "kernel" ? [kernel, (channel * tall + y) * wide + x] : [channel, y * wide + x];
    },
  });
  switch (name) {
    case "input": return banded("input", [1, channels], [height, width], padding);
    case "kernel": return banded("kernel", [kernels, shape.kernel[1] / taps], [size, size]);
    case "output": return banded("output", [1, kernels], [outRows, outColumns]);
    case "toeplitz": return matrix("toeplitz", [windows, cells], [outColumns, width]);
    case "rows": return matrix("rows", [kernels, taps], [kernels, size]);
    case "columns": return matrix("columns", [taps, windows], [size, outColumns]);
    case "product": return matrix("output", [kernels, windows], [kernels, outColumns]);
    case "flat input": return {
      ...matrix("input", [1, cells], [1, width]), rows: 1, columns: channels * cells,
      place: ([channel, cell]) => [0, channel * cells + cell], entry: (_, column) => split(column, cells),
    };
    default: return {
      ...matrix("output", [windows, 1], [outColumns, 1]), rows: kernels * windows, columns: 1,
      place: ([kernel, window]) => [kernel * windows + window, 0], entry: (row) => split(row, windows),
    };
  }
}

// A board shows one layout: {node, show(layout, table), light(lit, zeros, self), extent(entry)}.
//
// `cell` is [height, width] of a cell. `numbered` says whether rows and columns have their numbers in
// front; "space" leaves room for them. hover(target) and press(target) get {picture, entry}, or null. With `from`
// it takes the focus, and from(picture) gives the entry that the arrow keys start from.
export function board(name, { cell: [tall, wide], numbered = [false, false], hover, press, from = null }) {
  const svg = svgElement("svg", { "aria-hidden": "true" });
  const node = element("div", { class: `mv-board mv-${name.replace(" ", "-")}` }, svg);
  let layout = null;
  let marks = new Map(); // the cells by what they are, and the class of each
  let shown = [];
  const y = (row) => (numbered[1] ? HEAD : 1) + along(row, 0) * tall + Math.floor(row / layout.bands[0]) * GAP;
  const x = (column) => (numbered[0] ? HEAD : 1) + along(column, 1) * wide
    + Math.floor(column / layout.bands[1]) * GAP;
  const along = (index, axis) => index + layout.border * (2 * Math.floor(index / layout.bands[axis]) + 1);
  const keyOf = (entry) => entry.join();

  function mark(key, row, column, value, kind) {
    const box = { x: x(column) + 0.5, y: y(row) + 0.5, width: wide - 1, height: tall - 1 };
    const words = value === null ? "" : signed(String(value));
    const parts = [svgElement("rect", box)];
    if (words) {
      parts.push(svgElement("text", { x: x(column) + wide / 2, y: y(row) + tall / 2,
        class: words.length > 3 ? "mv-long" : null }, words));
    }
    const group = svgElement("g", { class: kind }, ...parts);
    marks.set(key, { group, kind });
    return group;
  }

  function build(table) {
    marks = new Map();
    const { rows, columns, border, picture } = layout;
    const nodes = [];
    if (border) {
      for (const channel of upTo(columns / layout.bands[1])) {
        const [height, width] = layout.bands;
        for (const [row, column] of ring(height, width, border)) {
          const at = [x(channel * width) + column * wide, y(0) + row * tall];
          const group = svgElement("g", { class: "mv-padding" },
            svgElement("rect", { x: at[0] + 0.5, y: at[1] + 0.5, width: wide - 1, height: tall - 1 }));
          marks.set(`padding ${[channel, row, column]}`, { group, kind: "mv-padding" });
          nodes.push(group);
        }
      }
    }
    for (const row of upTo(rows)) {
      for (const column of upTo(columns)) {
        const entry = layout.entry(row, column);
        const number = table.values[entry[0]][entry[1]];
        const zero = table.isPadding?.(entry);
        nodes.push(mark(keyOf(entry), row, column, number,
          number === null ? "mv-empty" : `mv-${zero ? "padding" : TINTS[picture]}`));
      }
    }
    nodes.push(...strongLines(), ...numbers());
    svg.replaceChildren(...nodes);
    const size = [x(columns - 1) + wide * (1 + border) + 1, y(rows - 1) + tall * (1 + border) + 1];
    setAttribute(svg, "width", size[0]);
    setAttribute(svg, "height", size[1]);
    setAttribute(svg, "viewBox", `0 0 ${size[0]} ${size[1]}`);
  }

  // Lines inside of a band, between rows of a channel.
  function strongLines() {
    const { rows, columns, bands, lines } = layout;
    const inner = (count, axis) => upTo(count).filter((i) => i % bands[axis] && i % lines[axis] === 0);
    return [
      ...inner(columns, 1).map((i) => svgElement("line", { class: "mv-line", x1: x(i), x2: x(i), y1: y(0),
        y2: y(rows - 1) + tall })),
      ...inner(rows, 0).map((i) => svgElement("line", { class: "mv-line", x1: x(0), x2: x(columns - 1) + wide,
        y1: y(i), y2: y(i) })),
    ];
  }

  function numbers() {
    const { rows, columns } = layout;
    return [
      ...(numbered[0] === true ? upTo(rows) : []).map((i) => svgElement("text",
        { class: "mv-number mv-down", x: HEAD - 4, y: y(i) + tall / 2 }, String(i))),
      ...(numbered[1] === true ? upTo(columns) : []).map((i) => svgElement("text",
        { class: "mv-number", x: x(i) + wide / 2, y: HEAD / 2 }, String(i))),
    ];
  }

  function at(event) {
    const box = svg.getBoundingClientRect();
    const spot = [event.clientY - box.top, event.clientX - box.left];
    const row = upTo(layout.rows).find((i) => spot[0] >= y(i) && spot[0] < y(i) + tall);
    const column = upTo(layout.columns).find((i) => spot[1] >= x(i) && spot[1] < x(i) + wide);
    if (row === undefined || column === undefined) return null;
    return { picture: layout.picture, entry: layout.entry(row, column) };
  }

  pointing(svg, { at, hover, press });
  if (from) {
    setAttribute(node, "role", "application");
    setAttribute(node, "tabindex", 0);
    node.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const to = gridStep(event.key, layout.place(from(layout.picture)), [layout.rows, layout.columns]);
      if (!to) return;
      event.preventDefault();
      press({ picture: layout.picture, entry: layout.entry(...to) });
    });
  }

  return {
    node,
    show(next, table) {
      layout = next;
      build(table);
      shown = [];
    },
    // `lit` are entries, `zeros` places of the padding; `self` is the entry looked at, or null.
    light(lit, zeros, self) {
      const wanted = [
        ...lit.map((entry) => [keyOf(entry), same(entry, self) ? "mv-self" : "mv-lit"]),
        ...zeros.map((place) => [`padding ${place}`, "mv-lit"]),
      ].filter(([key]) => marks.has(key));
      if (same(wanted, shown)) return;
      for (const [key] of shown) setAttribute(marks.get(key).group, "class", marks.get(key).kind);
      for (const [key, name] of wanted) {
        const { group, kind } = marks.get(key);
        setAttribute(group, "class", `${kind} ${name}`);
      }
      shown = wanted;
    },
    // Where an entry stands, from the left edge: [from, to] in CSS pixels.
    extent(entry) {
      const [, column] = layout.place(entry);
      return [x(column), x(column) + wide];
    },
  };
}

// What the cells of a picture are made of: the input's numbers, weights, sums.
const TINTS = {
  input: "of-input", columns: "of-input", kernel: "of-kernel", toeplitz: "of-kernel", rows: "of-kernel",
  output: "of-output",
};

// The places around a picture, `border` deep.
function ring(height, width, border) {
  const found = [];
  for (let row = -border; row < height + border; row += 1) {
    for (let column = -border; column < width + border; column += 1) {
      if (row < 0 || column < 0 || row >= height || column >= width) found.push([row, column]);
    }
  }
  return found;
}
