// What every widget's front end shares: building elements, labelled controls, keys, announcements.

let count = 0;

// JupyterLab reads arrows, digits and Enter as commands to the notebook, from any element that does
// not ask to be left alone. Ask for whatever has the focus inside a widget.
document.addEventListener("focusin", ({ target }) => {
  if (target.closest?.(".cnn-widget")) target.setAttribute("data-lm-suppress-shortcuts", "true");
});

// An id that no other element of the page has.
export function uniqueId(prefix) {
  count += 1;
  return `cnn-${prefix}-${count}`;
}

// An HTML element. Attributes whose name starts with "on" are listeners; null and false are left out.
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// An SVG element, by the same rules.
export function svgElement(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// A labelled slider with its value shown. Returns {node, input, set(value), bound({min, max, why})}.
// bound() narrows what can be reached and says why in the help line.
export function slider({ label, min, max, step = 1, value, help = "", onInput }) {
  const id = uniqueId("slider");
  // The slider itself tells its value; an output left alone would say it once more.
  const shown = element("output", { for: id, class: "cnn-value", "aria-live": "off" }, String(value));
  const note = element("span", { id: `${id}-help`, class: "cnn-help" }, help);
  const input = element("input", {
    type: "range", id, min, max, step, value, "aria-describedby": `${id}-help`,
    oninput: () => { shown.textContent = input.value; onInput(Number(input.value)); },
  });
  const node = element("div", { class: "cnn-control" },
    element("label", { for: id }, label), input, shown, note);
  return {
    node,
    input,
    set(next) { input.value = next; shown.textContent = String(next); },
    bound({ min: low = min, max: high = max, why = help }) {
      input.min = low;
      input.max = high;
      note.textContent = why;
      input.disabled = Number(low) >= Number(high);
    },
  };
}

// A labelled drop-down of [value, text] pairs. Returns {node, input, set(value)}.
export function choice({ label, options, value, onChange }) {
  const id = uniqueId("choice");
  const input = element("select", { id, onchange: () => onChange(input.value) },
    ...options.map(([key, text]) => element("option", { value: key }, text)));
  input.value = value;
  return {
    node: element("div", { class: "cnn-control" }, element("label", { for: id }, label), input),
    input,
    set(next) { input.value = next; },
  };
}

// A push button. `pressed` (true or false) makes it a toggle for screen readers.
export function button(text, onClick, { label = null, pressed = null } = {}) {
  return element("button", {
    type: "button", class: "cnn-button", "aria-label": label,
    "aria-pressed": pressed === null ? null : String(pressed), onclick: onClick,
  }, text);
}

// A polite live region. say(text) speaks once things have been still for a moment.
export function announcer() {
  const node = element("div", { class: "cnn-spoken", role: "status", "aria-live": "polite" });
  let timer = 0;
  return {
    node,
    say(text) {
      clearTimeout(timer);
      timer = setTimeout(() => { node.textContent = text; }, 250);
    },
    stop() { clearTimeout(timer); },
  };
}

// Where the arrow, Home and End keys lead on a grid of rows x columns, or null for other keys.
export function gridStep(key, [row, column], [rows, columns]) {
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (key in moves) {
    const [down, right] = moves[key];
    return [clamp(row + down, rows - 1), clamp(column + right, columns - 1)];
  }
  if (key === "Home") return [row, 0];
  if (key === "End") return [row, columns - 1];
  return null;
}

// Calls back when any of the named traits changes. Returns the undo.
export function watch(model, names, callback) {
  for (const name of names) model.on(`change:${name}`, callback);
  return () => { for (const name of names) model.off(`change:${name}`, callback); };
}

// The bytes that cnnlib.widgets.base.pack() wrote.
export function unpack({ shape, base64 }) {
  const text = atob(base64);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return { shape, bytes };
}

// Whether the reader has asked for less movement.
export function prefersStillness() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
