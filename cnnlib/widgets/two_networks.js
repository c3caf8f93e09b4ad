// Two networks, one picture: what each says, how surely, how fast, and what it costs.
//
// Nothing is asked before the reader wants it. An asking is one untimed run of each network and RUNS timed ones,
// in turn; a survey is one run of each for every photograph of the gallery.

import { bars } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, setAttribute, uniqueId, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { fixedPoint } from "./kit/words.js";
import { bestOf, softmax } from "./live/answers.js";
import { LiveError } from "./live/engine.js";
import { openerOf } from "./live/home.js";
import { followingLoader, startLine } from "./live/loader.js";
import { pictureChooser } from "./live/pictures.js";
import { inputFor, paintInput, paintPlanes, planesAt, SIDE } from "./live/planes.js";
import { costTable, surveyTable } from "./two_networks_tables.js";
import { GUESSES, median, settled, tally } from "./two_networks_sums.js";

const NAMES = ["first", "second", "photograph", "faster", "surer"];
const RUNS = 9;
const ROWS = 5;
const LISTED = 50; // classes, above which a list is not written out

export default teach({ stem: "two_networks", names: NAMES, settled, view });

function view(tools) {
  const { el, say, fixed, now, redraw, spoken, controls } = tools;
  const network = (key) => fixed.networks.find((one) => one.key === key);
  const pairOf = ({ first, second }) => [network(first), network(second)];
  const pictures = pictureChooser(tools, redraw);
  const answers = answersOf(fixed);
  const loading = followingLoader({
    open: openerOf(tools), next: () => answers.next(), changed: redraw, idle: tell, left: () => answers.cancel(),
  });
  const values = { kilobytes: 0 };
  const start = startLine(say, loading, values, () => answers.work());
  const ask = button(say("ask"), () => begin("ask"));
  const survey = button("", () => begin("survey"));
  const picture = pictureStage(say);
  const columns = [columnOf(say), columnOf(say)];
  const costs = costTable(say);
  const surveyed = surveyTable(say);
  const words = element("p", { class: "tn-words" });
  const credit = element("p", { class: "cnn-help" });
  let asked = "ask"; // or "survey": what the reader wanted last

  function begin(what) {
    if (answers.work()) return;
    asked = what;
    answers[what]();
    loading.kick();
    redraw();
  }

  function tell() {
    const tallied = asked === "survey" && answers.tallied();
    spoken.say(tallied ? surveyed.words(pairOf(now()), tallied) : sentence(now()));
  }

  function draw(state) {
    const pair = pairOf(state);
    const shown = pictures.current(state);
    const photograph = fixed.photographs[state.photograph];
    const label = pictures.isOwn() ? null : photograph.label;
    loading.follow(pair.map(({ key }) => key));
    answers.follow(pair, shown);
    loading.kick();
    Object.assign(values, { kilobytes: kilobytes(pair[0]) + kilobytes(pair[1]) });
    start.show();
    for (const press of [ask, survey]) {
      press.disabled = !loading.isReady() || !shown;
      setAttribute(press, "aria-disabled", answers.work() ? "true" : null); // and keeps the keyboard's focus
    }
    write(survey, say("survey", { count: fixed.photographs.length }));
    picture.show(shown?.planes ?? null, pictures.isOwn() ? say("live.own.alt") : photograph.alt);
    const told = answers.told();
    columns.forEach((column, i) => column.show(pair[i], {
      planes: shown?.planes ?? null, best: told?.[i].best ?? [], label, isOwn: pictures.isOwn(),
      classes: fixed.lists[pair[i].dataset],
    }));
    costs.show(pair, { told, runs: RUNS, lists: fixed.lists });
    surveyed.show(pair, answers.tallied());
    write(words, sentence(state));
    write(credit, pictures.isOwn() ? "" : photograph.credit);
    setAttribute(el, "aria-busy", loading.isAtWork() ? "true" : null);
  }

  function sentence(state) {
    const pair = pairOf(state);
    const told = answers.told();
    if (!told) return say(loading.isReady() ? "unasked" : "unloaded");
    const [[name, share], [other, otherShare]] = told.map(({ best: [[number, part]] }, i) =>
      [fixed.lists[pair[i].dataset][number], percent(say, part)]);
    const said = say("said", { first: pair[0].title, name, share, second: pair[1].title, other, other_share: otherShare });
    return [said, verdict(state, "surer", told.map(({ best }) => -best[0][1])),
      verdict(state, "faster", told.map(({ milliseconds }) => Number(milliseconds.toFixed(1))))].join(" ");
  }

  // Which of the two has the smaller number, and whether the reader has said so.
  function verdict(state, name, [one, other]) {
    if (one === other) return say(`${name}.even`);
    const winner = one < other ? "first" : "second";
    const found = say(`${name}.is`, { title: network(state[winner]).title });
    if (state[name] === "none") return found;
    return `${found} ${say(state[name] === winner ? "guess.right" : "guess.wrong")}`;
  }

  const options = fixed.networks.map(({ key, title, dataset }) =>
    [key, say("option", { title, count: fixed.lists[dataset].length })]);
  const guess = (name) => controls.radios(name, {
    label: say(name), options: GUESSES.map((one) => [one, say(`guess.${one}`)]),
  }).node;
  return {
    node: element("div", { class: "tn-body" },
      element("div", { class: "cnn-row" },
        controls.dropdown("first", { label: say("first"), options }).node,
        controls.dropdown("second", { label: say("second"), options }).node),
      pictures.node,
      element("div", { class: "cnn-row" }, guess("faster"), guess("surer")),
      start.node,
      element("div", { class: "cnn-row" }, ask, survey),
      words,
      element("div", { class: "tn-panel" }, picture.node, ...columns.map(({ node }) => node)),
      credit, costs.node, surveyed.node),
    draw,
    words: (state) => (answers.told() ? sentence(state) : say("spoken", {
      first: network(state.first).title, second: network(state.second).title,
      title: fixed.photographs[state.photograph].title,
    })),
    stop() {
      loading.stop();
      pictures.stop();
    },
  };
}

const kilobytes = ({ bytes }) => Math.round(bytes / 1000);

// In per cent; what is nearly 0 or 1 is not said to be it.
function percent(say, share) {
  if (share < 0.001) return say("percent.under");
  if (share >= 0.9995) return say("percent.over");
  return say("percent", { value: fixedPoint(100 * share, 1) });
}

// ---- What has been asked, and what comes next.

// {follow(pair, picture), ask(), survey(), cancel(), next(), work(), told(), tallied()}. A job is
// {kind, done, count, ...}; there is one at most, and it ends with what it was about.
function answersOf(fixed) {
  let [pair, picture, key] = [null, null, ""];
  let pairKey = "";
  let told = null; // [{best, milliseconds}] of the pair for the picture
  let tallied = null;
  let job = null;

  const run = async (network, i, planes) => {
    const { scores, milliseconds } = await network.run(inputFor(planes, pair[i].how), { whole: true });
    return { best: bestOf(softmax(scores), ROWS), milliseconds };
  };

  async function askOnce(mine, networks) {
    const found = [];
    for (const [i, network] of networks.entries()) found.push(await run(network, i, mine.planes));
    if (job !== mine) return;
    mine.rounds.push(found);
    mine.done += 1;
    if (mine.done < mine.count) return;
    told = networks.map((_network, i) => ({
      best: found[i].best, milliseconds: median(mine.rounds.slice(1).map((round) => round[i].milliseconds)),
    }));
    job = null;
  }

  async function surveyOnce(mine, networks) {
    const { address, title } = fixed.photographs[mine.done];
    const planes = await planesAt(address);
    if (!planes) throw new LiveError("network", `${title}: the picture could not be loaded`);
    const names = pair.map(({ dataset }) => fixed.lists[dataset]);
    const found = [];
    for (const [i, network] of networks.entries()) {
      const { best: [[number, share]] } = await run(network, i, planes);
      found.push([names[i][number], share]);
    }
    if (job !== mine) return;
    mine.found.push(found);
    mine.done += 1;
    if (mine.done < mine.count) return;
    const sides = names.map((classes, i) => ({ classes, answers: mine.found.map((both) => both[i]) }));
    tallied = tally(sides, fixed.photographs.map(({ label }) => label));
    job = null;
  }

  return {
    follow(nextPair, nextPicture) {
      const nextPairKey = JSON.stringify(nextPair.map((one) => one.key));
      const nextKey = JSON.stringify([nextPairKey, nextPicture?.id ?? null]);
      if (nextPairKey !== pairKey) [job, tallied] = [null, null];
      if (nextKey !== key) {
        told = null;
        if (job?.kind === "ask") job = null;
      }
      [pair, picture, pairKey, key] = [nextPair, nextPicture, nextPairKey, nextKey];
    },
    ask() {
      if (picture) job = { kind: "ask", done: 0, count: RUNS + 1, planes: picture.planes, rounds: [] };
    },
    survey() { job = { kind: "survey", done: 0, count: fixed.photographs.length, found: [] }; },
    cancel() { job = null; },
    next() {
      const mine = job;
      if (!mine) return null;
      return (...networks) => (mine.kind === "ask" ? askOnce : surveyOnce)(mine, networks);
    },
    // The work under way, for the button that ends it, or null.
    work: () => job && { done: job.done, count: job.count, end: () => { job = null; } },
    told: () => told,
    tallied: () => tallied,
  };
}

// ---- What is seen.

function pictureStage(say) {
  const canvas = element("canvas", { class: "cnn-pixels tn-picture", role: "img", width: SIDE, height: SIDE });
  let drawn;
  return {
    node: element("figure", {}, element("figcaption", {}, say("picture")), canvas),
    show(planes, alt) {
      setAttribute(canvas, "aria-label", alt);
      if (planes === drawn) return;
      drawn = planes;
      paintPlanes(canvas, planes);
    },
  };
}

// One network: what it gets, its answers, and what it can say at all.
function columnOf(say) {
  const title = element("p", { class: "tn-title", id: uniqueId("network") });
  const canvas = element("canvas", { class: "cnn-pixels tn-input", role: "img" });
  const list = bars(say("bars"), ROWS);
  const note = element("p", { class: "tn-note" });
  const knows = element("p", { class: "cnn-help" });
  let drawn = [];
  return {
    node: element("div", { class: "tn-column", role: "group", "aria-labelledby": title.id }, title, canvas, list.node, note, knows),
    show({ title: name, how, dataset }, { planes, best, label, isOwn, classes }) {
      write(title, name);
      setAttribute(canvas, "aria-label", say("input", { title: name, side: how.height }));
      if (drawn[0] !== planes || drawn[1] !== how.height) paintInput(canvas, planes, how);
      drawn = [planes, how.height];
      list.show(best.map(([number, share]) => ({
        name: classes[number], share, text: percent(say, share),
        strong: classes[number] === label,
      })));
      write(note, noteOf(label, classes, isOwn));
      const values = { title: name, count: classes.length, set: say(`set.${dataset}`) };
      write(knows, classes.length > LISTED ? say("knows.many", values)
        : say("knows", { ...values, names: classes.join(", ") }));
    },
  };

  function noteOf(label, classes, isOwn) {
    if (isOwn) return "";
    if (label === null) return say("shows.unknown");
    return say(classes.includes(label) ? "shows.known" : "shows.foreign", { label });
  }
}
