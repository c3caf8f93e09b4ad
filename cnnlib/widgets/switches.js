// Switches: a small net run forwards, and one unit's signal sent back through it, layer by layer.
//
// The first half is sums and words, without a page: a browser test holds them to torch. A net is a
// list of stages, each with the map that it put out; the signal on the way back is a list of maps of
// the same sizes.

import {
  announcer, choice, element, gridStep, slider, svgElement, uniqueId, watch,
} from "./page.js";

// ---------------------------------------------------------------------------------------- sums

const upTo = (n) => Array.from({ length: n }, (_, i) => i);
const sizeOf = (map) => [map.length, map[0].length];
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const zeros = ([rows, columns]) => upTo(rows).map(() => new Array(columns).fill(0));
const mapValues = (map, change) => map.map((row, y) => row.map((value, x) => change(value, y, x)));

// Each place's window times the kernel, added up.
export function correlate(map, kernel) {
  const [rows, columns] = sizeOf(map);
  return mapValues(zeros([rows - kernel.length + 1, columns - kernel.length + 1]), (_, y, x) => {
    let sum = 0;
    kernel.forEach((line, i) => line.forEach((weight, j) => { sum += weight * map[y + i][x + j]; }));
    return sum;
  });
}

// The largest value of each window, the place that won it, and how many places hold that value.
// Of equal values the first wins, in reading order.
export function maxPool(map, [size, stride]) {
  const [rows, columns] = sizeOf(map).map((n) => Math.floor((n - size) / stride) + 1);
  const winners = upTo(rows).map((row) => upTo(columns).map((column) => {
    let best = [row * stride, column * stride];
    for (const [y, x] of windowPlaces([row, column], [size, stride])) {
      if (map[y][x] > map[best[0]][best[1]]) best = [y, x];
    }
    return best;
  }));
  const values = mapValues(winners, ([y, x]) => map[y][x]);
  const ties = mapValues(values, (value, row, column) =>
    windowPlaces([row, column], [size, stride]).filter(([y, x]) => map[y][x] === value).length);
  return { values, winners, ties };
}

// The places that a pool's window covers, in reading order.
function windowPlaces([row, column], [size, stride]) {
  return upTo(size * size).map((i) =>
    [row * stride + Math.floor(i / size), column * stride + (i % size)]);
}

// The whole net on a picture: stages {kind, values, ...}, the picture first.
export function forward({ picture, kernel, pool, second }) {
  const convolved = correlate(picture, kernel);
  const rectified = mapValues(convolved, (x) => Math.max(0, x));
  const stages = [
    { kind: "picture", name: "Picture", values: picture },
    { kind: "convolution", name: "Convolution", values: convolved, kernel },
    { kind: "relu", name: "ReLU", values: rectified },
    { kind: "pool", name: "Max pool", window: pool, ...maxPool(rectified, pool) },
  ];
  if (!second.length) return stages;
  const again = correlate(stages[3].values, second);
  return [...stages,
    { kind: "convolution", name: "Convolution 2", values: again, kernel: second },
    { kind: "relu", name: "ReLU 2", values: mapValues(again, (x) => Math.max(0, x)) }];
}

// What a ReLU sends back of a signal, by its rule. x: what the ReLU saw on the way forwards.
export function rectify(signal, x, method) {
  const passes = {
    gradient: (r, seen) => seen > 0,
    deconvnet: (r) => r > 0,
    guided: (r, seen) => r > 0 && seen > 0,
  }[method];
  return mapValues(signal, (r, row, column) => (passes(r, x[row][column]) ? r : 0));
}

// Each value stamps the kernel; stamps that overlap add up: the transposed convolution.
export function transpose(signal, kernel) {
  const found = zeros(sizeOf(signal).map((n) => n + kernel.length - 1));
  mapValues(signal, (value, row, column) => kernel.forEach((line, i) =>
    line.forEach((weight, j) => { found[row + i][column + j] += value * weight; })));
  return found;
}

// Where a window's signal lands: a list of places that share it in equal parts.
export function landing(place, winner, window, how) {
  if (how === "switches") return [winner];
  return how === "corner" ? windowPlaces(place, window).slice(0, 1) : windowPlaces(place, window);
}

// The signal on a pool's map, sent back to a map of the given size.
export function unpool(signal, size, { winners, window }, how) {
  const found = zeros(size);
  mapValues(signal, (value, row, column) => {
    const places = landing([row, column], winners[row][column], window, how);
    for (const [y, x] of places) found[y][x] += value / places.length;
  });
  return found;
}

// The signal of one unit of the top on every stage's map; the last is the start, the first the
// pixels. The deconvnet starts with the activation, the others with 1.
export function backward(stages, { unit: [row, column], method, unpool: how }) {
  const signals = new Array(stages.length);
  const top = stages.at(-1).values;
  signals[stages.length - 1] = zeros(sizeOf(top));
  signals.at(-1)[row][column] = method === "deconvnet" ? top[row][column] : 1;
  for (let i = stages.length - 1; i > 0; i -= 1) {
    const [stage, below] = [stages[i], stages[i - 1].values];
    if (stage.kind === "relu") signals[i - 1] = rectify(signals[i], below, method);
    else if (stage.kind === "pool") signals[i - 1] = unpool(signals[i], sizeOf(below), stage, how);
    else signals[i - 1] = transpose(signals[i], stage.kernel);
  }
  return signals;
}

// ---------------------------------------------------------------------------------------- words

// A number in short, with a true minus sign.
export function short(value) {
  const text = value.toFixed(Math.abs(value) >= 9.95 ? 0 : 1).replace(/\.0$/, "");
  return text === "-0" ? "0" : text.replace("-", "−");
}

const count = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const at = ([row, column]) => `row ${row}, column ${column}`;
const RULES = { gradient: "x > 0", deconvnet: "r > 0", guided: "r > 0 and x > 0" };
const UNPOOLS = {
  switches: "Switches: to the winner",
  corner: "No switches: to the top left corner",
  spread: "No switches: spread evenly",
};

function nonzero(map) {
  const places = [];
  mapValues(map, (value, row, column) => { if (value !== 0) places.push([row, column]); });
  return places;
}

// What step i back did, and with which numbers; step 0 is the start.
export function stepInWords(stages, signals, step, { unit, method, unpool: how }) {
  const last = stages.length - 1;
  const number = last - step;
  if (step === 0) {
    const value = signals[last][unit[0]][unit[1]];
    const why = method === "deconvnet" ? "the unit’s activation" : "the start for a derivative";
    return `Start: all units of the top but ${at(unit)} are set to 0. The signal there is `
      + `${short(value)}, ${why}.${value === 0 ? " The unit is not active: nothing goes back." : ""}`;
  }
  const [stage, arrived, left] = [stages[number + 1], signals[number + 1], signals[number]];
  if (stage.kind === "relu") {
    const [here, on] = [nonzero(arrived).length, nonzero(left).length];
    return `${stage.name}, rule of ${method}: r where ${RULES[method]}. `
      + `${count(here, "signal")} arrived, ${here - on} stopped.`;
  }
  if (stage.kind === "pool") {
    const moved = nonzero(arrived).slice(0, 3).map(([row, column]) => {
      const value = short(arrived[row][column]);
      const [place, ...rest] = landing([row, column], stage.winners[row][column], stage.window, how);
      return rest.length ? `${value} to ${rest.length + 1} places from ${at(place)} on`
        : `${value} to ${at(place)}`;
    });
    const many = nonzero(arrived).length;
    const ways = {
      switches: "each signal goes to the place that won its window",
      corner: "each signal goes to its window’s top left corner, whoever won",
      spread: "each signal is spread evenly over its window",
    };
    return `Unpool: ${ways[how]}${many ? `: ${moved.join("; ")}${many > 3 ? "; …" : ""}` : ""}.`;
  }
  const words = `${stage.name} transposed: each signal stamps the kernel, weighted; overlapping `
    + "stamps add up.";
  if (number > 0) return words;
  const found = nonzero(left);
  if (!found.length) return `${words} No pixel is left.`;
  const size = ([row, column]) => Math.abs(left[row][column]);
  const best = found.reduce((a, b) => (size(b) > size(a) ? b : a));
  return `${words} These are the pixels: ${found.length} are not 0, the largest is `
    + `${short(left[best[0]][best[1]])} at ${at(best)}.`;
}

// Which place won a window, and what became of it.
export function windowInWords(stages, [row, column]) {
  const { window: [size, stride], values, winners, ties } = stages[3];
  const span = (name, first) => `${name}s ${first} to ${first + size - 1}`;
  const shared = ties[row][column] > 1
    ? ` ${ties[row][column]} places hold it: the first in reading order wins.` : "";
  return `Pool, ${at([row, column])}: the largest of ${span("row", row * stride)}, `
    + `${span("column", column * stride)} is ${short(values[row][column])}, at `
    + `${at(winners[row][column])}.${shared}`;
}

// ------------------------------------------------------------------------------------ the widget

const LEAST = 76; // CSS pixels that a stage is wide, for its words; the last maps are narrower
const STATE = ["picture", "kernel", "second", "pool", "unpool", "method", "unit", "step"];
const METHOD_NAMES = { gradient: "Gradient", deconvnet: "Deconvnet", guided: "Guided" };

export default {
  render({ model, el }) {
    el.classList.add("cnn-widget", "cnn-switches");
    const constants = model.get("constants");
    const spoken = announcer();
    let looked = null; // [row, column] of the pool whose window is outlined, or null
    let fitted = null; // the sizes of the maps that the cells were fitted to
    let stages;
    let signals;

    const settings = settingsPanel(constants, save);
    const story = element("p", { class: "sw-story" });
    const found = element("p", { class: "sw-window" });
    const painter = picturePainter(constants.brightest, {
      read: () => model.get("picture"),
      write(picture, place) {
        save({ picture }, () => `${at(place)} is now ${picture[place[0]][place[1]]}. `);
      },
    });
    const steps = slider({
      label: "Layers back", min: 0, max: 5, value: 0, help: "0: the start. The last: the pixels.",
      onInput: (step) => save({ step }),
    });
    const cards = upTo(6).map((number) => stageCard(number, {
      painter,
      top: (unit) => save({ unit }),
      look(place) { looked = place; draw(); },
      lookAloud(place) { looked = place; draw(); spoken.say(windowInWords(stages, place)); },
      moved() { draw(); spoken.say(painter.inWords()); },
    }));
    const methods = methodsPanel(constants.methods, (method) => save({ method }));
    const line = element("div", { class: "sw-line" }, ...cards.map(({ node }) => node));
    el.append(settings.node, painter.node, line, found,
      element("div", { class: "sw-steps" }, steps.node, story), legend(), methods.node, spoken.node);

    // The model's state, kept inside the net: the traits of one choice change one by one.
    function state() {
      const s = Object.fromEntries(STATE.map((name) => [name, model.get(name)]));
      const net = {
        picture: s.picture, kernel: constants.kernels[s.kernel], pool: constants.pools[s.pool],
        second: constants.seconds[s.second],
      };
      return { ...s, net };
    }

    function settled(s) {
      const top = sizeOf(stages.at(-1).values);
      const unit = s.unit.map((index, axis) => Math.min(index, top[axis] - 1));
      return { ...s, unit, step: Math.min(s.step, stages.length - 1) };
    }

    function save(choice, before = () => "") {
      const wasLast = model.get("step") >= stages.length - 1;
      const next = { ...state(), ...choice };
      if ("second" in choice) {
        const last = constants.seconds[choice.second].length ? 5 : 3;
        next.step = wasLast ? last : Math.min(next.step, last);
      }
      for (const name of STATE) if (!same(model.get(name), next[name])) model.set(name, next[name]);
      const { unit, step } = settled(state());
      if (!same(unit, model.get("unit"))) model.set("unit", unit);
      if (step !== model.get("step")) model.set("step", step);
      model.save_changes();
      const value = stages.at(-1).values[unit[0]][unit[1]];
      spoken.say(before() + ("step" in choice || "method" in choice || "unpool" in choice
        ? story.textContent
        : `The top unit at ${at(unit)} is ${short(value)}. ${story.textContent}`));
    }

    function draw() {
      const raw = state();
      stages = forward(raw.net);
      const s = settled(raw);
      signals = backward(stages, s);
      const last = stages.length - 1;
      const [rows, columns] = sizeOf(stages[3].values);
      if (looked && (looked[0] >= rows || looked[1] >= columns)) looked = null;
      const windows = looked ? [looked] : windowsOf(s.unit, last);
      settings.show(s);
      painter.keep(sizeOf(s.picture));
      cards.forEach((card, number) => card.show(stages, signals, {
        ...s, last, windows, looked, cursor: painter.cursor(),
        ahead: last - number > s.step,
      }));
      steps.bound({ max: last });
      steps.set(s.step);
      write(story, stepInWords(stages, signals, s.step, s));
      write(found, windowInWords(stages, windows[0])
        + (windows.length > 1 ? ` (The first of ${windows.length} windows that the unit reads.)` : ""));
      methods.show(stages, s);
      const shape = stages.map(({ values }) => sizeOf(values));
      if (!same(shape, fitted)) fit();
      fitted = shape;
    }

    // All maps side by side, or in rows of three, or on a phone as they fit; cells as wide as can be.
    function fit() {
      const width = el.clientWidth - 28;
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
      for (const [name, size] of Object.entries({ "": cell, "picture-": own, "method-": method })) {
        el.style.setProperty(`--sw-${name}cell`, `${size.toFixed(2)}px`);
      }
    }

    const unwatch = watch(model, STATE, draw);
    draw();
    const follow = new ResizeObserver(fit);
    follow.observe(el);
    return () => {
      unwatch();
      follow.disconnect();
      spoken.stop();
    };
  },
};

// Sets an element's text; the same text again would still cost a layout.
function write(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

// The pool's windows that a unit of the top reads.
function windowsOf([row, column], last) {
  if (last === 3) return [[row, column]];
  return [0, 1, 2, 3].map((i) => [row + (i >> 1), column + (i % 2)]);
}

// ---- Settings.

function settingsPanel({ pictures, kernels, seconds, pools }, save) {
  const names = (table) => Object.keys(table).map((name) => [name, name]);
  const picture = choice({
    label: "Picture", options: [...names(pictures), ["", "your own"]], value: "",
    onChange: (name) => { if (name) save({ picture: pictures[name].map((row) => [...row]) }); },
  });
  const pick = (label, name, options) => choice({
    label, options, value: "", onChange: (value) => save({ [name]: value }),
  });
  const parts = {
    kernel: pick("Kernel", "kernel", names(kernels)),
    pool: pick("Max pool", "pool", names(pools)),
    second: pick("Second kernel", "second", names(seconds)),
    unpool: pick("On the way back, a pool sends", "unpool", Object.entries(UNPOOLS)),
  };
  const shown = element("div", { class: "sw-kernels" });
  let drawn = null;
  return {
    node: element("div", { class: "sw-settings" },
      element("div", { class: "cnn-row" }, picture.node, parts.kernel.node, parts.pool.node,
        parts.second.node, parts.unpool.node), shown),
    show(s) {
      for (const [name, part] of Object.entries(parts)) part.set(s[name]);
      picture.set(Object.keys(pictures).find((name) => same(pictures[name], s.picture)) ?? "");
      if (same(drawn, [s.kernel, s.second])) return;
      drawn = [s.kernel, s.second];
      const small = (label, kernel) => element("figure", { class: "sw-kernel" },
        element("figcaption", {}, label), kernelTable(kernel, label));
      shown.replaceChildren(small("Kernel", kernels[s.kernel]),
        ...(seconds[s.second].length ? [small("Second kernel", seconds[s.second])] : []));
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

function picturePainter(brightest, { read, write }) {
  const keysId = uniqueId("keys");
  let cursor = [0, 0];
  let painting = null; // the value that a stroke of the mouse leaves behind
  const brush = slider({
    label: "Brush", min: 1, max: brightest, value: 5, help: "What a tap on a pixel paints",
    onInput() {},
  });
  const worth = ([row, column]) => (read()[row][column] === brush.input.valueAsNumber
    ? 0 : brush.input.valueAsNumber);
  function paint([row, column], value) {
    cursor = [row, column];
    const picture = read().map((line) => [...line]);
    picture[row][column] = value;
    write(picture, cursor);
  }
  return {
    node: element("div", { class: "sw-brush" }, brush.node,
      element("p", { class: "cnn-help", id: keysId }, "Paint on the picture with pointer or finger. "
        + "By keyboard: arrows move, 0 to 9 set the pixel, Space paints. Rows and columns count from 0.")),
    keysId,
    cursor: () => cursor,
    inWords: () => `${at(cursor)}: ${read()[cursor[0]][cursor[1]]}`,
    keep([rows, columns]) { cursor = [Math.min(cursor[0], rows - 1), Math.min(cursor[1], columns - 1)]; },
    press(place, mouse) {
      const value = worth(place);
      painting = mouse ? value : null;
      paint(place, value);
    },
    drag(place) {
      if (painting !== null && read()[place[0]][place[1]] !== painting) paint(place, painting);
    },
    release() { painting = null; },
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

const BACK = { relu: "behind the ReLU’s rule", pool: "unpooled", convolution: "filtered back" };

function stageCard(number, { painter, top, look, lookAloud, moved }) {
  const title = element("div", { class: "sw-title" });
  const note = element("p", { class: "sw-note" });
  const back = element("p", { class: "sw-note sw-back" });
  const values = mapPicture();
  const signal = mapPicture();
  const stage = element("div", { class: "sw-map" }, values.node);
  const node = element("div", { class: `sw-stage${number === 0 ? " sw-first" : ""}` },
    title, note, stage, back, element("div", { class: "sw-map" }, signal.node));
  let last = 0;
  let unit = [0, 0];
  let place = [0, 0]; // where the keyboard looks at the pool
  let pointer = "";
  const isTop = () => number === last;

  function press(event, mouse) {
    const hit = values.placeAt(event);
    if (!hit) return;
    if (number === 0) painter.press(hit, mouse);
    else if (isTop()) top(hit);
    else if (number === 3) { place = hit; lookAloud(hit); }
  }

  // A mouse paints from where it is pressed on; a finger may be about to scroll, so it waits.
  stage.addEventListener("pointerdown", (event) => {
    pointer = event.pointerType;
    if (pointer === "mouse") press(event, true);
  });
  stage.addEventListener("click", (event) => { if (pointer !== "mouse") press(event, false); });
  stage.addEventListener("pointermove", (event) => {
    const hit = values.placeAt(event);
    if (number === 0 && hit && event.buttons) painter.drag(hit);
    if (number === 3 && event.pointerType === "mouse") look(hit);
  });
  stage.addEventListener("pointerleave", () => {
    painter.release();
    if (number === 3 && document.activeElement !== stage) look(null);
  });
  stage.addEventListener("pointerup", () => painter.release());
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (number === 0) {
      const did = painter.key(event.key);
      if (!did) return;
      if (did === "moved") moved();
    } else {
      const to = gridStep(event.key, isTop() ? unit : place, values.size());
      if (!to) return;
      if (isTop()) top(to);
      else { place = to; lookAloud(to); }
    }
    event.preventDefault();
  });
  stage.addEventListener("focus", () => { if (number === 3 && !isTop()) look(place); });
  stage.addEventListener("blur", () => { if (number === 3) look(null); });

  function keyboard(words) {
    const on = words !== null;
    for (const [name, value] of Object.entries({
      role: "application", tabindex: "0", "aria-label": words,
      "aria-describedby": number === 0 ? painter.keysId : null,
    })) {
      if (on && value !== null) stage.setAttribute(name, value);
      else stage.removeAttribute(name);
    }
  }

  return {
    node,
    show(stages, signals, s) {
      node.hidden = number > s.last;
      if (node.hidden) return;
      ({ last, unit } = s);
      const { name, kind, values: map } = stages[number];
      const [rows, columns] = sizeOf(map);
      place = [Math.min(place[0], rows - 1), Math.min(place[1], columns - 1)];
      node.style.width = `max(${LEAST}px, ${columns} * var(--sw-cell) + 3px)`;
      write(title, name.replace("lution", "\u00adlution"));
      write(note, noteOf(stages, number, s));
      const step = s.last - number;
      write(back, `${step} back: ${step === 0 ? "the start"
        : number === 0 ? "pixels" : BACK[stages[number + 1].kind]}`);
      const words = `${name}, ${rows} × ${columns}`;
      keyboard(number === 0
        ? `Picture, ${rows} × ${columns}. ${at(s.cursor)}: ${map[s.cursor[0]][s.cursor[1]]}`
        : isTop() ? `Top map, ${words}. Chosen: ${at(unit)}, ${short(map[unit[0]][unit[1]])}`
          : number === 3 ? `${words}. Arrow keys look at a window. ${at(place)}: `
            + short(map[place[0]][place[1]]) : null);
      values.show(map, {
        label: words,
        silent: number === 0 || isTop() || number === 3,
        closed: stages[number + 1]?.kind === "relu",
        rings: kind === "relu" && number === 2 ? stages[3].winners.flat() : [],
        frames: number === 2 ? s.windows.map((window) => windowBox(window, stages[3].window))
          : number === 3 && !isTop() ? s.windows.map(([y, x]) => [y, x, 1]) : [],
        chosen: isTop() ? unit : number === 0 ? s.cursor : null,
        soft: number === 0,
      });
      const shown = signals[number];
      const stopped = stages[number + 1]?.kind === "relu"
        ? nonzero(signals[number + 1]).filter(([y, x]) => shown[y][x] === 0) : [];
      node.classList.toggle("sw-ahead", s.ahead);
      node.classList.toggle("sw-now", s.last - number === s.step);
      signal.show(s.ahead ? null : shown, {
        size: [rows, columns],
        label: s.ahead ? `The signal on ${name} comes with step ${s.last - number}`
          : `The signal on ${name}`,
        crosses: s.ahead ? [] : stopped,
        rings: number === 2 && !s.ahead ? s.windows.flatMap((window) => landing(
          window, stages[3].winners[window[0]][window[1]], stages[3].window, s.unpool)) : [],
      });
    },
  };
}

function noteOf(stages, number, s) {
  const { kind, values } = stages[number];
  const [rows, columns] = sizeOf(values);
  const kernel = stages[number].kernel ? `, ${stages[number].kernel.length}×`
    + `${stages[number].kernel.length} kernel` : "";
  if (number === s.last) return `top, ${rows} × ${columns}: choose a unit`;
  return `${rows} × ${columns}${kernel}${kind === "relu" ? ", rings: winners" : ""}`;
}

const windowBox = ([row, column], [size, stride]) => [row * stride, column * stride, size];
const inRows = (map) => map.map((row) => row.map(short).join(" ")).join("; ");

// A map drawn as numbers on tinted cells. show(null) draws its cells empty.
function mapPicture() {
  const cells = svgElement("g");
  const marks = svgElement("g");
  const node = svgElement("svg", { class: "sw-cells" }, cells, marks);
  const U = 20;
  let size = [0, 0];
  let drawn = []; // the cells, each with what it shows
  let shown = null; // the marks
  let named = null; // the label
  let hidden = null; // whether another element speaks for it

  function build([rows, columns]) {
    size = [rows, columns];
    node.setAttribute("viewBox", `-1.5 -1.5 ${columns * U + 3} ${rows * U + 3}`);
    node.style.setProperty("--sw-columns", columns);
    node.style.setProperty("--sw-rows", rows);
    drawn = upTo(rows).map((row) => upTo(columns).map((column) => {
      const tint = svgElement("rect", { x: column * U, y: row * U, width: U, height: U });
      const text = svgElement("text", { x: (column + 0.5) * U, y: (row + 0.5) * U });
      return { tint, text };
    }));
    named = null;
    cells.replaceChildren(
      svgElement("rect", { class: "sw-paper", width: columns * U, height: rows * U }),
      ...drawn.flat().flatMap(({ tint, text }) => [tint, text]));
  }

  const place = (name, [row, column]) => svgElement("rect", {
    class: name, x: column * U + 1, y: row * U + 1, width: U - 2, height: U - 2,
  });

  return {
    node,
    size: () => size,
    placeAt({ clientX, clientY }) {
      const box = cells.firstChild.getBoundingClientRect();
      const row = Math.floor(((clientY - box.top) / box.height) * size[0]);
      const column = Math.floor(((clientX - box.left) / box.width) * size[1]);
      const inside = row >= 0 && column >= 0 && row < size[0] && column < size[1];
      return inside ? [row, column] : null;
    },
    show(map, {
      label, silent = false, closed = false, rings = [], frames = [], chosen = null,
      crosses = [], soft = false, size: wanted = sizeOf(map),
    }) {
      if (!same(wanted, size)) build(wanted);
      node.classList.toggle("sw-empty", map === null);
      if (silent !== hidden) {
        node.setAttribute("role", silent ? "presentation" : "img");
        node.setAttribute("aria-hidden", String(silent));
        if (silent) node.removeAttribute("aria-label");
        hidden = silent;
        named = null;
      }
      const limit = map ? Math.max(...map.flat().map(Math.abs)) || 1 : 1;
      let changed = label !== named;
      drawn.forEach((line, row) => line.forEach((cell, column) => {
        const value = map ? map[row][column] : null;
        const shut = closed && value <= 0;
        if (cell.value === value && cell.limit === limit && cell.shut === shut) return;
        Object.assign(cell, { value, limit, shut });
        paint(cell);
        changed = true;
      }));
      named = label;
      if (changed && !silent) node.setAttribute("aria-label", map ? `${label}: ${inRows(map)}` : label);
      const marked = { rings, frames, chosen, crosses };
      if (same(marked, shown)) return;
      shown = marked;
      marks.replaceChildren(
        ...rings.map(([row, column]) => svgElement("circle", {
          class: "sw-ring", cx: (column + 0.5) * U, cy: (row + 0.5) * U, r: U / 2 - 1.2,
        })),
        ...crosses.map(([row, column]) => svgElement("path", {
          class: "sw-cross", d: `M${column * U + 3} ${row * U + 3}l${U - 6} ${U - 6}m0 ${6 - U}`
            + `l${6 - U} ${U - 6}`,
        })),
        ...frames.flatMap(([row, column, side]) => ["sw-frame-edge", "sw-frame"].map((name) =>
          svgElement("rect", {
            class: name, x: column * U, y: row * U, width: side * U, height: side * U,
          }))),
        ...(chosen ? [place(soft ? "sw-cursor" : "sw-chosen", chosen)] : []));
    },
  };
}

function paint({ tint, text, value, limit, shut }) {
  const words = value === null ? "" : short(value);
  tint.setAttribute("class", value < 0 ? "sw-minus" : "sw-plus");
  tint.setAttribute("fill-opacity", (0.62 * Math.abs(value) / limit).toFixed(3));
  text.setAttribute("class", `sw-digits-${Math.min(words.length, 5)}`
    + `${value === 0 ? " sw-zero" : ""}${shut ? " sw-shut" : ""}`);
  write(text, words);
}

// ---- The three methods side by side, and the table in which they differ.

function methodsPanel(rules, choose) {
  const group = uniqueId("method");
  const entries = Object.keys(rules).map((method) => {
    const input = element("input", {
      type: "radio", name: group, value: method, onchange: () => choose(method),
    });
    const map = mapPicture();
    const card = element("label", { class: "sw-method" },
      element("span", { class: "sw-method-name" }, input, ` ${METHOD_NAMES[method]}`), map.node);
    const cells = upTo(4).map(() => element("td"));
    const line = element("tr", {},
      element("th", { scope: "row" }, METHOD_NAMES[method]), ...cells);
    return { method, input, map, card, cells, line };
  });
  const heads = ["Method", "Starts with", "A ReLU lets r back", "Stopped here", "Pixels reached"];
  return {
    node: element("div", { class: "sw-methods" },
      element("fieldset", {}, element("legend", {}, "The same unit, sent back to the pixels in three ways"),
        ...entries.map(({ card }) => card)),
      element("div", { class: "cnn-scroll", tabindex: "0", role: "group", "aria-label": "Table of the three rules" },
        element("table", {},
          element("caption", { class: "cnn-help" }, "r: the signal from above. x: what the ReLU saw "
            + "on the way forwards. Each picture has its own scale: orange above 0, blue below."),
          element("thead", {}, element("tr", {}, ...heads.map((words) =>
            element("th", { scope: "col" }, words)))),
          element("tbody", {}, ...entries.map(({ line }) => line))))),
    show(stages, s) {
      for (const { method, input, map, card, cells, line } of entries) {
        const signals = backward(stages, { ...s, method });
        const stopped = stages.reduce((sum, { kind }, i) => (kind === "relu"
          ? sum + nonzero(signals[i]).length - nonzero(signals[i - 1]).length : sum), 0);
        input.checked = method === s.method;
        card.classList.toggle("sw-picked", method === s.method);
        line.classList.toggle("sw-picked", method === s.method);
        map.show(signals[0], { label: METHOD_NAMES[method] });
        const words = [
          method === "deconvnet"
            ? `its activation, ${short(stages.at(-1).values[s.unit[0]][s.unit[1]])}` : "1",
          `where ${RULES[method]}`, count(stopped, "signal"), String(nonzero(signals[0]).length),
        ];
        cells.forEach((cell, i) => write(cell, words[i]));
      }
    },
  };
}

function legend() {
  const entry = (name, words) => element("span", { class: "sw-key" },
    element("span", { class: `sw-swatch ${name}`, "aria-hidden": "true" }), words);
  return element("p", { class: "sw-legend" },
    entry("sw-key-ring", "won a window; below: where its signal lands"),
    entry("sw-key-frame", "windows that the unit reads"),
    entry("sw-key-shut", "struck out: x ≤ 0, the ReLU was closed"),
    entry("sw-key-cross", "a signal that a ReLU stopped"));
}
