// Labelled controls. A control for a choice sets it, shows it, and can be hidden by a link.
//
// The plain ones (button, checkbox, slider, ...) know nothing of a widget. controlsOf(choices) makes
// the same ones for a choice: controls.slider("step", {label, ...}) chooses `step` when it is moved
// and follows the state at every draw.

import { element, same, setAttribute, uniqueId, write } from "./dom.js";

// A push button. `pressed` (true or false) makes it a toggle for screen readers.
export function button(text, onClick, { label = null, pressed = null } = {}) {
  return element("button", {
    type: "button", class: "cnn-button", "aria-label": label,
    "aria-pressed": pressed === null ? null : String(pressed), onclick: onClick,
  }, text);
}

// A labelled slider with its value shown: {node, input, set(value), bound({min, max, why})}. bound()
// narrows what can be reached and says why in the help line. `shown` writes a value for the eye,
// `aloud` for the ear.
export function slider({
  label, min, max, step = 1, value = min, help = "", shown = String, aloud = null, onInput,
}) {
  const id = uniqueId("slider");
  // The slider itself tells its value; an output left alone would say it once more.
  const output = element("output", { for: id, class: "cnn-value", "aria-live": "off" });
  const note = element("span", { id: `${id}-help`, class: "cnn-help" }, help);
  const input = element("input", {
    type: "range", id, min, max, step, "aria-describedby": help ? `${id}-help` : null,
    oninput: () => { tell(input.valueAsNumber); onInput(input.valueAsNumber); },
  });
  function tell(next) {
    write(output, shown(next));
    setAttribute(input, "aria-valuetext", aloud ? aloud(next) : null);
  }
  function set(next) {
    if (input.valueAsNumber !== next) input.value = next;
    tell(next);
  }
  set(value);
  return {
    node: element("div", { class: "cnn-control" },
      element("label", { for: id }, label), input, output, note),
    input,
    set,
    bound({ min: low = min, max: high = max, why = help }) {
      setAttribute(input, "min", low);
      setAttribute(input, "max", high);
      write(note, why);
      setAttribute(input, "aria-describedby", why ? note.id : null);
      input.disabled = Number(low) >= Number(high);
    },
  };
}

// A labelled drop-down of [value, text] pairs: {node, input, set(value), list(options)}. Values may be
// any JSON; an option of null stands for every value that has none of its own, and cannot be chosen.
export function dropdown({ label, options, value, onChange }) {
  const id = uniqueId("choice");
  let listed = [];
  const input = element("select", { id, onchange: () => onChange(listed[input.selectedIndex][0]) });
  const place = (next) => listed.findIndex(([one]) => same(one, next));
  const set = (next) => { input.selectedIndex = place(next) < 0 ? place(null) : place(next); };
  function list(next) {
    if (same(next, listed)) return;
    listed = next;
    input.replaceChildren(...listed.map(([one, text]) => element("option",
      { disabled: one === null, value: typeof one === "string" ? one : null }, text)));
  }
  list(options);
  set(value);
  return {
    node: element("div", { class: "cnn-control" }, element("label", { for: id }, label), input),
    input,
    set,
    list,
  };
}

// A group of radio buttons that looks like one switch: {node, set(value)}.
export function radios({ label, options, value, onChange }) {
  const group = uniqueId("switch");
  const inputs = options.map(([one]) => element("input", {
    type: "radio", name: group, onchange: () => onChange(one),
  }));
  const set = (next) => {
    inputs.forEach((input, i) => { input.checked = same(options[i][0], next); });
  };
  set(value);
  return {
    node: element("fieldset", { class: "cnn-switch" }, element("legend", {}, label),
      ...options.map(([, text], i) => element("label", {}, inputs[i], element("span", {}, text)))),
    set,
  };
}

// A box to tick: {node, input, set(value)}.
export function checkbox({ label, checked = false, onChange }) {
  const input = element("input", { type: "checkbox", onchange: () => onChange(input.checked) });
  const set = (next) => { input.checked = next; };
  set(checked);
  return { node: element("label", { class: "cnn-check" }, input, ` ${label}`), input, set };
}

// A field for a number or a short text: {node, input, set(value)}. parse(text) gives the value, or
// undefined for what is none; then the field is marked and `wrong` is said below it.
export function field({ label, value, parse, wrong, size = 6, onChange }) {
  const id = uniqueId("field");
  const note = element("span", { id: `${id}-note`, class: "cnn-help", role: "alert" });
  const input = element("input", {
    type: "text", id, size, autocomplete: "off", "aria-describedby": note.id,
    onchange: () => {
      const parsed = parse(input.value);
      setAttribute(input, "aria-invalid", parsed === undefined ? "true" : null);
      write(note, parsed === undefined ? wrong : "");
      if (parsed !== undefined) onChange(parsed);
    },
  });
  const set = (next) => { if (document.activeElement !== input) input.value = next; };
  set(value);
  return {
    node: element("div", { class: "cnn-control" }, element("label", { for: id }, label), input, note),
    input,
    set,
  };
}

// Several to pick one from, as buttons with any content: one tab stop, the arrow keys move.
// `role` is "radio" or "tab"; options are {value, label (or null), content: [nodes]}.
// {node, set(value), control(panel)}: control() ties tabs to the panel that they change.
export function picks({ label, role = "radio", options, value, onChange }) {
  const picked = role === "tab" ? "aria-selected" : "aria-checked";
  let panel = null;
  const nodes = options.map(({ value: one, label: name = null, content }) => element("button", {
    type: "button", role, id: uniqueId(role), class: "cnn-pick", "aria-label": name, title: name,
    onclick: () => onChange(one),
  }, ...content));
  const steps = {
    ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity,
  };
  const list = element("div", {
    role: role === "tab" ? "tablist" : "radiogroup", "aria-label": label, class: "cnn-picks",
    onkeydown: (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      const from = nodes.indexOf(document.activeElement);
      const to = Math.max(0, Math.min(nodes.length - 1, from + steps[event.key]));
      nodes[to].focus();
      onChange(options[to].value);
    },
  }, ...nodes);
  function set(next) {
    const any = options.some(({ value: one }) => same(one, next));
    nodes.forEach((node, i) => {
      const chosen = same(options[i].value, next);
      setAttribute(node, picked, String(chosen));
      node.tabIndex = chosen || (!any && i === 0) ? 0 : -1;
      if (chosen && panel) panel.setAttribute("aria-labelledby", node.id);
    });
  }
  set(value);
  return {
    node: element("div", { class: "cnn-picker" },
      element("span", { class: "cnn-picker-name", "aria-hidden": "true" }, label), list),
    set,
    control(next) {
      panel = next;
      for (const node of nodes) node.setAttribute("aria-controls", panel.id);
    },
  };
}

// The controls of a widget's choices: {slider, dropdown, radios, checkbox, field, picks, group,
// labels, hide(names), draw(state)}. Each takes the choice's name and the plain control's options;
// `choose(value)` in them gives the changes, where a move changes more than the one value.
// `follow(control, state)` is called at each draw, to narrow what can be reached.
export function controlsOf(choices) {
  const made = [];
  const labels = {};

  function bind(make, event) {
    return (name, { choose = (value) => ({ [name]: value }), follow, unlisted, ...options }) => {
      const control = make({
        ...options,
        value: choices.now()[name],
        checked: choices.now()[name],
        [event]: (value) => choices.choose(choose(value)),
      });
      return add(name, unlisted ? null : options.label, control, follow);
    };
  }

  function add(name, label, control, follow = null) {
    control.node.dataset.cnnChoice = name;
    if (label) labels[name] = label;
    made.push({ name, control, follow });
    return control;
  }

  return {
    slider: bind(slider, "onInput"),
    dropdown: bind(dropdown, "onChange"),
    radios: bind(radios, "onChange"),
    checkbox: bind(checkbox, "onChange"),
    field: bind(field, "onChange"),
    picks: bind(picks, "onChange"),
    // Any other control {node, set(value)} of a choice, such as a map to point at.
    own: (name, label, control) => add(name, label, control),
    labels,
    hide(names) {
      for (const { name, control } of made) {
        control.node.classList.toggle("cnn-hidden", names.includes(name));
      }
    },
    draw(state) {
      for (const { name, control, follow } of made) {
        follow?.(control, state);
        control.set?.(state[name]);
      }
    },
  };
}
