// Aliasing: a row of striped pixels, the filter that matches them, and what a strided layer answers.
//
// The sums are those of aliasing_sums.js. All drawings share the pixels' axis or are plots of their
// own: answers over places, frequencies over frequencies, mean answers over phases.

import {
  answers, distance, pooled, PERIODS, PHASES, report, settled, SIZES, SPAN, STAGES, STRIDES, stripes,
} from "./aliasing_sums.js";
import { plotAxes } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, setAttribute, svgElement, swatches, upTo, write } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import { teach } from "./kit/teach.js";
import { decimal } from "./kit/words.js";

const NAMES = ["period", "phase", "kernel_size", "stride", "twin", "stage", "place"];
const PRESETS = { alexnet: [11, 4], zfnet: [7, 2] };
const HALF = Math.floor(SIZES.at(-1) / 2); // pixels shown on either side of the first and last place
const FINE = upTo(8 * SPAN + 1).map((i) => i / 8); // where waves are drawn

export default teach({ stem: "aliasing", names: NAMES, settled, view });

const amount = (value, decimals) => (Number.isInteger(value) ? value : decimal(value, decimals));
const percent = (share) => (100 * share).toFixed(0);

function view({ el, say, controls, choose }) {
  let told; // the figures of the state that is drawn
  const settings = settingsPanel(say, controls, choose);
  const scene = scenePanel(say, (place) => choose({ place }));
  const windows = controls.slider("place", {
    label: say("place"), min: 0, max: SPAN, follow: (control, { stride }) =>
      control.bound({ max: Math.floor(SPAN / stride) }),
  });
  const verdict = element("p", { class: "al-verdict" });
  const looked = element("p", { class: "al-window" });
  const edge = element("p", { class: "al-edge" }, say("edge"));
  const facts = factsTable(say);
  const folding = foldingPlot(say);
  const moving = movingPlot(say);
  let width = 640;

  return {
    node: element("div", { class: "al-body" }, settings, scene.node, legend(say),
      element("div", { class: "cnn-row al-look" }, windows.node, looked), verdict, edge, facts.node,
      element("div", { class: "al-plots" }, folding.node, moving.node)),
    prepare({ period, kernel_size: size, stride }) { told = report(period, size, stride); },
    draw(state) {
      scene.show(state, told, width);
      write(looked, windowInWords(say, state, told));
      write(verdict, verdictInWords(say, state, told));
      edge.hidden = state.period !== 2;
      facts.show(state, told);
      const each = width < 560 ? width : (width - 16) / 2;
      folding.show(state, told, each);
      moving.show(state, told, each);
    },
    fit(place) { width = Math.max(280, place - 28); el.classList.toggle("al-phone", width < 560); },
    words(state, before) {
      const looks = state.place !== before.place && state.stride === before.stride;
      if (looks || state.phase !== before.phase) return windowInWords(say, state, told);
      if (state.twin && !before.twin) return pairInWords(say, told);
      return verdictInWords(say, state, told);
    },
  };
}

function settingsPanel(say, controls, choose) {
  const presets = element("div", { class: "cnn-row" }, ...Object.entries(PRESETS).map(
    ([key, [size, stride]]) => button(say(`preset.${key}`, { size, stride }),
      () => choose({ kernel_size: size, stride }))));
  controls.own("stride", null, { node: presets });
  const period = controls.slider("period", {
    label: say("period"), min: PERIODS[0], max: PERIODS.at(-1), step: 0.5,
    shown: (value) => say("pixels", { value: amount(value, 1) }),
  });
  const phase = controls.slider("phase", {
    label: say("phase"), min: 0, max: PHASES,
    shown: (value) => say("phase.shown", { value }),
  });
  const size = controls.slider("kernel_size", {
    label: say("kernel_size"), min: SIZES[0], max: SIZES.at(-1), step: 2,
    shown: (value) => say("pixels", { value }),
  });
  const stride = controls.slider("stride", {
    label: say("stride"), min: STRIDES[0], max: STRIDES[1],
    shown: (value) => say("pixels", { value }),
  });
  const twin = controls.checkbox("twin", { label: say("twin") });
  const stage = controls.radios("stage", {
    label: say("stage"), options: STAGES.map((name) => [name, say(`stage.${name}`)]),
  });
  return element("div", { class: "al-settings" }, presets,
    element("div", { class: "al-sliders" }, period.node, phase.node, size.node, stride.node),
    element("div", { class: "cnn-row" }, stage.node, twin.node));
}

// ---- In words.

function verdictInWords(say, { period, stride }, { kind, ghost: slow, phases }) {
  return say(`verdict.${kind}`, {
    period: decimal(period, 1), stride, count: phases, seen: slow ? decimal(1 / Math.abs(slow), 1) : "",
  });
}

function windowInWords(say, state, { filters }) {
  const pixel = state.place * state.stride;
  const [first, second] = filters.map((weights) =>
    weights && decimal(answers(weights, [pixel], state.period, state.phase)[0], 2));
  return say(state.twin && second ? "window.pair" : "window", {
    place: state.place, pixel, first, second: second ?? "",
    distance: amount(distance(pixel, state.period, state.phase), 2),
  });
}

function pairInWords(say, { kept }) {
  return kept[1] === null ? say("undefined") : say("pair.kept", { share: percent(kept[1]) });
}

function legend(say) {
  return swatches(["everywhere", "met", "seen"].map((name) =>
    [`al-swatch al-key-${name}`, say(`legend.${name}`)]));
}

// A row of the table is {key, values(state, told), or null where it is not shown}.
const FACTS = [
  ["stripes", (say, { period }) => rhythm(say, 1 / period)],
  ["limit", (say, { stride }) => rhythm(say, 1 / (2 * stride))],
  ["seen", (say, state, told) => (told.ghost ? rhythm(say, Math.abs(told.ghost)) : say("none"))],
  ["phases", (say, state, { phases }) => decimal(phases, 0)],
  ["strongest", (say, { twin }, { strongest }) => (twin && strongest[1]
    ? say("strongest.pair", { first: decimal(strongest[0], 2), second: decimal(strongest[1], 2) })
    : decimal(strongest[0], 2))],
  ["one", (say, state, { kept }) => say("share", { share: percent(kept[0]) })],
  ["pair", (say, { twin }, { kept }) => twin && (kept[1] === null
    ? say("undefined") : say("share", { share: percent(kept[1]) }))],
];

function rhythm(say, frequency) {
  return say("rhythm", { period: decimal(1 / frequency, 1), frequency: decimal(frequency, 3) });
}

function factsTable(say) {
  const rows = FACTS.map(([key, words]) => {
    const cell = element("td");
    return { words, cell, node: element("tr", {},
      element("th", { scope: "row" }, say(`fact.${key}`)), cell) };
  });
  return {
    node: element("table", { class: "al-facts" }, element("tbody", {}, ...rows.map(({ node }) => node))),
    show(state, told) {
      for (const { words, cell, node } of rows) {
        const text = words(say, state, told);
        node.hidden = !text;
        write(cell, text || "");
      }
    },
  };
}

// ---- The pixels, the windows on them, and the answers below.

const LEFT = 36; // CSS pixels
const STRIP = [18, 38]; // top and height
const FILTER = 28; // height of a filter's bars

function scenePanel(say, look) {
  const svg = svgElement("svg", { class: "al-scene", role: "img" });
  let drawn = null; // {cell, stride} of what is drawn
  pointing(svg, {
    at({ clientX }) {
      const pixel = (clientX - svg.getBoundingClientRect().x - LEFT) / drawn.cell - HALF - 0.5;
      const last = Math.floor(SPAN / drawn.stride);
      return Math.max(0, Math.min(last, Math.round(pixel / drawn.stride)));
    },
    press: look,
  });
  return {
    node: svg,
    show(state, told, width) {
      const count = told.filters.length - (state.twin && told.filters[1] ? 0 : 1);
      const cell = (width - LEFT - 4) / (SPAN + 2 * HALF + 1);
      drawn = { cell, stride: state.stride };
      const x = (pixel) => LEFT + (pixel + HALF + 0.5) * cell;
      const top = STRIP[0] + STRIP[1] + 12 + count * FILTER + 22;
      const shown = { x, cell, top, middle: top + 72, tall: 68, count };
      for (const [name, value] of Object.entries({ width, height: top + 168 })) {
        setAttribute(svg, name, value);
      }
      setAttribute(svg, "viewBox", `0 0 ${width} ${top + 168}`);
      setAttribute(svg, "aria-label", say("scene", { count: Math.floor(SPAN / state.stride) + 1 }));
      svg.replaceChildren(...pixelsOf(say, state, shown), ...filtersOf(say, state, told, shown),
        ...plotOf(say, state, told, shown, width));
    },
  };
}

const label = (x, y, words, more = {}) => svgElement("text", { x, y, ...more }, words);

function pixelsOf(say, { period, phase, stride, kernel_size: size, place }, { x, cell }) {
  const [top, tall] = STRIP;
  const low = top + tall;
  const cells = upTo(SPAN + 2 * HALF + 1).map((i) => {
    const grey = Math.round((stripes(i - HALF, period, phase) + 1) * 127.5);
    return svgElement("rect", { x: x(i - HALF) - cell / 2, y: top, width: cell + 0.3, height: tall,
      fill: `rgb(${grey}, ${grey}, ${grey})` });
  });
  const places = upTo(Math.floor(SPAN / stride) + 1).map((i) => svgElement("line", {
    class: i === place ? "al-place al-chosen" : "al-place",
    x1: x(i * stride), x2: x(i * stride), y1: low + 1, y2: low + 9 }));
  const frame = { x: x(place * stride) - (cell * size) / 2, y: top - 2, width: cell * size, height: tall + 4 };
  const edge = { x: LEFT, y: top, width: cell * cells.length, height: tall };
  return [label(LEFT, 12, say("scene.picture")), ...cells, ...places,
    svgElement("rect", { ...edge, class: "al-strip-edge" }),
    svgElement("rect", { ...frame, class: "al-frame-edge" }),
    svgElement("rect", { ...frame, class: "al-frame" })];
}

function filtersOf(say, { kernel_size: size, place, stride }, { filters }, { x, cell, count }) {
  const middle = x(place * stride);
  const side = (cell * size) / 2;
  const onLeft = middle > x(SPAN / 2);
  return filters.slice(0, count).flatMap((weights, number) => {
    const zero = STRIP[0] + STRIP[1] + 12 + (number + 0.5) * FILTER;
    const most = Math.max(...weights.map(Math.abs));
    const bars = weights.map((weight, i) => {
      const tall = (Math.abs(weight) / most) * (FILTER / 2 - 2);
      return svgElement("rect", { class: "al-weight", x: middle - side + i * cell,
        y: weight > 0 ? zero - tall : zero, width: cell * 0.85, height: tall });
    });
    return [...bars,
      svgElement("line", { class: "al-zero", x1: middle - side, x2: middle + side, y1: zero, y2: zero }),
      label(onLeft ? middle - side - 8 : middle + side + 8, zero + 4,
        say(number ? "filter.sine" : "filter.cosine"), { "text-anchor": onLeft ? "end" : "start" })];
  });
}

function plotOf(say, state, told, shown, width) {
  const { x, top, middle, tall, count } = shown;
  const { period, phase, stride, stage, place } = state;
  const most = Math.max(...told.strongest.slice(0, count));
  const y = (value) => middle - (tall * value) / most;
  const line = (name, pixels, values) => svgElement("polyline", { class: name,
    points: pixels.map((pixel, i) => `${x(pixel).toFixed(1)},${y(values[i]).toFixed(1)}`).join(" ") });
  const places = upTo(Math.floor(SPAN / stride) + 1).map((i) => i * stride);
  const parts = upTo(count).flatMap((number) => {
    const kind = number ? " al-twin" : "";
    const { pixels, values } = reported(told.filters[number], places, state);
    const joined = stage === "pool" ? line(`al-seen${kind}`, pixels, values)
      : line(`al-seen${kind}`, FINE, slowWave(told, number, phase)
        .map((value) => (stage === "relu" ? Math.max(value, 0) : value)));
    const dot = number
      ? (i) => svgElement("rect", { class: "al-met", x: x(pixels[i]) - 3.5, y: y(values[i]) - 3.5, width: 7, height: 7 })
      : (i) => svgElement("circle", { class: "al-met", cx: x(pixels[i]), cy: y(values[i]), r: 4 });
    return [line(`al-everywhere${kind}`, FINE, answers(told.filters[number], FINE, period, phase)),
      joined, ...upTo(pixels.length).map(dot)];
  });
  const ticks = upTo(SPAN / 12 + 1).map((i) => label(x(12 * i), middle + tall + 18, String(12 * i),
    { "text-anchor": "middle" }));
  return [
    label(LEFT, top - 8, say(`scene.${stage}`)),
    svgElement("line", { class: "al-look-line", x1: x(place * stride), x2: x(place * stride),
      y1: top, y2: middle + tall }),
    svgElement("line", { class: "al-zero", x1: LEFT, x2: width - 4, y1: middle, y2: middle }),
    ...[most, 0, -most].map((value) => label(LEFT - 6, y(value) + 4, decimal(value, 1), { "text-anchor": "end" })),
    ...parts, ...ticks, label(0, middle + tall + 18, say("scene.pixel"))];
}

// What the layer has at each place that it reports, after ReLU and pooling if they are chosen.
function reported(weights, places, { period, phase, stage, stride }) {
  const signed = answers(weights, places, period, phase);
  if (stage === "signed") return { pixels: places, values: signed };
  const rectified = signed.map((value) => Math.max(value, 0));
  if (stage === "relu") return { pixels: places, values: rectified };
  const values = pooled(rectified);
  return { pixels: values.map((_, i) => (2 * i + 1) * stride), values };
}

// The slowest wave through a filter's answers, at FINE: the cosine's or its twin's.
function slowWave({ ghost: frequency, strongest }, number, phase) {
  return FINE.map((pixel) => {
    const turn = 2 * Math.PI * (pixel * frequency - phase / PHASES);
    return strongest[number] * (number ? -Math.sin(turn) : Math.cos(turn));
  });
}

// ---- The two plots.

// show(width, axes) draws them and gives what to draw on them: at, and put(nodes).
function plotOn(title) {
  const axes = plotAxes();
  const marks = svgElement("g");
  const svg = svgElement("svg", { role: "img" }, axes.node, marks);
  return {
    node: element("figure", { class: "al-plot" }, element("figcaption", {}, title), svg),
    show(width, both, words, marksOf) {
      const height = 230;
      for (const [name, value] of Object.entries({ width, height, "aria-label": words })) {
        setAttribute(svg, name, value);
      }
      setAttribute(svg, "viewBox", `0 0 ${width} ${height}`);
      const { at: [x, y], box } = axes.draw(both, [width, height]);
      const line = (name, points) => svgElement("polyline", { class: name,
        points: points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ") });
      const dot = (name, [a, b]) => svgElement("circle", { class: name, cx: x(a), cy: y(b), r: 5 });
      const upright = (name, a) => svgElement("line", { class: name, x1: x(a), x2: x(a), y1: box[1], y2: box[3] });
      marks.replaceChildren(...marksOf({ line, dot, upright }));
    },
  };
}

function foldingPlot(say) {
  const plot = plotOn(say("folding"));
  const axes = [{ title: say("folding.across"), values: [0, 0.5] }, { title: say("folding.up"), values: [0, 0.5] }];
  return {
    node: plot.node,
    show({ period, stride }, told, width) {
      const limit = 1 / (2 * stride);
      const corners = upTo(stride + 1).map((i) => [i * limit, i % 2 ? limit : 0]);
      const words = say("folding.words", { limit: decimal(limit, 3) });
      plot.show(width, axes, words, ({ line, dot, upright }) => [
        line("al-diagonal", [[0, 0], [0.5, 0.5]]), upright("al-limit", limit),
        line("al-seen", corners), dot("al-here", [1 / period, Math.abs(told.ghost)])]);
    },
  };
}

function movingPlot(say) {
  const plot = plotOn(say("moving"));
  return {
    node: plot.node,
    show({ phase, twin }, { means }, width) {
      const shown = twin && means[1] ? means : means.slice(0, 1);
      const curve = (values) => values.map((value, i) => [i, value]);
      const axes = [{ title: say("moving.across"), values: [0, PHASES] },
        { title: say("moving.up"), values: [0, Math.max(...shown.flat())] }];
      plot.show(width, axes, say("moving.words"), ({ line, dot }) => [
        ...shown.map((values, number) => line(number ? "al-seen al-twin" : "al-seen", curve(values))),
        ...shown.map((values) => dot("al-here", [phase, values[phase]]))]);
    },
  };
}
