// What a widget's choice becomes: the nearest legal state, and why a value was not taken.
//
// The twin of cnnlib/widgets/settling.py, name by name. A widget's settled(changes, present, fixed)
// takes the values one by one with a Settling and returns its done(): {state, said}.

import { same } from "./dom.js";

export class Settling {
  /** @param {any} changes  @param {any} present */
  constructor(changes, present) {
    this.changes = changes;
    this.state = { ...present };
    /** @type {Object<string, [key: string, values: object]>} */
    this.said = Object.create(null); // a link may ask for any name, __proto__ too
    for (const name of Object.keys(changes)) {
      if (!Object.hasOwn(present, name)) {
        this.said[name] = ["kit.unknown", { names: Object.keys(present).sort().join(", ") }];
      }
    }
  }

  // Whether a value for `name` was asked for.
  /** @param {string} name */
  asks(name) { return Object.hasOwn(this.changes, name); }

  // What was asked for, or else what is there.
  /** @param {string} name */
  wanted(name) { return this.asks(name) ? this.changes[name] : this.state[name]; }

  // Settles `name` at `value`: what follows from other values, or has been checked.
  /** @template T  @param {string} name  @param {T} value */
  take(name, value) {
    this.state[name] = value;
    return value;
  }

  // Says why what was asked for `name` is not taken.
  /** @param {string} name  @param {string} key  @param {object} [values] */
  refuse(name, key, values = {}) {
    if (this.asks(name) && !Object.hasOwn(this.said, name)) this.said[name] = [key, values];
  }

  // A whole number from `least` to `most`.
  /** @type {(name: string, ...limits: number[]) => number} */
  whole(name, least, most) {
    const wanted = this.wanted(name);
    const near = Number.isInteger(wanted) ? wanted : this.state[name];
    const value = Math.min(Math.max(near, least), most);
    if (!same(value, wanted)) this.refuse(name, "kit.whole", { least, most });
    return this.take(name, value);
  }

  /** @param {string} name  @returns {boolean} */
  flag(name) {
    const wanted = this.wanted(name);
    if (typeof wanted === "boolean") return this.take(name, wanted);
    this.refuse(name, "kit.flag");
    return this.state[name];
  }

  /** @param {string} name  @param {any[]} options */
  oneOf(name, options) {
    const wanted = this.wanted(name);
    const value = [wanted, this.state[name], options[0]]
      .find((one) => options.some((option) => same(one, option)));
    if (!same(value, wanted)) {
      const listed = options.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
      this.refuse(name, "kit.one_of", { options: listed.join(", ") });
    }
    return this.take(name, value);
  }

  // What the preset that is asked for holds, or null; "" is the reader's own state, and no preset.
  /** @param {Object<string, any>} presets */
  preset(presets) {
    if (!this.asks("preset")) return null;
    const wanted = this.wanted("preset");
    if (typeof wanted === "string" && Object.hasOwn(presets, wanted)) return presets[wanted];
    if (wanted !== "") {
      this.refuse("preset", "kit.one_of", { options: Object.keys(presets).join(", ") });
    }
    return null;
  }

  // A place of a grid: one whole number an axis, from 0 to its size less 1.
  /** @param {string} name  @param {number[]} sizes  @returns {number[]} */
  place(name, sizes) {
    const [wanted, present] = [this.wanted(name), this.state[name]];
    const fits = Array.isArray(wanted) && wanted.length === sizes.length
      && wanted.every(Number.isInteger);
    const value = sizes.map((size, axis) =>
      Math.min(Math.max((fits ? wanted : present)[axis] ?? 0, 0), size - 1));
    if (!same(value, wanted)) this.refuse(name, "kit.place", { sizes: sizes.join(" × ") });
    return this.take(name, value);
  }

  // The state. What was asked for, not taken and not explained gives way to the rest.
  done() {
    for (const name of Object.keys(this.changes)) {
      if (Object.hasOwn(this.state, name) && !same(this.state[name], this.changes[name])) {
        this.refuse(name, "kit.gives_way");
      }
    }
    return { state: this.state, said: this.said };
  }
}
