// Backward: the gradient of a small convolution or pooling, one sum at a time.

import { slider } from "./kit/controls.js";
import { element, same, setAttribute, swatches, upTo, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { transport } from "./kit/transport.js";
import { span } from "./kit/words.js";
import { inRows, numberGrid, shown } from "./backward_grid.js";
import {
  flipped, gradientAfter, isPool, NAMES, outputsOf, placeOf, settled, sizeOf, stepGrid, stepsOf,
  stuffedDelta, termsOf, windowOf,
} from "./backward_sums.js";

const LONGEST = 400; // characters of arithmetic that are worth hearing

// What is drawn in each mode, from left to right. The gradient comes last.
const PANELS = {
  weight: ["input", "delta"],
  input: ["delta", "kernel", "flipped", "stuffed"],
  bias: ["delta"],
  max: ["input", "delta"],
  mean: ["delta"],
};
const EDITED = ["input", "kernel", "delta"];

export default teach({ stem: "backward", names: NAMES, settled, view });

// ------------------------------------------------------------------------------------------ words

const at = (say, [row, column]) => say("kit.at", { row, column });
const signed = (value) => (value < 0 ? `(${shown(value)})` : shown(value));

// What this step is about.
export function stepInWords(say, state) {
  const { mode, step, size, stride, delta } = state;
  const place = placeOf(state, step);
  if (mode === "weight" || mode === "input") {
    const count = termsOf(state, step).length;
    const key = mode === "input" && count === 0 ? "step.unread" : `step.${mode}`;
    return say(key, { place: at(say, place), count });
  }
  const value = delta[place[0]][place[1]];
  if (mode === "bias") return say("step.bias", { place: at(say, place), delta: value });
  const ranges = ["row", "column"].map((axis, i) =>
    span(say, axis, [place[i] * stride, place[i] * stride + size - 1]));
  const window = { rows: ranges[0], columns: ranges[1], delta: value };
  if (mode === "mean") {
    return say("step.mean", { ...window, cells: size ** 2, share: shown(value / size ** 2) });
  }
  const { to: [winner], largest, ties } = windowOf(state, place);
  return say("step.max", { ...window, largest, winner: at(say, winner) })
    + (ties > 1 ? ` ${say("step.ties", { count: ties })}` : "");
}

// The step's sums, a line each.
export function sumsOf(say, state) {
  const { mode, step, delta } = state;
  const place = placeOf(state, step);
  const after = gradientAfter(state, step);
  if (mode === "weight" || mode === "input") {
    const terms = termsOf(state, step);
    const total = shown(after[place[0]][place[1]]);
    if (!terms.length) return [];
    const products = terms.map((term, i) =>
      `${i ? signed(term.value) : shown(term.value)}·${signed(term.delta)}`);
    return [`${products.join(" + ")} = ${total}`];
  }
  const value = delta[place[0]][place[1]];
  const parts = mode === "mean" ? state.size ** 2 : 1; // as fractions, so that no sum is of rounded numbers
  const over = (number, text) => (parts === 1 || number === 0 ? text : `${text}/${parts}`);
  const before = step > 0 ? gradientAfter(state, step - 1) : after.map((row) => row.map(() => 0));
  const to = mode === "bias" ? [[0, 0]] : windowOf(state, place).to;
  return to.map(([y, x]) => {
    const so = Math.round(before[y][x] * parts);
    const sum = `${over(so, shown(so))} + ${over(value, signed(value))} = ${shown(after[y][x])}`;
    return mode === "bias" ? sum : say("sum.at", { place: at(say, [y, x]), sum });
  });
}

// ---------------------------------------------------------------------------------------- cells

const inMap = (places, place) => places.some((one) => same(one, place));

// What every panel of a state shows: rows of cells for numberGrid.
export function cellsOf(state) {
  const { mode, padding, step, input, kernel, delta } = state;
  const place = placeOf(state, step);
  const products = steps(state);
  const terms = products ? termsOf(state, step) : [];
  const window = isPool(mode) ? windowOf(state, place) : null;
  const after = gradientAfter(state, step);
  const met = (at) => terms.find((term) => same(term.at, at));

  const rowsOf = (map, cell) => map.map((row, y) => row.map((value, x) => cell(value, [y, x])));
  const border = mode === "weight" ? padding : 0;
  const padded = upTo(state.rows + 2 * border).map((y) => upTo(state.columns + 2 * border)
    .map((x) => input[y - border]?.[x - border] ?? null));
  const back = flipped(kernel);
  const note = (value) => `×${shown(value)}`;
  return {
    input: () => rowsOf(padded, (value, [y, x]) => {
      const [cell, term] = [[y - border, x - border], met([y - border, x - border])];
      return {
        value: value ?? 0,
        look: value === null ? "padding" : "real",
        lit: mode === "weight" ? Boolean(term) : window && inMap(window.places, cell),
        self: mode === "max" && inMap(window.to, cell),
        note: mode === "weight" && term ? note(term.delta) : "",
      };
    }),
    delta: () => rowsOf(delta, (value, cell) => ({
      value,
      lit: products && terms.some((term) => same(term.out, cell)),
      self: !products && same(cell, place),
      note: "",
    })),
    kernel: () => rowsOf(kernel, (value, cell) => ({ value, lit: Boolean(met(cell)) })),
    flipped: () => rowsOf(back, (value, [y, x]) =>
      ({ value, lit: Boolean(met([state.size - 1 - y, state.size - 1 - x])) })),
    stuffed: () => stuffedDelta(state).map((row, y) => row.map(({ value, out, inside }, x) => {
      const weight = back[y - place[0]]?.[x - place[1]];
      return {
        value,
        look: out ? "real" : inside ? "stuffed" : "padding",
        lit: weight !== undefined,
        note: weight === undefined ? "" : note(weight),
      };
    })),
    gradient: () => rowsOf(after, (value, cell) => ({
      value,
      look: value === null ? "ahead" : "real",
      self: products ? same(cell, place) : mode === "bias" || inMap(window.to, cell),
      lit: Boolean(window) && inMap(window.places, cell),
    })),
  };
}

// ------------------------------------------------------------------------------------------- view

function view({ el, say, fixed, controls, choose, now, redraw, spoken }) {
  let chosen = { map: "input", place: [0, 0] }; // the cell that the slider and the keys change
  const rule = element("p", { class: "bk-rule" });
  const story = element("p", { class: "bk-story" });
  const sums = element("div", { class: "bk-sums", translate: "no" });
  const stage = element("div", { class: "bk-stage" });
  const panels = panelsOf(say, {
    choose, now, redraw, spoken, most: fixed.largest, chosen: () => chosen,
    pick(map, place) { chosen = { map, place }; },
  });
  stage.append(...Object.values(panels).map(({ node }) => node));
  for (const name of EDITED) controls.own(name, say(`map.${name}`), { node: panels[name].node });
  const number = slider({
    label: say("number"), min: -fixed.largest, max: fixed.largest, shown,
    onInput: (value) => choose({ [chosen.map]: changed(now()[chosen.map], chosen.place, value) }),
  });
  const player = controls.own("step", say("kit.transport.step"), transport(say, {
    last: () => stepsOf(now()) - 1,
    now: () => now().step,
    aloud: (step) => say("step.aloud", {
      step: step + 1, count: stepsOf(now()), place: at(say, placeOf(now(), step)),
    }),
    onStep(step, byItself) {
      const before = now();
      choose({ step });
      if (!byItself && now() === before) spoken.say(inWords(now())); // it has come to rest
    },
  }));
  const settings = settingsPanel(say, fixed, controls);

  function inWords(state) {
    const arithmetic = sumsOf(say, state).join(" ");
    const words = stepInWords(say, state);
    return arithmetic && arithmetic.length < LONGEST ? `${words} ${arithmetic}` : words;
  }

  function draw(state) {
    const names = new Set([...PANELS[state.mode], "gradient"]);
    const edited = EDITED.filter((name) => names.has(name));
    if (!edited.includes(chosen.map)) chosen = { map: edited[0], place: [0, 0] };
    const [rows, columns] = sizeOf(state[chosen.map]);
    const [row, column] = chosen.place;
    chosen.place = [Math.min(row, rows - 1), Math.min(column, columns - 1)];
    const cells = cellsOf(state);
    for (const [name, panel] of Object.entries(panels)) {
      panel.node.hidden = !names.has(name);
      if (!panel.node.hidden) panel.show(state, cells[name]());
    }
    number.set(state[chosen.map][chosen.place[0]][chosen.place[1]]);
    number.bound({
      why: say("number.of", { map: say(`map.${chosen.map}`), place: at(say, chosen.place) }),
    });
    write(rule, say(`rule.${state.mode}`));
    write(story, stepInWords(say, state));
    const lines = sumsOf(say, state);
    sums.replaceChildren(...lines.map((line) => element("p", {}, line)));
    setAttribute(stage, "data-mode", state.mode);
    fit(el.clientWidth);
  }

  // Cells as large as the widest grid lets them be.
  function fit(width) {
    const state = now();
    const [, columns] = state.mode === "input" ? [0, state.columns + state.size - 1]
      : [0, state.columns + 2 * state.padding];
    const cell = Math.min(40, (width - 34) / Math.max(columns, 3));
    el.style.setProperty("--bk-cell", `${Math.floor(cell)}px`);
  }

  return {
    node: element("div", { class: "bk-body" }, settings.top, rule, stage, player.node,
      element("div", { class: "bk-meeting" }, story, sums),
      element("div", { class: "bk-edit" }, number.node, legend(say)), settings.sizes),
    draw,
    fit,
    stop: () => player.stop(),
    words: (state) => inWords(state),
  };
}

const changed = (map, [row, column], value) =>
  map.map((line, y) => line.map((old, x) => (y === row && x === column ? value : old)));

function settingsPanel(say, fixed, controls) {
  const preset = controls.dropdown("preset", {
    label: say("preset"),
    options: [
      ...Object.keys(fixed.presets).map((key) => [key, say(`preset.${key}`)]),
      [null, say("preset.own")]],
  });
  const mode = controls.radios("mode", {
    label: say("mode"), options: fixed.modes.map((key) => [key, say(`mode.${key}`)]),
  });
  const slider = (name, follow) => controls.slider(name, {
    label: say(name), min: fixed.limits[name][0], max: fixed.limits[name][1], follow,
  });
  const sizes = [
    slider("rows"),
    slider("columns"),
    slider("size", (control, { mode: now }) => control.bound({ min: isPool(now) ? 2 : 1 })),
    slider("stride"),
    slider("padding", (control, { mode: now, size }) => control.bound({
      max: isPool(now) ? 0 : size - 1, why: say(isPool(now) ? "padding.pool" : "padding.most"),
    })),
  ];
  return {
    top: element("div", { class: "bk-settings" }, preset.node, mode.node),
    sizes: element("div", { class: "cnn-row bk-sizes" }, ...sizes.map(({ node }) => node)),
  };
}

// The grids, each with what it does: the given ones are edited, the gradient chooses the step.
function panelsOf(say, { choose, now, redraw, spoken, most, chosen, pick }) {
  const cursorOf = (map) => (chosen().map === map ? chosen().place : [0, 0]);

  function edited(map) {
    const border = () => (map === "input" && now().mode === "weight" ? now().padding : 0);
    const take = (place) => {
      const [rows, columns] = sizeOf(now()[map]);
      const [row, column] = place.map((index) => index - border());
      pick(map, [Math.max(0, Math.min(row, rows - 1)), Math.max(0, Math.min(column, columns - 1))]);
      redraw();
    };
    const grid = numberGrid({
      kind: map,
      actions: {
        most,
        help: say("keys"),
        cursor: () => cursorOf(map).map((index) => index + border()),
        move(place) {
          take(place);
          const [row, column] = chosen().place;
          spoken.say(say("cell", { place: at(say, [row, column]), value: now()[map][row][column] }));
        },
        press: take,
        set(place, value) {
          take(place);
          choose({ [map]: changed(now()[map], chosen().place, value) });
        },
      },
    });
    return {
      node: grid.node,
      show(state, cells) {
        const [row, column] = cursorOf(map).map((index) => index + border());
        cells[row][column].cursor = chosen().map === map;
        const [y, x] = cursorOf(map);
        grid.show(cells, titleOf(say, map, state), say("grid", {
          title: titleOf(say, map, state), rows: inRows(state[map]),
          place: at(say, [y, x]), value: state[map][y][x],
        }));
      },
    };
  }

  function plain(name, kind, actions = null) {
    const grid = numberGrid({ kind, actions });
    return {
      node: grid.node,
      show(state, cells) {
        const title = titleOf(say, name, state);
        const numbers = cells.map((row) => row.map(({ value }) => value));
        grid.show(cells, title, `${title}: ${inRows(numbers)}`, steps(state));
      },
    };
  }

  const go = (place) => {
    if (steps(now())) choose({ step: place[0] * stepGrid(now())[1] + place[1] });
  };
  return {
    input: edited("input"),
    delta: edited("delta"),
    kernel: edited("kernel"),
    flipped: plain("flipped", "kernel"),
    stuffed: plain("stuffed", "delta"),
    gradient: plain("gradient", "gradient", {
      help: say("gradient.keys"), cursor: () => placeOf(now(), now().step), move: go, press: go,
    }),
  };
}

// Whether the steps go through the gradient's own cells.
const steps = ({ mode }) => mode === "weight" || mode === "input";

function titleOf(say, name, state) {
  const { mode, rows, columns, size, padding } = state;
  const sizes = {
    input: [rows, columns], delta: outputsOf(state), kernel: [size, size], flipped: [size, size],
    stuffed: [rows + size - 1, columns + size - 1],
    gradient: mode === "weight" ? [size, size] : mode === "bias" ? [1, 1] : [rows, columns],
  };
  const key = name === "gradient" ? `title.gradient.${isPool(mode) ? "input" : mode}`
    : name === "input" && mode === "weight" && padding ? "title.padded" : `title.${name}`;
  return say(key, { size: sizes[name].join("×"), padding });
}

function legend(say) {
  return swatches(["lit", "self", "padding", "stuffed"].map((name) =>
    [`bk-swatch bk-cell bk-${name}`, say(`legend.${name}`)]));
}
