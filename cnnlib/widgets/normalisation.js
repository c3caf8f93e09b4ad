// Normalisation: a batch before and after, which numbers share a mean, and what is kept for the test.

import { plotAxes } from "./kit/bars.js";
import { cells } from "./kit/cells.js";
import { element, setAttribute, svgElement, swatches, upTo, write } from "./kit/dom.js";
import { gridStep, pointing } from "./kit/focus.js";
import { teach } from "./kit/teach.js";
import { transport } from "./kit/transport.js";
import { decimal, fixedPoint } from "./kit/words.js";
import {
  affine, batchAt, BATCHES, BATCH_SIZES, BETAS, board, cellOf, CHANNELS, GAMMAS, GROUP, isTogether, kept,
  MOMENTA, moments, NAMES, output, placeAt, POSITIONS, settled, side, together,
  TRUE_DEVIATIONS, TRUE_MEANS, used,
} from "./normalisation_sums.js";
import { stripsPanel } from "./normalisation_strips.js";

export default teach({ stem: "normalisation", names: NAMES, settled, view });

function view({ el, say, fixed, controls, choose, now }) {
  const settings = settingsPanel(say, fixed, controls, choose, now);
  const boards = boardsPanel(say, (place) => choose({ place }), now);
  controls.own("place", say("place"), { node: boards.node });
  const [rings, looked, warning, stored] = upTo(4).map(() => element("p"));
  rings.className = "no-note";
  looked.className = "no-looked";
  warning.className = "no-warning";
  const strips = stripsPanel(say);
  const plots = element("div", { class: "no-plots" });
  const [means, variances] = ["mean", "variance"].map((kind) => keptPlot(say, kind));
  plots.append(means.node, variances.node, legend(say, ["own", "stored", "true"]));
  let [width, told] = [640, null];

  return {
    node: element("div", { class: "no-body" }, settings.node, boards.node, rings, looked, warning,
      strips.node, settings.stored, stored, plots),
    prepare(state) { told = tellAll(state, fixed.drawn); },
    fit(place) {
      width = Math.max(280, place - 28);
      el.classList.toggle("no-phone", width < 620);
    },
    draw(state) {
      boards.show(state, told, width);
      write(rings, say(told.by.count ? "rings" : "rings.none"));
      write(looked, lookedInWords(say, state, told));
      const warns = warningInWords(say, state, told);
      write(warning, warns);
      warning.hidden = !warns;
      strips.show(state, told, width);
      write(stored, storedInWords(say, state, told));
      plots.hidden = state.norm !== "batch";
      const each = width < 620 ? width : (width - 16) / 2;
      for (const plot of [means, variances]) plot.show(state, told.kept, each);
    },
    words(state, before) {
      const only = (...names) => NAMES.every((name) => names.includes(name)
        || JSON.stringify(state[name]) === JSON.stringify(before[name]));
      if (only("seen", "momentum") && state.norm === "batch") return storedInWords(say, state, told);
      return [lookedInWords(say, state, told), warningInWords(say, state, told)].join(" ").trim();
    },
    stop: settings.stop,
  };
}

// All that is drawn and said of a state.
export function tellAll(state, drawn) {
  const [image, channel, position] = state.place;
  const [before, after] = [batchAt(state, drawn, state.seen), output(state, drawn)];
  return {
    before, after, by: used(state, drawn, image, channel), kept: kept(state, drawn, channel),
    value: before[image][channel][position], out: after[image][channel][position],
    scale: affine(state, drawn, channel),
    isOfSet: (i, c) => state.mode !== "test" || state.norm !== "batch"
      ? isTogether(state.norm, [image, channel], [i, c]) : false,
  };
}

function settingsPanel(say, { norms, modes }, controls, choose, now) {
  const norm = controls.radios("norm", { label: say("norm"),
    options: norms.map((name) => [name, say(`norm.${name}`)]) });
  const mode = controls.radios("mode", { label: say("mode"),
    options: modes.map((name) => [name, say(`mode.${name}`)]) });
  const size = controls.slider("batch_size",
    { label: say("batch_size"), min: BATCH_SIZES[0], max: BATCH_SIZES[1] });
  const positions = controls.radios("positions", { label: say("positions"),
    options: POSITIONS.map((count) => [count, say("positions.shown", { count })]) });
  const scale = (name, values) => controls.slider(name, {
    label: say(name), min: values[0], max: values.at(-1), step: 0.5, shown: (value) => decimal(value, 1),
    follow: (control, state) => control.bound(state.undo
      ? { min: state[name], max: state[name], why: say("affine.own") } : {}),
  });
  const undo = controls.checkbox("undo", { label: say("undo") });
  const momentum = controls.dropdown("momentum", { label: say("momentum"),
    options: MOMENTA.map((value) => [value, decimal(value, 2)]) });
  const player = controls.own("seen", say("seen"), transport(say, {
    label: say("seen"), last: () => BATCHES, now: () => now().seen,
    aloud: (count) => say("seen.aloud", { number: count + 1, count }),
    onStep: (seen) => choose({ seen }),
  }));
  return {
    node: element("div", { class: "no-settings" },
      element("div", { class: "cnn-row" }, norm.node, mode.node, positions.node),
      element("div", { class: "cnn-row" }, size.node, scale("gamma", GAMMAS).node, scale("beta", BETAS).node),
      undo.node),
    stored: element("div", { class: "cnn-row no-stored" }, momentum.node, player.node),
    stop: player.stop,
  };
}

// ---- In words: the twins of the methods of Normalisation.

export function lookedInWords(say, { norm, place: [image, channel] }, { by, value, out }) {
  const first = Math.floor(channel / GROUP) * GROUP;
  return say(by.count === 0 ? "looked.stored" : `looked.${norm}`, {
    value: fixedPoint(value, 1), image, channel, count: by.count, first, last: first + GROUP - 1,
    mean: fixedPoint(by.mean, 2), variance: fixedPoint(by.variance, 2), out: fixedPoint(out, 2),
  });
}

export function warningInWords(say, { undo, mode }, { by, before, after }) {
  if (by.count === 1) return say("warn.alone");
  if (by.count === 2) return say("warn.two");
  if (undo) {
    const [one, other] = [before.flat(2), after.flat(2)];
    const back = one.every((value, i) => Math.abs(value - other[i]) < 1e-6);
    return say(back ? "undo.back" : "undo.not");
  }
  if (by.count === 0) return say("test.batch");
  return mode === "test" ? say("test.others") : "";
}

export function storedInWords(say, { norm, seen, place: [, channel] }, { before, kept: all }) {
  if (norm !== "batch") return say("stored.none");
  const values = together("batch", before, 0, channel);
  const [mean, variance] = moments(values);
  const m = values.length;
  const words = say("stored", {
    count: seen, channel, mean: fixedPoint(all[seen].mean, 2), variance: fixedPoint(all[seen].variance, 2),
    true_mean: fixedPoint(TRUE_MEANS[channel], 0),
    true_variance: fixedPoint(TRUE_DEVIATIONS[channel] ** 2, 2),
  });
  if (m === 1) return `${words} ${say("stored.alone")}`;
  const brings = say("stored.brings", {
    m, less: m - 1, mean: fixedPoint(mean, 2), variance: fixedPoint(variance, 2),
    corrected: fixedPoint(variance * (m / (m - 1)), 2),
    scatter: fixedPoint(TRUE_DEVIATIONS[channel] / Math.sqrt(m), 2),
  });
  return `${words} ${brings}`;
}

// ---- The two boards.

function boardsPanel(say, pick, now) {
  const before = oneBoard(say, "before");
  const after = oneBoard(say, "after");
  const size = () => [now().batch_size, CHANNELS].map((count) => count * side(now()));
  const field = element("div", {
    class: "no-field", role: "application", tabindex: 0,
    onkeydown(event) {
      const next = gridStep(event.key, cellOf(now(), now().place), size());
      if (!next) return;
      event.preventDefault();
      pick(placeAt(now(), next));
    },
  }, before.map.node);
  before.frame.append(field);
  after.frame.append(after.map.node);
  for (const [node, { map }] of [[field, before], [after.map.node, after]]) {
    pointing(node, { at: map.at, press: (cell) => pick(placeAt(now(), cell)) });
  }
  return {
    node: element("div", { class: "no-boards" }, before.node, after.node),
    show(state, told, width) {
      const [image, channel, position] = state.place;
      setAttribute(field, "aria-label", say("board.label", { image, channel, position }));
      const wide = side(state) * CHANNELS;
      const room = width < 620 ? width - 64 : (width - 24) / 2 - 64;
      const cell = Math.floor(Math.min(38, room / wide));
      const rings = upTo(state.batch_size).flatMap((i) => upTo(CHANNELS).flatMap((c) =>
        (told.isOfSet(i, c) ? upTo(state.positions).map((p) => cellOf(state, [i, c, p])) : [])));
      const chosen = cellOf(state, state.place);
      before.show(state, board(state, told.before), { rings, chosen, cell });
      after.show(state, board(state, told.after), { rings, chosen, cell });
    },
  };
}

function oneBoard(say, key) {
  const map = cells();
  const lines = svgElement("g", { class: "no-lines" });
  map.node.append(lines);
  const heads = element("div", { class: "no-heads", "aria-hidden": "true" });
  const sides = element("div", { class: "no-sides", "aria-hidden": "true" });
  const frame = element("div", { class: "no-frame" });
  const node = element("figure", { class: `no-board no-${key}` }, element("figcaption", {}, say(key)),
    element("div", { class: "no-grid" }, element("span", {}), heads, sides, frame));
  return {
    node, map, frame,
    show(state, numbers, { rings, chosen, cell }) {
      const wide = side(state);
      node.style.setProperty("--cnn-cell", `${cell}px`);
      node.style.setProperty("--no-map", `${cell * wide}px`);
      heads.replaceChildren(...upTo(CHANNELS).map((channel) =>
        element("span", {}, say("channel", { channel }))));
      sides.replaceChildren(...upTo(state.batch_size).map((image) => element("span", {}, say("image", { image }))));
      map.show(numbers, { label: say(`board.${key}`), rings, chosen, silent: key === "before" });
      const [rows, columns] = map.size();
      const line = (x1, y1, x2, y2) => svgElement("line", { x1, y1, x2, y2 });
      lines.replaceChildren(
        ...upTo(state.batch_size - 1).map((i) => line(0, 20 * wide * (i + 1), 20 * columns, 20 * wide * (i + 1))),
        ...upTo(CHANNELS - 1).map((i) => line(20 * wide * (i + 1), 0, 20 * wide * (i + 1), 20 * rows)));
    },
  };
}

// ---- What is kept, batch by batch.

export function legend(say, names) {
  return swatches(names.map((name) => [`no-swatch no-key-${name}`, say(`legend.${name}`)]));
}

function keptPlot(say, kind) {
  const [axes, marks] = [plotAxes(), svgElement("g")];
  const svg = svgElement("svg", { class: "no-plot", role: "img" }, axes.node, marks);
  const title = element("figcaption");
  return {
    node: element("figure", {}, title, svg),
    show({ place: [, channel], seen }, all, width) {
      const height = 220;
      const truth = kind === "mean" ? TRUE_MEANS[channel] : TRUE_DEVIATIONS[channel] ** 2;
      const own = all.slice(1).map((one) => one[`seen_${kind}`]);
      write(title, say(`plot.${kind}`, { channel }));
      setAttribute(svg, "aria-label", say("plot.label"));
      for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
        setAttribute(svg, name, value);
      }
      const stored = all.map((one) => one[kind]);
      const { at: [x, y], box } = axes.draw([{ title: say("plot.across"), values: [0, BATCHES] },
        { title: say(`plot.${kind}.up`), values: [...own, ...stored, truth] }], [width, height]);
      marks.replaceChildren(
        svgElement("line", { class: "no-true", x1: box[0], x2: box[2], y1: y(truth), y2: y(truth) }),
        svgElement("line", { class: "no-now", x1: x(seen), x2: x(seen), y1: box[1], y2: box[3] }),
        svgElement("polyline", { class: "no-kept",
          points: stored.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
        ...own.map((value, i) => svgElement("circle", { class: "no-own", cx: x(i + 1), cy: y(value), r: 4 })),
        svgElement("circle", { class: "no-here", cx: x(seen), cy: y(stored[seen]), r: 6 }));
    },
  };
}
