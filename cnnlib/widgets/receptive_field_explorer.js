// Receptive field explorer: pick a unit in any layer of a traced network and see what it sees in
// every layer below.

import { button, slider } from "./kit/controls.js";
import { element, replaced, same, setAttribute, svgElement, uniqueId, write } from "./kit/dom.js";
import { gridStep } from "./kit/focus.js";
import { teach } from "./kit/teach.js";
import { layerList } from "./receptive_field_explorer_list.js";
import { dashes, stage } from "./receptive_field_explorer_stage.js";
import { changesNothing, expand, seen, seenThrough, settled } from "./receptive_field_explorer_sums.js";
import {
  borderSentence, branchInWords, growth, question, sentence, titleOf,
} from "./receptive_field_explorer_words.js";

const NAMES = ["layer", "unit", "leave_out", "shown"];

export default teach({ stem: "receptive_field_explorer", names: NAMES, settled, view });

function view({ say, fixed, controls, choose, now }) {
  const network = expand(fixed.rows, say("input"));
  const all = [-1, ...network.rows.keys()];
  const still = new Set(all.filter((layer) => layer >= 0 && changesNothing(network.rows[layer])));
  let order = all; // the listed layers, the input first
  let filled = null; // the layers that the list was filled with
  let drawn = null; // the layer that is drawn
  let guesses = fixed.predict; // whether the window is, or has been, hidden
  let anchor = null; // where the reader pointed, each axis from 0 to 1, kept from layer to layer

  const unitAt = (point, grid) => grid.map((count, axis) => Math.floor(point[axis] * count));
  // Another layer: the unit at the same place of the picture.
  const pick = (layer) => choose({ layer, unit: unitAt(anchor, network.at(layer).grid) });
  function pointAt(point) {
    anchor = point;
    pick(now().layer);
  }
  function stepUnit(event) {
    const { layer, unit } = now();
    const next = gridStep(event.key, unit, network.at(layer).grid);
    if (!next) return;
    event.preventDefault();
    choose({ unit: next });
  }

  const sliders = placeSliders({ say, controls, choose, now }, network, { order: () => order, pick });
  const layers = layerList(say, network, { onPick: pick, picked: () => now().layer });
  const picture = stage(say, network, {
    image: fixed.image, imageAlt: fixed.image_alt, onPlace: pointAt, onKey: stepUnit,
  });
  const branches = branchList(say, network, {
    onPick(layer) {
      pick(layer);
      layers.node.focus();
    },
  });
  const reveal = button("", () => choose({ shown: !now().shown }));
  if (fixed.predict) controls.own("shown", say("shown"), { node: reveal });
  const leaveOut = still.size ? controls.checkbox("leave_out", {
    label: say("leave_out", { count: still.size }),
  }) : null;
  const summary = element("p", { class: "cnn-rf-summary" });
  const border = element("p", { class: "cnn-rf-answer" });
  const formula = element("div", { class: "cnn-rf-answer" });
  const node = element("div", { class: "cnn-rf", role: "group", "aria-label": say("title") },
    element("div", { class: "cnn-row" }, ...sliders),
    element("div", { class: "cnn-rf-says" }, summary, reveal, border),
    element("div", { class: "cnn-rf-columns" },
      element("div", { class: "cnn-rf-column" }, picture.node, formula, branches.node),
      element("div", { class: "cnn-rf-column" }, layers.node, leaveOut?.node)));

  function drawLayer(layer) {
    const row = network.at(layer);
    picture.setLayer(row);
    branches.setLayer(layer);
    formula.replaceChildren(...growth(say, network, layer).map(({ text, sum }) => (
      element("p", { class: sum ? "cnn-rf-sum" : null }, text ?? sum))));
  }

  return {
    node,
    prepare({ layer, leave_out: leavesOut }) {
      order = leavesOut ? all.filter((number) => number === layer || !still.has(number)) : all;
    },
    draw({ layer, unit, shown }) {
      if (!same(order, filled)) layers.fill(order);
      filled = order;
      if (drawn !== layer) drawLayer(layer);
      drawn = layer;
      const row = network.at(layer);
      if (!anchor || !same(unitAt(anchor, row.grid), unit)) {
        anchor = unit.map((index, axis) => (index + 0.5) / row.grid[axis]);
      }
      const windows = seen(network, layer, unit);
      const ranges = windows.get(-1) ?? null;
      const whole = seen(network, layer, unit, false).get(-1) ?? null;
      const through = row.inputs.length < 2 ? []
        : row.inputs.map((_, which) => seenThrough(network, layer, unit, which));
      picture.setUnit(row, unit, ranges, whole);
      picture.setBranches(through);
      branches.show(layer, through);
      node.classList.toggle("cnn-rf-hidden", !shown);
      guesses ||= !shown;
      reveal.hidden = !guesses;
      write(reveal, say(shown ? "shown.hide" : "shown"));
      write(summary, shown ? sentence(say, network, layer, unit, ranges)
        : question(say, network, layer, unit));
      write(border, borderSentence(say, whole, ranges, network.at(-1).grid));
      layers.show(layer, windows); // may scroll, and that takes a layout of all the rest
    },
    words: ({ shown }) => (shown ? `${summary.textContent} ${border.textContent}` : summary.textContent),
    fit: layers.measure,
    stop: layers.stop,
  };
}

// Sliders for the layer, among those that are listed, and for the unit's row and column.
function placeSliders({ say, controls, choose, now }, network, { order, pick }) {
  const layer = slider({
    label: say("layer"), min: 0, max: 1,
    shown: (index) => say("layer.of", { index, last: order().length - 1 }),
    aloud: (index) => network.at(order()[index]).name,
    onInput: (index) => pick(order()[index]),
  });
  controls.own("layer", say("layer"), {
    node: layer.node,
    set(number) {
      layer.bound({ max: order().length - 1, why: titleOf(network.at(number)) });
      layer.set(order().indexOf(number));
    },
  });
  const axes = ["row", "column"].map((name, axis) => {
    const control = slider({
      label: say(`unit.${name}`), min: 0, max: 1,
      onInput: (index) => choose({ unit: replaced(now().unit, axis, index) }),
    });
    controls.own("unit", axis ? null : say("unit"), {
      node: control.node,
      set(unit) {
        const count = network.at(now().layer).grid[axis];
        control.bound({ max: count - 1, why: count > 1 ? "" : say("unit.only") });
        control.set(unit[axis]);
      },
    });
    return control.node;
  });
  return [layer.node, ...axes];
}

// The branches of a join, each with its own window: {node, setLayer(layer), show(layer, windows)}.
function branchList(say, network, { onPick }) {
  const heading = element("p", { id: uniqueId("branches"), class: "cnn-rf-heading" });
  const list = element("ol", { "aria-labelledby": heading.id });
  const verdict = element("p");
  const node = element("div", { class: "cnn-rf-branches cnn-rf-answer" }, heading, list, verdict);
  let words = [];
  return {
    node,
    setLayer(layer) {
      const { name, inputs, aligned } = network.at(layer);
      node.hidden = inputs.length < 2;
      if (node.hidden) return;
      write(heading, say("branches", { name }));
      words = inputs.map(() => element("span"));
      list.replaceChildren(...inputs.map((below, which) => element("li", {},
        svgElement("svg", { class: "cnn-rf-swatch", viewBox: "0 0 44 6", "aria-hidden": "true" },
          svgElement("path", {
            class: "cnn-rf-branch", d: "M0 3H44", "stroke-dasharray": dashes(which),
          })),
        button(network.at(below).name, () => onPick(below)), " ", words[which])));
      setAttribute(verdict, "class", aligned ? null : "cnn-rf-warning");
      write(verdict, say(aligned ? "branches.aligned" : "branches.misaligned"));
    },
    // `windows`: what the unit sees of the input through each branch alone.
    show(layer, windows) {
      windows.forEach((ranges, which) => {
        const branch = network.at(network.at(layer).inputs[which]);
        write(words[which], branchInWords(say, branch, ranges));
      });
    },
  };
}
