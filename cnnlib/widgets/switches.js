// Switches: a small net run forwards, and one unit's signal sent back through it, layer by layer.

import { cells, short } from "./kit/cells.js";
import { slider } from "./kit/controls.js";
import { element, same, setAttribute, swatches, uniqueId, upTo, write } from "./kit/dom.js";
import { gridStep, pointing } from "./kit/focus.js";
import { teach } from "./kit/teach.js";
import { span } from "./kit/words.js";
import {
  backward, landing, nonzero, settled, sizeOf, stagesOf, windowsOf,
} from "./switches_sums.js";

const NAMES = ["picture", "kernel", "second", "pool", "unpool", "method", "unit", "step"];
const LEAST = 76; // CSS pixels that a stage is wide, for its words; the last maps are narrower

export default teach({ stem: "switches", names: NAMES, settled, view });

// ------------------------------------------------------------------------------------------ words

const at = (say, [row, column]) => say("kit.at", { row, column });
const nameOf = (say, number) => say(`stage.${number}`).replaceAll("\u00ad", ""); // no soft hyphen

// What step i back did, and with which numbers; step 0 is the start.
export function stepInWords(say, stages, signals, step, { unit, method, unpool }) {
  const last = stages.length - 1;
  const number = last - step;
  if (step === 0) {
    const value = signals[last][unit[0]][unit[1]];
    return say(`step.start.${method === "deconvnet" ? "activation" : "derivative"}`,
      { place: at(say, unit), value: short(value) }) + (value === 0 ? ` ${say("step.dead")}` : "");
  }
  const [stage, arrived, left] = [stages[number + 1], signals[number + 1], signals[number]];
  if (stage.kind === "relu") {
    const [here, on] = [nonzero(arrived).length, nonzero(left).length];
    return say("step.relu", {
      name: nameOf(say, number + 1), method: say(`method.${method}`), rule: say(`rule.${method}`),
      arrived: here, stopped: here - on,
    });
  }
  if (stage.kind === "pool") {
    const places = nonzero(arrived);
    const moved = places.slice(0, 3).map(([row, column]) => {
      const [first, ...rest] = landing([row, column], stage.winners[row][column], stage.window, unpool);
      return say(rest.length ? "step.moved.many" : "step.moved", {
        value: short(arrived[row][column]), place: at(say, first), count: rest.length + 1,
      });
    });
    const way = say(`step.unpool.${unpool}`);
    if (!moved.length) return `${way}.`;
    return `${way}: ${moved.join("; ")}${places.length > 3 ? "; …" : ""}.`;
  }
  const words = say("step.convolution", { name: nameOf(say, number + 1) });
  if (number > 0) return words;
  const found = nonzero(left);
  if (!found.length) return `${words} ${say("step.no_pixel")}`;
  const size = ([row, column]) => Math.abs(left[row][column]);
  const best = found.reduce((a, b) => (size(b) > size(a) ? b : a));
  return `${words} ${say("step.pixels", {
    count: found.length, value: short(left[best[0]][best[1]]), place: at(say, best),
  })}`;
}

// Which place won a window, and what became of it.
export function windowInWords(say, stages, [row, column]) {
  const { window: [size, stride], values, winners, ties } = stages[3];
  const range = (axis, first) => span(say, axis, [first * stride, first * stride + size - 1]);
  return say("window", {
    place: at(say, [row, column]), rows: range("row", row), columns: range("column", column),
    value: short(values[row][column]), winner: at(say, winners[row][column]),
  }) + (ties[row][column] > 1 ? ` ${say("window.ties", { count: ties[row][column] })}` : "");
}

function noteOf(say, stages, number, last) {
  const { kind, values, kernel } = stages[number];
  const [rows, columns] = sizeOf(values);
  const size = `${rows} × ${columns}`;
  if (number === last) return say("note.top", { size });
  if (kernel) return say("note.kernel", { size, side: kernel.length });
  return kind === "relu" ? say("note.relu", { size }) : size;
}

function backInWords(say, stages, number, last) {
  const step = last - number;
  const what = step === 0 ? "start" : number === 0 ? "picture" : stages[number + 1].kind;
  return say("back", { step, what: say(`back.${what}`) });
}

// ------------------------------------------------------------------------------------------- view

function view({ el, say, fixed, controls, choose, now, redraw, spoken }) {
  let looked = null; // [row, column] of the pool whose window is outlined, or null
  let stages;
  let signals;
  let fitted = null; // the width and the maps' sizes that the cells were fitted to
  const settings = settingsPanel(say, fixed, controls);
  const story = element("p", { class: "sw-story" });
  const found = element("p", { class: "sw-window" });
  const painter = picturePainter(say, fixed.brightest, {
    read: () => now().picture,
    write: (picture) => choose({ picture }),
  });
  const steps = controls.slider("step", {
    label: say("step"), min: 0, max: 5, help: say("step.help"),
    follow: (control) => control.bound({ max: stages.length - 1 }),
  });
  const look = (place) => { looked = place; redraw(); };
  const cards = upTo(6).map((number) => stageCard(say, number, {
    painter,
    chosen: () => now().unit,
    top: (unit) => choose({ unit }),
    look,
    lookAloud(place) { look(place); spoken.say(windowInWords(say, stages, place)); },
    moved() { redraw(); spoken.say(painter.inWords()); },
  }));
  const methods = methodsPanel(say, fixed, choose);
  const line = element("div", { class: "sw-line" }, ...cards.map(({ node }) => node));
  controls.own("method", say("methods"), { node: methods.node });
  controls.own("picture", null, { node: painter.node });

  function draw(state) {
    const last = stages.length - 1;
    signals = backward(stages, state);
    const [rows, columns] = sizeOf(stages[3].values);
    if (looked && (looked[0] >= rows || looked[1] >= columns)) looked = null;
    const windows = looked ? [looked] : windowsOf(state.unit, last);
    settings.show(state);
    painter.keep(sizeOf(state.picture));
    const shown = { ...state, last, windows, looked, cursor: painter.cursor() };
    cards.forEach((card, number) =>
      card.show(stages, signals, { ...shown, ahead: last - number > state.step }));
    write(story, stepInWords(say, stages, signals, state.step, state));
    write(found, windowInWords(say, stages, windows[0])
      + (windows.length > 1 ? ` (${say("window.first_of", { count: windows.length })})` : ""));
    methods.show(stages, state);
    fit(el.clientWidth);
  }

  // All maps side by side, or in rows of three, or on a phone as they fit; cells as wide as can be.
  function fit(place) {
    if (!stages) return;
    const sizes = [place, ...stages.map(({ values }) => sizeOf(values))];
    if (same(sizes, fitted)) return;
    fitted = sizes;
    const width = place - 28;
    const wide = stages.map(({ values }) => values[0].length).filter((columns) => columns > 3);
    const across = wide.reduce((sum, columns) => sum + columns);
    const words = LEAST * (stages.length - wide.length) + 16 * stages.length;
    const rows = (width - words) / across < 19;
    const phone = width < 480;
    el.classList.toggle("sw-rows-of-three", rows && !phone);
    el.classList.toggle("sw-phone", phone);
    const cell = phone ? Math.min(26, (width - 22) / (2 * wide[1]))
      : Math.min(30, (width - (rows ? 40 : words)) / across);
    const own = phone ? Math.min(34, width / wide[0]) : cell;
    const method = Math.min(cell, (width - (phone ? 52 : 100)) / (3 * wide[0]));
    for (const [name, size] of Object.entries({ "--cnn-cell": cell, "--sw-picture-cell": own, "--sw-method-cell": method })) {
      el.style.setProperty(name, `${size.toFixed(2)}px`);
    }
  }

  return {
    node: element("div", { class: "sw-body" }, settings.node, painter.node, line, found,
      element("div", { class: "sw-steps" }, steps.node, story), legend(say), methods.node),
    prepare(state) { stages = stagesOf(state, fixed); },
    draw,
    fit,
    words(state, before) {
      const pixel = same(state.picture, before.picture) ? "" : `${painter.inWords()}. `;
      if (["picture", "kernel", "pool", "second", "unit"].every((n) => same(state[n], before[n]))) {
        return story.textContent;
      }
      const value = stages.at(-1).values[state.unit[0]][state.unit[1]];
      return `${pixel}${say("unit", { place: at(say, state.unit), value: short(value) })} `
        + story.textContent;
    },
  };
}

// ---- Settings.

function settingsPanel(say, fixed, controls) {
  const named = (table) => Object.keys(table).map((name) => [name, say(`name.${name}`)]);
  const parts = [
    controls.dropdown("picture", {
      label: say("picture"),
      options: [
        ...Object.entries(fixed.pictures).map(([name, rows]) => [rows, say(`name.${name}`)]),
        [null, say("picture.own")]],
    }),
    controls.dropdown("kernel", { label: say("kernel"), options: named(fixed.kernels) }),
    controls.dropdown("pool", { label: say("pool"), options: named(fixed.pools) }),
    controls.dropdown("second", { label: say("second"), options: named(fixed.seconds) }),
    controls.dropdown("unpool", { label: say("unpool"), options: named(fixed.unpools) }),
  ];
  const shown = element("div", { class: "sw-kernels" });
  let drawn = null;
  const small = (label, kernel) => element("figure", { class: "sw-kernel" },
    element("figcaption", {}, label), kernelTable(kernel, label));
  return {
    node: element("div", { class: "sw-settings" },
      element("div", { class: "cnn-row" }, ...parts.map(({ node }) => node)), shown),
    show({ kernel, second }) {
      if (same(drawn, [kernel, second])) return;
      drawn = [kernel, second];
      const two = fixed.seconds[second];
      shown.replaceChildren(small(say("kernel"), fixed.kernels[kernel]),
        ...(two.length ? [small(say("second"), two)] : []));
    },
  };
}

function kernelTable(kernel, label) {
  const words = kernel.map((row) => row.map(short).join(" ")).join("; ");
  return element("div", { role: "img", "aria-label": `${label}: ${words}` },
    ...kernel.map((row) => element("div", { class: "sw-weights" },
      ...row.map((weight) => element("span", {}, short(weight))))));
}

// ---- The picture is painted: a tap gives a pixel the brush's value, or 0 where it has it already.

function picturePainter(say, brightest, { read, write: put }) {
  const keysId = uniqueId("keys");
  let cursor = [0, 0];
  let stroke = null; // the value that a stroke of the mouse leaves behind
  const brush = slider({
    label: say("brush"), min: 1, max: brightest, value: 5, help: say("brush.help"), onInput() {},
  });
  const worth = ([row, column]) => (read()[row][column] === brush.input.valueAsNumber
    ? 0 : brush.input.valueAsNumber);
  function paint([row, column], value) {
    cursor = [row, column];
    const picture = read().map((line) => [...line]);
    picture[row][column] = value;
    put(picture);
  }
  return {
    node: element("div", { class: "sw-brush" }, brush.node,
      element("p", { class: "cnn-help", id: keysId }, say("brush.keys"))),
    keysId,
    cursor: () => cursor,
    inWords: () => `${at(say, cursor)}: ${read()[cursor[0]][cursor[1]]}`,
    keep([rows, columns]) { cursor = [Math.min(cursor[0], rows - 1), Math.min(cursor[1], columns - 1)]; },
    press(place) {
      stroke = worth(place);
      paint(place, stroke);
    },
    drag(place) {
      if (stroke !== null && read()[place[0]][place[1]] !== stroke) paint(place, stroke);
    },
    // "moved" or "painted"; null for a key that does neither.
    key(key) {
      if (/^[0-9]$/.test(key)) paint(cursor, Number(key));
      else if (key === " " || key === "Enter") paint(cursor, worth(cursor));
      else if (key === "Delete" || key === "Backspace") paint(cursor, 0);
      else {
        const to = gridStep(key, cursor, sizeOf(read()));
        if (!to) return null;
        cursor = to;
        return "moved";
      }
      return "painted";
    },
  };
}

// ---- A stage: its map, and below it the signal on that map.

function stageCard(say, number, { painter, chosen, top, look, lookAloud, moved }) {
  const title = element("div", { class: "sw-title" });
  const note = element("p", { class: "sw-note" });
  const back = element("p", { class: "sw-note sw-back" });
  const values = cells();
  const signal = cells();
  const stage = element("div", { class: "sw-map" }, values.node);
  const node = element("div", { class: `sw-stage${number === 0 ? " sw-first" : ""}` },
    title, note, stage, back, element("div", { class: "sw-map" }, signal.node));
  let last = 0;
  let place = [0, 0]; // where the keyboard looks at the pool
  const isTop = () => number === last;
  const isPool = () => number === 3 && !isTop();

  pointing(stage, {
    at: values.at,
    press(hit) {
      if (number === 0) painter.press(hit);
      else if (isTop()) top(hit);
      else if (isPool()) { place = hit; lookAloud(hit); }
    },
    drag: number === 0 ? painter.drag : undefined,
    hover(hit) { if (isPool() && (hit || document.activeElement !== stage)) look(hit); },
  });
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (number === 0) {
      const did = painter.key(event.key);
      if (!did) return;
      if (did === "moved") moved();
    } else {
      const to = gridStep(event.key, isTop() ? chosen() : place, values.size());
      if (!to) return;
      if (isTop()) top(to);
      else { place = to; lookAloud(to); }
    }
    event.preventDefault();
  });
  stage.addEventListener("focus", () => { if (isPool()) look(place); });
  stage.addEventListener("blur", () => { if (isPool()) look(null); });

  function keyboard(words) {
    const on = words !== null;
    setAttribute(stage, "role", on ? "application" : null);
    setAttribute(stage, "tabindex", on ? "0" : null);
    setAttribute(stage, "aria-label", words);
    setAttribute(stage, "aria-describedby", on && number === 0 ? painter.keysId : null);
  }

  function purpose(map, words, { cursor, unit }) {
    const value = ([row, column]) => short(map[row][column]);
    if (number === 0) return say("map.picture", { words, place: at(say, cursor), value: value(cursor) });
    if (isTop()) return say("map.top", { words, place: at(say, unit), value: value(unit) });
    return isPool() ? say("map.pool", { words, place: at(say, place), value: value(place) }) : null;
  }

  return {
    node,
    show(stages, signals, s) {
      node.hidden = number > s.last;
      if (node.hidden) return;
      ({ last } = s);
      const { kind, values: map } = stages[number];
      const [rows, columns] = sizeOf(map);
      place = [Math.min(place[0], rows - 1), Math.min(place[1], columns - 1)];
      node.style.width = `max(${LEAST}px, ${columns} * var(--cnn-cell) + 3px)`;
      write(title, say(`stage.${number}`));
      write(note, noteOf(say, stages, number, last));
      write(back, backInWords(say, stages, number, last));
      const words = `${nameOf(say, number)}, ${rows} × ${columns}`;
      const next = stages[number + 1]?.kind;
      keyboard(purpose(map, words, s));
      values.show(map, {
        label: words,
        silent: number === 0 || isTop() || isPool(),
        shut: (value) => next === "relu" && value <= 0,
        rings: kind === "relu" && number === 2 ? stages[3].winners.flat() : [],
        frames: number === 2 ? s.windows.map((window) => windowBox(window, stages[3].window))
          : isPool() ? s.windows.map(([y, x]) => [y, x, 1]) : [],
        chosen: isTop() ? s.unit : number === 0 ? s.cursor : null,
        soft: number === 0,
      });
      const sent = signals[number];
      const stopped = next === "relu"
        ? nonzero(signals[number + 1]).filter(([y, x]) => sent[y][x] === 0) : [];
      node.classList.toggle("sw-ahead", s.ahead);
      node.classList.toggle("sw-now", last - number === s.step);
      signal.show(s.ahead ? null : sent, {
        size: [rows, columns],
        label: say(s.ahead ? "signal.ahead" : "signal", { words, step: last - number }),
        crosses: s.ahead ? [] : stopped,
        rings: number === 2 && !s.ahead ? s.windows.flatMap((window) => landing(
          window, stages[3].winners[window[0]][window[1]], stages[3].window, s.unpool)) : [],
      });
    },
  };
}

const windowBox = ([row, column], [size, stride]) => [row * stride, column * stride, size];

// ---- The three methods side by side, and the table in which they differ.

function methodsPanel(say, { methods }, choose) {
  const group = uniqueId("method");
  const entries = Object.keys(methods).map((method) => {
    const input = element("input", {
      type: "radio", name: group, value: method, onchange: () => choose({ method }),
    });
    const map = cells();
    const name = say(`method.${method}`);
    const card = element("label", { class: "sw-method" },
      element("span", { class: "sw-method-name" }, input, ` ${name}`), map.node);
    const columns = upTo(4).map(() => element("td"));
    const line = element("tr", {}, element("th", { scope: "row" }, name), ...columns);
    return { method, name, input, map, card, columns, line };
  });
  const heads = upTo(5).map((i) => element("th", { scope: "col" }, say(`methods.head.${i}`)));
  return {
    node: element("div", { class: "sw-methods" },
      element("fieldset", {}, element("legend", {}, say("methods.title")),
        ...entries.map(({ card }) => card)),
      element("div", { class: "cnn-scroll", tabindex: "0", role: "group", "aria-label": say("methods.table") },
        element("table", {},
          element("caption", { class: "cnn-help" }, say("methods.caption")),
          element("thead", {}, element("tr", {}, ...heads)),
          element("tbody", {}, ...entries.map(({ line }) => line))))),
    show(stages, s) {
      const value = stages.at(-1).values[s.unit[0]][s.unit[1]];
      for (const { method, name, input, map, card, columns, line } of entries) {
        const signals = backward(stages, { ...s, method });
        const stopped = stages.reduce((sum, { kind }, i) => (kind === "relu"
          ? sum + nonzero(signals[i]).length - nonzero(signals[i - 1]).length : sum), 0);
        input.checked = method === s.method;
        card.classList.toggle("sw-picked", method === s.method);
        line.classList.toggle("sw-picked", method === s.method);
        map.show(signals[0], { label: name });
        const words = [
          method === "deconvnet" ? say("methods.activation", { value: short(value) }) : "1",
          say("methods.where", { rule: say(`rule.${method}`) }),
          say("methods.stopped", { count: stopped }), String(nonzero(signals[0]).length),
        ];
        columns.forEach((cell, i) => write(cell, words[i]));
      }
    },
  };
}

function legend(say) {
  return swatches(["ring", "frame", "shut", "cross"].map((name) =>
    [`sw-swatch sw-key-${name}`, say(`legend.${name}`)]));
}
