// Groups: which channels a layer connects, drawn as strands, and what that costs beside a dense one.

import { bars as barList } from "./kit/bars.js";
import { button, slider } from "./kit/controls.js";
import { element, swatches, upTo, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { fixedPoint, listed } from "./kit/words.js";
import { columnsOf, strandsPicture } from "./groups_scene.js";
import {
  CHANNELS, divisors, GROUPED, MAPS, outputsOf, reached, rivals, runs, settled, SIZES, steps,
  weights,
} from "./groups_sums.js";

const NAMES = ["kind", "in_channels", "out_channels", "groups", "kernel_size", "map_size", "output"];
const PRESETS = { // kind, input and output channels, groups, kernel, map
  two: ["grouped", 32, 48, 2, 3, 28],
  alexnet: ["grouped", 96, 256, 2, 5, 27],
  resnext: ["grouped", 128, 128, 32, 3, 56],
  mobilenet: ["separable", 512, 512, 1, 3, 14],
  twelve: ["twice", 12, 12, 3, 1, 28],
};
// Where the sliders of channels stop: every number at first, then in larger steps.
const STOPS = [...upTo(64).map((i) => i + 1), ...upTo(16).map((i) => 68 + 4 * i),
  ...upTo(16).map((i) => 136 + 8 * i), ...upTo(16).map((i) => 272 + 16 * i)];

export default teach({ stem: "groups", names: NAMES, settled, view });

function view({ say, fixed, controls, choose, now, redraw, el }) {
  const settings = settingsPanel(say, fixed.kinds, controls, { choose, now });
  const [told, reach, cost] = ["gr-told", "gr-reach", "gr-cost"].map((name) =>
    element("p", { class: name }));
  const bundled = element("p", { class: "gr-note" });
  let heard = null; // the output under the pointer
  let width = 600;
  const scene = strandsPicture(say, {
    now,
    hear(output) { heard = output; redraw(); },
    choose(output) { heard = null; choose({ output }); },
  });
  controls.own("output", say("column.output"), { node: scene.node });
  const bills = ["parameters", "macs"].map((name) => barList(say(name), 2));
  const parts = barList(say("parts"), 2);

  return {
    node: element("div", { class: "gr-body" }, settings, told,
      element("div", { class: "gr-main" },
        element("div", { class: "gr-picture" }, scene.node, legend(say), bundled),
        element("div", { class: "gr-side" }, reach,
          ...[...bills, parts].map(({ node }) => node), cost,
          element("p", { class: "gr-note" }, say("counted"))))),
    draw(state) {
      const shown = { ...state, output: Math.min(heard ?? state.output, outputsOf(state) - 1) };
      write(told, toldInWords(say, state));
      write(reach, `${reachInWords(say, shown)} ${eachInWords(say, shown)}`);
      write(cost, costInWords(say, state));
      const most = Math.max(...columnsOf(state).columns.map((column) => column.most));
      bundled.hidden = most === 1;
      write(bundled, most === 1 ? "" : say("bundled", { most }));
      bills[0].show(billOf(say, state, 1));
      bills[1].show(billOf(say, state, state.map_size ** 2));
      parts.node.hidden = state.kind !== "separable";
      parts.show(partsOf(say, state));
      scene.show(shown, width);
    },
    fit(place) {
      el.classList.toggle("gr-phone", place < 700);
      width = Math.max(260, place < 700 ? place - 28 : Math.round(0.6 * (place - 28)));
    },
    words(state, before) {
      if (state.output !== before.output && state.kind === before.kind) return reachInWords(say, state);
      return [toldInWords(say, state), reachInWords(say, state), costInWords(say, state)].join(" ");
    },
  };
}

function settingsPanel(say, kinds, controls, { choose, now }) {
  const presets = element("div", { class: "cnn-row gr-presets", role: "group", "aria-label": say("presets") },
    ...Object.entries(PRESETS).map(([key, [kind, ins, outs, groups, size, map]]) =>
      button(say(`preset.${key}`), () => choose({
        kind, in_channels: ins, out_channels: outs, groups, kernel_size: size, map_size: map, output: 0,
      }))));
  controls.own("kind", null, { node: presets });
  const kind = controls.radios("kind", {
    label: say("kind"), options: kinds.map((name) => [name, say(`kind.${name}`)]),
  });
  const [ins, outs] = ["in_channels", "out_channels"].map((name) =>
    channelSlider(say, controls, { name, choose, now }));
  const groups = controls.dropdown("groups", {
    label: say("groups"), options: [[1, "1"]],
    follow(control, { kind: chosen, in_channels: a, out_channels: b }) {
      control.node.hidden = !GROUPED.includes(chosen);
      if (!control.node.hidden) control.list(divisors(a, b).map((count) => [count, String(count)]));
    },
  });
  const size = controls.slider("kernel_size", {
    label: say("kernel_size"), min: SIZES[0], max: SIZES.at(-1), step: 2,
    shown: (value) => say("size", { size: value }),
  });
  const map = controls.slider("map_size", {
    label: say("map_size"), min: MAPS[0], max: MAPS[1],
    shown: (value) => say("size", { size: value }),
  });
  return element("div", { class: "gr-settings" }, presets, kind.node,
    element("div", { class: "gr-sliders" }, ins.node, outs.node, size.node, map.node, groups.node));
}

// A slider over STOPS that the groups divide; it shows a number between two stops as it is.
function channelSlider(say, controls, { name, choose, now }) {
  let [stops, exact] = [STOPS, 1];
  const near = (value) => {
    const far = stops.map((stop) => Math.abs(stop - value));
    return far.indexOf(Math.min(...far));
  };
  const shown = (i) => String(i === near(exact) ? exact : stops[i]);
  const plain = slider({
    label: say(name), min: 0, max: STOPS.length - 1, shown, aloud: shown,
    onInput: (i) => choose({ [name]: stops[i] }),
  });
  const control = {
    node: plain.node,
    set() {
      const state = now();
      const groups = GROUPED.includes(state.kind) ? state.groups : 1;
      stops = STOPS.filter((stop) => stop % groups === 0 && stop <= CHANNELS[1]);
      exact = state[name];
      plain.bound({ max: stops.length - 1 });
      plain.set(near(exact));
      plain.node.hidden = name === "out_channels" && state.kind === "depthwise";
    },
  };
  return controls.own(name, say(name), control);
}

function legend(say) {
  return swatches(["thread", "moved", "lit"].map((name) =>
    [`gr-swatch gr-key-${name}`, say(`legend.${name}`)]));
}

// ---- In words: the twins of Groups._told, _reach and _cost.

function toldInWords(say, { kind, in_channels: ins, out_channels: outs, groups, kernel_size: size }) {
  return say(`told.${kind}`, { size, ins, groups, ins_each: ins / groups, outs_each: outs / groups });
}

function reachInWords(say, state) {
  const { output, in_channels: ins } = state;
  const found = reached(steps(state), output)[0];
  const values = { output, ins, count: found.length };
  if (found.length === ins) return say("reach.all", values);
  if (found.length === 1) return say("reach.one", { ...values, channel: found[0] });
  const spans = runs(found).map(([first, last]) =>
    (first === last ? String(first) : say("reach.span", { first, last })));
  if (spans.length > 6) return say("reach.many", values);
  return say("reach.some", { ...values, which: listed(say, spans) });
}

// All outputs of a layer are reached by as many inputs as one of them.
function eachInWords(say, state) {
  return say("reach.each", {
    outs: outputsOf(state), count: reached(steps(state), state.output)[0].length,
  });
}

const sum = (layers) => layers.reduce((total, layer) => total + weights(layer), 0);
const isTwo = ({ kind }) => kind === "twice" || kind === "shuffled";
const grouped = (count) => count.toLocaleString("en-GB");
const shareOf = (state) => (100 * sum(steps(state))) / sum(rivals(state));

function costInWords(say, state) {
  const total = sum(steps(state));
  return say(`cost.${isTwo(state) ? "two" : state.kind}`, {
    weights: grouped(total), macs: grouped(total * state.map_size ** 2),
    share: fixedPoint(shareOf(state), 1), groups: state.groups, ins: state.in_channels,
    outs: state.out_channels, area: state.kernel_size ** 2,
  });
}

// The rows of a list of bars: every weight is used `times` times.
function billOf(say, state, times) {
  const two = isTwo(state) ? ".two" : "";
  const [ours, theirs] = [sum(steps(state)), sum(rivals(state))];
  const row = (key, count, strong) => ({
    name: say(`row.${key}${two}`, { size: state.kernel_size }), strong,
    share: count / Math.max(ours, theirs), text: grouped(count * times),
  });
  return [row("dense", theirs, false), row("this", ours, true)];
}

// A separable pair's weights, layer by layer.
function partsOf(say, state) {
  if (state.kind !== "separable") return [];
  const counts = steps(state).map(weights);
  const total = counts[0] + counts[1];
  return counts.map((count, i) => ({
    name: say(i ? "kind.pointwise" : "kind.depthwise"), share: count / total, strong: true,
    text: say("share", { share: fixedPoint((100 * count) / total, 1) }),
  }));
}
