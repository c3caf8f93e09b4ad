// Every window along one axis, a row for each of three ways of counting.

import { button } from "./kit/controls.js";
import { element, same, setAttribute, svgElement, upTo, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { signed, span } from "./kit/words.js";
import { extent, fits, settled } from "./window_fit_sums.js";

const NAMES = ["size", "kernel_size", "stride", "padding"];
const TALL = 48; // pixels: the height of a row's windows
const CELLS = 24; // columns that are shown enlarged

export default teach({ stem: "window_fit", names: NAMES, settled, view });

function view({ say, fixed: { presets, least, most }, controls, choose }) {
  const buttons = presets.map((preset) =>
    button(say(preset.padding ? "preset.padded" : "preset", preset), () => choose({ ...preset }),
      { pressed: false }));
  const sliders = NAMES.map((name) =>
    controls.slider(name, { label: say(name), min: least[name], max: most[name] }));
  const rows = ["authors", "floor", "ceil"].map((way) => {
    const sum = element("span", { class: "wf-sum", translate: "no" });
    const told = element("p", { class: "wf-told" });
    const [whole, zoom] = [strip("wf-whole"), strip("wf-zoom")];
    const node = element("section", { class: "wf-row" },
      element("p", { class: "wf-way" }, element("strong", {}, say(way)), " ", sum),
      element("div", { class: "wf-strips" }, whole.node,
        element("div", { class: "wf-enlarged" }, zoom.node,
          element("span", { class: "wf-caption", "aria-hidden": "true" }, say("zoom")))), told);
    return { way, node, sum, told, whole, zoom };
  });
  const node = element("div", {},
    element("p", { class: "cnn-picker-name" }, say("presets")),
    element("div", { class: "wf-presets", role: "group", "aria-label": say("presets") }, ...buttons),
    element("div", { class: "cnn-row wf-controls" }, ...sliders.map((slider) => slider.node)),
    legend(say), ...rows.map((row) => row.node));
  let width = 640;
  let drawn = null; // the state and the width that are on screen
  let found = [];

  return {
    node,
    prepare(state) { found = fits(state); },
    fit() { width = node.clientWidth || width; },
    draw(state) {
      if (same([state, width], drawn)) return;
      drawn = [state, width];
      presets.forEach((preset, i) =>
        setAttribute(buttons[i], "aria-pressed", String(NAMES.every((n) => preset[n] === state[n]))));
      const [low, high] = extent(state, found);
      const small = high - low <= 1.5 * CELLS;
      const wide = small || width < 660 ? width : width - 290;
      rows.forEach((row, i) => {
        write(row.sum, sumOf(say, state, found[i]));
        write(row.told, tell(say, state, found[i]));
        row.whole.show(state, found[i], [low, high], wide);
        row.zoom.node.parentNode.hidden = small;
        if (!small) row.zoom.show(state, found[i], [high - CELLS, high], width < 660 ? width : 280);
      });
    },
    words() {
      return say("counts", Object.fromEntries(found.map(({ way, count }) =>
        [way, count ? String(count) : say("sum.none")])));
    },
  };
}

function legend(say) {
  const names = ["window", "over", "pixels", "padding", "unread"];
  return element("ul", { class: "wf-legend" }, ...names.map((name) =>
    element("li", {}, element("span", { class: `wf-key wf-key-${name}`, "aria-hidden": "true" }),
      say(`legend.${name}`))));
}

function sumOf(say, { size, kernel_size: kernel, stride, padding }, { way, count, dropped }) {
  if (!count) return say("sum.none");
  const values = { padded: size + 2 * padding, kernel, stride, count };
  if (dropped) return say("sum.dropped", values);
  return say(way === "floor" ? "sum.floor" : "sum.ceil", values);
}

// One way's answer in sentences: the twin of WindowFit.tell.
export function tell(say, { size, kernel_size: kernel, stride, padding }, fit) {
  const { way, count, why, over, dropped, unread } = fit;
  if (why === "kernel") return say("none.kernel", { kernel, padded: size + 2 * padding });
  if (why === "padding") return say("none.padding", { most: Math.floor(kernel / 2) });
  const start = (count - 1) * stride - padding;
  const columns = span(say, "column", [start, start + kernel - 1]);
  return [
    say("windows", { count, columns }),
    over ? say(way === "ceil" ? "over.ceil" : "over.authors", { over }) : "",
    start >= size ? say("behind") : "",
    dropped ? say("dropped") : "",
    unreadInWords(say, unread),
  ].filter(Boolean).join(" ");
}

function unreadInWords(say, runs) {
  if (!runs.length) return say("unread.none");
  if (runs.length > 1) {
    return say("unread.many", { count: runs.reduce((sum, [a, b]) => sum + b - a + 1, 0) });
  }
  const [[first, last]] = runs;
  return say(first === last ? "unread.one" : "unread.run", { first, last });
}

// ---- A row's windows over the columns from `low` to `high`. The sentences say what it shows.

function strip(name) {
  const node = svgElement("svg", { class: `wf-strip ${name}`, "aria-hidden": "true" });
  return {
    node,
    show({ size, kernel_size: kernel, stride, padding }, fit, [low, high], width) {
      const height = TALL + 34;
      const [left, right] = [4, width - 4];
      const at = (column) => left + ((column - low) / (high - low)) * (right - left);
      const box = (cls, first, stop, y, tall) => {
        const [from, to] = [Math.max(first, low), Math.min(stop, high)];
        if (from >= to) return null;
        const x = at(from);
        return svgElement("rect",
          { class: cls, x, y, width: Math.max(at(to) - x - 0.6, 0.8), height: tall });
      };
      const lanes = Math.ceil(kernel / stride);
      const pitch = TALL / lanes;
      const base = TALL + 4;
      const windows = upTo(fit.count).flatMap((number) => {
        const start = number * stride - padding;
        const y = (number % lanes) * pitch + 1;
        const tall = Math.max(Math.min(pitch, 16) - 1.5, 2);
        const over = fit.over && number === fit.count - 1;
        return [
          box(over ? "wf-window wf-over" : "wf-window", start, start + kernel, y, tall),
          over ? box("wf-outside", Math.max(start, size + padding), start + kernel, y, tall) : null,
          over && tall < 8 ? null : numbered(number, start, y + tall / 2),
        ];
      });
      function numbered(number, start, y) {
        const middle = (at(Math.max(start, low)) + at(Math.min(start + kernel, high))) / 2;
        const room = at(Math.min(start + kernel, high)) - at(Math.max(start, low));
        if (room < 26 || pitch < 12) return null;
        return svgElement("text", { class: "wf-number", x: middle, y: y + 4 }, String(number + 1));
      }
      const edge = at(size + padding);
      node.replaceChildren(...[
        box("wf-padding", -padding, 0, base, 12),
        box("wf-pixels", 0, size, base, 12),
        box("wf-padding", size, size + padding, base, 12),
        ...ticks(size, [low, high], right - left).map(({ column, strong }) => svgElement("text", {
          class: strong ? "wf-tick wf-last" : "wf-tick",
          x: Math.min(Math.max(at(column + 0.5), 8), width - 12),
          y: base + 27,
        }, signed(String(column)))),
        ...windows,
        ...fit.unread.map(([first, last]) => box("wf-unread", first, last + 1, base - 3, 18)),
        svgElement("line", { class: "wf-edge", x1: edge, x2: edge, y1: 0, y2: base + 14 }),
      ].filter(Boolean));
      setAttribute(node, "viewBox", `0 0 ${width} ${height}`);
      setAttribute(node, "width", width);
      setAttribute(node, "height", height);
    },
  };
}

// The columns that get a number: the last pixel, and round ones that stand clear of it.
function ticks(size, [low, high], width) {
  const each = width / (high - low);
  const step = [1, 2, 5, 10, 20, 50, 100].find((n) => n * each >= 34) ?? 100;
  const round = upTo(high - low).map((i) => low + i)
    .filter((column) => column % step === 0 && Math.abs(column - size + 1) * each >= 26);
  return [...round.map((column) => ({ column, strong: false })), { column: size - 1, strong: true }];
}
