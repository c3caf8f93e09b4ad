// What is done with the chosen layer: its settings, its place, what is added behind it.

import { button, checkbox, dropdown, field, radios, slider } from "./kit/controls.js";
import { element, setAttribute, uniqueId, write } from "./kit/dom.js";
import {
  add, addBranch, change, duplicate, formOf, FORMS, isLayer, joinBy, kernelChange, move, NEW,
  project, remove, separate, shape, whyNotAdd,
} from "./network_builder_edits.js";
import { at, isBlock, KINDS, MOST_LAYERS, settingsOf } from "./network_builder_plan.js";
import { titleOf } from "./network_builder_words.js";

// {node, show(state), act(edit)}. choose(changes) sets the state, now() gives it, drawn or not.
export function layerEditor(say, { choose, now }) {
  const act = (edit, ...more) => {
    const changes = edit(now(), ...more);
    if (changes) choose(changes);
  };
  const adder = addingRow(say, { act, now });
  const places = placeButtons(say, act);
  const settings = settingControls(say, { act, now });
  const blocks = blockControls(say, act);
  const heading = uniqueId("heading");
  const title = element("p", { class: "nb-heading", id: heading });
  const node = element("section", { class: "nb-editor", "aria-labelledby": heading },
    title, settings.node, blocks.node, places.node, adder.node);
  return {
    node,
    act,
    show(state) {
      write(title, titleOf(say, state.plan, state.selected));
      for (const part of [adder, places, settings, blocks]) part.show(state);
    },
  };
}

// A button for an edit; it is dimmed where the edit cannot be made.
function editButton(act, text, edit, label = null) {
  const node = button(text, () => act(edit), { label });
  return { node, show: (state) => setAttribute(node, "aria-disabled", edit(state) ? null : "true") };
}

function placeButtons(say, act) {
  const edits = {
    up: (state) => move(state, -1), down: (state) => move(state, 1), copy: duplicate, remove,
  };
  const buttons = Object.entries(edits).map(([name, edit]) =>
    editButton(act, say(`do.${name}`), edit, say(`do.${name}.layer`)));
  return {
    node: element("div", { class: "nb-buttons" }, ...buttons.map(({ node }) => node)),
    show(state) { for (const one of buttons) one.show(state); },
  };
}

function addingRow(say, { act, now }) {
  let kind = "conv";
  const name = (one) => (["residual", "branches"].includes(one) ? say(`do.add.${one}`) : say(`kind.${one}`));
  const why = element("p", { class: "cnn-help" });
  const menu = dropdown({
    label: say("do.add.what"), value: kind, options: NEW.map((one) => [one, name(one)]),
    onChange(next) {
      kind = next;
      show(now());
    },
  });
  const put = button(say("do.add"), () => act(add, kind), { label: say("do.add.layer") });
  function show(state) {
    const reason = whyNotAdd(state, kind);
    write(why, reason ? say(reason, { most: MOST_LAYERS }) : "");
    setAttribute(put, "aria-disabled", reason ? "true" : null);
  }
  return { node: element("div", { class: "nb-add" }, menu.node, put, why), show };
}

// A number in a field, within a setting's bounds.
function numberField(say, name, bounds, onChange) {
  return field({
    label: say(`set.${name}`), value: bounds.least, onChange, size: 5,
    wrong: say("expected.number", { least: bounds.least, most: bounds.most }),
    parse(text) {
      const number = Number(text.trim());
      const fits = text.trim() && Number.isInteger(number);
      return fits && number >= bounds.least && number <= bounds.most ? number : undefined;
    },
  });
}

const boundsOf = (kind, name) => KINDS[kind].find((setting) => setting.name === name);

// A control for each setting; those that the chosen layer has are shown.
function settingControls(say, { act, now }) {
  const put = (name) => (value) => act(change, { [name]: value });
  const fields = (name, kind) => numberField(say, name, boundsOf(kind, name), put(name));
  const sliders = (name, min, onInput = put(name)) => slider({
    label: say(`set.${name}`), min, max: 11, onInput });
  const flags = (name) => checkbox({
    label: say(`set.${name}`), onChange: (on) => act(change, { [name]: Number(on) }) });
  const layer = () => at(now().plan, now().selected);
  const isConv = () => layer()[0] === "conv";
  // The longer side of a convolution's kernel, and the padding along it.
  function convolution() {
    const { kernel_size: kernel, padding } = settingsOf(layer());
    const form = formOf(kernel) ?? "square";
    const axis = form === "row" ? 1 : 0;
    return { form, kernel: kernel[axis], padding: padding[axis] };
  }
  const along = (name, setting) => (value) => (isConv()
    ? act(kernelChange, { ...convolution(), [setting]: value }) : act(change, { [name]: value }));
  const controls = {
    out_channels: fields("out_channels", "conv"),
    out_features: fields("out_features", "linear"),
    growth: fields("growth", "dense"),
    layers: sliders("layers", 1),
    kernel_size: sliders("kernel_size", 1, along("kernel_size", "kernel")),
    form: dropdown({
      label: say("set.form"), value: "square",
      options: [...FORMS.map((form) => [form, say(`set.form.${form}`)]), [null, say("set.form.other")]],
      onChange: (form) => act(kernelChange, { ...convolution(), form }),
    }),
    stride: sliders("stride", 1),
    padding: sliders("padding", 0, along("padding", "padding")),
    dilation: sliders("dilation", 1),
    groups: fields("groups", "conv"),
    percent: sliders("percent", 1),
    bias: flags("bias"),
    ceil_mode: flags("ceil_mode"),
  };
  const shapers = ["same", "point", "depthwise"].map((name) =>
    editButton(act, say(`do.${name}`), (state) => shape(state, name)));
  shapers.push(editButton(act, say("do.separable"), separate));
  const buttons = element("div", { class: "nb-buttons" }, ...shapers.map(({ node }) => node));
  const node = element("div", { class: "nb-settings" },
    ...Object.values(controls).map((control) => control.node), buttons);

  function show(state) {
    const one = isLayer(state.selected) ? at(state.plan, state.selected) : null;
    const kind = one && !isBlock(one) ? one[0] : null;
    const found = kind ? settingsOf(one) : {};
    buttons.hidden = kind !== "conv";
    if (kind === "conv") for (const shaper of shapers) shaper.show(state);
    const { kernel_size: kernel, padding } = found;
    const form = kind === "conv" ? formOf(kernel) : null;
    const axis = form === "row" ? 1 : 0;
    const values = {
      ...found, form,
      ...(kind === "conv" && { kernel_size: kernel[axis], padding: padding[axis] }),
      bias: found.bias === 1, ceil_mode: found.ceil_mode === 1,
    };
    for (const [name, control] of Object.entries(controls)) {
      const has = name === "form" ? kind === "conv" : Object.hasOwn(found, name);
      control.node.hidden = !has;
      if (!has) continue;
      const bounds = name === "form" ? null : boundsOf(kind, name);
      control.bound?.({ min: bounds.least, max: bounds.most });
      control.set(values[name]);
    }
    node.hidden = kind === null || KINDS[kind].length === 0;
  }
  return { node, show };
}

function blockControls(say, act) {
  const join = radios({
    label: say("set.join"), value: "add", onChange: (kind) => act(joinBy, kind),
    options: ["add", "cat"].map((kind) => [kind, say(`set.join.${kind}`)]),
  });
  const buttons = [editButton(act, say("do.branch"), addBranch),
    editButton(act, say("do.project"), project)];
  const node = element("div", { class: "nb-settings" }, join.node,
    element("div", { class: "nb-buttons" }, ...buttons.map((one) => one.node)));
  return {
    node,
    show(state) {
      const layer = isLayer(state.selected) ? at(state.plan, state.selected) : null;
      node.hidden = !layer || !isBlock(layer);
      if (node.hidden) return;
      join.set(layer[0]);
      for (const one of buttons) one.show(state);
    },
  };
}
