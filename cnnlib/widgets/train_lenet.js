// Train a LeNet here: settings, a course that the reader runs, and what becomes of it.
//
// train_lenet_school.js has the networks at work. Until the reader trains, the course that Python has run is
// in sight.

import { plotAxes } from "./kit/bars.js";
import { button, slider } from "./kit/controls.js";
import { countMap } from "./kit/counts.js";
import { element, same, setAttribute, svgElement, write } from "./kit/dom.js";
import { paintPixels, unpackPalettes } from "./kit/pixels.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { decimal, fixedPoint } from "./kit/words.js";
import { dataOf, openerOf } from "./live/home.js";
import { startLine } from "./live/loader.js";
import { fileButton } from "./live/pictures.js";
import { readWeights, school, written } from "./train_lenet_school.js";

const NAMES = ["network", "optimiser", "rate", "batch", "falls", "shift", "labels", "seed", "guess", "cell"];
const [KERNELS, SIDE] = [6, 5]; // of the first layer
const HEIGHT = 190; // of a plot

export default teach({ stem: "train_lenet", names: NAMES, settled, view });

// The twin of TrainLeNet.settled.
function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  s.oneOf("network", fixed.networks.map(({ key }) => key));
  s.oneOf("optimiser", fixed.optimisers);
  s.oneOf("rate", fixed.rates);
  s.oneOf("batch", fixed.batches);
  s.oneOf("falls", fixed.falls);
  s.oneOf("shift", fixed.shifts);
  s.oneOf("labels", ["true", "shuffled"]);
  s.whole("seed", ...fixed.seeds);
  s.whole("guess", 0, 100);
  s.place("cell", [10, 10]);
  return s.done();
}

const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
const percent = (share) => fixedPoint(100 * share, 1);

function view(tools) {
  const { el, say, fixed, controls, choose, now, redraw, spoken } = tools;
  const course = school({ open: openerOf(tools), data: dataOf(tools), fixed, changed: redraw });
  const start = startLine(say, course, { kilobytes: grouped(fixed.kilobytes) });
  const buttons = buttonsOf(say, fixed, course, now);
  const presets = presetsOf(say, fixed.presets, (preset) => {
    choose(preset);
    course.anew();
  });
  const settings = settingsOf(say, controls, fixed, choose);
  const note = element("p", { class: "tl-note" });
  const verdict = element("p", { class: "tl-verdict" });
  const loss = curve(say, { name: "loss" });
  const right = curve(say, { name: "right", dots: true });
  const kernels = kernelsFigure(say, unpackPalettes(fixed.palettes));
  const confusion = confusionFigure(say, controls, { choose, now });
  const plots = element("div", { class: "tl-plots" }, loss.node, right.node, kernels.node, confusion.node);
  const pass = fixed.digits.train;
  let wide = 640;
  let told = null; // of which exam it was said aloud

  function announce(run) {
    const exam = run.exams.at(-1);
    if (!exam || exam === told) return;
    told = exam;
    if (exam[0] % pass === 0 || exam[0] === fixed.exam) {
      spoken.say(say("spoken.exam", { seen: grouped(exam[0]), right: percent(exam[1]) }));
    }
  }

  return {
    node: element("div", { class: "tl-body" }, start.node, presets.node, buttons.node, note, verdict, settings.node,
      plots),
    draw(state) {
      course.follow(state);
      const status = course.status();
      const { run } = status;
      const waits = status.state === "loading" || (status.busy && !status.training);
      setAttribute(plots, "aria-busy", waits ? "true" : null);
      const shown = run ?? fixed.worked.run;
      start.show();
      presets.show(state);
      buttons.show(status);
      write(note, noteOf(say, fixed, state, run));
      note.classList.toggle("live-trouble", Boolean(run?.broken));
      const judged = run?.exams.find(([seen]) => seen === pass);
      write(verdict, judged
        ? say("verdict", { count: grouped(pass), right: percent(judged[1]), guess: state.guess }) : "");
      loss.draw(shown.told, wide);
      right.draw(shown.exams.map(([seen, share]) => [seen, 100 * share]), wide, state.guess);
      kernels.show(shown);
      confusion.show(shown.counts, state.cell, wide);
      if (run) announce(run);
    },
    fit(width) {
      el.classList.toggle("tl-phone", width < 620);
      wide = width < 620 ? width - 30 : (width - 50) / 2;
    },
    words(state, before) {
      const anew = ["network", "labels", "seed"].some((name) => state[name] !== before[name]);
      if (!same(state.cell, before.cell)) return confusion.words(state.cell);
      return anew && course.isReady() ? say("spoken.anew") : "";
    },
    stop() { course.stop(); },
  };
}

function noteOf(say, fixed, state, run) {
  if (!run) {
    const { guess: _guess, cell: _cell, ...own } = state;
    const { worked } = fixed;
    const equal = Object.keys(own).every((name) => own[name] === worked.state[name]);
    return say(equal ? "note.worked" : "note.other", { seen: grouped(worked.run.seen) });
  }
  if (run.broken) return say("note.broken");
  const over = state.falls && run.seen >= state.falls ? ` ${say("note.fallen")}` : "";
  const exam = run.exams.at(-1);
  if (!exam) return say("note.wait");
  return say(run.seen ? "note.live" : "note.begin", {
    seen: grouped(run.seen), examined: grouped(fixed.examined), right: percent(exam[1]),
    seconds: decimal(run.seconds, 0),
  }) + over;
}

// ---- What the reader sets and presses.

function presetsOf(say, presets, onPick) {
  const names = Object.keys(presets);
  const buttons = names.map((name) => button(say(`preset.${name}`), () => onPick(presets[name]), { pressed: false }));
  return {
    node: element("div", {}, element("p", { class: "cnn-picker-name" }, say("presets")),
      element("div", { class: "tl-buttons", role: "group", "aria-label": say("presets") }, ...buttons)),
    show(state) {
      names.forEach((name, i) => setAttribute(buttons[i], "aria-pressed",
        String(Object.entries(presets[name]).every(([key, value]) => state[key] === value))));
    },
  };
}

function settingsOf(say, controls, fixed, choose) {
  const radios = (name, options) => controls.radios(name, { label: say(name), options }).node;
  // A slider over a list of values.
  const listed = (name, values, write = String) => {
    const shown = (i) => write(values[i]);
    const plain = slider({
      label: say(name), min: 0, max: values.length - 1, shown, aloud: shown, onInput: (i) => choose({ [name]: values[i] }),
    });
    return controls.own(name, say(name), { node: plain.node, set: (value) => plain.set(values.indexOf(value)) }).node;
  };
  const written = (value) => say("percent", { value: String(value) });
  return {
    node: element("div", { class: "tl-settings" },
      radios("network", fixed.networks.map(({ key }) => [key, say(`network.${key}`)])),
      radios("labels", ["true", "shuffled"].map((value) => [value, say(`labels.${value}`)])),
      radios("optimiser", fixed.optimisers.map((value) =>
        [value, say(`optimiser.${value}`, { momentum: String(fixed.momentum) })])),
      listed("rate", fixed.rates),
      listed("falls", fixed.falls, (count) => say(count ? "falls.over" : "falls.never", { count: grouped(count) })),
      listed("batch", fixed.batches),
      listed("shift", fixed.shifts, (count) => say("shift.pixels", { count })),
      controls.slider("seed", { label: say("seed"), min: fixed.seeds[0], max: fixed.seeds[1] }).node,
      controls.slider("guess", {
        label: say("guess"), min: 0, max: 100, shown: written, aloud: written,
        help: say("guess.help", { count: grouped(fixed.digits.train) }),
      }).node),
  };
}

function buttonsOf(say, fixed, course, now) {
  const told = element("p", { class: "tl-file", role: "status" });
  const run = button("", () => course.train(!course.status().training));
  run.classList.add("tl-run");
  const listed = () => fixed.networks.find(({ key }) => key === now().network);
  const file = fileButton(say("open"), { accept: ".safetensors" }, take);
  const all = [run, button(say("step"), () => course.step()), button(say("anew"), () => course.anew()),
    button(say("save"), save), file.press];
  const node = element("div", { hidden: true },
    element("div", { class: "tl-buttons" }, ...all, file.input), told);

  async function save() {
    const network = listed();
    const address = URL.createObjectURL(written(await course.weights(), network));
    element("a", { href: address, download: `${network.key}.safetensors` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  async function take([chosen]) {
    const network = listed();
    const { weights, wrong } = readWeights(await chosen.arrayBuffer(), network);
    if (weights) course.take(network.key, weights);
    write(told, say(wrong ?? "file.taken"));
    told.classList.toggle("live-trouble", Boolean(wrong));
  }

  return {
    node,
    show({ state, training }) {
      setAttribute(node, "hidden", state !== "ready");
      write(run, say(training ? "pause" : "run"));
    },
  };
}

// ---- What becomes of it.

// A curve over the digits seen. `guess` is a height to mark.
function curve(say, { name, dots = false }) {
  const axes = plotAxes();
  const line = svgElement("polyline", { class: `tl-${name}` });
  const marks = svgElement("g");
  const mark = svgElement("line", { class: "tl-guess" });
  const node = svgElement("svg", { class: "tl-plot", role: "img" }, axes.node, mark, line, marks);
  let drawn = null;
  return {
    node: element("figure", {}, element("figcaption", {}, say(`axis.${name}`)), node),
    draw(points, width, guess = null) {
      const key = [points, width, guess];
      if (drawn && same(drawn, key)) return;
      drawn = key;
      setAttribute(node, "viewBox", `0 0 ${width} ${HEIGHT}`);
      const heights = points.map(([, height]) => height);
      // One step's loss may be a million times the others: what is above four times the first is cut off.
      const most = dots ? 100 : Math.min(Math.max(...heights, 1), 4 * Math.max(heights[0] ?? 1, 1));
      const frame = axes.draw([
        { title: say("axis.seen"), values: [0, Math.max(points.at(-1)?.[0] ?? 0, 2000)] },
        { title: say(`axis.${name}`), values: [0, most] },
      ], [width, HEIGHT]);
      const places = points.map(([seen, height]) => [frame.at[0](seen), frame.at[1](Math.min(height, most))]);
      setAttribute(line, "points", places.map((place) => place.map((x) => x.toFixed(1)).join(",")).join(" "));
      marks.replaceChildren(...(dots ? places : []).map(([cx, cy]) => svgElement("circle", { class: "tl-dot", cx, cy, r: 3 })));
      setAttribute(mark, "visibility", guess === null ? "hidden" : null);
      if (guess !== null) {
        const y = frame.at[1](guess);
        for (const [key, value] of Object.entries({ x1: frame.box[0], x2: frame.box[2], y1: y, y2: y })) {
          setAttribute(mark, key, value);
        }
      }
      const text = (value) => (value === undefined ? "–" : decimal(value, 2));
      setAttribute(node, "aria-label", say(`${name}.label`, { first: text(heights[0]), last: text(heights.at(-1)) }));
    },
  };
}

function kernelsFigure(say, palettes) {
  const canvas = element("canvas", { class: "cnn-pixels tl-kernels", role: "img" });
  const size = [2 * (SIDE + 1) - 1, KERNELS * (SIDE + 1) - 1];
  let drawn = null;
  return {
    node: element("figure", {}, element("figcaption", {}, say("first")), canvas),
    show({ start, first }) {
      if (drawn === first) return;
      drawn = first;
      const pixels = new Uint32Array(size[0] * size[1]); // what lies between stays transparent
      const most = [...start, ...first].reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
      [start, first].forEach((weights, row) => weights.forEach((weight, i) => {
        const [kernel, y, x] = [Math.floor(i / SIDE ** 2), Math.floor((i % SIDE ** 2) / SIDE), i % SIDE];
        const place = (row * (SIDE + 1) + y) * size[1] + kernel * (SIDE + 1) + x;
        pixels[place] = palettes.signed[Math.round((weight / most) * 127) + 128];
      }));
      paintPixels(canvas, size, pixels);
      setAttribute(canvas, "aria-label", say("first.label", { most: decimal(most, 2) }));
    },
  };
}

function confusionFigure(say, controls, { choose, now }) {
  const map = countMap((cell) => choose({ cell }), () => now().cell);
  controls.own("cell", say("confusion"), { node: map.node });
  const sentence = element("p", { class: "tl-cell" });
  let counts = null;
  const words = ([label, answer]) => (counts ? say(label === answer ? "cell.right" : "cell.wrong", {
    label, answer, count: counts[label][answer], all: counts[label].reduce((a, b) => a + b, 0),
  }) : "");
  return {
    node: element("figure", {}, element("figcaption", {}, say("confusion")), map.node, sentence),
    words,
    show(next, cell, width) {
      if (next) counts = next;
      const [label, answer] = cell;
      map.show(counts, {
        label: say("confusion.label", { label, answer, count: counts[label][answer] }), chosen: cell,
        width: Math.min(width, 340), height: 340, holes: false, root: true,
      });
      write(sentence, words(cell));
    },
  };
}
