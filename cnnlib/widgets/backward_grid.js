// A named grid of numbers: what each cell is, what it does at this step, and editing by keys.

import { element, same, setAttribute, uniqueId, write } from "./kit/dom.js";
import { cellAt, gridStep, pointing } from "./kit/focus.js";
import { decimal } from "./kit/words.js";

export const shown = (value) => (value === null ? "" : decimal(value, 2));

// {node, show(cells, title, label, awake)}. `kind` gives the colour: input, kernel or delta. With
// `actions` {cursor(), move(place), press(place), set(place, value), help} it takes the focus:
// arrow keys move, and where there is a `set`, digits and signs change the number under the cursor.
// Where it is not `awake` it is a picture for now.
//
// cells: rows of {value, look, lit, self, note, cursor}. look: "real", "padding", "stuffed" or
// "ahead"; lit: it takes part in this step; self: it is what the step is about; note: a number in
// the corner, the one that it is multiplied by.
export function numberGrid({ kind, actions = null }) {
  const title = element("p", { class: "bk-name" });
  const box = element("div", { class: "bk-cells", "aria-hidden": "true" });
  const frame = element("div", { class: "bk-frame" }, box);
  const node = element("figure", { class: `bk-panel bk-${kind}` }, title, frame);
  let size = [0, 0];
  let drawn = [];
  let values = [];

  if (actions) {
    const help = element("span", { id: uniqueId("keys"), hidden: true }, actions.help);
    node.append(help);
    setAttribute(frame, "aria-describedby", help.id);
    frame.addEventListener("keydown", key);
    pointing(frame, {
      at: (event) => cellAt(event, box.getBoundingClientRect(), size),
      press: (place) => actions.press(place),
    });
  }

  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const place = actions.cursor();
    const to = gridStep(event.key, place, size);
    if (to) actions.move(to);
    else {
      const value = actions.set ? typed(event.key, values[place[0]][place[1]], actions.most) : null;
      if (value === null) return;
      actions.set(place, value);
    }
    event.preventDefault();
  }

  function build([rows, columns]) {
    size = [rows, columns];
    node.style.setProperty("--bk-columns", columns);
    drawn = Array.from({ length: rows * columns }, () => {
      const number = element("span", { class: "bk-number" });
      const note = element("span", { class: "bk-note" });
      return { number, note, cell: element("span", { class: "bk-cell" }, number, note) };
    });
    box.replaceChildren(...drawn.map(({ cell }) => cell));
  }

  return {
    node,
    show(cells, name, label, awake = true) {
      const takesKeys = awake && actions !== null;
      if (!same(size, [cells.length, cells[0].length])) build([cells.length, cells[0].length]);
      values = cells.map((row) => row.map(({ value }) => value));
      write(title, name);
      setAttribute(frame, "aria-label", label);
      setAttribute(frame, "role", takesKeys ? "application" : "img");
      setAttribute(frame, "tabindex", takesKeys ? "0" : null);
      cells.flat().forEach((cell, i) => paint(drawn[i], cell));
    },
  };
}

// What a key makes of a number, or null.
function typed(key, value, most) {
  if (/^[0-9]$/.test(key)) return Number(key);
  if (key === "-" || key === "−") return 0 - value;
  if (key === "Delete" || key === "Backspace") return 0;
  if (key === "Enter" || key === " " || key === "+") return value >= most ? -most : value + 1;
  return null;
}

function paint({ cell, number, note }, { value, look = "real", lit, self, note: said = "", cursor }) {
  const text = shown(value);
  write(number, text);
  write(note, said);
  const marks = [lit && "bk-lit", self && "bk-self", cursor && "bk-cursor", said && "bk-noted"];
  const length = Math.min(text.length, 6);
  setAttribute(cell, "class",
    ["bk-cell", `bk-${look}`, `bk-long-${length}`, ...marks.filter(Boolean)].join(" "));
}

// A map in words, row by row.
export function inRows(map) {
  return map.map((row) => row.map((value) => shown(value) || "?").join(" ")).join("; ");
}
