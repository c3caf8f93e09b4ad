// A widget's model as a live notebook has it (anywidget's, over Backbone): a kernel behind it.
//
// What the page sets is sent with save_changes; what the kernel sends comes as one message: first all
// values are there, then each is told, then once that something has changed.

globalThis.NotebookModel = class NotebookModel {
  constructor(state) {
    this.state = state;
    this.sent = []; // messages to the kernel
    this.unsaved = {};
    this.listeners = [];
  }

  get(name) { return this.state[name]; }

  set(name, value) {
    this.state[name] = value;
    this.unsaved[name] = value;
    this.tell([name]);
  }

  save_changes() {
    const { wanted, ...moves } = this.unsaved;
    if (Object.keys(moves).length) this.sent.push(moves);
    this.unsaved = {};
    if (wanted) this.haveSent(wanted);
  }

  // What the kernel does when a widget wants a network (cnnlib/widgets/live_widget.py).
  async haveSent(key) {
    const { file, ...rest } = await globalThis.kernelSends(key);
    const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
    this.receive({ sent_file: new DataView(bytes.buffer), ...rest });
  }

  receive(message) {
    const names = Object.keys(message).filter((n) => !reader.same(message[n], this.state[n]));
    Object.assign(this.state, structuredClone(message));
    this.tell(names);
  }

  tell(names) {
    for (const name of names) this.fire(`change:${name}`);
    if (names.length) this.fire("change");
  }

  fire(event) {
    for (const [wanted, callback] of [...this.listeners]) if (wanted === event) callback();
  }

  on(event, callback) { this.listeners.push([event, callback]); }

  off(event, callback) {
    this.listeners = this.listeners.filter(([wanted, other]) =>
      wanted !== event || (callback && other !== callback));
  }
};

// Imports a bundle as a notebook does and renders it into the page: root, with what outlives it.
globalThis.openNotebook = async ([text, styles, names, state]) => {
  document.head.append(Object.assign(document.createElement("style"), { textContent: styles }));
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  URL.revokeObjectURL(address);
  const root = document.createElement("div");
  document.querySelector("main").append(root);
  const kept = keepListeners();
  root.cnnModel = new NotebookModel(state);
  root.cnnNames = names;
  root.close = await widget.render({ model: root.cnnModel, el: root });
  root.listening = kept;
  await reader.frames();
};

// From now on, the listeners that are added to what is there without the widget: [target, type].
function keepListeners() {
  const kept = [];
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  const counts = (target) => [window, document, document.body].includes(target)
    || target instanceof MediaQueryList;
  EventTarget.prototype.addEventListener = function add(type, callback, options) {
    if (counts(this)) kept.push([this, type, callback]);
    addEventListener.call(this, type, callback, options);
  };
  EventTarget.prototype.removeEventListener = function remove(type, callback, options) {
    const place = kept.findIndex(([target, other, call]) =>
      target === this && other === type && call === callback);
    if (place >= 0) kept.splice(place, 1);
    removeEventListener.call(this, type, callback, options);
  };
  return () => kept.map(([target, type]) => `${target.constructor.name} ${type}`);
}
