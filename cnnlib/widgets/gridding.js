// Gridding: one unit above a stack of dilated convolutions, and the inputs that reach it.

import {
  DILATIONS, fieldSize, firstGap, KERNEL_SIZES, LAYERS, paths, reached, settled, ways,
} from "./gridding_sums.js";
import { button, slider } from "./kit/controls.js";
import { countMap } from "./kit/counts.js";
import { element, replaced, same, setAttribute, svgElement, upTo, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";

const NAMES = ["kernel_size", "dilations", "dimensions", "place"];
const STEP = 46; // CSS pixels from layer to layer
const SIDE = 52; // for the layers' names

export default teach({ stem: "gridding", names: NAMES, settled, view });

function view({ el, say, fixed, controls, choose, now }) {
  const presets = presetsPanel(say, fixed.presets, choose);
  controls.own("dilations", null, { node: presets.node });
  const settings = settingsPanel(say, controls, choose, now);
  const verdict = element("p", { class: "gr-verdict" });
  const looked = element("p");
  const tree = treePanel(say);
  const map = countMap((place) => choose({ place }), () => now().place);
  const facts = factsTable(say);
  let width = 640;
  let counts = [[1]];
  let summed = null;

  return {
    node: element("div", { class: "gr-body" }, presets.node, settings, verdict, tree.node,
      element("div", {}, element("p", { class: "cnn-picker-name" }, say("counts")), map.node), looked,
      facts.node),
    prepare({ kernel_size, dilations, dimensions }) {
      const key = [kernel_size, dilations, dimensions];
      if (same(key, summed)) return; // the same array is drawn once
      summed = key;
      const axis = paths({ kernel_size, dilations });
      counts = dimensions === 1 ? [axis] : axis.map((one) => axis.map((other) => one * other));
    },
    fit(place) {
      width = Math.max(250, place - 28);
      el.classList.toggle("gr-phone", width < 560);
    },
    draw(state) {
      presets.show(state);
      write(verdict, verdictInWords(say, state, counts));
      write(looked, lookedInWords(say, state, counts));
      tree.show(state, width);
      const size = state.dimensions === 1 ? String(counts[0].length)
        : `${counts.length} × ${counts.length}`;
      map.show(counts, {
        label: say("map", { size }), chosen: state.place, holes: true, stretch: true,
        root: state.dimensions === 2,
        width: state.dimensions === 1 ? width - SIDE - 4 : Math.min(width, 480),
        height: state.dimensions === 1 ? 170 : 480,
      });
      map.node.style.marginLeft = state.dimensions === 1 ? `${SIDE - 2}px` : ""; // under the inputs
      facts.show(state, counts);
    },
    words(state, before) {
      const moved = NAMES.slice(0, 3).every((name) => same(state[name], before[name]));
      return moved ? lookedInWords(say, state, counts) : verdictInWords(say, state, counts);
    },
  };
}

function presetsPanel(say, presets, choose) {
  const buttons = presets.map((dilations) => button(dilations.join(", "),
    () => choose({ kernel_size: 3, dilations }), { pressed: false }));
  return {
    node: element("div", {}, element("p", { class: "cnn-picker-name" }, say("presets")),
      element("div", { class: "gr-presets", role: "group", "aria-label": say("presets") }, ...buttons)),
    show({ kernel_size: size, dilations }) {
      presets.forEach((preset, i) => setAttribute(buttons[i], "aria-pressed",
        String(size === 3 && same(preset, dilations))));
    },
  };
}

function settingsPanel(say, controls, choose, now) {
  const layers = slider({
    label: say("layers"), min: LAYERS[0], max: LAYERS[1],
    onInput(count) {
      const { dilations } = now();
      choose({ dilations: upTo(count).map((i) => dilations[i] ?? dilations.at(-1)) });
    },
  });
  const each = upTo(LAYERS[1]).map((layer) => slider({
    label: say("dilation", { layer: layer + 1 }), min: DILATIONS[0], max: DILATIONS[1],
    onInput: (value) => choose({ dilations: replaced(now().dilations, layer, value) }),
  }));
  const list = controls.own("dilations", say("dilations"), {
    node: element("div", { class: "gr-dilations" }, layers.node, ...each.map(({ node }) => node)),
    set(dilations) {
      layers.set(dilations.length);
      each.forEach((one, layer) => {
        one.node.hidden = layer >= dilations.length;
        if (layer < dilations.length) one.set(dilations[layer]);
      });
    },
  });
  return element("div", { class: "gr-settings" },
    element("div", { class: "cnn-row" },
      controls.radios("dimensions", { label: say("dimensions"),
        options: [1, 2].map((n) => [n, say(`dimensions.${n}`)]) }).node,
      controls.slider("kernel_size",
        { label: say("kernel_size"), min: KERNEL_SIZES[0], max: KERNEL_SIZES[1] }).node),
    list.node);
}

// ---- In words: the twins of the methods of Gridding.

export function verdictInWords(say, state, counts) {
  const gap = firstGap(state);
  if (!gap) return say("verdict.full");
  const all = counts.flat();
  return say("verdict.holes", {
    holes: all.filter((count) => count === 0).length, all: all.length, dilation: gap[0], most: gap[1],
  });
}

export function lookedInWords(say, state, counts) {
  const [row, column] = state.place;
  const place = state.dimensions === 1 ? String(column)
    : say("looked.at", { place: say("kit.at", { row, column }) });
  const count = counts[row][column];
  if (count === 0) return say("looked.hole", { place });
  const told = say("looked", { place, count });
  if (state.dimensions === 2) return told;
  const found = ways(state, column);
  const sums = found.map((taps) => taps.map((tap, i) => `${tap}·${state.dilations[i]}`).join(" + "));
  return `${told} ${say("looked.sums",
    { place: column, sums: sums.join("; ") + (count > found.length ? "; …" : "") })}`;
}

// ---- The unit, the layers below it, and the lines that it reads along: one axis of the field.

function treePanel(say) {
  const svg = svgElement("svg", { class: "gr-tree", "aria-hidden": "true" });
  const node = element("div", {}, element("p", { class: "cnn-picker-name" }, say("tree")), svg, legend(say));
  return {
    node,
    show(state, width) {
      const { kernel_size: size, dilations, place } = state;
      const count = dilations.length;
      const whole = fieldSize(state);
      const across = (width - SIDE - 8) / whole;
      const height = STEP * count + 30;
      const levels = reached(state);
      // The unit stands over the middle of its field, and so does each layer's part of it.
      const reach = dilations.map((d) => d * (size - 1));
      const left = upTo(count + 1).map((level) =>
        reach.slice(0, level).reduce((sum, one) => sum + one, 0) / 2);
      const x = (level, at) => SIDE + (left[level] + at + 0.5) * across;
      const y = (level) => 14 + STEP * (count - level);
      const radius = Math.max(1.2, Math.min(6, across * 0.36));
      const lines = upTo(count).flatMap((level) => levels[level + 1].map((at) =>
        svgElement("path", { class: "gr-line", d: upTo(size).map((tap) =>
          `M${x(level + 1, at)} ${y(level + 1)}L${x(level, at + tap * dilations[level])} ${y(level)}`).join("") })));
      const taken = ways(state, place[1]).map((taps) => {
        let at = taps.reduce((sum, tap, i) => sum + tap * dilations[i], 0);
        const points = [[0, at], ...taps.map((tap, i) => [i + 1, at -= tap * dilations[i]])];
        return svgElement("polyline", { class: "gr-way",
          points: points.map(([level, one]) => `${x(level, one)},${y(level)}`).join(" ") });
      });
      const dots = levels.flatMap((found, level) => found.map((at) => svgElement("circle",
        { class: level === 0 ? "gr-dot gr-input" : "gr-dot", cx: x(level, at), cy: y(level), r: radius })));
      const holes = upTo(whole).filter((at) => !levels[0].includes(at)).map((at) => {
        const r = Math.max(radius, 1.5);
        return svgElement("path", { class: "gr-hole",
          d: `M${x(0, at) - r} ${y(0) - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}` });
      });
      const names = upTo(count + 1).map((level) => svgElement("text", { x: 0, y: y(level) + 4 },
        level === 0 ? say("input") : level === count ? say("unit") : say("level", { layer: level })));
      const chosen = svgElement("rect", { class: "gr-chosen", x: x(0, place[1]) - radius - 3,
        y: y(0) - radius - 3, width: 2 * radius + 6, height: 2 * radius + 6 });
      setAttribute(svg, "viewBox", `0 0 ${width} ${height}`);
      setAttribute(svg, "width", width);
      setAttribute(svg, "height", height);
      svg.replaceChildren(...lines, ...taken, ...dots, ...holes, chosen, ...names);
    },
  };
}

function legend(say) {
  return element("ul", { class: "gr-legend" }, ...["reached", "hole", "way"].map((name) =>
    element("li", {}, element("span", { class: `gr-key gr-key-${name}`, "aria-hidden": "true" }),
      say(`legend.${name}`))));
}

// ---- In numbers.

function factsTable(say) {
  const names = ["size", "share", "weights"];
  const values = names.map(() => element("td"));
  const grouped = (number) => number.toLocaleString("en-GB");
  return {
    node: element("table", { class: "gr-facts" }, element("tbody", {}, ...names.map((name, i) =>
      element("tr", {}, element("th", { scope: "row" }, say(`fact.${name}`)), values[i])))),
    show({ kernel_size: size, dilations, dimensions }, counts) {
      const all = counts.flat();
      const found = all.filter((count) => count > 0).length;
      const texts = [
        String(counts[0].length),
        say("fact.share.shown", { reached: grouped(found), all: grouped(all.length),
          share: ((100 * found) / all.length).toFixed(0) }),
        say("fact.weights.shown", { count: grouped(dilations.length * size ** dimensions),
          dense: grouped(counts[0].length ** dimensions) }),
      ];
      texts.forEach((text, i) => write(values[i], text));
    },
  };
}
