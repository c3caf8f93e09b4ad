// Augmentation: a picture, and beside it the copy that the chosen or drawn amounts make of it.
//
// The sums are those of augmentation_sums.js. The sliders stand in six parts, one shown at a time;
// all parts act on the copy, whichever is shown.

import {
  AMOUNTS, changesSomething, colourShift, DEVIATION, distort, drawPart, PARTS, SEEDS, settled, SIDE,
  without, withGrid,
} from "./augmentation_sums.js";
import { button } from "./kit/controls.js";
import { element, setAttribute, unpack, write } from "./kit/dom.js";
import { frame, opaque, paintPixels } from "./kit/pixels.js";
import { teach } from "./kit/teach.js";
import { fixedPoint } from "./kit/words.js";

const NAMES = ["picture", "part", "seed", "grid", "mirror", ...Object.keys(AMOUNTS)];
const ALL = Object.keys(PARTS);
const UNITS = {
  crop_size: "pixels", top: "pixels", left: "pixels", right: "pixels", down: "pixels",
  angle: "degrees", shear: "percents", zoom: "percents", strength: "plain", smoothness: "pixels",
  red: "levels", green: "levels", blue: "levels",
  brightness: "levels", contrast: "percents", saturation: "percents",
};

export default teach({ stem: "augmentation", names: NAMES, settled, view });

function view({ el, say, fixed, controls, choose, now }) {
  const pictures = new Map(fixed.pictures.map((packed) => [packed.name, unpack(packed).bytes]));
  const settings = settingsPanel(say, controls, fixed, pictures);
  const original = panel();
  const result = panel();
  const cut = frame([SIDE, SIDE]);
  original.stage.append(cut.node);
  const done = element("p", { class: "au-done" });
  const count = element("p", { class: "au-count" });
  const bar = drawBar(say, controls, choose, now);
  let told; // the copy of the state that is drawn

  return {
    node: element("div", { class: "au-body" }, settings.top, element("div", { class: "au-main" },
      element("div", { class: "au-pictures" }, original.node, result.node), settings.parts),
    bar.node, done, count),
    prepare(state) { told = distort(source(pictures, state), state, fixed.axes); },
    draw(state) {
      settings.follow(state);
      bar.follow(state);
      original.show(say("original"), source(pictures, state), SIDE,
        say("original.words", { name: state.picture }));
      const { crop_size: size, top, left } = state;
      cut.set(size < SIDE ? [[top, top + size - 1], [left, left + size - 1]] : null);
      result.show(say("result"), told.pixels, told.size, say("result.words", { name: state.picture }));
      write(done, inWords(say, state, told));
      write(count, say("count", countOf(state)));
      count.hidden = state.part !== "frame";
    },
    fit(width) { el.classList.toggle("au-phone", width < 620); },
    words(state) { return inWords(say, state, told); },
  };
}

const source = (pictures, { picture, grid }) =>
  (grid ? withGrid(pictures.get(picture)) : pictures.get(picture));

function countOf({ crop_size: size }) {
  const room = SIDE - size + 1;
  return { size, whole: SIDE, room, places: room * room, copies: 2 * room * room };
}

// ---- The settings: which picture, which part, and the part's sliders.

function settingsPanel(say, controls, { axes }, pictures) {
  const picture = controls.picks("picture", {
    label: say("picture"),
    options: [...pictures].map(([name, bytes]) => {
      const canvas = element("canvas", { class: "cnn-pixels", "aria-hidden": "true" });
      paintPixels(canvas, [SIDE, SIDE], opaque(bytes));
      return { value: name, content: [canvas, element("span", {}, name)] };
    }),
  });
  const part = controls.radios("part", {
    label: say("part"), options: ALL.map((name) => [name, say(`part.${name}`)]),
  });
  const parts = Object.fromEntries(ALL.map((name) => {
    const sliders = PARTS[name].map((one) => sliderOf(say, controls, one, axes));
    if (name === "frame") sliders.unshift(controls.checkbox("mirror", { label: say("mirror") }));
    return [name, element("div", { class: "au-part" }, ...sliders.map(({ node }) => node))];
  }));
  const grid = controls.checkbox("grid", { label: say("grid") });
  return {
    top: element("div", { class: "cnn-row au-top" }, picture.node, part.node),
    parts: element("div", { class: "au-parts" }, ...Object.values(parts), grid.node),
    follow(state) {
      for (const [name, node] of Object.entries(parts)) node.hidden = state.part !== name;
    },
  };
}

function sliderOf(say, controls, name, axes) {
  const { least: min, most: max, step } = AMOUNTS[name];
  const options = { label: say(name), min, max, step };
  if (name.startsWith("alpha")) {
    const number = Number(name.at(-1)) - 1;
    const one = [0, 1, 2].map((i) => (i === number ? DEVIATION : 0));
    const [red, green, blue] = colourShift(one, axes.variances, axes.directions)
      .map((value) => fixedPoint(255 * value, 1));
    options.help = say("axis.help", { red, green, blue });
    options.shown = (value) => fixedPoint((value * DEVIATION) / 10, 2);
  } else {
    options.shown = (value) => say(UNITS[name], { value });
  }
  if (name === "top" || name === "left") {
    options.follow = (control, state) => control.bound({ max: SIDE - state.crop_size });
  }
  if (name === "strength") options.help = say("strength.help");
  return controls.slider(name, options);
}

// ---- Drawing amounts, and leaving them out.

function drawBar(say, controls, choose, now) {
  const draw = (parts) => {
    const state = now();
    const seed = state.seed < SEEDS[1] ? state.seed + 1 : SEEDS[0];
    choose(Object.assign({ seed }, ...parts.map((name) => drawPart(name, seed, state))));
  };
  const leave = (parts) => choose(Object.assign({}, ...parts.map(without)));
  const seed = controls.slider("seed", {
    label: say("seed"), min: SEEDS[0], max: SEEDS[1], help: say("seed.help"),
  });
  const leaving = button(say("leave"), () => leave([now().part]));
  const leavingAll = button(say("leave.all"), () => leave(ALL));
  return {
    node: element("div", { class: "cnn-row au-bar" },
      button(say("draw"), () => draw([now().part])), button(say("draw.all"), () => draw(ALL)),
      leaving, leavingAll, seed.node),
    follow(state) {
      setAttribute(leaving, "aria-disabled", changesSomething(state.part, state) ? null : "true");
    },
  };
}

// ---- Pictures and words.

function panel() {
  const canvas = element("canvas", { class: "cnn-pixels", role: "img" });
  const name = element("figcaption");
  const stage = element("div", { class: "au-stage" }, canvas);
  return {
    node: element("figure", {}, name, stage),
    stage,
    show(caption, pixels, size, words) {
      write(name, caption);
      setAttribute(canvas, "aria-label", words);
      paintPixels(canvas, [size, size], opaque(pixels));
    },
  };
}

function inWords(say, state, { clipped, added, moved }) {
  const found = state.mirror ? [say("done.mirror")] : [];
  const { crop_size: size, top, left } = state;
  if (size < SIDE) found.push(say("done.crop", { size, top, left }));
  const tell = (names) => {
    for (const name of names) {
      if (state[name] !== AMOUNTS[name].none) found.push(say(`done.${name}`, { value: state[name] }));
    }
  };
  tell(PARTS.place);
  if (state.strength) found.push(say("done.warp", { moved: fixedPoint(moved, 1) }));
  tell([...PARTS.colour, ...PARTS.light]);
  if (changesSomething("axes", state)) {
    const [red, green, blue] = added.map((value) => fixedPoint(value, 1));
    found.push(say("done.axes", { red, green, blue }));
  }
  if (found.length === 0) return say("done.nothing");
  const text = say("done", { what: found.join("; ") });
  if (clipped === 0) return text;
  return `${text} ${say("clipped", { share: fixedPoint(100 * clipped, 1) })}`;
}
