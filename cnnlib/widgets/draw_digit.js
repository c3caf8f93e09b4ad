// Draw a digit: a sheet to draw on, and two networks that read it while it is drawn.
//
// The sums are those of draw_digit_sums.js; draw_digit_networks.js asks the networks. Until the reader
// loads them their answers to the first state are in sight, which Python has computed.

import { livePair } from "./draw_digit_networks.js";
import { networkPanel } from "./draw_digit_panels.js";
import {
  ANGLES, changed, drawLine, NOISE, read, settled, SHIFTS, SIDE, THICKEN, write as written,
} from "./draw_digit_sums.js";
import { button } from "./kit/controls.js";
import { element, same, setAttribute, unpack, write } from "./kit/dom.js";
import { gridStep, pointing } from "./kit/focus.js";
import { opaque, paintPixels, unpackPalettes } from "./kit/pixels.js";
import { teach } from "./kit/teach.js";
import { decimal, fixedPoint } from "./kit/words.js";
import { softmax, strongest } from "./live/answers.js";
import { openerOf } from "./live/home.js";
import { startLine } from "./live/loader.js";

const NAMES = ["drawing", "centre", "angle", "thicken", "down", "right", "noise", "look", "tool"];
const BLANK = written(new Uint8Array(SIDE * SIDE));
const PAD = 2; // what the networks' input has around the drawing

export default teach({ stem: "draw_digit", names: NAMES, settled, view });

function view(tools) {
  const { el, say, fixed, controls, choose, now, redraw, spoken } = tools;
  const palettes = unpackPalettes(fixed.palettes);
  const noise = unpack(fixed.noise).bytes;
  const pair = livePair({ open: openerOf(tools), networks: fixed.networks, changed: redraw });
  const drawingOf = ({ drawing }) => read(sampleOf(fixed, drawing)?.pixels ?? drawing);
  const start = startLine(say, pair, { kilobytes: fixed.kilobytes });
  const sheet = drawingSheet({ say, choose, now, redraw, spoken, drawingOf });
  controls.own("drawing", say("drawing"), { node: sheet.node });
  const input = sheetOf("dd-input", PAD);
  const look = controls.radios("look", {
    label: say("look"), options: fixed.looks.map((name) => [name, say(`look.${name}`)]),
  });
  const panels = fixed.networks.map((network) => networkPanel(say, network, fixed, palettes));
  const note = element("p", { class: "dd-note" });
  const short = element("p", { class: "dd-short" }); // beside the sheet, for a phone shows no more at once
  const answers = element("div", { class: "dd-answers" }, ...panels.map(({ node }) => node));
  const worked = fixed.worked.records.map((record) => ({
    ...record,
    stages: record.stages.map(unpacked),
    look: record.look && unpacked(record.look),
  }));
  let asked = null; // what the networks have been asked last
  let shown = null; // the records that are in sight
  let said = "";

  function ask(state) {
    const request = { pixels: given(state), look: state.look };
    if (asked && asked.look === request.look && same(Array.from(asked.pixels), Array.from(request.pixels))) return;
    asked = request;
    pair.ask(request);
  }
  const given = (state) => changed(drawingOf(state), state, noise);

  // What both networks say, aloud.
  function announce(state, [old, modern]) {
    const words = say("spoken", {
      name: nameOf(say, fixed, state.drawing),
      old: strongest(old.scores), distance: fixedPoint(-Math.max(...old.scores), 1),
      new: strongest(modern.scores), share: fixedPoint(100 * Math.max(...softmax(modern.scores)), 1),
    });
    if (words !== said) spoken.say(words);
    said = words;
  }

  return {
    node: element("div", { class: "dd-body" }, start.node,
      element("div", { class: "dd-top" },
        element("figure", {}, element("figcaption", {}, say("sheet")), sheet.node,
          element("div", { class: "dd-tools" }, ...toolsOf(say, controls, choose, fixed.tools)), short),
        element("div", { class: "dd-changes" }, changesOf(say, controls),
          element("figure", {}, element("figcaption", {}, say("input")), input.node))),
      samplesOf(say, controls, fixed), look.node, note, answers),
    draw(state) {
      if (pair.isReady()) ask(state);
      else asked = null;
      const { answer, state: loading, pending } = pair.status();
      start.show();
      sheet.show(state);
      input.paint(given(state));
      const records = answer?.records ?? worked;
      if (records !== shown) {
        panels.forEach((panel, i) => panel.show(records[i], answer?.request.look ?? fixed.worked.state.look));
        if (answer) announce(state, records);
      }
      shown = records;
      const [old, modern] = records.map(({ scores }) => strongest(scores));
      write(short, answer ? say("short", { old, modern }) : "");
      write(note, noteOf(say, fixed, state, answer));
      setAttribute(answers, "aria-busy",
        loading === "loading" || pending || (loading === "ready" && !answer) ? "true" : null);
    },
    fit(width) { el.classList.toggle("dd-phone", width < 620); },
    words(state, before) {
      return !pair.isReady() && !same({ ...state, tool: "" }, { ...before, tool: "" }) ? say("spoken.idle") : "";
    },
    stop() { pair.stop(); },
  };
}

const unpacked = ({ high, signed, ...bytes }) => ({ high, signed, bytes: unpack(bytes).bytes });
const sampleOf = (fixed, drawing) => fixed.samples.find(({ name }) => name === drawing);

function nameOf(say, fixed, drawing) {
  const sample = sampleOf(fixed, drawing);
  return sample ? say(`sample.${sample.kind}`, { digit: sample.label }) : say("sample.own");
}

// Whose answers are in sight: those of this drawing, or those that Python has computed.
function noteOf(say, fixed, state, answer) {
  if (answer) {
    const [name, milliseconds] = [nameOf(say, fixed, state.drawing), decimal(answer.milliseconds, 0)];
    return say("note.live", { name, milliseconds });
  }
  const name = nameOf(say, fixed, fixed.worked.state.drawing);
  const equal = same({ ...state, tool: "" }, { ...fixed.worked.state, tool: "" });
  return say(equal ? "note.worked" : "note.other", { name });
}

// ---- The sheet.

// A canvas of a drawing as ink on paper, with so many pixels of paper around it.
function sheetOf(name, pad) {
  const side = SIDE + 2 * pad;
  const canvas = element("canvas", { class: `cnn-pixels ${name}`, "aria-hidden": "true" });
  return {
    node: canvas,
    paint(pixels) {
      const greys = new Uint8Array(side * side).fill(255);
      pixels.forEach((ink, i) => {
        greys[(Math.floor(i / SIDE) + pad) * side + (i % SIDE) + pad] = 255 - ink;
      });
      paintPixels(canvas, [side, side], opaque(greys, 1));
    },
  };
}

function drawingSheet({ say, choose, now, redraw, spoken, drawingOf }) {
  const { node: canvas, paint } = sheetOf("dd-drawing", 0);
  const brush = element("div", { class: "dd-brush", "aria-hidden": "true" });
  const node = element("div", {
    class: "dd-sheet", role: "application", tabindex: 0, "aria-label": say("sheet.label"), onkeydown: key,
  }, canvas, brush);
  let place = [SIDE / 2, SIDE / 2]; // of the brush, for the keys
  let last = null; // where the pointer was

  const stroke = (from, to) => {
    const state = now();
    choose({ drawing: written(drawLine(drawingOf(state), from, to, state.tool === "eraser")) });
  };
  const middle = ([row, column]) => [row + 0.5, column + 0.5];

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " ") {
      event.preventDefault();
      stroke(middle(place), middle(place));
      return;
    }
    const next = gridStep(event.key, place, [SIDE, SIDE]);
    if (!next) return;
    event.preventDefault();
    if (event.shiftKey) stroke(middle(place), middle(next));
    place = next;
    const ink = drawingOf(now())[place[0] * SIDE + place[1]];
    spoken.say(say("brush", { row: place[0], column: place[1], ink: Math.round(ink / 2.55) }));
    redraw();
  }

  pointing(node, {
    at({ clientX, clientY }) { // in quarters of a pixel; a stroke may leave the sheet
      const box = canvas.getBoundingClientRect();
      return [(clientY - box.top) / box.height, (clientX - box.left) / box.width]
        .map((share) => Math.round(share * SIDE * 4) / 4);
    },
    press(point) {
      stroke(point, point);
      last = point;
    },
    drag(point) {
      if (same(point, last)) return;
      stroke(last, point);
      last = point;
    },
    holdsTouch: true,
  });

  return {
    node,
    show(state) {
      paint(drawingOf(state));
      brush.style.top = `${(100 * place[0]) / SIDE}%`;
      brush.style.left = `${(100 * place[1]) / SIDE}%`;
    },
  };
}

// ---- Controls.

function toolsOf(say, controls, choose, tools) {
  const tool = controls.radios("tool", {
    label: say("tool"), options: tools.map((name) => [name, say(`tool.${name}`)]),
  });
  return [tool.node, button(say("clear"), () => choose({ drawing: BLANK }))];
}

function changesOf(say, controls) {
  const pixels = { shown: (value) => say("pixels", { value }), aloud: (value) => say("pixels.aloud", { value }) };
  const slider = (name, [min, max], more) => controls.slider(name, { label: say(name), min, max, ...more }).node;
  return element("div", { class: "dd-sliders" },
    element("div", {}, controls.checkbox("centre", { label: say("centre") }).node,
      element("p", { class: "cnn-help" }, say("centre.help"))),
    slider("right", SHIFTS, pixels),
    slider("down", SHIFTS, pixels),
    slider("angle", [ANGLES[0], ANGLES.at(-1)], { step: 5, shown: (value) => say("degrees", { value }) }),
    slider("thicken", THICKEN, {}),
    slider("noise", NOISE, { step: 5, shown: (value) => say("percent", { value: String(value) }) }));
}

function samplesOf(say, controls, fixed) {
  const thumbnail = ({ pixels }) => {
    const { node, paint } = sheetOf("dd-thumbnail", 0);
    paint(read(pixels));
    return node;
  };
  return controls.picks("drawing", {
    label: say("samples"),
    unlisted: true,
    choose: (drawing) => ({ drawing, centre: sampleOf(fixed, drawing).centre }),
    options: fixed.samples.map((sample) => ({
      value: sample.name,
      label: say(`sample.${sample.kind}`, { digit: sample.label }),
      content: [thumbnail(sample)],
    })),
  }).node;
}
