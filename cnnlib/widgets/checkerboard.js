// Checkerboard: a constant input through transposed convolutions, and through resizing and convolving.

import {
  inside, kernelsOf, LIMITS, output, outputShape, products, reaching, settled, total, WAYS, WEIGHTS,
} from "./checkerboard_sums.js";
import { cells } from "./kit/cells.js";
import { countMap } from "./kit/counts.js";
import { element, setAttribute, upTo, write } from "./kit/dom.js";
import { cellAt, gridStep, pointing } from "./kit/focus.js";
import { teach } from "./kit/teach.js";

const NAMES = ["dimensions", "kernel_size", "stride", "layers", "weights", "seed", "way", "place"];

export default teach({ stem: "checkerboard", names: NAMES, settled, view });

function view({ el, say, fixed, controls, choose, now }) {
  const settings = settingsPanel(say, controls);
  const pairs = pairsPanel(say, (pair) => choose(pair), now);
  controls.own("stride", null, { node: pairs.node });
  const reason = element("p");
  const panels = WAYS.map((way) =>
    wayPanel(say, way, (place) => choose({ way, place }), () => now().place));
  const looked = lookedPanel(say);
  const facts = factsTable(say);
  let width = 640;
  let told; // {transposed: {values, inside}, resize: ...} of the state that is drawn
  let summed = ""; // the settings that `told` is of

  return {
    node: element("div", { class: "ch-body" }, settings,
      element("div", { class: "ch-why" }, pairs.node, reason),
      element("div", { class: "ch-ways" }, ...panels.map(({ node }) => node)), looked.node, facts.node),
    prepare(state) {
      const key = JSON.stringify({ ...state, way: "", place: [] });
      if (key === summed) return;
      summed = key;
      told = Object.fromEntries(WAYS.map((way) => {
        const asked = { ...state, way };
        return [way, { values: output(asked, fixed), inside: inside(asked, fixed.drawn) }];
      }));
    },
    fit(place) {
      width = Math.max(250, place - 28);
      el.classList.toggle("ch-phone", width < 560);
    },
    draw(state) {
      pairs.show(state);
      write(reason, reasonInWords(say, state));
      const each = width < 560 ? width : (width - 20) / 2;
      for (const panel of panels) panel.show(state, told[panel.way], each);
      looked.show(state, reaching(state, fixed), kernelsOf(state, fixed.drawn), told);
      facts.show(state, told, fixed.inputs);
    },
    words(state, before) {
      if (NAMES.slice(0, 6).every((name) => state[name] === before[name])) {
        return lookedInWords(say, state, told[state.way].values, reaching(state, fixed));
      }
      return `${reasonInWords(say, state)} ${verdict(say, state, told.transposed.inside)}`;
    },
  };
}

function settingsPanel(say, controls) {
  const [least, most] = [0, 1].map((end) => (name) => LIMITS[name][end]);
  const slide = (name, more = {}) => controls.slider(name,
    { label: say(name), min: least(name), max: most(name), ...more }).node;
  return element("div", { class: "cnn-row" },
    controls.radios("dimensions", { label: say("dimensions"),
      options: [1, 2].map((n) => [n, say(`dimensions.${n}`)]) }).node,
    slide("kernel_size"), slide("stride"), slide("layers"),
    controls.dropdown("weights", { label: say("weights"),
      options: WEIGHTS.map((kind) => [kind, say(`weights.${kind}`)]) }).node,
    slide("seed", {
      follow: (control, { weights, seed }) => control.bound(weights === "ones"
        ? { min: seed, max: seed, why: say("seed.none") } : {}),
    }));
}

// ---- In words: the twins of the methods of Checkerboard.

export function reasonInWords(say, { kernel_size: kernel, stride }) {
  const [quotient, rest] = [Math.floor(kernel / stride), kernel % stride];
  const numbers = { kernel, stride, quotient };
  if (rest === 0) return say("why.even", numbers);
  if (quotient === 0) return say("why.holes", { ...numbers, gaps: stride - rest });
  return say("why.uneven", { ...numbers, rest, more: quotient + 1, others: stride - rest });
}

const ends = (map) => map.flat().reduce(([least, most], value) =>
  [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);

export function verdict(say, { weights, kernel_size: kernel, stride }, values) {
  const [least, most] = ends(values);
  if (least === most) return say("verdict.even", { value: least });
  const words = say("verdict.uneven", { least, most, period: values[0].length });
  return weights !== "ones" && kernel % stride === 0 ? `${words} ${say("verdict.weights")}` : words;
}

export function lookedInWords(say, { dimensions, kernel_size: size, place: [row, column] }, values, { ways, taps }) {
  return say("looked", {
    place: dimensions === 1 ? String(column) : say("looked.at", { place: say("kit.at", { row, column }) }),
    value: values[row][column], inputs: ways.flat().filter((count) => count !== 0).length,
    ways: total(ways), taps: taps.length, all: size ** dimensions,
  });
}

// ---- All pairs of a kernel and a stride.

function pairsPanel(say, choose, now) {
  const [kernels, strides] = [LIMITS.kernel_size, LIMITS.stride].map(([low, high]) =>
    upTo(high - low + 1).map((i) => low + i));
  const size = [strides.length, kernels.length];
  const kindOf = (kernel, stride) => (kernel % stride === 0 ? say("pairs.even")
    : say("pairs.ratio", { least: Math.floor(kernel / stride), most: Math.ceil(kernel / stride) }));
  const marks = strides.map((stride) => kernels.map((kernel) => element("span",
    { class: kernel % stride === 0 ? "ch-pair ch-even" : "ch-pair" }, kindOf(kernel, stride))));
  const grid = element("div", { class: "ch-grid" }, ...marks.flat());
  const pick = ([row, column]) => choose({ kernel_size: kernels[column], stride: strides[row] });
  const field = element("div", {
    class: "ch-field", role: "application", tabindex: 0,
    onkeydown(event) {
      const { stride, kernel_size: kernel } = now();
      const next = gridStep(event.key, [stride - strides[0], kernel - kernels[0]], size);
      if (!next) return;
      event.preventDefault();
      pick(next);
    },
  }, grid);
  pointing(field, { at: (event) => cellAt(event, grid.getBoundingClientRect(), size), press: pick });
  return {
    node: element("div", { class: "ch-pairs" },
      element("p", { class: "cnn-picker-name" }, say("pairs")),
      element("div", { class: "ch-table" }, element("span", {}),
        element("div", { class: "ch-heads", "aria-hidden": "true" },
          ...kernels.map((kernel) => element("span", {}, say("pairs.kernel", { size: kernel })))),
        element("div", { class: "ch-sides", "aria-hidden": "true" },
          ...strides.map((stride) => element("span", {}, say("pairs.stride", { size: stride })))),
        field),
      element("p", { class: "cnn-help" }, say("pairs.note"))),
    show({ kernel_size: kernel, stride }) {
      marks.forEach((line, row) => line.forEach((mark, column) => mark.classList.toggle("ch-chosen",
        strides[row] === stride && kernels[column] === kernel)));
      setAttribute(field, "aria-label",
        say("pairs.label", { kernel, stride, kind: kindOf(kernel, stride) }));
    },
  };
}

// ---- The outputs of one way.

function wayPanel(say, way, pick, at) {
  const map = countMap(pick, at);
  const sentence = element("p");
  return {
    way,
    node: element("section", { class: "ch-way" }, element("p", {}, element("strong", {}, say(`way.${way}`))),
      map.node, sentence),
    show(state, { values, inside: period }, width) {
      const size = state.dimensions === 1 ? String(values[0].length)
        : `${values.length} × ${values[0].length}`;
      map.show(values, {
        label: say(`map.${way}`, { size }), width, height: state.dimensions === 1 ? 190 : 400,
        chosen: state.way === way ? state.place : null, holes: state.weights === "ones",
      });
      write(sentence, verdict(say, state, period));
    },
  };
}

// ---- What reaches the output that is looked at.

function lookedPanel(say) {
  const sentence = element("p", { class: "ch-sentence" });
  const [inputs, kernel] = [cells(), cells()];
  const figure = (name, map) => element("figure", {}, element("figcaption", {}, say(name)), map.node);
  const node = element("div", { class: "ch-looked" }, sentence,
    element("div", { class: "cnn-row" }, figure("inputs", inputs), figure("kernel", kernel)));
  return {
    node,
    show(state, { amount, ways, taps }, kernels, told) {
      write(sentence, lookedInWords(say, state, told[state.way].values, { ways, taps }));
      const rings = ways.flatMap((line, row) => line.flatMap((count, column) =>
        (count ? [[row, column]] : [])));
      inputs.show(amount, { label: say("inputs"), rings });
      kernel.show(kernels.at(-1), { label: say("kernel"), rings: taps });
    },
  };
}

// ---- The two ways in numbers.

function factsTable(say) {
  const names = ["size", "inside", "weights", "products"];
  const values = names.map(() => WAYS.map(() => element("td")));
  return {
    node: element("table", { class: "ch-facts" },
      element("thead", {}, element("tr", {}, element("td"),
        ...WAYS.map((way) => element("th", { scope: "col" }, say(`fact.${way}`))))),
      element("tbody", {}, ...names.map((name, i) => element("tr", {},
        element("th", { scope: "row" }, say(`fact.${name}`)), ...values[i])))),
    show(state, told, inputs) {
      WAYS.forEach((way, i) => {
        const asked = { ...state, way };
        const [least, most] = ends(told[way].inside);
        const weights = state.layers * state.kernel_size ** state.dimensions;
        const texts = [
          outputShape(asked, inputs)[1], least === most ? least : say("fact.span", { least, most }),
          weights, products(asked, inputs)];
        texts.forEach((text, row) => write(values[row][i],
          typeof text === "string" ? text : text.toLocaleString("en-GB").replace("-", "−")));
      });
    },
  };
}
