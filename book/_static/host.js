// Runs the book's widgets on a page that has no kernel.
//
// A widget's place on the page holds its name, its traits as JSON and a still picture. For each
// place this script takes the widget's module and calls its `render` with a minimal model, as
// anywidget's front-end module specification allows. The still picture stays for print, and in sight
// where a widget cannot start.
//
// Over the web the module is imported from the site. A page that is opened from disk may import
// nothing, so this script is a classic one, and there it loads others that the build has written
// (book/_ext/from_disk.py): all modules as one, and the pictures whose pixels a widget reads.
//
// It also shows a reader's progress beside the book's contents, on pages without a widget, too.
"use strict";

{
  const here = document.currentScript.src;
  const isFromDisk = location.protocol === "file:";
  const PICTURE = /"[^"]*\/(pictures\/[0-9a-f]+\.(?:png|webp))"/g;
  const loads = new Map(); // path of a script -> promise that it has run

  class PageModel {
    constructor(state) {
      this.state = state;
      this.listeners = new Map();
    }

    get(name) { return this.state[name]; }

    set(name, value) {
      if (Object.is(this.state[name], value)) return;
      this.state[name] = value;
      this.emit(`change:${name}`, value);
      this.emit("change");
    }

    on(event, callback) {
      if (!this.listeners.has(event)) this.listeners.set(event, new Set());
      this.listeners.get(event).add(callback);
    }

    off(event, callback) {
      if (callback) this.listeners.get(event)?.delete(callback);
      else this.listeners.delete(event);
    }

    emit(event, ...values) {
      const callbacks = Array.from(this.listeners.get(event) ?? []); // one may take itself off
      for (const callback of callbacks) callback(...values);
    }

    save_changes() {} // There is no kernel to tell.

    // What is there for this page alone: a script of the site that a widget needs only when asked.
    load(path) { return load(path); }

    // The address of a file of the site; null on a page from disk, which may load nothing but scripts.
    get site() { return isFromDisk ? null : (path) => new URL(path, here).href; }
  }

  // Runs a classic script of the site, once.
  function load(path) {
    if (!loads.has(path)) {
      loads.set(path, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = new URL(path, here);
        script.addEventListener("load", done);
        script.addEventListener("error", () => {
          loads.delete(path); // it may be there when it is asked for again
          script.remove();
          failed(new Error(`${path} could not be loaded`));
        });
        document.head.append(script);
      }));
    }
    return loads.get(path);
  }

  async function moduleOf(name) {
    if (!isFromDisk) return (await import(new URL(`widgets/${name}.js`, here))).default;
    await load("from_disk.js");
    return globalThis.cnnWidgets[name];
  }

  async function stateOf(place) {
    let text = place.querySelector(":scope > script").textContent;
    if (isFromDisk) {
      const paths = Array.from(text.matchAll(PICTURE), ([, path]) => path);
      await Promise.all(paths.map((path) => load(`${path}.js`)));
      text = text.replace(PICTURE, (_, path) => JSON.stringify(globalThis.cnnPictures[path]));
    }
    return JSON.parse(text);
  }

  // What is said of a widget that is not there: in its language, if its state can be read.
  function failureOf(place) {
    const plain = "This widget could not start ({why}). The picture shows its first state.";
    try {
      return JSON.parse(place.querySelector(":scope > script").textContent).texts["kit.failed"] ?? plain;
    } catch {
      return plain;
    }
  }

  async function start(place) {
    const still = place.querySelector(":scope > .cnn-still");
    const el = document.createElement("div");
    el.className = "cnn-widget";
    try {
      const model = new PageModel(await stateOf(place));
      const widget = await moduleOf(place.dataset.cnnWidget);
      place.append(el);
      await widget.render({ model, el });
      still.style.display = "none";
      place.dataset.cnnReady = "true";
      place.cnnModel = model;
    } catch (error) {
      el.remove();
      const note = document.createElement("p");
      note.className = "cnn-failed";
      note.textContent = failureOf(place).replace("{why}", () => error.message);
      place.append(note);
      throw error;
    }
  }

  // What there is to answer on each page, the build has written (book/_ext/questions.py).
  async function showProgress(nav) {
    await load("questions.js");
    const contents = await moduleOf("kit/contents");
    contents(nav, globalThis.cnnContents);
  }

  for (const place of document.querySelectorAll("[data-cnn-widget]")) start(place);
  for (const nav of document.querySelectorAll("nav.bd-links")) showProgress(nav);
}
