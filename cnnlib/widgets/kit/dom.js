// Elements of a page, built and changed.

// JupyterLab reads arrows, digits and Enter as commands to the notebook, from any element that does
// not ask to be left alone. Ask for whatever has the focus inside a widget.
document.addEventListener("focusin", ({ target }) => {
  const node = /** @type {Element} */ (target); // or the document, which has no closest()
  if (node.closest?.(".cnn-widget")) node.setAttribute("data-lm-suppress-shortcuts", "true");
});

// An id that no other element of the page has. A notebook runs this module once for each widget, so
// the count stands with the document.
export function uniqueId(prefix) {
  document.cnnIds = (document.cnnIds ?? 0) + 1;
  return `cnn-${prefix}-${document.cnnIds}`;
}

// An HTML element. Attributes whose name starts with "on" are listeners; null and false are left out.
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag  @param {Object<string, any>} attributes
 * @param {(Node | string | null | undefined)[]} children  @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// An SVG element, by the same rules.
/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag  @param {Object<string, any>} attributes
 * @param {(Node | string | null | undefined)[]} children  @returns {SVGElementTagNameMap[Tag]}
 */
export function svgElement(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && value) node.addEventListener(name.slice(2), value);
    else setAttribute(node, name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Sets an attribute, or takes it away for null, undefined and false. Leaves an equal one alone.
/** @param {Element} node  @param {string} name  @param {any} value */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

// Sets an element's text. The same text again would still cost a layout.
/** @param {Node} node  @param {string} text */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Text with `code` between backticks, as nodes.
export function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

// What a picture's marks mean: a line of swatches, each [its class, its words].
export function swatches(marks) {
  return element("p", { class: "cnn-swatches" }, ...marks.map(([look, words]) =>
    element("span", {}, element("span", { class: look, "aria-hidden": "true" }), words)));
}

// Whether two values are equal as JSON.
/** @param {any} one  @param {any} other */
export function same(one, other) {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

// 0, 1, ..., n - 1.
/** @param {number} n */
export function upTo(n) {
  return Array.from({ length: n }, (_, i) => i);
}

// A copy of a list with another value in one place. Array.with is too new for some browsers.
/** @param {any[]} list  @param {number} place  @param {any} value */
export function replaced(list, place, value) {
  return Object.assign([...list], { [place]: value });
}

// The bytes that cnnlib.widgets.pictures.pack() wrote.
/** @param {{shape: number[], base64: string}} packed */
export function unpack({ shape, base64 }) {
  const text = atob(base64);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return { shape, bytes };
}

// Whether the reader has asked for less movement, and a call whenever that changes.
const stillness = window.matchMedia("(prefers-reduced-motion: reduce)");

export function prefersStillness() {
  return stillness.matches;
}

export function onStillness(callback) {
  stillness.addEventListener("change", callback);
  return () => stillness.removeEventListener("change", callback);
}

// Copies a text, in the older way where a page may not use the clipboard (no https, a file, a frame
// of another page). Returns whether that worked.
export async function copy(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "cnn-spoken", "aria-hidden": "true", tabindex: -1 });
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    area.value = text;
    near.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}
