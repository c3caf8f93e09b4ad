// A new head: pictures in two or three classes, and a linear layer on SqueezeNet's features that learns them.
//
// The features of the page's photographs came with it, computed by torch; those of a reader's own pictures
// are computed here, once the network is loaded. The head is trained anew at every change.

import { bars } from "./kit/bars.js";
import { button, field } from "./kit/controls.js";
import { element, same, setAttribute, unpack, upTo, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { fixedPoint } from "./kit/words.js";
import { strongest } from "./live/answers.js";
import { openerOf } from "./live/home.js";
import { startLine } from "./live/loader.js";
import { fileButton } from "./live/pictures.js";
import { cameraPanel } from "./new_head_camera.js";
import { headText, LARGEST_FILE, readHead } from "./new_head_file.js";
import { ownPictures } from "./new_head_network.js";
import { isName, learn, settled, sharesOf } from "./new_head_sums.js";
import { lossCurve, tray } from "./new_head_trays.js";

const MOST_CLASSES = 3;
const AT_ONCE = 8; // milliseconds that training takes before the page may draw

export default teach({ stem: "new_head", names: ["names", "pictures", "tested", "penalty"], settled, view });

function view(tools) {
  const { el, say, fixed, controls, choose, now, redraw, spoken } = tools;
  const given = photographsOf(fixed);
  const notice = element("p", { class: "live-trouble", role: "alert" });
  const own = ownPictures({
    open: openerOf(tools), fixed, changed: redraw,
    arrived: (key, kind) => arrive(key, kind),
    refused: (why, title) => write(notice, say(`own.${why}`, { title, most: fixed.most })),
  });
  const trainer = trainerOf(redraw);
  let told = "";

  const full = (key) => write(notice, say("own.full", { title: pictureOf(key).title, most: fixed.most }));
  const nameOf = (name) => (fixed.known.includes(name) ? say(`class.${name}`) : name);
  const pictureOf = (key) => given.get(key) ?? own.get(key) ?? null;
  const here = (state) => state.pictures.filter(([key]) => pictureOf(key));

  function arrive(key, kind) {
    const { pictures } = now();
    if (kind !== null && pictures.length < fixed.most) choose({ pictures: [...pictures, [key, kind]], tested: key });
    else {
      if (kind !== null) full(key);
      choose({ tested: key });
    }
    redraw();
  }

  function add(files, kind) {
    write(notice, "");
    if (!own.isReady()) {
      write(notice, say("own.load_first"));
      return;
    }
    own.add(Array.from(files, (blob) => ({ title: blob.name, blob })), kind);
  }

  const put = (kind) => {
    const { pictures, tested } = now();
    const place = pictures.find(([key]) => key === tested)?.[1] ?? null;
    if (kind === place || !pictureOf(tested)) return;
    const rest = pictures.filter(([key]) => key !== tested);
    if (kind !== null && rest.length >= fixed.most) full(tested);
    else choose({ pictures: kind === null ? rest : [...rest, [tested, kind]] });
  };

  const start = startLine(say, own, { kilobytes: fixed.kilobytes }, own.work);
  const classes = upTo(MOST_CLASSES).map((kind) => classOf({ say, nameOf, controls, choose, now, add, kind }));
  const shelf = tray({ say, pick: (tested) => choose({ tested }), drop: (files) => add(files, null) });
  const shelfFiles = fileButton(say("add.shelf"), { accept: "image/*", multiple: true }, (files) => add(files, null));
  const third = button("", () => {
    const { names } = now();
    choose({ names: names.length === 2 ? [...names, "third"] : names.slice(0, 2) });
  });
  const penalty = controls.slider("penalty", {
    label: say("penalty"), min: fixed.penalties[0], max: fixed.penalties[1], help: say("penalty.help"),
    shown: (power) => powerText(power), aloud: (power) => powerText(power),
  });
  const result = resultOf(say);
  const verdict = verdictOf({ say, put, own });
  const camera = cameraPanel({
    say, most: MOST_CLASSES,
    look: (bitmap) => own.look(bitmap).then((features) => features && answerOf(features)),
    rows: (shares) => rowsOf(say, (inUse()?.names ?? []).map(nameOf), shares),
    add: (take, kind) => {
      write(notice, "");
      own.add([{ title: say("camera.name"), take }], kind);
    },
  });
  const file = headFile({
    say, fixed, nameOf, changed: redraw, trouble: (words) => write(notice, words),
    trained: () => ({ ...trainer.status(), penalty: 10 ** now().penalty }),
  });

  // The head that is asked: one out of a file, or the one that has been trained here.
  function inUse() {
    if (file.given()) return file.given();
    const { head, names } = trainer.status();
    return head && { head, names };
  }
  const answerOf = (features) => (inUse() ? sharesOf(inUse().head, features) : null);

  function train(state) {
    const pairs = here(state);
    const counts = state.names.map((_, kind) => pairs.filter(([, one]) => one === kind).length);
    trainer.want(counts.every(Boolean) ? {
      key: [pairs, state.penalty, state.names.length],
      features: pairs.map(([key]) => pictureOf(key).features),
      labels: pairs.map(([, kind]) => kind),
      penalty: 10 ** state.penalty, names: state.names,
    } : null);
  }

  return {
    node: element("div", { class: "nh-body" },
      examplesOf(say, choose, fixed),
      element("div", { class: "nh-classes" }, ...classes.map(({ node }) => node)),
      element("div", { class: "nh-buttons" }, third),
      start.node, notice,
      element("div", { class: "nh-results" }, verdict.node, result.node),
      element("figure", {}, element("figcaption", {}, say("shelf")), shelf.node),
      element("div", { class: "nh-buttons" }, shelfFiles.press, camera.press, ...file.presses),
      shelfFiles.input, file.node, camera.node, penalty.node,
      element("details", { class: "nh-credits" }, element("summary", {}, say("credits")),
        element("ul", { translate: "no" }, ...fixed.photographs.map(({ credit }) => element("li", {}, credit))))),
    prepare: train,
    draw(chosen) {
      const state = { ...chosen, names: chosen.names.map(nameOf) };
      const ready = own.isReady();
      const { answer, busy } = trainer.status();
      const held = new Map(answer?.held?.map((kind, i) => [here(state)[i]?.[0], kind]) ?? []);
      const places = new Map(state.pictures);
      start.show();
      classes.forEach((one, kind) => one.show(state, {
        ready,
        pictures: here(state).filter(([, its]) => its === kind).map(([key]) => ({
          ...pictureOf(key),
          wrong: !busy && held.has(key) && held.get(key) !== kind ? state.names[held.get(key)] : null,
        })),
      }));
      const rest = [...given.values(), ...own.all()].filter(({ key }) => !places.has(key));
      shelf.show(rest, { tested: state.tested, label: say("shelf"), none: say("shelf.none") });
      shelfFiles.press.disabled = !ready;
      write(third, say(state.names.length === 2 ? "third.add" : "third.remove"));
      const tested = pictureOf(state.tested);
      const asked = inUse();
      verdict.show(state, {
        picture: tested, kind: places.get(state.tested) ?? null, names: asked?.names.map(nameOf) ?? state.names,
        shares: tested && asked ? sharesOf(asked.head, tested.features) : null,
        held: busy ? undefined : held.get(state.tested),
        fromFile: file.given() !== null,
      });
      const labels = here(state).map(([, kind]) => kind);
      if (!busy) result.show(answer, { labels, lost: state.pictures.length - labels.length });
      camera.show({ names: state.names, ready });
      file.show(answer);
      const aloud = busy ? told : result.text();
      if (told && aloud !== told) spoken.say(aloud);
      told = aloud;
      setAttribute(el, "aria-busy", busy || own.isAtWork() || own.work() ? "true" : null);
    },
    fit(width) { el.classList.toggle("nh-phone", width < 620); },
    words(state, before) { return state.tested === before.tested ? "" : verdict.text(); },
    stop() {
      camera.stop();
      own.stop();
      trainer.stop();
    },
  };
}

// ---- The page's photographs: key -> {key, title, address, features}.

function photographsOf({ photographs, features, shape: [wide] }) {
  const numbers = new Float32Array(unpack(features).bytes.buffer);
  return new Map(photographs.map((one, i) =>
    [one.key, { ...one, features: Float64Array.from(numbers.subarray(i * wide, (i + 1) * wide)) }]));
}

// ---- Training, a little at a time. A newer wish ends an older one.

function trainerOf(redraw) {
  const { port1, port2 } = new MessageChannel();
  let [wish, work, answer, head] = [null, null, null, null];
  port1.addEventListener("message", () => {
    advance();
    if (!work) redraw();
  });
  port1.start();

  function advance() {
    const until = performance.now() + AT_ONCE;
    while (work) {
      const { done, value } = work.next();
      if (done) [work, answer, head] = [null, value, value.head];
      else if (performance.now() > until) {
        port2.postMessage(null);
        return;
      }
    }
  }

  return {
    // `head` is an older one while a newer is trained; `answer` is what learn() returns, or null.
    status: () => ({ answer, head, busy: work !== null, names: wish?.names }),
    want(next) {
      const equal = same(next?.key, wish?.key);
      wish = next;
      if (equal) return;
      [work, answer] = [next && learn(next.features, next.labels, next.names.length, next.penalty), null];
      if (!next || head?.bias.length !== next.names.length) head = null;
      advance();
    },
    stop() {
      [work, redraw] = [null, () => {}];
      port1.close();
    },
  };
}

// ---- A head as a file.

// {presses, node, given(), show(answer)}: given() is the head that came out of a file, {names, pictures, head}, or
// null. `trained()` gives {answer, names, penalty}.
function headFile({ say, nameOf, fixed: { network, layer, shape: [wide] }, changed, trouble, trained }) {
  let given = null;
  const note = element("p", { class: "live-note" });
  const keep = button(say("file.save"), save);
  const bring = fileButton(say("file.load"), { accept: ".json,application/json" }, ([chosen]) => read(chosen));
  const back = button(say("file.back"), () => {
    given = null;
    bring.press.focus();
    changed();
  });

  function save() {
    const { answer, names, penalty } = trained();
    const text = headText(answer.head, { network, layer, names, pictures: answer.shares.length, penalty });
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    element("a", { href: address, download: "new-head.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  async function read(chosen) {
    const found = chosen.size > LARGEST_FILE ? null : readHead(await chosen.text(), { network, layer, wide });
    trouble(found ? "" : say("file.wrong", { title: chosen.name }));
    given = found ?? given;
    changed();
  }

  return {
    presses: [keep, bring.press, back],
    node: element("div", {}, bring.input, note),
    given: () => given,
    show(answer) {
      keep.disabled = !answer;
      back.hidden = !given;
      write(note, given ? say("file.used", { names: given.names.map(nameOf).join(", "), count: given.pictures }) : "");
    },
  };
}

// ---- Pieces.

const powerText = (power) => fixedPoint(10 ** power, Math.max(0, -power));

const rowsOf = (say, names, shares) => (shares === null ? [] : names.map((name, k) => ({
  name, share: shares[k], text: say("percent", { value: fixedPoint(100 * shares[k], 0) }), strong: k === strongest(shares),
})));

function examplesOf(say, choose, { examples }) {
  return element("div", { class: "nh-buttons", role: "group", "aria-label": say("examples") },
    element("span", { "aria-hidden": "true" }, say("examples")),
    ...examples.map(({ name, pictures, classes }) => button(say(`example.${name}`), () => choose({
      pictures, names: classes,
    }))));
}

function classOf({ say, nameOf, controls, choose, now, add, kind }) {
  const name = field({
    label: say("name", { number: kind + 1 }), value: "", size: 16, wrong: say("names.wrong"),
    parse: (text) => (isName(text) ? text : undefined),
    onChange: (text) => choose({ names: now().names.map((one, k) => (k === kind ? text : one)) }),
  });
  controls.own("names", kind === 0 ? say("names") : null, { node: name.node, set: (names) => name.set(nameOf(names[kind] ?? "")) });
  const row = tray({ say, pick: (tested) => choose({ tested }), drop: (files) => add(files, kind) });
  const files = fileButton("", { accept: "image/*", multiple: true }, (chosen) => add(chosen, kind));
  const count = element("p", { class: "live-note" });
  const node = element("div", { class: "nh-class" },
    element("div", { class: "nh-head" }, name.node, count), row.node,
    element("div", { class: "nh-buttons" }, files.press, files.input));
  return {
    node,
    show({ names, tested }, { pictures, ready }) {
      node.hidden = kind >= names.length;
      if (node.hidden) return;
      row.show(pictures, { tested, label: say("class.pictures", { name: names[kind] }), none: say(ready ? "class.none" : "class.none.idle") });
      write(count, say("count", { count: pictures.length }));
      write(files.press, say("add", { name: names[kind] }));
      files.press.disabled = !ready;
    },
  };
}

// What training has come to.
function resultOf(say) {
  const curve = lossCurve(say);
  const lines = upTo(4).map(() => element("p", {}));
  const node = element("figure", { class: "nh-result" }, element("figcaption", {}, say("training")), ...lines, curve.node);
  return {
    node,
    show(answer, { labels, lost }) {
      const count = labels.length;
      const right = (answers) => answers.filter((one, i) => one === labels[i]).length;
      const texts = ["", "", "", lost ? say("lost", { count: lost }) : ""];
      if (answer) {
        texts[0] = say("trained", { right: right(answer.shares.map(strongest)), count });
        texts[1] = answer.held ? say("held", { right: right(answer.held), count }) : say("held.few");
        texts[2] = answer.held ? say("resting", { count, points: fixedPoint(100 / count, 0) }) : "";
      } else texts[0] = say("untrained");
      lines.forEach((line, i) => {
        write(line, texts[i]);
        line.hidden = !texts[i];
      });
      curve.show(answer?.losses ?? null);
    },
    text: () => lines.slice(0, 2).map((line) => line.textContent).join(" ").trim(),
  };
}

// The picture that is asked about, and where it may go.
function verdictOf({ say, put, own }) {
  const picture = element("img", { class: "nh-tested", width: 112, height: 112 });
  const title = element("p", { class: "nh-title" });
  const sentence = element("p", {});
  const place = element("p", { class: "live-note" });
  const answers = bars(say("answers"), MOST_CLASSES);
  const movers = upTo(MOST_CLASSES).map((kind) => button("", () => put(kind)));
  const out = button(say("take_out"), () => put(null));
  let asked = "";
  const forget = button(say("forget"), () => {
    own.forget(asked);
    out.focus();
  });
  const node = element("figure", { class: "nh-verdict" }, element("figcaption", {}, say("tested")),
    element("div", { class: "nh-pair" }, picture, element("div", {}, title, sentence, answers.node)),
    place, element("div", { class: "nh-buttons" }, ...movers, out, forget));
  return {
    node,
    show(state, { picture: shown, kind, names, shares, held, fromFile }) {
      asked = state.tested;
      picture.style.visibility = shown ? "" : "hidden";
      setAttribute(picture, "src", shown?.address ?? null);
      setAttribute(picture, "alt", shown ? shown.alt ?? shown.title : "");
      write(title, shown?.title ?? say("tested.none"));
      const best = shares && strongest(shares);
      write(sentence, shares ? say("verdict.short", { name: names[best] }) : "");
      answers.show(rowsOf(say, names, shares));
      let words = "";
      if (shown && kind === null) words = say("place.new");
      else if (shown && held !== undefined && !fromFile) words = say("place.held", { name: state.names[kind], other: state.names[held] });
      else if (shown) words = say("place.learned", { name: state.names[kind] });
      write(place, words);
      movers.forEach((mover, k) => {
        mover.hidden = k >= state.names.length;
        write(mover, say("put", { name: state.names[k] ?? "" }));
        setAttribute(mover, "aria-disabled", !shown || kind === k ? "true" : null);
      });
      setAttribute(out, "aria-disabled", kind === null ? "true" : null);
      forget.hidden = !own.get(state.tested) || kind !== null;
    },
    text: () => [title, sentence].map((line) => line.textContent).join(": "),
  };
}
