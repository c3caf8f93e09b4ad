// A field for a short program: line numbers, a marked line, Tab and Enter as a programmer expects.
//
//     editorOf({ label, help, full, longest, onEdit(code, whole), onRun })
//         -> { node, set(code), replace(code), mark(line), focus() }
//
// Tab indents only once something has been done in the field, so a reader who walks through the page
// by Tab walks through it. After that, Escape lets the next Tab leave. All changes go through the
// browser's own editing, so its undo takes them back.

import { element, setAttribute, uniqueId, upTo, write } from "./kit/dom.js";

const INDENT = "    ";
const ROWS = 8; // lines that the field has at least
const UNFIT = /[^\P{Cc}\t\n]|\p{Surrogate}/gu; // as in code_exercise.py
const LEAVES = new Set(["Tab", "Shift", "Control", "Alt", "Meta"]);

export function isProgram(code, longest) {
  return typeof code === "string" && code.length <= longest && code.search(UNFIT) < 0;
}

export function editorOf({ label, help, full, longest, onEdit, onRun }) {
  const id = uniqueId("code");
  let isUsed = false; // whether Tab indents
  let isWhole = false; // whether the text is being replaced as a whole
  let marked = null;

  const numbers = element("div", { class: "ce-numbers", "aria-hidden": "true" });
  const band = element("div", { class: "ce-band", "aria-hidden": "true", hidden: true });
  const note = element("p", { class: "ce-note", role: "status" });
  const area = element("textarea", {
    id, class: "ce-area", wrap: "off", spellcheck: "false", autocomplete: "off", autocorrect: "off",
    autocapitalize: "off", maxlength: longest, translate: "no", "aria-describedby": `${id}-help`,
    oninput: edited, onkeydown: key,
    onfocus: () => { isUsed = false; },
    onclick: () => { isUsed = true; },
  });
  const box = element("div", { class: "ce-box" }, numbers, element("div", { class: "ce-field" }, band, area));
  const node = element("div", { class: "ce-editor" },
    element("label", { for: id, class: "ce-label" }, label), box,
    element("p", { id: `${id}-help`, class: "cnn-help ce-help" }, help), note);

  // ---- What is written.

  function edited() {
    const code = area.value.replace(UNFIT, "").slice(0, longest);
    if (code !== area.value) area.value = code;
    isUsed = true;
    onEdit(code, isWhole);
  }

  function fit() {
    const lines = area.value.split("\n");
    setAttribute(area, "rows", Math.max(ROWS, lines.length));
    setAttribute(area, "cols", Math.max(20, ...lines.map((line) => line.length + 2)));
    write(note, area.value.length < longest ? "" : full);
    const rows = Math.max(ROWS, lines.length);
    if (numbers.children.length !== rows) {
      numbers.replaceChildren(...upTo(rows).map((i) => element("span", {}, String(i + 1))));
    }
    numbers.style.setProperty("--ce-digits", String(rows).length);
    upTo(rows).forEach((i) => {
      numbers.children[i].classList.toggle("ce-beyond", i >= lines.length);
      numbers.children[i].classList.toggle("ce-marked", i + 1 === marked);
    });
    band.hidden = marked === null || marked > lines.length;
    if (!band.hidden) band.style.setProperty("--ce-line", marked - 1);
  }

  function set(code) {
    if (area.value !== code) area.value = code;
    fit();
  }

  // Puts a text in the place of what is selected, so that the browser's undo brings that back.
  function put(text) {
    const done = text === "" ? document.execCommand("delete") : document.execCommand("insertText", false, text);
    if (done) return;
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    edited();
  }

  function select(start, end) { area.setSelectionRange(start, end); }

  function replace(code) {
    area.focus();
    area.select();
    isWhole = true;
    put(code);
    isWhole = false;
    select(0, 0);
    box.scrollTo(0, 0);
  }

  // ---- Keys.

  function key(event) {
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onRun();
    } else if (event.key === "Escape") isUsed = false;
    else if (event.key === "Tab" && isPlain && isUsed) {
      event.preventDefault();
      if (event.shiftKey) shiftLines(-1);
      else if (spansLines()) shiftLines(1);
      else put(INDENT.slice(column() % INDENT.length));
    } else if (event.key === "Enter" && isPlain && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      put(`\n${nextIndent()}`);
    } else if (event.key === "Backspace" && isPlain && isInIndent()) {
      event.preventDefault();
      const at = area.selectionStart;
      select(at - ((column() - 1) % INDENT.length) - 1, at);
      put("");
    } else if (!LEAVES.has(event.key)) isUsed = true;
  }

  const before = () => area.value.slice(0, area.selectionStart);
  const lineStart = () => before().lastIndexOf("\n") + 1;
  const column = () => area.selectionStart - lineStart();
  const spansLines = () => area.value.slice(area.selectionStart, area.selectionEnd).includes("\n");

  function isInIndent() {
    const line = area.value.slice(lineStart(), area.selectionStart);
    return area.selectionStart === area.selectionEnd && line !== "" && /^ +$/.test(line);
  }

  function nextIndent() {
    const line = area.value.slice(lineStart(), area.selectionStart);
    const indent = /^[ \t]*/.exec(line)[0];
    return /:[ \t]*(#.*)?$/.test(line) ? indent + INDENT : indent;
  }

  // Moves the lines of the selection in (1) or out (-1) by one step; they stay selected.
  function shiftLines(way) {
    const [from, to] = [area.selectionStart, area.selectionEnd];
    const start = lineStart();
    const last = to > from && area.value[to - 1] === "\n" ? to - 1 : to;
    const stop = area.value.indexOf("\n", last);
    const end = stop < 0 ? area.value.length : stop;
    const lines = area.value.slice(start, end).split("\n");
    const moved = lines.map((line) => {
      if (way < 0) return line.replace(/^(\t| {1,4})/, "");
      return line === "" ? line : INDENT + line;
    });
    if (moved.join() === lines.join()) return;
    select(start, end);
    put(moved.join("\n"));
    const first = moved[0].length - lines[0].length;
    const grown = moved.join("\n").length - (end - start);
    if (from === to) select(Math.max(start, from + first), Math.max(start, from + first));
    else select(start, Math.max(start, last + grown));
  }

  return {
    node,
    set,
    replace,
    // Marks a line, counted from 1; null takes the mark away.
    mark(line) {
      marked = line;
      fit();
    },
    get value() { return area.value; },
  };
}
