// Fool it: a photograph is changed along a gradient, until the network takes it for something else.
//
// The sums are those of fool_it_sums.js; fool_it_network.js asks the network. Until the reader loads it,
// what Python has computed for the first state is in sight.

import { climbOf, walkOf } from "./fool_it_network.js";
import {
  BEST, BUDGETS, CLIMB, FACTORS, magnified, mostApart, settled, SIZES, STEPS,
} from "./fool_it_sums.js";
import { bars } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, onStillness, prefersStillness, same, setAttribute, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { fixedPoint } from "./kit/words.js";
import { openerOf } from "./live/home.js";
import { loaderOf, startLine } from "./live/loader.js";
import { pictureChooser } from "./live/pictures.js";
import { paintPlanes, planesAt, SIDE } from "./live/planes.js";

const NAMES = ["photograph", "way", "target", "rule", "size", "budget", "steps", "factor", "helps", "climb"];
const SHOWN = ["photograph", "way", "target", "rule", "size", "budget", "steps"];

export default teach({ stem: "fool_it", names: NAMES, settled, view });

function view(tools) {
  const { say, fixed, choose, now, redraw, spoken, controls } = tools;
  const [walk, climb] = [walkOf(), climbOf()];
  const loader = loaderOf({
    open: openerOf(tools), keys: [fixed.network], changed: redraw, next: () => walk.next() ?? climb.next(),
  });
  const start = startLine(say, loader, { kilobytes: fixed.kilobytes });
  const pictures = pictureChooser(tools, redraw);
  const worked = arriving(fixed.worked.address, redraw); // the picture that Python has changed
  const before = figureOf("fi-before", say("original"), say("bars.before"));
  const after = figureOf("fi-after", "", say("bars.after"));
  const apart = figureOf("fi-apart", "");
  const made = figureOf("fi-made", "");
  const panel = controlsPanel(tools, () => go("steps"));
  const told = element("p", { class: "fi-told" });
  const madeTold = element("p", { class: "fi-note" });
  const credit = element("p", { class: "fi-note" });
  let going = null; // "steps" or "climb": the choice that goes on by itself
  let said = "";
  const unwatch = onStillness(() => { going = null; redraw(); });

  function go(name) {
    const [value, last] = [now()[name], { steps: STEPS, climb: CLIMB }[name]];
    going = going === name ? null : name;
    if (going && value === last) choose({ [name]: 0 });
    redraw();
  }

  // Of what the reader wants, the record that is there: of the network, or of Python.
  function recordOf(state, picture) {
    if (!picture) return null;
    if (loader.isReady()) {
      const found = walk.record(state.steps);
      if (!found) return null;
      const aim = walk.aim();
      const first = walk.record(0);
      return {
        ...found, number: Math.min(state.steps, walk.reached()), aim, first: first.best,
        shares: [first.shares[aim], found.shares[aim]],
      };
    }
    const { state: known, before: first, after: best, aim: shares } = fixed.worked;
    if (!worked() || pictures.isOwn() || SHOWN.some((name) => !same(state[name], known[name]))) return null;
    const aim = state.way === "towards" ? state.target : first[0][0];
    return { planes: worked(), best, first, number: state.steps, aim, shares };
  }

  function sentence(state, picture, record) {
    if (!picture) return "";
    if (!record) return say(loader.isReady() ? "asking" : "unasked");
    const name = ([[number]]) => fixed.categories[number];
    const share = ([[, part]]) => fixedPoint(100 * part, 1);
    return say("told", {
      steps: record.number, most: mostApart(picture.planes, record.planes),
      after: name(record.best), share: share(record.best), before: name(record.first), first: share(record.first),
    });
  }

  function showMade(state, aim) {
    const found = climb.shown();
    const name = aim === null ? "" : fixed.categories[aim];
    made.title(name ? say("made", { name }) : say("made.unknown"));
    made.paint(found?.planes ?? null);
    made.alt(say("made.alt", { name }));
    write(madeTold, found
      ? say("made.told", { number: found.number, name, share: fixedPoint(100 * found.share, 1) })
      : say(loader.isReady() ? "made.none" : "made.unasked"));
    return !found || found.number >= state.climb;
  }

  function announce(words) {
    if (words !== said && loader.isReady()) spoken.say(words);
    said = words;
  }

  function advance(done) {
    const name = going;
    if (!loader.isReady()) going = null;
    if (!going || !done) return;
    const last = { steps: STEPS, climb: CLIMB }[name];
    if (now()[name] >= last) going = null;
    else choose({ [name]: now()[name] + 1 });
  }

  function draw(state) {
    const picture = pictures.current(state);
    const ready = loader.isReady();
    walk.follow(state, picture);
    const known = ready || state.way === "towards" ? walk.aim() : picture?.best?.[0][0] ?? null;
    climb.follow(known, state.helps, state.climb);
    const record = recordOf(state, picture);
    const words = sentence(state, picture, record);
    const alt = pictures.isOwn() ? say("live.own.alt") : fixed.photographs[state.photograph].alt;
    before.paint(picture?.planes ?? null);
    before.alt(alt);
    before.bars.show(picture?.best ? rowsOf(tools, record?.first ?? picture.best, record?.aim ?? null, record?.shares[0] ?? null) : []);
    after.title(say("changed", { steps: record?.number ?? state.steps }));
    after.paint(record?.planes ?? null);
    after.alt(words);
    after.bars.show(record ? rowsOf(tools, record.best, record.aim, record.shares[1]) : []);
    apart.title(say("difference", { factor: state.factor }));
    apart.paint(record && picture ? magnified(picture.planes, record.planes, state.factor) : null);
    apart.alt(say("difference.alt", { factor: state.factor }));
    const climbedThere = showMade(state, known);
    const walkedThere = record?.number === state.steps;
    write(told, words);
    write(credit, pictures.isOwn() ? "" : say("credit", { credit: fixed.photographs[state.photograph].credit }));
    start.show();
    advance(going === "climb" ? climbedThere : walkedThere);
    panel.show(state, { going, ready });
    climbGo.disabled = !ready;
    climbGo.hidden = prefersStillness();
    write(climbGo, say(going === "climb" ? "stop" : "climb.go"));
    loader.kick();
    const coming = !picture || !worked();
    const waited = ready && !(walkedThere && (climbedThere || state.climb === 0));
    const working = coming || waited || loader.isAtWork();
    setAttribute(node, "aria-busy", working ? "true" : null);
    if (!working && !going) announce(words);
  }

  const climbGo = button("", () => go("climb"));
  const node = element("div", { class: "fi-body" }, start.node, pictures.node, panel.node, told,
    element("div", { class: "fi-stage" }, before.node, after.node,
      element("div", {}, apart.node,
        controls.slider("factor", { label: say("factor"), min: FACTORS[0], max: FACTORS[1], shown: (value) => say("times", { value }) }).node),
      element("div", {}, made.node, madeTold,
        controls.radios("helps", { label: say("helps"), options: fixed.helps.map((name) => [name, say(`helps.${name}`)]) }).node,
        element("div", { class: "fi-row" }, climbGo,
          controls.slider("climb", { label: say("climb"), min: 0, max: CLIMB }).node))),
    credit);

  return {
    node,
    draw,
    words: () => (loader.isReady() ? "" : say("spoken.idle")),
    stop() {
      unwatch();
      loader.stop();
      pictures.stop();
    },
  };
}

// The planes of the picture at an address, as a function: null until they are there.
function arriving(address, came) {
  let planes = null;
  async function fetchThem() {
    planes = await planesAt(address);
    came();
  }
  fetchThem();
  return () => planes;
}

// The best answers as bars, and behind them the class that is aimed at, if it is not among them.
function rowsOf({ say, fixed: { categories } }, best, aim, share) {
  const isListed = aim === null || share === null || best.some(([number]) => number === aim);
  return (isListed ? best : [...best, [aim, share]]).map(([number, part]) => ({
    name: categories[number], share: part, text: say("percent", { value: fixedPoint(100 * part, 1) }),
    strong: number === aim,
  }));
}

// A picture with its title and, if they have a title, its bars.
function figureOf(name, title, barsTitle = null) {
  const caption = element("figcaption", {}, title);
  const canvas = element("canvas", { class: `cnn-pixels ${name}`, role: "img", width: SIDE, height: SIDE });
  const list = barsTitle ? bars(barsTitle, BEST + 1) : null;
  let shown;
  return {
    node: element("figure", {}, caption, canvas, list?.node),
    bars: list,
    title: (text) => write(caption, text),
    alt: (text) => setAttribute(canvas, "aria-label", text),
    paint(planes) {
      if (planes === shown) return;
      shown = planes;
      paintPlanes(canvas, planes);
    },
  };
}

function controlsPanel({ say, fixed, controls }, go) {
  const listed = fixed.categories.map((name, number) => [number, name])
    .sort(([, one], [, other]) => (one.toLowerCase() < other.toLowerCase() ? -1 : 1));
  const way = controls.radios("way", { label: say("way"), options: fixed.ways.map((name) => [name, say(`way.${name}`)]) });
  const target = controls.dropdown("target", { label: say("target"), options: listed });
  const rule = controls.radios("rule", { label: say("rule"), options: fixed.rules.map((name) => [name, say(`rule.${name}`)]) });
  const greys = { shown: (value) => say("greys", { value }) };
  const size = controls.slider("size", { label: say("size"), min: SIZES[0], max: SIZES[1], ...greys });
  const budget = controls.slider("budget", { label: say("budget"), min: BUDGETS[0], max: BUDGETS[1], ...greys });
  const steps = controls.slider("steps", { label: say("steps"), min: 0, max: STEPS });
  const press = button("", go);
  return {
    node: element("div", { class: "fi-panel" }, way.node, target.node, rule.node, size.node, budget.node,
      element("div", { class: "fi-row" }, press, steps.node)),
    show(state, { going, ready }) {
      target.node.hidden = state.way === "away";
      press.disabled = !ready;
      press.hidden = prefersStillness();
      write(press, say(going === "steps" ? "stop" : "go"));
    },
  };
}
