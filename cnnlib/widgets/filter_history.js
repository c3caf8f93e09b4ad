// A first layer's filters through its training.
//
// All weights are one picture: epoch below epoch, an epoch's filters side by side, each on a scale of
// its own. It loads when the widget is drawn. On a common scale a filter is laid over grey, as thick
// as its largest weight is a part of the largest at any epoch.

import { plotAxes } from "./kit/bars.js";
import { element, setAttribute, svgElement, uniqueId, upTo, write } from "./kit/dom.js";
import { cellAt, gridStep, pointing } from "./kit/focus.js";
import { decoded, setSize, zoom } from "./kit/pixels.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { transport } from "./kit/transport.js";
import { decimal, fixedPoint } from "./kit/words.js";

export default teach({
  stem: "filter_history", names: ["step", "filter", "common"], settled, view,
});

// The twin of FilterHistory.settled.
function settled(changes, present, { epochs, count }) {
  const s = new Settling(changes, present);
  s.whole("step", 0, epochs.length - 1);
  s.whole("filter", 0, count - 1);
  s.flag("common");
  return s.done();
}

const GREY = "rgb(128, 128, 128)"; // a weight of 0
const EDGE = 4; // CSS pixels around a sheet, for the mark

function view({ say, fixed, controls, choose, now, redraw, spoken }) {
  const { network, epochs, count, limits, lengths, likeness, correct, near } = fixed;
  const most = upTo(count).map((filter) => Math.max(...limits.map((line) => line[filter])));
  const last = epochs.at(-1);
  let picture; // undefined until it has come, null where it cannot be had
  let alive = true;
  bring();

  async function bring() {
    picture = await decoded(fixed.sheet);
    if (alive) redraw();
  }

  const words = (state) => sentences(state).join(" ");
  const steps = controls.own("step", say("snapshot"), transport(say, {
    label: say("snapshot"),
    last: () => epochs.length - 1,
    aloud: (step) => say("epoch.aloud", { epoch: epochs[step] }),
    now: () => now().step,
    onStep(step, byItself) {
      const before = now();
      choose({ step });
      if (!byItself && now() === before) spoken.say(words(before)); // it has come to rest
    },
  }));
  const common = controls.checkbox("common", { label: say("common") });

  const layer = sheetOf(fixed, count, fixed.columns);
  const title = element("figcaption");
  const help = element("p", { class: "cnn-help", id: uniqueId("keys") }, say("keys"));
  const map = element("div", {
    class: "fh-stage", role: "application", tabindex: 0, "aria-describedby": help.id,
    onkeydown(event) {
      const { filter } = now();
      const place = gridStep(event.key, layer.placeOf(filter), layer.grid);
      if (!place || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      choose({ filter: Math.min(layer.numberAt(place), count - 1) });
    },
  }, layer.canvas, layer.mark);
  pointing(map, { at: layer.at, press: (filter) => choose({ filter }) });
  controls.own("filter", say("filter"), { node: map });

  const through = sheetOf(fixed, epochs.length, Math.ceil(epochs.length / 2));
  const throughTitle = element("figcaption");
  const strip = element("div", { class: "fh-stage" }, through.canvas, through.mark);
  pointing(strip, { at: through.at, press: (step) => { steps.pause(); choose({ step }); } });
  setAttribute(through.canvas, "role", "img");

  const plot = likenessPlot(say, fixed);
  const lines = element("p", { class: "cnn-words fh-words" });

  function sentences({ step, filter }) {
    const right = correct?.[step] ?? null;
    return [
      say("now", { epoch: epochs[step], last }),
      ...(right === null ? [] : [say("correct", { share: decimal(100 * right, 1) })]),
      say("layer", {
        near: likeness[step].filter((one) => one >= near).length, count, least: decimal(near, 1),
      }),
      say("filter.figures", {
        number: filter,
        length: fixedPoint(lengths[step][filter], 3),
        end: fixedPoint(lengths.at(-1)[filter], 3),
        likeness: fixedPoint(likeness[step][filter], 2),
      }),
    ];
  }

  const one = element("div", { class: "fh-one" },
    element("figure", {}, throughTitle, strip), plot.node, lines);
  const panel = element("div", { class: "fh-panel" },
    element("figure", { class: "fh-layer" }, title, map, help), one);

  return {
    node: element("div", {}, steps.node, common.node, panel),
    fit() { // what stands beside the layer has the room that the layer leaves
      layer.fit(Math.min(330, panel.clientWidth - 2 * EDGE));
      through.fit(Math.min(330, one.clientWidth - 2 * EDGE));
      plot.fit(Math.min(380, one.clientWidth));
    },
    draw(state) {
      const { step, filter } = state;
      steps.set();
      const thick = (at, which) => (state.common && most[which] ? limits[at][which] / most[which] : 1);
      setAttribute(map, "aria-busy", picture === undefined ? "true" : null);
      if (picture) {
        layer.paint(picture, (which) => [step, which, thick(step, which)]);
        through.paint(picture, (at) => [at, filter, thick(at, filter)]);
      }
      layer.put(filter);
      through.put(step);
      write(title, say("filters.title", { epoch: epochs[step], last }));
      setAttribute(map, "aria-label", say("filters", { count, network, epoch: epochs[step] }));
      write(throughTitle, say("strip.title", { number: filter }));
      setAttribute(through.canvas, "aria-label",
        say("strip", { number: filter, count: epochs.length, epochs: epochs.join(", ") }));
      plot.draw(state);
      lines.replaceChildren(...sentences(state).map((text) => element("span", {}, text)));
    },
    words,
    stop() {
      alive = false;
      steps.stop();
    },
  };
}

// `count` filters in rows of `columns`, a pixel of the page's ground between them. paint(picture,
// what) draws what(number) = [epoch's place, filter, how thick]; put(number) sets the mark.
function sheetOf({ size: [height, width] }, count, columns) {
  const grid = [Math.ceil(count / columns), columns];
  const size = [grid[0] * (height + 1) - 1, columns * (width + 1) - 1];
  const canvas = element("canvas", { class: "cnn-pixels" });
  const mark = element("div", { class: "fh-mark" });
  [canvas.height, canvas.width] = size;
  const placeOf = (number) => [Math.floor(number / columns), number % columns];
  let [scale, marked] = [1, 0];
  function put(number) {
    const [row, column] = placeOf(marked = number);
    const [x, y] = [column * (width + 1), row * (height + 1)].map((at) => EDGE + at * scale);
    Object.assign(mark.style, {
      width: `${width * scale}px`, height: `${height * scale}px`, transform: `translate(${x}px, ${y}px)`,
    });
  }
  const numberAt = ([row, column]) => row * columns + column;
  return {
    canvas, mark, grid, placeOf, numberAt, put,
    at(event) {
      const place = cellAt(event, canvas.getBoundingClientRect(), grid);
      return place && numberAt(place) < count ? numberAt(place) : null;
    },
    fit(side) {
      scale = zoom(size, size[0] > size[1] ? (side * size[0]) / size[1] : side);
      setSize(canvas, size, scale);
      put(marked);
    },
    paint(picture, what) {
      const context = canvas.getContext("2d");
      context.imageSmoothingEnabled = false;
      context.clearRect(0, 0, canvas.width, canvas.height);
      for (const number of upTo(count)) {
        const [at, filter, thick] = what(number);
        const [row, column] = placeOf(number);
        const place = [column * (width + 1), row * (height + 1), width, height];
        context.globalAlpha = 1;
        context.fillStyle = GREY;
        context.fillRect(...place);
        context.globalAlpha = thick;
        context.drawImage(picture, filter * width, at * height, width, height, ...place);
      }
    },
  };
}

// Likeness over the epochs: the chosen filter's, and the middle one's of all.
function likenessPlot(say, { epochs, likeness }) {
  const HEIGHT = 190;
  const axes = plotAxes();
  const [middleLine, ownLine] = ["fh-middle", "fh-own"].map((name) =>
    svgElement("polyline", { class: name }));
  const nowLine = svgElement("line", { class: "fh-now" });
  const dot = svgElement("circle", { class: "fh-dot", r: 4.5 });
  const node = svgElement("svg", { class: "fh-plot", role: "img" },
    axes.node, nowLine, middleLine, ownLine, dot);
  const middle = likeness.map(median);
  const key = (name, text) => element("span", {}, svgElement("svg",
    { viewBox: "0 0 26 10", "aria-hidden": "true" },
    svgElement("line", { class: name, x1: 0, x2: 26, y1: 5, y2: 5 })), say(text));
  const legend = element("p", { class: "fh-legend" },
    key("fh-own", "plot.own"), key("fh-middle", "plot.middle"));
  let [width, frame, drawn] = [380, null, null];
  return {
    node: element("div", {}, node, legend),
    fit(next) {
      if (next !== width) frame = null;
      width = next;
    },
    draw({ step, filter }) {
      const own = likeness.map((line) => line[filter]);
      if (!frame || drawn !== filter) { // the axis reaches as far as the curves do
        setAttribute(node, "viewBox", `0 0 ${width} ${HEIGHT}`);
        setAttribute(node, "width", width);
        frame = axes.draw([
          { title: say("plot.across"), values: epochs },
          { title: say("plot.up"), values: [0, 1, ...own, ...middle] },
        ], [width, HEIGHT]);
        drawn = filter;
        for (const [line, values] of [[ownLine, own], [middleLine, middle]]) {
          setAttribute(line, "points", values.map((value, i) =>
            `${frame.at[0](epochs[i])},${frame.at[1](value)}`).join(" "));
        }
        const text = (values) => values.map((value) => decimal(value, 2)).join(", ");
        setAttribute(node, "aria-label",
          say("plot", { number: filter, own: text(own), middle: text(middle) }));
      }
      const [x, y] = [frame.at[0](epochs[step]), frame.at[1](own[step])];
      for (const [name, value] of Object.entries({ x1: x, x2: x, y1: frame.box[1], y2: frame.box[3] })) {
        setAttribute(nowLine, name, value);
      }
      setAttribute(dot, "cx", x);
      setAttribute(dot, "cy", y);
    },
  };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}
