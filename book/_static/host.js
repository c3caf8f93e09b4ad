// Runs the book's widgets on a page that has no kernel.
//
// A widget's place on the page holds its name, its traits as JSON and a still picture. For each
// place this script imports the widget's module from the site and calls its `render` with a minimal
// model, as anywidget's front-end module specification allows. The still picture stays for print,
// and in sight where a widget cannot start.

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
    for (const callback of [...(this.listeners.get(event) ?? [])]) callback(...values);
  }

  save_changes() {} // There is no kernel to tell.
}

async function start(place) {
  const still = place.querySelector(":scope > .cnn-still");
  const el = document.createElement("div");
  el.className = "cnn-widget";
  try {
    const state = JSON.parse(place.querySelector(":scope > script").textContent);
    const address = new URL(`widgets/${place.dataset.cnnWidget}.js`, import.meta.url);
    const { default: widget } = await import(address);
    const model = new PageModel(state);
    place.append(el);
    await widget.render({ model, el });
    still.style.display = "none";
    place.dataset.cnnReady = "true";
    place.cnnModel = model;
  } catch (error) {
    el.remove();
    const note = document.createElement("p");
    note.className = "cnn-failed";
    note.textContent = `This widget could not start (${error.message}). The picture shows its first state.`;
    place.append(note);
    throw error;
  }
}

for (const place of document.querySelectorAll("[data-cnn-widget]")) start(place);
