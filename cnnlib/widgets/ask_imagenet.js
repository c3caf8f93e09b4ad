// Ask an ImageNet network: a picture that is shifted, blurred, covered, and what is said of it now.
//
// The uncovered picture is asked about once, the covered one at each move, and a map's places between
// them, one at a time: see `next`.

import { coverStage, mapPanel, SIZES, STRIDES } from "./ask_cover.js";
import { changed, coveredBy, paintOf, perCent, startsOf } from "./ask_pixels.js";
import { bars } from "./kit/bars.js";
import { element, setAttribute, write } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { bestOf, softmax } from "./live/answers.js";
import { openerOf } from "./live/home.js";
import { loaderOf, startLine } from "./live/loader.js";
import { pictureChooser } from "./live/pictures.js";
import { inputOf, SIDE } from "./live/planes.js";

const NAMES = ["photograph", "noise", "blur", "down", "right", "covered", "size", "place", "fill",
  "target", "stride"];
const FILLS = ["grey", "black", "mean", "blur"];
const [NOISE, BLUR, SHIFT] = [80, 12, 64];
const ROWS = 5;

export default teach({ stem: "ask_imagenet", names: NAMES, settled, view });

// The twin of AskImagenet.settled.
function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  s.whole("photograph", 0, fixed.photographs.length - 1);
  s.whole("noise", 0, NOISE);
  s.whole("blur", 0, BLUR);
  s.whole("down", -SHIFT, SHIFT);
  s.whole("right", -SHIFT, SHIFT);
  s.flag("covered");
  const size = s.whole("size", ...SIZES);
  s.place("place", [SIDE - size + 1, SIDE - size + 1]);
  s.oneOf("fill", FILLS);
  s.whole("target", -1, fixed.categories.length - 1);
  s.whole("stride", ...STRIDES);
  return s.done();
}

function view(tools) {
  const { el, say, fixed, choose, now, redraw, spoken } = tools;
  const found = answers(fixed, now, () => loader.isReady());
  let untold = false; // whether the reader waits for what the network says

  const pictures = pictureChooser(tools, renew);
  const loader = loaderOf({
    open: openerOf(tools), keys: [fixed.network], changed: redraw, next: found.next,
    idle() {
      if (untold) spoken.say(sentence(now()));
      untold = false;
    },
  });
  const start = startLine(say, loader, { kilobytes: fixed.kilobytes });
  const stage = coverStage({ say, choose, now });
  const settings = settingsPanel(tools);
  const map = mapPanel(tools, { begin: beginMap, end: () => found.endMap(), point: goTo });
  const covered = bars(say("bars.covered"), ROWS);
  const clean = bars(say("bars.clean"), ROWS);
  const words = element("p", { class: "ask-words" });
  const credit = element("p", { class: "cnn-help" });

  function renew() {
    untold = loader.isReady();
    redraw();
  }

  function beginMap() {
    untold = true;
    found.beginMap();
    redraw(); // which asks the network
  }

  function goTo([row, column]) {
    const [size, starts] = [now().size, startsOf(now().size, now().stride)];
    choose({ covered: true, place: [row, column].map((i) => Math.min(starts[i], SIDE - size)) });
  }

  function draw(state) {
    const photograph = fixed.photographs[state.photograph];
    const picture = pictures.current(state);
    found.follow(state, picture);
    stage.show(found.shown(), state, pictures.isOwn() ? say("live.own.alt") : photograph.alt);
    const told = found.told(pictures.isOwn());
    clean.show(rows(told.clean, told.target));
    covered.show(state.covered ? rows(told.covered, told.target) : []);
    covered.node.style.visibility = state.covered ? "" : "hidden";
    map.show(found.map(), state, {
      ready: loader.isReady(), target: told.target, clean: told.clean, planes: found.asked(),
    });
    write(words, sentence(state));
    write(credit, pictures.isOwn() ? "" : photograph.credit);
    start.show();
    loader.kick();
    setAttribute(el, "aria-busy", loader.isAtWork() ? "true" : null);
  }

  function rows(shares, target) {
    return (shares?.best ?? []).map(([number, share]) => ({
      name: fixed.categories[number], share, text: perCent(say, share), strong: number === target,
    }));
  }

  function sentence(state) {
    const told = found.told(pictures.isOwn());
    if (!told.clean) return say(loader.isReady() ? "asking" : "unasked");
    const name = fixed.categories[told.target];
    const [first] = told.clean.best;
    const uncovered = told.clean.all ? perCent(say, told.clean.all[told.target]) : null;
    if (!state.covered) {
      const values = { said: fixed.categories[first[0]], share: perCent(say, first[1]) };
      const key = told.clean.all ? "said.clean" : "said.stored";
      const more = uncovered && told.target !== first[0] ? ` ${say("watched", { name, share: uncovered })}` : "";
      return say(key, values) + more;
    }
    const at = { top: state.place[0], left: state.place[1], size: state.size };
    if (!told.covered) return say(loader.isReady() ? "asking.covered" : "unasked.covered", at);
    return say("said.covered", {
      ...told.covered.at, name, share: perCent(say, told.covered.all[told.target]), clean: uncovered,
      said: fixed.categories[told.covered.best[0][0]],
    });
  }

  return {
    node: element("div", { class: "ask-body" }, pictures.node, start.node,
      element("div", { class: "ask-panel" },
        element("div", { class: "ask-left" }, stage.node, settings.cover),
        element("div", { class: "ask-right" }, words,
          element("div", { class: "ask-lists" }, clean.node, covered.node), settings.target)),
      settings.change, map.node, credit),
    draw,
    words(state) {
      untold = loader.isReady();
      return untold ? "" : sentence(state);
    },
    stop() {
      loader.stop();
      pictures.stop();
    },
  };
}

// ---- What has been asked, and what comes next.

function answers(fixed, now, isReady) {
  const { mean } = fixed;
  let [key, coverKey, paintKey, mapKey] = ["", "", "", ""];
  let asked = null; // the planes of the uncovered picture
  let shown = null;
  let paint = { key: "", planes: null };
  let [clean, map] = [null, null];
  let at = null; // {top, left, size} of the cover that is shown
  let covered = null; // {all, best, key, at}: while a cover is dragged, the last answer, with its own place
  const answer = (scores) => {
    const all = softmax(scores);
    return { all, best: bestOf(all, ROWS) };
  };
  const paintFor = (fill) => {
    const wanted = `${key} ${fill}`;
    if (paint.key !== wanted) paint = { key: wanted, planes: paintOf(asked, fill, mean) };
    return paint.planes;
  };

  return {
    follow(state, picture) {
      const { noise, blur, down, right, size, place, fill, stride } = state;
      const nextKey = picture ? JSON.stringify([picture.id, noise, blur, down, right]) : "";
      if (nextKey !== key) {
        key = nextKey;
        asked = picture ? changed(picture.planes, state, mean) : null;
        [clean, coverKey] = [null, ""];
      }
      const nextCover = state.covered && asked ? JSON.stringify([key, size, place, fill]) : "";
      if (nextCover !== coverKey || !coverKey) {
        coverKey = nextCover;
        const nextPaint = nextCover && `${key} ${fill}`;
        if (nextPaint !== paintKey || !isReady()) covered = null;
        paintKey = nextPaint;
        at = { top: place[0], left: place[1], size };
        shown = nextCover ? coveredBy(paintFor(fill), asked, size, place) : asked;
      }
      const nextMap = JSON.stringify([key, size, fill, stride]);
      if (nextMap !== mapKey) map = null;
      mapKey = nextMap;
    },
    asked: () => asked,
    shown: () => shown,
    map: () => map,
    beginMap() {
      const { size, fill, stride } = now();
      if (!asked) return;
      const starts = startsOf(size, stride);
      map = { starts, size, fill, stride, scores: [], total: starts.length ** 2, on: true };
    },
    endMap() { map = null; },

    // The next job for the network, or null.
    next() {
      if (!asked) return null;
      const started = key;
      if (!clean) {
        return async (network) => {
          const { scores } = await network.run(inputOf(asked, network.preprocessing));
          if (started === key) clean = answer(scores);
        };
      }
      if (coverKey && covered?.key !== coverKey) {
        const [mine, paintedAs, where] = [coverKey, paintKey, at];
        return async (network) => {
          const { scores } = await network.run(inputOf(shown, network.preprocessing));
          if (paintedAs === paintKey) covered = { ...answer(scores), key: mine, at: where };
        };
      }
      return map?.on ? mapJob(map) : null;
    },

    // {clean, covered, target}: of what is shown now, null where it has not been asked.
    told(isOwn) {
      const { photograph, target, noise, blur, down, right } = now();
      const untouched = !isOwn && !(noise || blur || down || right);
      const known = clean ?? (untouched ? { all: null, best: fixed.photographs[photograph].best } : null);
      return { clean: known, covered, target: target < 0 ? known?.best[0][0] ?? 0 : target };
    },
  };

  function mapJob(mine) {
    const { starts, size, fill } = mine;
    const number = mine.scores.length;
    const place = [starts[Math.floor(number / starts.length)], starts[number % starts.length]];
    return async (network) => {
      const picture = coveredBy(paintFor(fill), asked, size, place);
      const { scores } = await network.run(inputOf(picture, network.preprocessing));
      mine.scores.push(softmax(scores));
      mine.on = mine.scores.length < mine.total;
    };
  }
}

// ---- Settings.

function settingsPanel({ say, fixed, controls, now }) {
  const slider = (name, [min, max], more = {}) => controls.slider(name, { label: say(name), min, max, ...more });
  const pixels = { shown: (value) => say("pixels", { value }) };
  const size = slider("size", SIZES, {
    ...pixels,
    choose(next) { // around the same middle
      const { size: before, place } = now();
      return {
        size: next,
        place: place.map((at) => Math.min(Math.max(Math.round(at + (before - next) / 2), 0), SIDE - next)),
      };
    },
  });
  return {
    cover: element("div", { class: "ask-settings" },
      controls.checkbox("covered", { label: say("covered") }).node,
      size.node,
      controls.radios("fill", { label: say("fill"), options: FILLS.map((fill) => [fill, say(`fill.${fill}`)]) }).node),
    target: controls.dropdown("target", {
      label: say("target"),
      options: [[-1, say("target.first")], ...fixed.categories.map((name, number) => [number, name])],
    }).node,
    change: element("fieldset", { class: "ask-change" }, element("legend", {}, say("change")),
      slider("noise", [0, NOISE], { shown: (value) => say("greys", { value }) }).node,
      slider("blur", [0, BLUR], { shown: (value) => say("pixels", { value: String(value / 2) }) }).node,
      slider("down", [-SHIFT, SHIFT], pixels).node,
      slider("right", [-SHIFT, SHIFT], pixels).node),
  };
}
