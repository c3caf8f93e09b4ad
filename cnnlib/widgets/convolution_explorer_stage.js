// Convolution explorer, the stage: kernel, input and output as grids of numbers, and over them the
// kernel where it is laid and the beam between the cells that meet.

import { element, same, setAttribute, svgElement } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import { decimal } from "./kit/words.js";
import {
  holds, indexOf, labelOf, notesOf, positionsOf, shape, sizesOf, standing,
} from "./convolution_explorer_scene.js";
import { isScatter, isStuffed } from "./convolution_explorer_sums.js";

const KINDS = ["kernel", "input", "output"];

// A cell is {kind, at, look, linked, extra, value, reach, mark, node, ...}; `at` is its place as
// drawn. mark() takes what meetingOf() gives; handlers take targets {kind, at}, or cells.
export function meetingStage(say, { hover, enter, leave, isFocused, key, edit }) {
  let [room, dimensions] = [0, 0];
  let marked = [];
  let show = () => {}; // draws the overlay of the last meeting
  const grids = Object.fromEntries(KINDS.map((kind) =>
    [kind, numberGrid(kind, { hover, enter, leave, isFocused, key, edit })]));
  const panels = Object.fromEntries(KINDS.map((kind) =>
    [kind, gridPanel(say, grids[kind], () => show())]));
  const node = element("div", { class: "cx-stage" }, ...KINDS.map((kind) => panels[kind].node));
  const overlay = meetingOverlay(node, grids, panels);
  node.append(overlay.node);

  function arrange() {
    if (room > 0 && dimensions > 0) arrangeStage(node, room, dimensions, grids);
  }

  return {
    node,
    fit() {
      room = node.clientWidth - 20;
      arrange();
    },
    layOut(scene) {
      ({ dimensions } = scene.s);
      const positions = positionsOf(scene);
      for (const cell of marked) cell.mark = UNMARKED;
      marked = [];
      for (const kind of KINDS) {
        grids[kind].layOut(say, scene, positions[kind]);
        panels[kind].describe(scene);
      }
      arrange();
    },
    fill(scene) {
      for (const kind of KINDS) grids[kind].fill(say, scene);
    },
    mark(scene, look) {
      const marks = marksOf(scene, look, (kind, at) => grids[kind].cell(at));
      for (const cell of new Set([...marked, ...marks.keys()])) {
        cell.mark = marks.get(cell) ?? UNMARKED;
        paint(cell);
      }
      marked = [...marks.keys()];
      if (same(look.target, look.step)) {
        panels.input.bringIntoView(look.pairs[0]?.input);
        panels.output.bringIntoView(look.pairs[0]?.output);
      }
      show = () => overlay.show(scene, look);
      show();
    },
    focus({ kind, at }) { grids[kind].focus(at); },
  };
}

const UNMARKED = { look: "", note: "" };

// How the cells of a meeting are marked, as a Map: the target and its step are filled, what meets is
// outlined, and a number in the corner says what is multiplied or added there.
function marksOf(scene, { step, target, met, pairs }, cell) {
  const marks = new Map();
  const mark = (one, look, note = "") =>
    marks.set(one, { look, note: note.length > 6 ? "" : note }); // longer ones do not fit
  if (target.kind === "kernel") {
    for (const { input, output } of met) {
      mark(cell("input", input), "met");
      mark(cell("output", output), "met");
    }
  }
  for (const pair of pairs) {
    const notes = notesOf(scene.s, target, pair);
    mark(cell("input", pair.input), "lit", notes.input);
    mark(cell("kernel", pair.tap), "lit");
    mark(cell("output", pair.output), "lit", notes.output);
  }
  mark(cell(target.kind, target.at), "self");
  if (target.kind === "kernel") mark(cell(step.kind, step.at), "self");
  return marks;
}

// A cell's look, its outline and the note in its corner.
function paint(cell) {
  const { look, note } = cell.mark;
  const looks = [cell.base, cell.reach && `cx-${cell.reach}`, look && `cx-is-${look}`]
    .filter(Boolean).join(" ");
  if (cell.looks !== looks) cell.node.className = looks;
  cell.looks = looks;
  setData(cell, "note", note || null);
}

function setData(owner, name, value) {
  if (owner[name] === value) return;
  owner[name] = value;
  setAttribute(owner.node, `data-${name}`, value);
}

// Cells as large as the room allows. Input and output stand next to each other or one below the
// other, with the kernel where the beam between them does not cross it.
function arrangeStage(node, room, dimensions, grids) {
  const two = dimensions === 2;
  const [k, i, o] = KINDS.map((kind) => grids[kind].across.length);
  const [around, gap, least, largest] = [30, 40, 32, 46];
  const share = (cells, many) => Math.floor((room - many * around - (many - 1) * gap) / cells);
  const ways = [
    ["row", two, share(k + i + o, 3)], // kernel, input, output
    ["pair", two, share(i + o, 2)], // input, output, the kernel above them
    ["line", !two, share(k + Math.max(i, o), 2)], // kernel, input, output below it
  ];
  let [layout, , cell] = ways.find(([, fits, size]) => fits && size >= least) ?? [];
  if (!layout) {
    cell = share(Math.max(k, i, o), 1);
    layout = share(k + o, 2) >= least ? "under" : "over"; // the kernel, of the input
    if (layout === "under") cell = Math.min(cell, share(k + o, 2));
  }
  setAttribute(node, "data-layout", layout);
  node.style.setProperty("--cell", `${Math.max(26, Math.min(largest, cell))}px`);
  node.classList.toggle("cx-is-small", cell < 30);
}

// ---- A grid of numbers. Its cells are laid out anew when the settings change, and only marked
// afterwards. Every row and cell that was ever needed is used again, for making them costs far more.

function numberGrid(kind, { hover, enter, leave, isFocused, key, edit }) {
  const blank = element("div", { role: "gridcell", tabindex: -1 }, "0");
  const cells = new WeakMap(); // by their nodes
  const made = [];
  let again = false; // whether the pointer went down on the cell that had the focus
  const under = ({ target }) => cells.get(target.closest("[role=gridcell]")) ?? null;
  const grid = {
    kind, down: [], across: [], rows: [], all: [],
    stop: null, // the cell in the tab order
    cell: ([y, x]) => grid.rows[grid.down.indexOf(y)]?.[grid.across.indexOf(x)],
    layOut,
    fill(say, scene) {
      for (const cell of grid.all) {
        const { value, reach } = holds(scene, cell);
        if (cell.value === value && cell.reach === reach) continue;
        Object.assign(cell, { value, reach });
        const text = reach === "hidden" ? "?" : value === null ? "" : decimal(value);
        cell.number.data = text;
        setData(cell, "length", String(Math.min(text.length, 7)));
        setAttribute(cell.node, "aria-label", labelOf(say, scene, cell));
        paint(cell);
      }
    },
    // Gives the focus back to a place after the grid was laid out anew.
    focus(at) {
      const cell = grid.cell(at) ?? grid.stop;
      if (cell.node.matches(":focus")) meet(cell);
      else cell.node.focus();
    },
  };
  grid.node = element("div", {
    role: "grid", class: "cx-grid", "aria-readonly": kind === "output" ? "true" : null,
    onfocusin: (event) => under(event) && meet(under(event)),
    onfocusout: leave,
    onkeydown: (event) => key(event, grid),
    onpointerdown: (event) => { again = under(event) !== null && isFocused(targetOf(under(event))); },
    onclick: (event) => { if (again && under(event)) edit(under(event)); },
  });
  pointing(grid.node, { at: (event) => targetOf(under(event)), hover });

  function meet(cell) {
    grid.stop.node.tabIndex = -1;
    grid.stop = cell;
    cell.node.tabIndex = 0;
    enter(targetOf(cell));
  }

  function layOut(say, scene, across) {
    const { s } = scene;
    const down = s.dimensions === 2 ? across : [0];
    const rows = down.map((y, i) => {
      made[i] ??= { node: element("div", { role: "row", class: "cx-row" }), cells: [] };
      setData(made[i], "row", s.dimensions === 2 ? indexOf(s, kind, y) : null);
      const row = across.map((x, j) => {
        made[i].cells[j] ??= newCell();
        const cell = seat(made[i].cells[j], scene, [y, x]);
        setData(cell, "column", i === 0 ? indexOf(s, kind, x) : null);
        return cell;
      });
      setLength(made[i].node, row.map(({ node }) => node));
      return row;
    });
    setLength(grid.node, rows.map((_, i) => made[i].node));
    Object.assign(grid, { down, across, rows, all: rows.flat() });
    setAttribute(grid.node, "aria-label", titleOf(say, s, kind));
    grid.node.style.width = extent("1.25rem", across.length);
    grid.node.style.height = extent("1.15rem", down.length);
    if (grid.stop) grid.stop.node.tabIndex = -1;
    grid.stop = grid.all.find(({ look }) => look === "real");
    grid.stop.node.tabIndex = 0;
  }

  function newCell() {
    const node = blank.cloneNode(true);
    const cell = { kind, node, number: node.firstChild, mark: UNMARKED };
    cells.set(node, cell);
    return cell;
  }

  return grid;
}

const targetOf = (cell) => cell && { kind: cell.kind, at: cell.at };

// Gives a cell its place, and what it is there; fill() then says what it holds.
function seat(cell, scene, at) {
  const { look, linked, extra } = standing(scene, cell.kind, at);
  const base = ["cell", cell.kind, look, cell.kind === "input" && !linked && "unread",
    extra && "extra"].filter(Boolean).map((part) => `cx-${part}`).join(" ");
  return Object.assign(cell, { at, look, linked, extra, base, value: undefined });
}

// Makes the nodes the children of `parent`, which has some first of them, or more than them.
function setLength(parent, nodes) {
  while (parent.childElementCount > nodes.length) parent.lastElementChild.remove();
  parent.append(...nodes.slice(parent.childElementCount));
}

// The room of `many` cells, whose borders overlap, with their indices before them.
const extent = (indices, many) => `calc(${indices} + ${many} * (var(--cell) - 1px) + 1px)`;

const titleOf = (say, s, kind) =>
  say(kind === "kernel" && isStuffed(s) ? "grid.kernel.flipped" : `grid.${kind}`);

// A grid with its caption, its legend, and a box in which it scrolls where it is too wide.
function gridPanel(say, grid, onScroll) {
  const { kind } = grid;
  const caption = element("p", { class: "cx-caption" });
  const box = element("div", { class: "cx-box", onscroll: onScroll }, grid.node);
  const legend = element("p", { class: "cnn-help cx-legend" });
  const has = (test) => grid.all.some(test);
  const entries = {
    kernel: (s) => [s.dilation > 1 && "dilation"],
    input: () => [
      has(({ look }) => look === "padding") && "padding",
      has(({ look }) => look === "stuffed") && "stuffed",
      has(({ linked }) => !linked) && "unread",
    ],
    output: (s) => [
      has(({ look }) => look === "cropped") && "cropped",
      s.output_padding > 0 && "extra",
      isScatter(s) ? "partial" : "ahead",
    ],
  }[kind];
  return {
    node: element("div", { class: `cx-panel cx-${kind}` }, caption, box, legend),
    box,
    describe(scene) {
      const { s } = scene;
      const size = Object.fromEntries(sizesOf(scene))[kind];
      const drawn = kind === "input" && grid.across.length > s.input_size;
      caption.replaceChildren(nameIn(kind, titleOf(say, s, kind)), " ",
        drawn ? say("grid.drawn", { size, drawn: shape(s, grid.across.length) }) : size);
      legend.replaceChildren(...entries(s).filter(Boolean).map((entry) =>
        element("span", { class: "cx-entry" },
          entry === "dilation" ? null : element("span", { class: `cx-swatch cx-${entry}` }),
          say(`legend.${entry}`, { dilation: s.dilation, gap: s.dilation - 1 }))));
    },
    // Scrolls sideways until the cell stands in the box's middle, where that is too narrow.
    bringIntoView(at) {
      if (!at || box.scrollWidth <= box.clientWidth) return;
      const cell = grid.cell(at).node.getBoundingClientRect();
      box.scrollLeft += cell.left - box.getBoundingClientRect().left - box.clientWidth / 2;
    },
  };
}

// The kernel's outline where it is laid, and the beam between the cells that meet.
function meetingOverlay(stage, grids, panels) {
  const beam = svgElement("polygon", { class: "cx-beam" });
  const laid = svgElement("rect", { class: "cx-laid", rx: 3 });

  // The rectangle round some cells of a grid, in the overlay's pixels, cut at the edges of its box.
  function hull(kind, places) {
    if (places.length === 0) return null;
    const { down, across, rows } = grids[kind];
    const ys = places.map(([y]) => down.indexOf(y));
    const xs = places.map(([, x]) => across.indexOf(x));
    const bounds = (row, column) => rows[row][column].node.getBoundingClientRect();
    const first = bounds(Math.min(...ys), Math.min(...xs));
    const last = bounds(Math.max(...ys), Math.max(...xs));
    const { left, top } = stage.getBoundingClientRect();
    const box = panels[kind].box.getBoundingClientRect();
    const clip = (x) => Math.max(box.left, Math.min(box.right, x)) - left;
    const [right, bottom] = [clip(last.right), last.bottom - top];
    return { left: clip(first.left), right, top: first.top - top, bottom };
  }

  return {
    node: svgElement("svg", { class: "cx-overlay", "aria-hidden": "true" }, beam, laid),
    show({ s }, { target, pairs }) {
      const from = hull("input", pairs.map(({ input }) => input));
      const to = hull("output", pairs.map(({ output }) => output));
      beam.style.display = from && to ? "" : "none";
      if (from && to) {
        const sideways = ["row", "pair"].includes(stage.dataset.layout);
        const points = sideways
          ? [from.right, from.top, to.left, to.top, to.left, to.bottom, from.right, from.bottom]
          : [from.left, from.bottom, to.left, to.top, to.right, to.top, from.right, from.bottom];
        beam.setAttribute("points", points.join(" "));
      }
      const on = target.kind === "output" && !isScatter(s) ? from
        : target.kind === "input" && isScatter(s) ? to : null;
      laid.style.display = on ? "" : "none";
      if (!on) return;
      laid.setAttribute("x", on.left);
      laid.setAttribute("y", on.top);
      laid.setAttribute("width", on.right - on.left);
      laid.setAttribute("height", on.bottom - on.top);
    },
  };
}

// A text in the colour of its grid.
export const nameIn = (kind, text) => element("strong", { class: `cx-name cx-${kind}` }, text);
