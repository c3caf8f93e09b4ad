// Where a reader enters an answer, one maker for each kind of question.
//
// Each takes (say, question, spoken, changed) and gives {node, entered(), show(given)}: entered() is
// {given} or {wrong: [key, values]}; show() shows an answer that was checked, and the truth beside
// it where the kind has a picture of it, or null for none. A field that is no form control of its
// own calls changed() when something else is entered.

import { numberLine, ticksOf, tickText } from "./kit/bars.js";
import { slider } from "./kit/controls.js";
import {
  element, prose, same, setAttribute, svgElement, uniqueId, upTo, write,
} from "./kit/dom.js";
import { gridStep, pointing } from "./kit/focus.js";
import { signed } from "./kit/words.js";
import { numberIn, shapeIn } from "./quiz_reading.js";

// A number as a sentence has it.
export function inWords(value) {
  return signed(String(Number(value.toPrecision(12))));
}

// A number with its unit, which may be none.
export function withUnit(value, unit = "") {
  return `${inWords(value)} ${unit}`.trim();
}

// ---- Options.

function options(question, type, checkedOf) {
  const name = uniqueId("question");
  const inputs = question.options.map(() => element("input", { type, name }));
  return {
    inputs,
    node: element("div", {}, ...question.options.map((option, i) => element("label",
      { class: "cnn-quiz-option" }, inputs[i], element("span", {}, ...prose(option))))),
    show(given) {
      inputs.forEach((input, i) => { input.checked = checkedOf(given, i); });
    },
  };
}

function choiceField(say, question) {
  const { node, inputs, show } = options(question, "radio", (given, i) => given === i);
  return {
    node,
    show,
    entered() {
      const given = inputs.findIndex(({ checked }) => checked);
      return given < 0 ? { wrong: ["empty.choice", {}] } : { given };
    },
  };
}

function severalField(say, question) {
  const { node, inputs, show } = options(question, "checkbox", (given, i) => given?.includes(i));
  node.prepend(element("p", { class: "cnn-quiz-note" }, say("several")));
  return {
    node,
    show,
    entered() {
      const given = upTo(inputs.length).filter((i) => inputs[i].checked);
      return given.length > 0 ? { given } : { wrong: ["empty.several", {}] };
    },
  };
}

// ---- Text.

function textField(say, question, { size, read, written, note }) {
  const id = uniqueId("note");
  const input = element("input", {
    type: "text", size, autocomplete: "off", spellcheck: "false", "aria-describedby": note ? id : null,
    inputmode: question.kind === "number" && !question.unit ? "decimal" : null,
  });
  const label = element("label", { class: "cnn-quiz-option" }, `${say(`field.${question.kind}`)} `,
    input, question.unit ? ` ${question.unit}` : null);
  return {
    node: element("div", {}, label, note ? element("p", { class: "cnn-quiz-note", id }, note) : null),
    entered: () => read(input.value),
    show(given) {
      if (given === null) input.value = "";
      else if (!same(read(input.value).given, given)) input.value = written(given);
    },
  };
}

function numberField(say, question) {
  const { unit, tolerance } = question;
  return textField(say, question, {
    size: 12,
    read: (text) => numberIn(text, unit),
    written: String,
    note: tolerance > 0 ? say("within", { tolerance: withUnit(tolerance, unit) }) : "",
  });
}

function shapeField(say, question) {
  return textField(say, question, {
    size: 18, read: shapeIn, written: (sizes) => sizes.join(" × "), note: say("shape.how"),
  });
}

// ---- A prediction: a slider, and then the truth on the same axis.

function predictionField(say, question) {
  const { least, most, step, unit, answer } = question;
  const shown = (value) => withUnit(value, unit);
  let value = least;
  const control = slider({
    label: say("field.prediction"), min: least, max: most, step, value: least, shown, aloud: shown,
    onInput: (next) => { value = next; },
  });
  const axis = svgElement("svg", { viewBox: "0 0 340 96", class: "cnn-quiz-axis", "aria-hidden": "true" });
  axis.style.display = "none";
  return {
    node: element("div", { class: "cnn-quiz-prediction" }, control.node, axis),
    entered: () => ({ given: value }),
    hide() { axis.style.display = "none"; },
    show(given) {
      axis.style.display = given === null ? "none" : "";
      value = given ?? least;
      control.set(value);
      if (given !== null) axis.replaceChildren(...marks());
    },
  };

  function marks() {
    const at = (one) => 16 + (308 * (one - least)) / (most - least);
    const anchor = (x) => (x < 90 ? "start" : x > 250 ? "end" : "middle");
    const text = (one, y, words) => svgElement("text",
      { x: Math.min(Math.max(at(one), 6), 334), y, "text-anchor": anchor(at(one)) }, words);
    const places = numberLine([least, most], [0, 1], { most: 6 }).ticks
      .filter(({ value }) => value >= least && value <= most);
    return [
      svgElement("line", { x1: at(least), x2: at(most), y1: 42, y2: 42, class: "cnn-quiz-line" }),
      ...places.flatMap(({ value, text: words }) => [
        svgElement("line", { x1: at(value), x2: at(value), y1: 38, y2: 46, class: "cnn-quiz-line" }),
        svgElement("text", { x: at(value), y: 58, class: "cnn-quiz-tick" }, words),
      ]),
      svgElement("circle", { cx: at(value), cy: 30, r: 6, class: "cnn-quiz-own" }),
      text(value, 16, say("mark.own", { value: shown(value) })),
      svgElement("rect", { x: at(answer) - 6, y: 63, width: 12, height: 12, class: "cnn-quiz-truth" }),
      text(answer, 90, say("mark.truth", { value: shown(answer) })),
    ];
  }
}

// ---- A sketch: a curve through given places, and then the truth over it.

const LEVELS = 50; // steps between the least and the most
const [LEFT, TOP, RIGHT, BOTTOM] = [46, 10, 330, 150];

function sketchField(say, question, spoken, changed) {
  const { x, least, most, answer, across, up } = question;
  const last = x.length - 1;
  const valueAt = (level) => Number((least + ((most - least) * level) / LEVELS).toPrecision(9));
  const levelOf = (value) => Math.round((LEVELS * (value - least)) / (most - least));
  const put = (i) => LEFT + 14 + ((RIGHT - LEFT - 28) * i) / last;
  const high = (value) => BOTTOM - ((BOTTOM - TOP) * (value - least)) / (most - least);
  let [values, chosen, touched, truth] = [x.map(() => valueAt(LEVELS / 2)), 0, false, false];

  const own = svgElement("g");
  const over = svgElement("g");
  const picture = svgElement("svg", { viewBox: "0 0 340 196", class: "cnn-quiz-axes", "aria-hidden": "true" },
    ...frame(), over, own);
  const legend = element("p", { class: "cnn-quiz-legend" });
  const map = element("div", {
    role: "application", tabindex: 0, class: "cnn-quiz-sketch", "aria-label": say("sketch.map"),
    onkeydown: key, onfocus: () => spoken.say(point()),
  }, picture);
  pointing(map, { at, press: set, drag: set, holdsTouch: "sideways" });
  draw();
  return {
    node: element("div", {}, map, legend),
    entered: () => (touched ? { given: [...values] } : { wrong: ["empty.sketch", {}] }),
    hide() {
      truth = false;
      draw();
    },
    show(given) {
      [touched, truth] = [given !== null, given !== null];
      values = given ? [...given] : x.map(() => valueAt(LEVELS / 2));
      draw();
    },
  };

  function frame() {
    const ticks = ticksOf(least, most, 5, false).map(([m, e]) => [m * 10 ** e, tickText(m, e)]);
    const longest = Math.max(...x.map((label) => label.length));
    const every = Math.ceil((6.5 * (longest + 1) * last) / (RIGHT - LEFT - 28));
    return [
      ...ticks.flatMap(([value, text]) => [
        svgElement("line", { x1: LEFT, x2: RIGHT, y1: high(value), y2: high(value), class: "cnn-quiz-line" }),
        svgElement("text", { x: LEFT - 5, y: high(value) + 4, "text-anchor": "end" }, text),
      ]),
      ...x.flatMap((label, i) => [
        svgElement("line", { x1: put(i), x2: put(i), y1: TOP, y2: BOTTOM, class: "cnn-quiz-line" }),
        i % every ? null : svgElement("text", { x: put(i), y: BOTTOM + 15, "text-anchor": "middle" }, label),
      ]).filter(Boolean),
      svgElement("text", { x: (LEFT + RIGHT) / 2, y: 192, "text-anchor": "middle" }, across),
      svgElement("text", {
        transform: `translate(10 ${(TOP + BOTTOM) / 2}) rotate(-90)`, "text-anchor": "middle",
      }, up),
    ];
  }

  function draw() {
    const line = (some, name) => svgElement("polyline",
      { points: some.map((value, i) => `${put(i)},${high(value)}`).join(" "), class: name });
    own.replaceChildren(line(values, "cnn-quiz-own-line"), ...values.map((value, i) => svgElement("circle", {
      cx: put(i), cy: high(value), r: 6, class: i === chosen ? "cnn-quiz-own cnn-quiz-chosen" : "cnn-quiz-own",
    })));
    over.replaceChildren(...(truth ? [line(answer, "cnn-quiz-truth-line"),
      ...answer.map((value, i) => svgElement("rect",
        { x: put(i) - 5, y: high(value) - 5, width: 10, height: 10, class: "cnn-quiz-truth" }))] : []));
    write(legend, say(truth ? "sketch.both" : "sketch.how"));
  }

  function point() {
    return say("sketch.point", { x: x[chosen], value: inWords(values[chosen]) });
  }

  function enter(i, value) {
    chosen = i;
    values = values.map((other, j) => (j === i ? value : other));
    touched = true;
    truth = false;
    draw();
    changed();
  }

  function key(event) {
    const place = [LEVELS - levelOf(values[chosen]), chosen];
    const next = gridStep(event.key, place, [LEVELS + 1, x.length]);
    if (!next) return;
    event.preventDefault();
    if (next[1] !== chosen) {
      [, chosen] = next;
      draw();
    } else if (next[0] !== place[0]) enter(chosen, valueAt(LEVELS - next[0]));
    spoken.say(point());
  }

  function at({ clientX, clientY }) {
    const box = picture.getBoundingClientRect();
    const [right, down] = [(340 * (clientX - box.left)) / box.width, (196 * (clientY - box.top)) / box.height];
    if (right < LEFT || right > RIGHT || down > BOTTOM + 20) return null;
    const i = Math.round(((right - LEFT - 14) * last) / (RIGHT - LEFT - 28));
    const level = Math.round((LEVELS * (BOTTOM - down)) / (BOTTOM - TOP));
    return [Math.min(Math.max(i, 0), last), Math.min(Math.max(level, 0), LEVELS)];
  }

  function set([i, level]) {
    enter(i, valueAt(level));
  }
}

const FIELDS = {
  choice: choiceField, several: severalField, number: numberField, shape: shapeField,
  prediction: predictionField, sketch: sketchField,
};

export function fieldOf(say, question, spoken, changed) {
  const field = FIELDS[question.kind](say, question, spoken, changed);
  setAttribute(field.node, "data-cnn-kind", question.kind);
  return field;
}
