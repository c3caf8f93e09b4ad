// Equivariance: a picture that is moved, a small stack of layers, and whether the order matters.
//
// The sums are those of equivariance_sums.js. The maps stand as a square of two ways: above, the
// picture is moved and then goes through the layers; below, its map is moved.

import {
  ANGLES, FARTHEST, KERNELS, PERCENTS, POOL_SIZES, report, settled, SIDE, STRIDES,
} from "./equivariance_sums.js";
import { element, setAttribute, svgElement, unpack, upTo, write } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import { opaque, paintMap, paintPixels, scaleBar, unpackPalettes } from "./kit/pixels.js";
import { teach } from "./kit/teach.js";
import { decimal } from "./kit/words.js";

const NAMES = ["picture", "kernel", "stride", "border", "relu", "pool", "pool_size", "pool_stride",
  "move", "down", "right", "angle", "percent"];
const MIDDLE = SIDE / 2;

export default teach({ stem: "equivariance", names: NAMES, settled, view });

function view({ el, say, fixed, controls, choose, now }) {
  const palettes = unpackPalettes(fixed.palettes);
  const pictures = new Map(fixed.pictures.map((packed) => {
    const { bytes } = unpack(packed);
    return [packed.name, upTo(SIDE).map((row) => Array.from(bytes.subarray(row * SIDE, (row + 1) * SIDE)))];
  }));
  const settings = settingsPanel(say, controls, fixed.names, [...pictures], palettes);
  const panels = {
    picture: panel("picture"), moved: panel("moved"), answer: panel("answer"),
    moved_first: panel("first"), moved_last: panel("last"), difference: panel("difference"),
  };
  const outline = outlining(panels.difference.stage);
  makeDraggable(panels.moved.stage, { choose, now, label: say("drag.label") });
  const scale = element("div", { class: "eq-scale" });
  const verdict = element("p", { class: "eq-verdict" });
  const facts = factsTable(say);
  let told; // the figures of the state that is drawn

  return {
    node: element("div", { class: "eq-body" }, settings.node, verdict,
      element("div", { class: "eq-maps" }, ...Object.values(panels).map(({ node }) => node)),
      scale, element("p", { class: "eq-note" }, say("outline")), facts.node),
    prepare(state) { told = report(pictures.get(state.picture), state); },
    draw(state) {
      settings.follow(state);
      const { maps, reach, inside } = told;
      panels.picture.show(say("map.picture"), greys(pictures.get(state.picture)));
      panels.moved.show(say(`drag.${state.move}`), greys(maps.moved));
      for (const name of ["answer", "moved_first", "moved_last", "difference"]) {
        const map = maps[name];
        panels[name].show(say(`map.${name}`), coloured(map, reach, palettes.signed),
          say("map.words", { name: say(`map.${name}`), rows: map.length, columns: map[0].length }));
      }
      outline(inside);
      scale.replaceChildren(scaleBar({ low: -reach, high: reach, signed: true }, palettes,
        [-reach, 0, reach].map((value) => decimal(value, 1))).node);
      write(verdict, verdictInWords(say, state, told));
      facts.show(told);
    },
    fit(width) { el.classList.toggle("eq-phone", width < 620); },
    words(state) {
      return say("spoken", {
        verdict: verdictInWords(say, state, told), largest: decimal(told.largest, 2),
      });
    },
  };
}

// ---- The settings: the move, and the layers.

function settingsPanel(say, controls, names, pictures, palettes) {
  const thumbnail = (size, pixels, name) => {
    const canvas = element("canvas", { class: `cnn-pixels ${name}`, "aria-hidden": "true" });
    paintPixels(canvas, size, pixels);
    return canvas;
  };
  const picture = controls.picks("picture", {
    label: say("picture"),
    options: pictures.map(([name, rows]) => ({ value: name,
      content: [thumbnail([SIDE, SIDE], opaque(rows.flat(), 1), ""), element("span", {}, name)] })),
  });
  const kernel = controls.picks("kernel", {
    label: say("kernel"),
    options: Object.entries(KERNELS).map(([name, weights]) => {
      const high = Math.max(...weights.flat().map(Math.abs));
      const levels = weights.flat().map((weight) => Math.round((weight / high) * 127) + 128);
      const pixels = Uint32Array.from(levels, (level) => palettes.signed[level]);
      return { value: name, content: [thumbnail([3, 3], pixels, "eq-kernel"),
        element("span", {}, say(`kernel.${name}`))] };
    }),
  });
  const radios = (name) => controls.radios(name, {
    label: say(name), options: names[name].map((value) => [value, say(`${name}.${value}`)]),
  });
  const slider = (name, [min, max], more = {}) => controls.slider(name, { label: say(name), min, max, ...more });
  const pixels = {
    shown: (value) => say("pixels", { value }), aloud: (value) => say("pixels.aloud", { value }),
  };
  const reach = [-FARTHEST, FARTHEST];
  const moves = {
    down: slider("down", reach, pixels),
    right: slider("right", reach, pixels),
    angle: slider("angle", [ANGLES[0], ANGLES.at(-1)],
      { step: 15, shown: (value) => say("degrees", { value }) }),
    percent: slider("percent", [PERCENTS[0], PERCENTS.at(-1)],
      { step: 10, shown: (value) => say("percents", { value }) }),
  };
  const parts = { down: "shift", right: "shift", angle: "turn", percent: "scale" };
  const pools = [slider("pool_size", POOL_SIZES), slider("pool_stride", STRIDES)];
  const row = (name, ...nodes) => element("div", { class: `eq-settings eq-part ${name}` }, ...nodes);
  return {
    node: element("div", { class: "eq-body" },
      row("eq-move", picture.node, radios("move").node, ...Object.values(moves).map(({ node }) => node)),
      row("eq-layers", kernel.node, slider("stride", STRIDES).node, radios("border").node,
        controls.checkbox("relu", { label: say("relu") }).node, radios("pool").node,
        ...pools.map(({ node }) => node))),
    follow({ move, pool }) {
      for (const [name, { node }] of Object.entries(moves)) node.hidden = parts[name] !== move;
      for (const { node } of pools) node.hidden = pool === "none";
    },
  };
}

// ---- The maps.

function panel(area) {
  const canvas = element("canvas", { class: "cnn-pixels", role: "img" });
  const name = element("figcaption");
  const stage = element("div", { class: "eq-stage" }, canvas);
  return {
    node: element("figure", { style: `grid-area: ${area}` }, name, stage),
    stage,
    show(caption, paint, words = caption) {
      write(name, caption);
      setAttribute(canvas, "aria-label", words);
      paint(canvas);
    },
  };
}

const greys = (map) => (canvas) =>
  paintPixels(canvas, [map.length, map[0].length], opaque(map.flat().map(Math.round), 1));

const coloured = (map, reach, palette) => (canvas) =>
  paintMap(canvas, [map.length, map[0].length],
    map.flat().map((value) => Math.round((value / (reach || 1)) * 127) + 128), palette);

// Draws a line around the cells that are inside.
function outlining(stage) {
  const lines = ["eq-under", "eq-line"].map((name) => svgElement("path", { class: name }));
  const node = svgElement("svg", { class: "eq-outline", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...lines);
  stage.append(node);
  return (inside) => {
    const [rows, columns] = [inside.length, inside[0].length];
    const is = (row, column) => Boolean(inside[row]?.[column]);
    const edges = upTo(rows + 1).flatMap((row) => upTo(columns + 1).flatMap((column) => [
      is(row, column) === is(row - 1, column) ? "" : `M${column} ${row}h1`,
      is(row, column) === is(row, column - 1) ? "" : `M${column} ${row}v1`,
    ]));
    setAttribute(node, "viewBox", `0 0 ${columns} ${rows}`);
    for (const line of lines) setAttribute(line, "d", edges.join(""));
  };
}

// ---- Moving the picture by hand.

const nearest = (options, value) =>
  options.reduce((best, one) => (Math.abs(one - value) < Math.abs(best - value) ? one : best));

function makeDraggable(stage, { choose, now, label }) {
  stage.classList.add("eq-drag");
  for (const [name, value] of Object.entries({ role: "application", tabindex: 0, "aria-label": label })) {
    setAttribute(stage, name, value);
  }
  let from = null; // the point and the state of the press
  stage.addEventListener("keydown", (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!Object.hasOwn(steps, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    choose(stepped(now(), steps[event.key]));
  });
  pointing(stage, {
    at({ clientX, clientY }) {
      const box = stage.getBoundingClientRect();
      return [((clientY - box.top) / box.height) * SIDE, ((clientX - box.left) / box.width) * SIDE];
    },
    press: (point) => { from = { point, state: now() }; },
    drag: (point) => choose(dragged(from.state, from.point, point)),
    holdsTouch: true,
  });
}

const within = (value, [least, most]) => Math.min(Math.max(value, least), most);

// An arrow key moves by a pixel, turns by 15 degrees, or scales by ten percent.
function stepped({ move, down, right, angle, percent }, [vertical, horizontal]) {
  if (move === "shift") {
    const reach = [-FARTHEST, FARTHEST];
    return { down: within(down + vertical, reach), right: within(right + horizontal, reach) };
  }
  const more = horizontal - vertical;
  if (move === "turn") return { angle: within(angle + 15 * more, [ANGLES[0], ANGLES.at(-1)]) };
  return { percent: within(percent + 10 * more, [PERCENTS[0], PERCENTS.at(-1)]) };
}

// What a drag from one point of the picture to another asks for.
function dragged({ move, down, right, angle, percent }, [row, column], [toRow, toColumn]) {
  if (move === "shift") {
    const reach = [-FARTHEST, FARTHEST];
    return {
      down: within(down + Math.round(toRow - row), reach),
      right: within(right + Math.round(toColumn - column), reach),
    };
  }
  if (move === "turn") {
    const direction = (y, x) => Math.atan2(MIDDLE - y, x - MIDDLE);
    const turned = ((direction(toRow, toColumn) - direction(row, column)) * 180) / Math.PI;
    const whole = angle + turned;
    return { angle: nearest(ANGLES, whole - 360 * Math.round(whole / 360)) };
  }
  const far = (y, x) => Math.max(1, Math.hypot(y - MIDDLE, x - MIDDLE));
  return { percent: nearest(PERCENTS, (percent * far(toRow, toColumn)) / far(row, column)) };
}

// ---- In words.

function verdictInWords(say, { angle, percent }, told) {
  const { reach, largest_inside: inner } = told;
  return say(`verdict.${told.kind}`, {
    angle, percent, step: told.step, differing: told.differing,
    inside: told.inside.flat().filter(Boolean).length,
    largest: decimal(told.largest, 2),
    control: decimal(told.control ?? 0, 2),
    share: (reach ? (100 * (inner ?? 0)) / reach : 0).toFixed(0),
  });
}

const FACTS = {
  largest: (say, { largest }) => decimal(largest, 2),
  inside: (say, { largest_inside: inner }) => (inner === null ? say("none") : decimal(inner, 2)),
  differing: (say, { differing, inside }) =>
    say("differing", { differing, cells: inside.length * inside[0].length }),
  unmoved: (say, { unmoved }) =>
    (unmoved === null ? say("empty") : say("changed", { share: (100 * unmoved).toFixed(0) })),
};

function factsTable(say) {
  const cells = Object.fromEntries(Object.keys(FACTS).map((key) => [key, element("td")]));
  return {
    node: element("table", { class: "eq-facts" }, element("tbody", {}, ...Object.keys(FACTS).map((key) =>
      element("tr", {}, element("th", { scope: "row" }, say(`fact.${key}`)), cells[key])))),
    show(told) {
      for (const [key, words] of Object.entries(FACTS)) write(cells[key], words(say, told));
    },
  };
}
