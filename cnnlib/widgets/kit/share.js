// A widget's state in the page's address.
//
//     #cnn=1&widget=switches.2&step=3&method=guided&unit=[0,1]&hide=kernel,second
//
// 1 is the format's version, switches.2 the page's third widget of that name. Then come the values
// that differ from the widget's first state, as JSON; a text stands bare where the widget has a
// text. `hide` names choices whose controls are not shown. A link may be old, or written by a
// stranger: fromAddress only reads it, and the widget settles what it says.

import { button, checkbox } from "./controls.js";
import { copy, element, uniqueId } from "./dom.js";

const VERSION = "1";
const MOST = 20000; // characters of a link that is read
const SAID = 3; // reasons that are given for one link

export function toAddress(name, changes, hidden = []) {
  const parts = [`cnn=${VERSION}`, `widget=${name}`];
  for (const [key, value] of Object.entries(changes)) {
    parts.push(`${key}=${written(typeof value === "string" ? value : JSON.stringify(value))}`);
  }
  if (hidden.length) parts.push(`hide=${hidden.map(written).join(",")}`);
  return `#${parts.join("&")}`;
}

// {version, widget, changes, hidden, faults, tooLong}, or null where the address holds no state.
// `faults` are the names of values that could not be read.
export function fromAddress(hash, first) {
  if (!hash.startsWith("#cnn=")) return null;
  const tooLong = hash.length > MOST;
  const found = { version: "", widget: "", changes: {}, hidden: [], faults: [], tooLong };
  for (const part of hash.slice(1).split("&", tooLong ? 2 : MOST)) {
    const [name, text] = split(part);
    if (name === "cnn") found.version = text;
    else if (name === "widget") found.widget = text;
    else if (name === "hide") found.hidden = text === "" ? [] : text.split(",");
    else {
      try {
        const bare = typeof first[name] === "string";
        Object.defineProperty(found.changes, name,
          { value: bare ? text : JSON.parse(text, finite), enumerable: true, configurable: true });
      } catch {
        found.faults.push(name);
      }
    }
  }
  return found;
}

function finite(_, value) {
  if (value === Infinity || value === -Infinity) throw new RangeError("no JSON value");
  return value;
}

function split(part) {
  const [name, ...rest] = part.split("=");
  return [decoded(name), decoded(rest.join("="))];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// As much as a fragment may hold stays readable.
function written(text) {
  return encodeURIComponent(text).replace(/%(5B|5D|2C|3A|2F|7B|7D)/g, decodeURIComponent);
}

// The name of a widget's place on its page, or null where there is no page (a notebook).
export function nameOf(el) {
  const place = el.closest("[data-cnn-widget]");
  if (!place) return null;
  const stem = place.dataset.cnnWidget;
  const all = [...document.querySelectorAll(`[data-cnn-widget="${CSS.escape(stem)}"]`)];
  return `${stem}.${all.indexOf(place)}`;
}

// Whether the page has a place of this name; and whether `el` stands in its first one.
export function hasPlace(name) {
  return [...document.querySelectorAll("[data-cnn-widget]")].some((place) => nameOf(place) === name);
}

export function isInFirstPlace(el) {
  return document.querySelector("[data-cnn-widget]") === el.closest("[data-cnn-widget]");
}

// Why a link was not taken as it stands, in words; "" where it was. `said` is what settled said.
export function complaint(say, { version, faults, tooLong }, said, labels) {
  if (tooLong) return say("kit.share.too_long");
  if (version !== VERSION) return say("kit.share.version");
  const name = (key) => (Object.hasOwn(labels, key) ? labels[key] : key.slice(0, 40));
  return [
    ...faults.map((key) => [key, say("kit.unreadable")]),
    ...Object.entries(said).map(([key, [why, values]]) => [key, say(why, values)]),
  ].slice(0, SAID).map(([key, why]) => say("kit.share.not_taken", { name: name(key), why })).join(" ");
}

// A panel that gives the link to the present state: {node, update(), hide(names)}. `labels` are the
// controls' names in words, by choice; `hidden` are those that are not shown.
export function sharePanel(say, { address, labels, hidden }) {
  const id = uniqueId("link");
  const field = element("input", {
    type: "text", id, readonly: true, class: "cnn-link", onfocus: () => field.select(),
  });
  const told = element("span", { role: "status", class: "cnn-told" });
  const panel = element("div", { class: "cnn-share-panel" });
  const node = element("details", { class: "cnn-share", ontoggle: open },
    element("summary", { class: "cnn-button" }, say("kit.share")), panel);
  let boxes = null; // made when they are first asked for

  function open() {
    if (node.open && !boxes) build();
    update();
  }

  function build() {
    boxes = Object.entries(labels).map(([name, label]) => [name, checkbox({
      label, checked: hidden.includes(name), onChange: update,
    })]);
    panel.append(element("label", { for: id }, say("kit.share.link")), field,
      button(say("kit.share.copy"), put), told);
    if (!boxes.length) return;
    panel.append(element("fieldset", {},
      element("legend", {}, say("kit.share.hide")), ...boxes.map(([, box]) => box.node)));
  }

  async function put() {
    if (update()) return;
    history.replaceState(history.state, "", field.value);
    const done = await copy(field.value, node);
    if (!done) field.focus();
    told.textContent = say(done ? "kit.share.copied" : "kit.share.select");
  }

  // Writes the link, and says so where nobody could read it: whether that is so.
  function update() {
    if (!node.open || !boxes) return false;
    const hide = boxes.filter(([, box]) => box.input.checked).map(([name]) => name);
    const hash = address(hide);
    const tooLong = hash.length > MOST;
    told.textContent = tooLong ? say("kit.share.over") : "";
    field.value = tooLong ? "" : location.href.split("#")[0] + hash;
    return tooLong;
  }

  function hide(names) {
    hidden = names;
    for (const [name, box] of boxes ?? []) box.set(hidden.includes(name));
    update();
  }
  return { node, update, hide };
}
