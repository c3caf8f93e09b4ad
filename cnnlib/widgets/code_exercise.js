// An exercise in code: an editor, the cases, and what came of a run. On the book's page the program
// runs there, by MicroPython (code_runner.js); in a notebook Python is asked.

import { judge, rowsOf, written } from "./agreement.js";
import { editorOf, isProgram } from "./code_editor.js";
import { runnerOf } from "./code_runner.js";
import { button } from "./kit/controls.js";
import { element, prose, setAttribute, write } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { decimal } from "./kit/words.js";

const LONGEST = 20000; // as in code_exercise.py

export default teach({ stem: "code_exercise", names: ["code", "hints"], settled, view });

// The twin of CodeExercise.settled.
function settled(changes, present, { record }) {
  const s = new Settling(changes, present);
  const wanted = s.wanted("code");
  if (isProgram(wanted, LONGEST)) s.take("code", wanted);
  else s.refuse("code", "code.expected", { most: LONGEST });
  s.whole("hints", 0, record.hints.length);
  return s.done();
}

function view({ say, fixed: { record, live }, controls, choose, now, redraw, spoken, kernel, keep, load }) {
  const runs = load ? pageRuns(load, record) : kernelRuns(kernel, live, record);
  const canRun = record.page && load ? true : !load && live;
  let solved = false;
  let shown = null; // {verdict, rows, code}: what is told of the last run
  let waiting = ""; // what is going on, as a key of the words

  // ---- Running.

  async function run() {
    if (!canRun) return;
    const code = editor.value;
    tell("running");
    shown = null;
    const told = await runs.run(code, tell);
    if (!told) return; // stopped, or another run has begun
    tell("");
    shown = { ...told, code };
    if (told.verdict.kind === "right" && !solved) {
      solved = true;
      keep();
    }
    spoken.say(inWords(say, record, told.verdict).replaceAll("`", ""));
  }

  function tell(key) {
    waiting = key;
    if (key && key !== "stopped") spoken.say(say(key));
    redraw();
  }

  function stop() {
    if (!isBusy()) return;
    runs.stop();
    tell("stopped");
    spoken.say(say("stopped"));
  }

  const isBusy = () => waiting !== "" && waiting !== "stopped";

  // ---- The parts.

  const editor = editorOf({
    label: say("code"), help: say("code.help"), full: say("code.full"), longest: LONGEST,
    onRun: run,
    onEdit: (code, whole) => choose(whole ? { code, hints: now().hints } : { code }),
  });
  controls.own("code", say("code"), { node: editor.node, set: editor.set });
  const hints = hintsOf(say, record.hints, () => choose({ hints: now().hints + 1 }));
  if (record.hints.length) controls.own("hints", say("hints"), hints);
  const start = button(say("run"), run);
  const end = button(say("stop"), stop);
  const again = button(say("again"), () => {
    if (now().code === record.starter) return;
    editor.replace(record.starter);
    spoken.say(say("again.said"));
  });
  start.classList.add("ce-run");
  if (!canRun) setAttribute(start, "aria-disabled", "true");
  const status = element("p", { class: "ce-status" }, canRun ? "" : say("nowhere"));
  const points = element("p", { class: "ce-points" });
  const result = resultOf(say, record);
  const node = element("div", {},
    editor.node,
    element("div", { class: "ce-buttons" }, start, end, again, status),
    record.hints.length ? hints.node : null,
    result.node, points);

  return {
    node,
    draw(state) {
      setAttribute(result.node, "aria-busy", isBusy() ? "true" : null);
      setAttribute(end, "aria-disabled", isBusy() ? null : "true");
      setAttribute(again, "aria-disabled", state.code === record.starter ? "true" : null);
      if (canRun) write(status, waiting ? say(waiting) : "");
      const isOld = shown !== null && shown.code !== state.code;
      editor.mark(shown && !isOld ? lineOf(shown.verdict) : null);
      result.show(shown, isOld);
      write(points, say(solved ? "points.solved" : "points.open", { points: record.points }));
      points.classList.toggle("ce-solved", solved);
    },
    words(state, before) {
      if (state.hints > before.hints) return hints.told(state.hints);
      return "";
    },
    kept: {
      read(get) {
        const value = get(record.key);
        solved = Boolean(value?.solved);
        return isProgram(value?.code, LONGEST) ? { code: value.code, hints: value.hints } : {};
      },
      write({ code, hints: count }) {
        const isFirst = code === record.starter && count === 0 && !solved;
        return [[record.key, isFirst ? null : { code, hints: count, solved }, solved ? 1 : 0]];
      },
    },
    stop() { runs.end(); },
  };
}

// ---- Where a program runs: {run(code, tell), stop(), end()}. run gives {verdict, rows}, or null if it
// was stopped; tell(key) says what is going on. end() is the end of it all.

function pageRuns(load, record) {
  const runner = runnerOf(load);
  return {
    async run(code, tell) {
      const run = await runner.run(record, code, {
        onLoad: () => tell("loading"), onReady: () => tell("running"),
      });
      return run && { verdict: judge(record, run), rows: rowsOf(record, run) };
    },
    stop: runner.stop,
    end: runner.stop,
  };
}

function kernelRuns(kernel, live, record) {
  let done = () => {};
  let number = 0; // of the run that is waited for
  const stop = () => {
    number = 0;
    done(null);
  };
  const forget = live ? kernel.on("answer", () => {
    const answer = kernel.get("answer");
    if (answer.number === number) done(answer);
  }) : () => {};
  return {
    async run(code, tell) {
      stop();
      number = Math.max(Date.now(), (kernel.get("request")?.number ?? 0) + 1); // not one of before
      tell("asking");
      const answer = await new Promise((take) => {
        done = take;
        kernel.ask("request", { number, code });
      });
      return answer && { verdict: fromKernel(answer), rows: knownRows(record, answer) };
    },
    stop,
    end() {
      stop();
      forget();
    },
  };
}

// The verdict that a kernel's Python gave, in the form of agreement.js.
function fromKernel({ kind, error, case: place = null, printed = "", more = false, ...rest }) {
  const verdict = { got: null, expected: null, call: null, say: null, raised: null, ...rest };
  return { ...verdict, kind: error ? "error" : kind, why: error ?? "", case: place, passed: place ?? 0, printed, more };
}

// What is known of each case by a kernel's verdict, as rowsOf gives it.
function knownRows({ cases }, { kind, case: place = null, got = null, raised }) {
  return cases.map(({ expected }, i) => {
    if (kind === "right" || (place !== null && i < place)) return { got: written(expected), state: "right" };
    if (i !== place) return null;
    return raised ? { got: raised.type, state: "raised" } : { got: got ?? "", state: "wrong" };
  });
}

// ---- The verdict.

// The line of the program that an error names last; null where it names none.
function lineOf({ raised }) {
  return raised?.lines?.length ? raised.lines.at(-1)[0] : null;
}

function inWords(say, record, verdict) {
  const { kind, call, got, expected, say: sentence, passed, why } = verdict;
  const first = firstSentence();
  return passed && kind !== "right" ? say("two", { first, second: say("passed", { count: passed }) }) : first;

  function firstSentence() {
    const line = lineOf(verdict);
    const seconds = decimal(record.seconds, 1);
    switch (kind) {
      case "right": return say("right", {
        count: record.cases.length, points: say("points", { points: record.points }),
      });
      case "not_started": return say("not_started", { call });
      case "missing": return say("missing", { name: record.name });
      case "syntax": return line === null ? say("syntax") : say("syntax.line", { line });
      case "differs": return say("differs", { call, got: got ?? "None", expected });
      case "mistake": return say("mistake", { call, got: got ?? "None", expected, say: sentence });
      case "raised": return call === null ? say("raised.program") : say("raised", { call });
      case "time": return call === null ? say("time.program", { seconds }) : say("time", { call, seconds });
      case "memory": return call === null ? say("memory.program") : say("memory", { call });
      case "unable": return say("unable", { why });
      case "error": return say("error", { why });
      default: return call === null ? say("died.program") : say("died", { call });
    }
  }
}

// What came of a run: {node, show(shown, isOld)}.
function resultOf(say, record) {
  const verdict = element("p", { class: "ce-verdict" });
  const where = element("div", { class: "ce-fault", hidden: true });
  const printed = element("div", { class: "ce-printed", hidden: true });
  const rows = record.cases.map(({ call, expected }) => {
    const [got, mark] = [element("code", { translate: "no" }), element("span", {})];
    const code = (text) => element("td", {}, element("code", { translate: "no" }, text));
    const row = element("tr", {}, code(call), code(written(expected)),
      element("td", {}, got, " ", mark));
    return { row, got, mark };
  });
  const table = element("table", { class: "ce-cases" },
    element("caption", {}, say("cases")),
    element("thead", {}, element("tr", {},
      ...["call", "expected", "got"].map((key) => element("th", { scope: "col" }, say(key))))),
    element("tbody", {}, ...rows.map(({ row }) => row)));
  let last;

  function tellRow({ row, got, mark }, told) {
    const state = told?.state ?? "open";
    row.dataset.state = state;
    write(got, told?.got ?? "");
    write(mark, say(`${state}_row`));
  }

  function tellFault({ raised }) {
    where.hidden = !raised;
    if (!raised) return;
    const lines = raised.lines.map(([number, text]) =>
      `${say("fault.line", { line: number })}: ${text}\n`);
    const what = raised.message ? `${raised.type}: ${raised.message}` : raised.type;
    where.replaceChildren(element("p", { class: "ce-title" }, say("fault")),
      element("pre", { translate: "no" }, ...lines, what));
  }

  function tellPrinted({ printed: text, more }) {
    printed.hidden = !text;
    if (!text) return;
    printed.replaceChildren(element("p", { class: "ce-title" }, say("printed")),
      element("pre", { translate: "no", tabindex: 0, role: "region", "aria-label": say("printed") }, text),
      ...(more ? [element("p", {}, say("printed.more"))] : []));
  }

  function show(shown, isOld) {
    const key = shown && `${isOld}`;
    if (last?.shown === shown && last.key === key) return;
    last = { shown, key };
    verdict.dataset.kind = shown?.verdict.kind ?? "";
    write(verdict, shown ? inWords(say, record, shown.verdict) : "");
    for (const part of [verdict, where, table]) part.classList.toggle("ce-old", isOld);
    rows.forEach((row, i) => tellRow(row, shown?.rows[i] ?? null));
    tellFault(shown?.verdict ?? {});
    tellPrinted(shown?.verdict ?? {});
  }

  show(null, false);
  return { node: element("div", { class: "ce-result" }, verdict, where, table, printed), show };
}

// ---- The hints, one after the other: {node, set(count), told(count)}.

function hintsOf(say, texts, more) {
  const list = element("ul", { class: "ce-hints" });
  const ask = button("", () => { if (list.children.length < texts.length) more(); });
  const told = (count) => say("hint.nth", { number: count, text: texts[count - 1] });
  return {
    node: element("div", { class: "ce-hinting" }, ask, list),
    told,
    set(count) {
      const left = texts.length - count;
      write(ask, left ? say("hint", { left }) : say("hint.none"));
      setAttribute(ask, "aria-disabled", left ? null : "true");
      if (list.children.length === count) return;
      list.replaceChildren(...texts.slice(0, count).map((text, i) =>
        element("li", {}, ...prose(say("hint.nth", { number: i + 1, text })))));
    },
  };
}
