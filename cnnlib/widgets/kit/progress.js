// What a reader has answered: kept in the reader's own browser, and nowhere else.
//
//     kept(place) -> value or null       keep(place, value, solved)       solved(place) -> how many
//
// A place is something to answer on one page, "book/foundations/pooling#quiz.3f2a" (placeOf writes
// it). Its value is any JSON; null forgets it. `solved` is how many of its questions are right.
//
// One entry of localStorage holds the whole book. Its name has the site's root path in it, so that
// two books of one host do not mix. Each tab of the browser remembers what it has written itself, and
// of two values for a place the newer counts; so two tabs lose no answer of each other, and a browser
// that keeps nothing for this page loses them only when it leaves the page. An entry that cannot be
// read is put aside under another name before a new one is written.

import { same } from "./dom.js";

const FORMAT = "cnn-progress";
const VERSION = 1;
export const LONGEST = 4_000_000; // characters of a file that is read
const LATEST = 2 ** 52; // a time, in milliseconds, that can still be followed by a later one

const mine = new Map(); // place -> {value, solved, time}: what this tab has written
const callbacks = new Set();
let forgotten = 0; // all that is not newer than this has been forgotten, as far as this tab knows
let lasting = true; // whether the last attempt to write succeeded
let read = { text: "", store: null }; // the entry as it was last read

// ---- Places.

// The site's root, as an address that ends with a slash: the host script stands in _static below it,
// or, on a page without a site around it, beside it.
export function siteRoot() {
  /** @type {HTMLScriptElement | null} */
  const host = document.querySelector('script[src*="host.js"]');
  const address = host ? new URL(".", host.src) : new URL(".", location.href);
  return new URL(address.pathname.endsWith("/_static/") ? ".." : ".", address);
}

// A page's name, its path within the site without .html, for any address that leads to it.
export function pageOf(address) {
  const [root, { pathname }] = [siteRoot().pathname, new URL(address, location.href)];
  const path = pathname.startsWith(root) ? pathname.slice(root.length) : pathname;
  return path.replace(/(^|\/)$/, "$1index").replace(/\.html$/, "");
}

// The place on this page of what has this name there.
export function placeOf(name) {
  return `${pageOf(location.href)}#${name}`;
}

// ---- Reading.

const entryName = () => `${FORMAT}:${siteRoot().pathname}`;
const emptyStore = () => ({ forgotten: 0, places: new Map(), sound: true });
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isWhole = (value, most) => Number.isInteger(value) && value >= 0 && value <= most;

// The store that a text holds: {forgotten, places, sound}. What cannot be read of it is left out; then
// it is not sound.
function parsed(text) {
  const store = emptyStore();
  if (text === null) return store;
  try {
    const data = JSON.parse(text);
    if (data.format !== FORMAT || data.version !== VERSION || !isObject(data.places)) {
      throw new TypeError("another format");
    }
    if (isWhole(data.forgotten, LATEST)) store.forgotten = data.forgotten;
    for (const [place, entry] of Object.entries(data.places)) {
      if (isEntry(place, entry)) store.places.set(place, entry);
      else store.sound = false;
    }
  } catch { // no JSON, or of another shape
    store.sound = false;
  }
  return store;
}

function isEntry(place, entry) {
  return place.length <= 500 && place.indexOf("#") > 0 && isObject(entry)
    && entry.value !== undefined && isWhole(entry.solved, 1000) && isWhole(entry.time, LATEST);
}

function stored() {
  try {
    return window.localStorage.getItem(entryName());
  } catch { // the browser lets this page keep nothing
    return null;
  }
}

// What holds now: the newer of what is stored and what this tab has written.
function present() {
  const text = stored();
  if (read.store === null || text !== read.text) read = { text, store: parsed(text) };
  forgotten = Math.max(forgotten, read.store.forgotten);
  const places = new Map(read.store.places);
  for (const [place, entry] of mine) {
    if (!places.has(place) || places.get(place).time < entry.time) places.set(place, entry);
  }
  for (const [place, { time }] of places) if (time <= forgotten) places.delete(place);
  return places;
}

// What is kept of a place, or null.
export function kept(place) {
  return present().get(place)?.value ?? null;
}

// How many of a place's questions are answered rightly.
export function solved(place) {
  return present().get(place)?.solved ?? 0;
}

// Whether the browser keeps it when the page is left.
export function isLasting() {
  return lasting;
}

// ---- Writing.

function written(places, more = {}) {
  return JSON.stringify({ format: FORMAT, version: VERSION, ...more, places: Object.fromEntries(places) });
}

// Stores what holds now. An entry that could not be read, all or in part, is put aside first.
function store() {
  const text = written(present(), { forgotten });
  if (text === read.text) return;
  try {
    if (!read.store.sound) window.localStorage.setItem(`${entryName()}:${Date.now()}`, read.text);
    window.localStorage.setItem(entryName(), text);
    lasting = true;
  } catch { // no room, or no storage at all
    lasting = false;
  }
}

function tell() {
  for (const callback of callbacks) callback();
}

// Keeps a value and how many of the place's questions are right by it; null forgets the place.
export function keep(place, value, right = 0) {
  const before = present().get(place);
  if (same(before?.value ?? null, value) && (before?.solved ?? 0) === right) return;
  const time = Math.max(Date.now(), forgotten + 1, (before?.time ?? 0) + 1);
  mine.set(place, JSON.parse(JSON.stringify({ value, solved: right, time })));
  store();
  tell();
}

// Forgets all places.
export function forgetEverything() {
  const times = [...present().values()].map(({ time }) => time);
  forgotten = Math.max(Date.now(), forgotten, ...times);
  mine.clear();
  store();
  tell();
}

// ---- A file.

// All that is kept, as a text that imported() reads.
export function exported() {
  return written([...present()].filter(([, { value }]) => value !== null));
}

// Takes what an exported text holds: {taken, refused}. Of two values for one place, the one with more
// questions right is kept; of equally good ones the newer. `taken`: how many places have changed.
// `refused`: "" or why nothing is taken: "long", "foreign" (no file of this format), "version",
// "damaged" or "room" (there is no room to keep it).
export function imported(text) {
  const refused = (why) => ({ taken: 0, refused: why });
  if (text.length > LONGEST) return refused("long");
  let data;
  try {
    data = JSON.parse(text);
    JSON.stringify(data); // fails for what is too deep to be kept
  } catch {
    return refused("damaged");
  }
  if (!isObject(data) || data.format !== FORMAT) return refused("foreign");
  if (data.version !== VERSION) return refused("version");
  const { places, sound } = parsed(text);
  if (!sound) return refused("damaged");

  const before = present();
  const better = [...places].filter(([place, entry]) => {
    const here = before.get(place);
    if (entry.value === null) return false;
    return !here || entry.solved > here.solved || (entry.solved === here.solved
      && entry.time > here.time);
  });
  const memory = new Map(mine);
  for (const [place, { value, solved }] of better) {
    const time = Math.max(Date.now(), forgotten + 1, (before.get(place)?.time ?? 0) + 1);
    mine.set(place, { value, solved, time });
  }
  store();
  if (better.length > 0 && !lasting) {
    mine.clear();
    for (const [place, entry] of memory) mine.set(place, entry);
    return refused("room");
  }
  if (better.length > 0) tell();
  return { taken: better.length, refused: "" };
}

// ---- Hearing of changes.

// Another tab has written: what it did not know of is written again. Where it has taken the entry
// away, as a browser does that clears the site's data, this tab forgets it, too.
function hear({ key, newValue }) {
  if (key !== null && key !== entryName()) return;
  if (newValue === null) mine.clear();
  else store();
  tell();
}

// Calls back whenever something is kept or forgotten, in this tab or another. Returns the undo.
export function onProgress(callback) {
  if (callbacks.size === 0) window.addEventListener("storage", hear);
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size === 0) window.removeEventListener("storage", hear);
  };
}
