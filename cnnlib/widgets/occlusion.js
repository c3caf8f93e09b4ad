// Occlusion: a cover on a photograph, and what the network says with the cover at that place.
//
// The cover's `place` is [top, left], in pixels of the network's input. Without a kernel it stands on
// the scan's grid; with one (`live`) anywhere, and `answer` follows from Python, or an `error` in it.

import { bars } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, same, setAttribute, uniqueId, write } from "./kit/dom.js";
import { gridStep, pointing } from "./kit/focus.js";
import { writeValue } from "./kit/pixels.js";
import { teach } from "./kit/teach.js";
import { lay, mapPanel, perCent, pointOn } from "./occlusion_map.js";
import {
  bestAt, cleanBest, extremesOf, indexOf, labelAt, MAPS, nearest, settled, unpackScans, valueAt,
  viewOf, withTarget,
} from "./occlusion_sums.js";

const NAMES = ["photograph", "occluder", "shown", "place"];
const ROWS = 5; // of a list of classes: the best, and the true class where it is not among them
const NAMED = 6; // winners that are named in words

export default teach({ stem: "occlusion", names: NAMES, settled, view });

function view({ say, fixed, controls, choose, now, redraw, spoken, kernel }) {
  const photographs = fixed.photographs.map(unpackScans);
  const viewNow = () => viewOf(now(), { photographs });
  let drawn = []; // the photograph, scan and kind of map that are drawn
  let untold = false; // whether the reader has moved on and Python's answer is still to come

  const chooser = controls.dropdown("photograph", {
    label: say("photograph"), options: photographs.map(({ title }, number) => [number, title]),
  });
  const covers = controls.dropdown("occluder", {
    label: say("cover"),
    options: [],
    follow: (control, { photograph }) => control.list(coversOf(photographs[photograph])),
  });
  const maps = mapButtons(say, controls, choose);
  const picture = picturePanel(say, fixed.live, { step, go: (place) => choose({ place }) });
  const map = mapPanel(say, fixed, (at) => {
    const [, { size }] = viewNow();
    choose({ place: at.map((along, axis) => Math.round(along - size[axis] / 2)) });
  });
  const covered = bars(say("covered"), ROWS);
  const clean = bars(say("uncovered"), ROWS);
  const words = element("p", { class: "oc-words" });
  const refusal = element("p", { class: "oc-refusal", role: "alert" });
  const credit = element("p", { class: "cnn-help" });

  function coversOf({ scans, size }) {
    return scans.map(({ size: [height, width] }, number) => [number, say("cover.option",
      { height, width, share: perCent(say, (height * width) / (size[0] * size[1])) })]);
  }

  // Arrow keys go from place to place of the grid; with Shift, where a kernel is, pixel by pixel.
  function step({ key, shiftKey }) {
    const [photograph, scan] = viewNow();
    const free = shiftKey && fixed.live;
    const [from, size] = free ? [now().place, photograph.size]
      : [indexOf(now().place, scan), [scan.tops.length, scan.lefts.length]];
    const to = gridStep(key, from, size);
    if (!to) return false;
    choose({ place: free ? to : [scan.tops[to[0]], scan.lefts[to[1]]] });
    return true;
  }

  function draw({ shown, place }) {
    const [photograph, scan] = viewNow();
    maps.allow(scan);
    if (drawn[1] !== scan) {
      picture.show(photograph, scan);
      clean.show(barsOf(cleanBest(scan), photograph));
      write(credit, photograph.credit);
    }
    if (drawn[1] !== scan || drawn[2] !== shown) {
      map.show(photograph, scan, shown, mapInWords(say, photograph, scan, shown));
    }
    drawn = [photograph, scan, shown];
    const at = indexOf(place, scan);
    const answer = exact();
    picture.cover(place);
    map.mark(at);
    covered.show(barsOf(answer ? withTarget(answer.best, photograph.target, answer.target)
      : bestAt(scan, at), photograph));
    write(words, sentence());
    const error = answerHere()?.error;
    write(refusal, error ? say("refusal", { error }) : "");
  }

  function barsOf(shares, { target }) {
    return shares.map(([name, share]) => ({
      name: name === target ? say("true", { name }) : name,
      share,
      text: perCent(say, share),
      strong: name === target,
    }));
  }

  // What Python answered for this very place, or null.
  function answerHere() {
    const answer = kernel.get("answer");
    const isHere = fixed.live && answer
      && ["photograph", "occluder", "place"].every((name) => same(answer[name], now()[name]));
    return isHere ? answer : null;
  }

  // The network's answer for it, or null.
  function exact() {
    const answer = answerHere();
    return answer?.best ? answer : null;
  }

  function sentence() {
    const [photograph, scan] = viewNow();
    const { place, shown } = now();
    const answer = exact();
    const at = indexOf(place, scan);
    const [rows, columns] = coveredBy(say, place, photograph, scan);
    const measured = answer || same(nearest(place, scan), place);
    const said = say(measured ? "here" : "here.nearest", {
      rows,
      columns,
      said: answer ? answer.best[0][0] : labelAt(scan, at),
      target: photograph.target,
      share: perCent(say, answer ? answer.target : valueAt(scan.probability, at)),
      clean: perCent(say, scan.probability.clean),
    });
    if (shown !== "activity") return said;
    const { scale, clean: whole } = scan.activity;
    const value = writeValue(scale, valueAt(scan.activity, at));
    return `${said} ${say("here.activity", { value, clean: writeValue(scale, whole) })}`;
  }

  const stop = kernel.on("answer", () => {
    redraw();
    if (!untold || !exact()) return;
    untold = false;
    spoken.say(sentence());
  });

  return {
    node: element("div", {},
      element("div", { class: "cnn-row oc-choosers" }, chooser.node, covers.node, maps.node),
      element("div", { class: "oc-panel" }, picture.node, map.node,
        element("div", { class: "oc-lists" }, words, refusal, covered.node, clean.node)),
      credit),
    draw,
    words() {
      untold = fixed.live && !exact();
      return sentence();
    },
    stop,
  };
}

// The rows and the columns under a cover, in words.
function coveredBy(say, place, { size }, scan) {
  return place.map((start, axis) =>
    say("range", { first: start, last: Math.min(start + scan.size[axis], size[axis]) - 1 }));
}

// What a map shows, for those who do not see it: the twin of Occlusion.map_in_words.
function mapInWords(say, photograph, scan, shown) {
  const cover = {
    size: scan.size.join(" × "), grid: `${scan.tops.length} × ${scan.lefts.length}`,
  };
  if (shown === "labels") {
    const winners = scan.names.map((name, label) => ({ name, count: scan.counts[label] }))
      .filter(({ count }) => count).map((winner) => say("winner", winner));
    return say(winners.length > NAMED ? "alt.labels.more" : "alt.labels", {
      ...cover,
      winners: winners.slice(0, NAMED).join(", "),
      more: winners.length - NAMED,
      places: scan.labels.bytes.length,
    });
  }
  const map = scan[shown];
  const text = (value) => (shown === "probability" ? perCent(say, value) : writeValue(map.scale, value));
  const ends = Object.entries(extremesOf(map)).flatMap(([end, [row, column]]) => {
    const [rows, columns] = coveredBy(say, [scan.tops[row], scan.lefts[column]], photograph, scan);
    return [[end, text(valueAt(map, [row, column]))], [`${end}_rows`, rows], [`${end}_columns`, columns]];
  });
  return say(`alt.${shown}`,
    { ...cover, ...Object.fromEntries(ends), target: photograph.target, clean: text(map.clean) });
}

// ---- The kinds of map, as buttons.

function mapButtons(say, controls, choose) {
  const buttons = MAPS.map((name) =>
    [name, button(say(`map.${name}`), () => choose({ shown: name }), { pressed: false })]);
  const node = element("div", { class: "cnn-control", role: "group", "aria-label": say("map") },
    element("span", { class: "oc-maps-name", "aria-hidden": "true" }, say("map")),
    element("div", { class: "oc-maps" }, ...buttons.map(([, one]) => one)));
  controls.own("shown", say("map"), {
    node,
    set(shown) {
      for (const [name, one] of buttons) setAttribute(one, "aria-pressed", String(name === shown));
    },
  });
  return {
    node,
    allow(scan) { for (const [name, one] of buttons) one.disabled = !scan[name]; },
  };
}

// ---- The photograph with the cover.

function picturePanel(say, live, { step, go }) {
  const keysId = uniqueId("keys");
  const image = element("img", { loading: "lazy", draggable: "false" });
  const cover = element("div", { class: "oc-cover" });
  const stage = element("div", {
    class: "oc-stage oc-photograph", role: "application", tabindex: 0,
    "aria-roledescription": say("stage.role"), "aria-describedby": keysId,
    onkeydown: (event) => { if (step(event)) event.preventDefault(); },
  }, image, cover);
  let [photograph, scan] = [null, null];
  let corner = [0, 0];
  let held = [0, 0]; // where in the cover the pointer holds it
  const at = (event) => pointOn(stage, event, photograph.size);
  const drag = (point) => go(point.map((along, axis) => Math.round(along - held[axis])));
  function press(point, event) {
    event.preventDefault(); // no dragging of the picture
    stage.focus({ preventScroll: true });
    const isOn = point.every((along, axis) =>
      along >= corner[axis] && along < corner[axis] + scan.size[axis]);
    held = point.map((along, axis) => (isOn ? along - corner[axis] : scan.size[axis] / 2));
    drag(point);
  }
  // A finger drags the cover and scrolls the page elsewhere; a tap brings the cover there.
  pointing(cover, { at, press, drag, holdsTouch: true });
  pointing(stage, { at, press, drag });
  return {
    node: element("figure", { class: "oc-figure" }, element("figcaption", {}, say("caption")), stage,
      element("p", { class: "cnn-help", id: keysId }, say(live ? "keys.live" : "keys"))),
    show(nextPhotograph, nextScan) {
      [photograph, scan] = [nextPhotograph, nextScan];
      setAttribute(image, "src", photograph.address);
      setAttribute(image, "alt", photograph.alt);
      setAttribute(stage, "aria-label", say("stage", { title: photograph.title }));
      stage.style.aspectRatio = `${photograph.size[1]} / ${photograph.size[0]}`;
      cover.style.background = `rgb(${scan.fill.join(",")})`;
    },
    cover(next) {
      corner = next;
      lay(cover, photograph.size, corner, scan.size);
    },
  };
}
