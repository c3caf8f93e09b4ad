// Three charts over the layers of a net: activations and gradient on scales of powers of ten, and the
// share of flat answers.

import { element, setAttribute, svgElement, upTo } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import { power } from "./signal_gradient_sums.js";

const [LEFT, RIGHT, TITLE, TALL, LOW, GAP, FOOT] = [44, 12, 20, 132, 56, 18, 36]; // CSS pixels
const DECADES = 6; // ticks, at most

export function layersPicture(say, onLayer) {
  const node = svgElement("svg", { class: "sg-picture", role: "img", "aria-label": say("picture") });
  let [across, depth] = [1, 1]; // pixels of the frame, layers in it

  // The layer under a pointer, the nearest one.
  pointing(node, {
    at(event) {
      const along = (event.clientX - node.getBoundingClientRect().left - LEFT) / across;
      return Math.min(Math.max(Math.round(along * depth), 0), depth);
    },
    press: onLayer,
    drag: onLayer,
  });

  return {
    node,
    show(state, layers, told, width) {
      across = width - LEFT - RIGHT;
      depth = state.depth;
      const x = (layer) => LEFT + (layer / depth) * across;
      const tops = [TITLE, 2 * TITLE + TALL + GAP, 3 * TITLE + 2 * (TALL + GAP)];
      const height = tops[2] + LOW + FOOT;
      for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
        setAttribute(node, name, value);
      }
      const formula = formulaOf(state, told);
      node.replaceChildren(
        svgElement("line", { class: "sg-chosen", x1: x(state.layer), x2: x(state.layer), y1: tops[0], y2: tops[2] + LOW }),
        ...logChart(say("signal"), x, depth, tops[0], [
          { name: "sizes", values: layers.sizes }, { name: "between", values: layers.between },
          ...formula.map(({ forwards }) => ({ name: "formula", values: forwards })),
        ]),
        ...logChart(say("gradient"), x, depth, tops[1], [
          { name: "gradients", values: layers.gradients },
          ...formula.map(({ back }) => ({ name: "formula", values: back })),
        ]),
        ...shareChart(say("flat"), x, depth, tops[2], layers),
        ...layerAxis(say("across"), x, depth, height));
    },
  };
}

// What He's formula says of each layer's sizes; the inputs' mean square is 1, and behind a ReLU the
// standard deviation is the root of 1 - 1/π of the root mean square.
function formulaOf({ depth, activation }, { predicted }) {
  if (predicted === null) return [];
  const share = activation === "relu" ? Math.sqrt(1 - 1 / Math.PI) : 1;
  return [{
    forwards: upTo(depth + 1).map((layer) => (layer ? share : 1) * predicted ** layer),
    back: upTo(depth + 1).map((layer) => predicted ** (depth - layer)),
  }];
}

function logChart(title, x, depth, top, series) {
  const found = series.flatMap(({ values }) => values).filter((value) => value !== null).map(Math.log10);
  const low = Math.min(-1, Math.floor(Math.min(...found)));
  const high = Math.max(1, Math.ceil(Math.max(...found)));
  const y = (exponent) => top + ((high - exponent) / (high - low)) * TALL;
  const every = Math.ceil((high - low) / DECADES);
  const ticks = upTo(high - low + 1).map((i) => low + i).filter((exponent) => exponent % every === 0);
  return [
    svgElement("text", { class: "sg-title", x: LEFT, y: top - 7 }, title),
    ...ticks.flatMap((exponent) => [
      svgElement("line", { class: exponent ? "sg-line" : "sg-line sg-one", x1: x(0), x2: x(depth), y1: y(exponent), y2: y(exponent) }),
      svgElement("text", { x: LEFT - 7, y: y(exponent) + 4, "text-anchor": "end" }, power(exponent)),
    ]),
    ...series.map(({ name, values }) => seriesOf(name, values, x, (value) => y(Math.log10(value)))),
  ];
}

function seriesOf(name, values, x, y) {
  const points = values.map((value, layer) => (value === null ? null : [x(layer), y(value)]))
    .filter((point) => point !== null);
  const line = svgElement("polyline", { points: points.map((point) => point.map((one) => one.toFixed(1)).join(",")).join(" ") });
  const marks = name === "formula" ? [] : points.map(([cx, cy]) => (name === "gradients"
    ? svgElement("rect", { x: cx - 3.5, y: cy - 3.5, width: 7, height: 7 })
    : svgElement("circle", { cx, cy, r: name === "between" ? 4.5 : 3 })));
  return svgElement("g", { class: `sg-series sg-${name}` }, line, ...marks);
}

function shareChart(title, x, depth, top, { flat, dead }) {
  const wide = Math.min(20, Math.max(2, 0.62 * (x(1) - x(0))));
  const bar = (name, share, layer) => svgElement("rect", {
    class: name, x: x(layer) - wide / 2, y: top + LOW * (1 - share), width: wide, height: LOW * share,
  });
  return [
    svgElement("text", { class: "sg-title", x: LEFT, y: top - 7 }, title),
    ...[0, 0.5, 1].flatMap((share) => [
      svgElement("line", { class: "sg-line", x1: x(0), x2: x(depth), y1: top + LOW * (1 - share), y2: top + LOW * (1 - share) }),
      svgElement("text", { x: LEFT - 7, y: top + LOW * (1 - share) + 4, "text-anchor": "end" }, `${100 * share} %`),
    ]),
    ...flat.map((share, i) => bar("sg-flat", share, i + 1)),
    ...dead.map((share, i) => bar("sg-dead", share, i + 1)),
  ];
}

function layerAxis(title, x, depth, height) {
  const every = [1, 2, 5, 10].find((step) => depth / step <= 10);
  return [
    ...upTo(depth + 1).filter((layer) => layer % every === 0).map((layer) =>
      svgElement("text", { x: x(layer), y: height - FOOT + 16, "text-anchor": "middle" }, String(layer))),
    svgElement("text", { class: "sg-axis", x: (x(0) + x(depth)) / 2, y: height - 5, "text-anchor": "middle" }, title),
  ];
}

export function legend(say) {
  return element("ul", { class: "sg-legend" }, ...["sizes", "between", "gradients", "formula", "flat", "dead"].map((name) =>
    element("li", {}, element("span", { class: `sg-key sg-key-${name}`, "aria-hidden": "true" }), say(`series.${name}`))));
}
