// Convolution explorer: which inputs, weights and outputs meet, one step at a time.

import { button } from "./kit/controls.js";
import { copy, element, same, setAttribute, write } from "./kit/dom.js";
import { gridStep } from "./kit/focus.js";
import { teach } from "./kit/teach.js";
import { transport } from "./kit/transport.js";
import { decimal } from "./kit/words.js";
import {
  explain, inputValue, meetingOf, notice, parseNumber, placeAloud, question, rangeInWords, realPlace,
  sceneOf, sizeFormula, sizesOf, stepAloud, stepTarget, story, torchLayer, torchProgram, weight,
} from "./convolution_explorer_scene.js";
import { meetingStage, nameIn } from "./convolution_explorer_stage.js";
import {
  asRows, changeDimensions, changeMode, freshValues, fromRows, isScatter, reachable, SETTINGS,
  settingsOf, settled, SIZES, steps,
} from "./convolution_explorer_sums.js";

const NAMES = [
  ...SETTINGS, "view", "step", "preset", "hide_ahead", "input_values", "kernel_values",
];
const LONGEST = 400; // characters of arithmetic that are worth hearing

export default teach({ stem: "convolution_explorer", names: NAMES, settled, view });

function view({ say, fixed, controls, choose, now, redraw, spoken }) {
  let scene = null;
  let laidOut = null; // the settings and the view that the grids are laid out for
  let explained = null; // what is looked at, in words
  let [hovered, focused] = [null, null]; // what is pointed at, and what has the focus: {kind, at}
  const asks = element("p", { class: "cx-question" });
  const sizes = element("p", { class: "cx-sizes" });
  const told = element("p", { class: "cx-notice", role: "status" });
  const refusal = element("p", { class: "cx-refusal", role: "alert" });
  const tale = element("p", { class: "cx-story" });
  const settings = settingsPanel(say, fixed, { controls, now, choose });
  const meeting = meetingPanel(say);
  const blocks = [sizePanel(say), torchPanel(say, now)];
  const stage = meetingStage(say, {
    hover(target) {
      if (editor.isOpen() || same(target, hovered)) return;
      hovered = target;
      redraw();
    },
    enter(target) {
      focused = target;
      redraw();
      if (!editor.isOpen()) speak();
    },
    leave() { focused = null; redraw(); },
    isFocused: (target) => same(target, focused),
    key,
    edit,
  });
  const editor = numberEditor(say, {
    largest: fixed.largest,
    refuse: (words) => write(refusal, words),
    onClose: redraw,
  });
  const play = controls.own("step", say("kit.transport.step"), transport(say, {
    last: () => steps(now()) - 1,
    aloud: (step) => stepAloud(say, now(), step),
    now: () => now().step,
    onStep(step, byItself) {
      const before = now();
      choose({ step });
      if (!byItself && now() === before) speak(); // it has come to rest
    },
  }));
  const hide = controls.checkbox("hide_ahead", { label: say("hide") });

  // What is looked at: the cell under the pointer, else the focused one, else the current step's.
  const looking = () => meetingOf(scene, hovered ?? focused ?? stepTarget(scene));

  function inWords({ text, lines }) {
    const arithmetic = lines.map((line) =>
      line.flatMap((term) => term.map(([, part]) => part)).join("")).join(" ");
    return arithmetic.length < LONGEST ? `${text} ${arithmetic}` : text;
  }

  function speak() { spoken.say(inWords(explain(say, scene, looking()))); }

  function key(event, grid) {
    if (editor.isOpen() || event.ctrlKey || event.metaKey || event.altKey) return;
    const { down, across, rows, stop } = grid;
    const at = [down.indexOf(stop.at[0]), across.indexOf(stop.at[1])];
    const to = gridStep(event.key, at, [down.length, across.length]);
    const typed = /^[-+.,\d−]$/.test(event.key);
    if (!to && !typed && event.key !== "Enter" && event.key !== "F2") return;
    event.preventDefault();
    hovered = null;
    if (to) rows[to[0]][to[1]].node.focus();
    else edit(stop, typed ? event.key : null);
  }

  function edit(cell, typed = null) {
    if (editor.isOpen()) return;
    play.pause();
    if (cell.kind === "output") write(refusal, say("edit.output"));
    else if (cell.look !== "real") write(refusal, say("edit.zero"));
    else {
      const { s } = scene;
      const [list, at, old] = cell.kind === "input"
        ? ["input_values", realPlace(s, cell.at), inputValue(s, cell.at)]
        : ["kernel_values", cell.at, weight(s, cell.at)];
      const place = placeAloud(say, s, at);
      editor.open(cell, { label: say(`edit.${cell.kind}`, { place }), old, typed }, (number) => {
        const rows = asRows(s, now()[list]).map((row) => [...row]);
        rows[at[0]][at[1]] = number;
        choose({ [list]: fromRows(s, rows) });
      });
    }
  }

  function layOut(state) {
    editor.drop(); // what was being typed is for a cell that may be gone
    [hovered, focused] = [null, null];
    stage.layOut(scene);
    write(asks, question(say, state));
    sizes.replaceChildren(...sizesOf(scene).flatMap(([kind, size], i) =>
      [i > 0 && " · ", nameIn(kind, say(`size.${kind}`, { size }))].filter(Boolean)));
    write(tale, story(say, state));
    hide.node.hidden = isScatter(state);
    for (const block of blocks) block.show(state);
    meeting.makeRoom(state);
  }

  function draw(state, before) {
    const layout = [settingsOf(state), state.view];
    const seat = same(layout, laidOut) ? null : focused;
    if (!same(layout, laidOut)) layOut(state);
    laidOut = layout;
    const news = changed(state, before, NAMES);
    if (news.length) write(refusal, "");
    if (news.some((name) => name !== "step")) play.pause();
    if (changed(state, before, SETTINGS).length) write(told, notice(say, state, before, fixed));
    stage.fill(scene);
    const look = looking();
    explained = explain(say, scene, look);
    meeting.show(explained);
    stage.mark(scene, look); // last, for it measures what the rest has laid out
    if (seat) stage.focus(seat);
  }

  return {
    node: element("div", { class: "cx-body" },
      asks, sizes, settings.cases, told, stage.node, refusal,
      element("div", { class: "cx-steps" }, play.node, hide.node),
      meeting.node, tale, element("p", { class: "cnn-help" }, say("help")),
      settings.node, ...blocks.map(({ node }) => node)),
    prepare(state) {
      const before = scene?.s;
      if (before === state) return;
      scene = sceneOf(state);
      if (!before || changed(state, before, SETTINGS).length) settings.measure(state);
    },
    draw,
    fit: stage.fit,
    words(state, before) {
      if (changed(state, before, SETTINGS).length) return sizes.textContent;
      const said = changed(state, before, ["view", "step", "input_values", "kernel_values"]);
      return said.length && !play.playing() ? inWords(explained) : "";
    },
    stop: play.stop,
  };
}

const changed = (state, before, names) => names.filter((name) => !same(state[name], before[name]));

// ---- Settings: the cases and switches above the grids, the sliders below them.

function settingsPanel(say, fixed, { controls, now, choose }) {
  let ranges = {}; // of each slider, in words
  const start = (settings) => ({ ...settings, step: 0 });
  const options = (name, values) => values.map((value) => [value, say(`${name}.${value}`)]);
  const cases = controls.dropdown("preset", {
    label: say("preset"),
    options: [[null, say("preset.own")], ...Object.entries(fixed.presets)
      .map(([key, { figure }]) => [key, `${figure} ${say(`preset.${key}`)}`])],
    choose: (preset) => start({ preset }),
  });
  cases.node.classList.add("cx-case");
  const switches = [
    controls.radios("mode", {
      label: say("mode"), options: options("mode", ["forward", "transposed"]),
      choose: (mode) => start(changeMode(now(), mode, fixed)),
    }),
    controls.radios("dimensions", {
      label: say("dimensions"), options: options("dimensions", [1, 2]),
      choose: (dimensions) => start(changeDimensions(now(), dimensions, fixed)),
    }),
    controls.radios("view", {
      label: say("view"), options: options("view", ["scatter", "stuffed"]),
      choose: (seen) => start({ view: seen }),
      follow: ({ node }, state) => { node.hidden = state.mode === "forward"; },
    }),
  ];
  const sliders = SIZES.map((name) => controls.slider(name, {
    label: say(name), min: fixed.limits[name][0], max: fixed.limits[name][1],
    follow: (control) => control.bound(ranges[name]),
  }));
  return {
    cases: element("div", { class: "cnn-row" }, cases.node, ...switches.map(({ node }) => node)),
    node: element("div", { class: "cx-settings" },
      element("div", { class: "cx-sliders" }, ...sliders.map(({ node }) => node)),
      button(say("reset"), () => choose(freshValues(now(), fixed)))),
    measure(state) {
      ranges = Object.fromEntries(SIZES.map((name) => {
        const range = reachable(state, name, fixed);
        const why = rangeInWords(say, state, name, range, fixed.limits[name]);
        return [name, { min: range.low, max: range.high, why }];
      }));
    },
  };
}

// ---- Editing the number in a cell, in a field over it.

function numberEditor(say, { largest, refuse, onClose }) {
  let field = null;

  function open(cell, { label, old, typed }, take) {
    const own = element("input", {
      type: "text", class: "cx-edit", autocomplete: "off", "aria-label": label,
      onkeydown: (event) => {
        event.stopPropagation();
        if (event.key === "Enter") {
          event.preventDefault(); // which would be a change, too
          finish(true);
        } else if (event.key === "Escape") close(true);
      },
      onchange: () => finish(false),
      onblur: () => finish(false),
    });
    field = own;
    refuse("");
    own.value = typed ?? String(old);
    cell.node.append(own);
    own.focus();
    if (typed === null) own.select();

    function close(stay) {
      field = null;
      refuse("");
      if (stay || document.activeElement === own) cell.node.focus();
      own.remove();
      onClose();
    }

    // Takes the number. A wrong one keeps the field open after Enter; leaving gives the old back.
    function finish(stay) {
      if (field !== own) return;
      const text = own.value;
      const number = parseNumber(text);
      const why = number === null ? say("edit.no_number", { text })
        : Math.abs(number) > largest ? say("edit.too_large", { text, largest }) : "";
      if (why && stay) {
        setAttribute(own, "aria-invalid", "true");
        refuse(why);
        return;
      }
      close(stay);
      if (why) refuse(`${why} ${say("edit.stays", { value: decimal(old, 4) })}`);
      else take(number);
    }
  }

  return {
    open,
    isOpen: () => field !== null,
    drop() { // without taking what was typed
      const own = field;
      field = null;
      own?.remove();
    },
  };
}

// ---- In words and formulas.

function meetingPanel(say) {
  const sentence = element("p", { class: "cx-sentence" });
  const terms = element("div", { class: "cx-terms", role: "group", "aria-label": say("meeting") });
  const node = element("div", { class: "cx-meeting" }, sentence, terms);
  return {
    node,
    // As many lines as the settings may need, so that nothing below it moves.
    makeRoom(s) {
      const lines = (s.dimensions === 2 ? Math.min(s.kernel_size, 6) : 1) + 1;
      node.style.setProperty("--lines", lines);
    },
    show({ text, lines }) {
      write(sentence, text);
      terms.replaceChildren(...lines.map((line) => element("div", { class: "cx-line" },
        ...line.map((term) => element("span", { class: "cx-term" },
          ...term.map(([kind, part]) => (kind ? nameIn(kind, part) : part)))))));
    },
  };
}

const block = (title, ...children) => element("div", { class: "cx-block" },
  element("p", { class: "cx-title" }, title), ...children);

function sizePanel(say) {
  const parts = {
    letters: element("p", { class: "cx-formula" }),
    numbers: element("p", { class: "cx-formula" }),
    rest: element("p", { class: "cnn-help" }),
  };
  return {
    node: block(say("formula"), ...Object.values(parts)),
    show(s) {
      const formula = sizeFormula(say, s);
      for (const [name, node] of Object.entries(parts)) write(node, formula[name]);
    },
  };
}

function torchPanel(say, now) {
  const code = element("code");
  const copied = element("span", { class: "cx-copied", role: "status" });
  const copies = (words, text) => button(words, async () => {
    const done = await copy(text(now()), copied.parentElement);
    copied.textContent = say(done ? "kit.share.copied" : "torch.forbidden");
  });
  return {
    node: block(say("torch"), element("pre", { translate: "no" }, code), element("div", { class: "cnn-row" },
      copies(say("torch.call"), torchLayer), copies(say("torch.program"), torchProgram), copied)),
    show(s) { write(code, torchLayer(s)); },
  };
}
