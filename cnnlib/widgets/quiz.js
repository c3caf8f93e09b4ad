// A quiz: each question is a form of its own, checked in the page.

import { element, same, uniqueId, upTo, write } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { signed } from "./kit/words.js";

export default teach({ stem: "quiz", names: ["answers"], settled, view });

// The twin of Quiz.settled.
function settled(changes, present, { questions }) {
  const s = new Settling(changes, present);
  const wanted = s.wanted("answers");
  const given = Array.isArray(wanted) ? wanted : [];
  const answers = questions.map((question, i) =>
    (i < given.length && fits(question, given[i]) ? given[i] : present.answers[i]));
  if (!same(answers, given)) s.refuse("answers", "answers.expected", { count: questions.length });
  s.take("answers", answers);
  return s.done();
}

function fits({ kind, options }, given) {
  if (given === null) return true;
  if (kind === "choice") return Number.isInteger(given) && given >= 0 && given < options.length;
  return Number.isFinite(given);
}

// Whether `given` answers the question; the twin of Quiz.right in quiz.py.
export function isRight(question, given) {
  return given !== null && Math.abs(given - question.answer) <= (question.tolerance ?? 0);
}

// A number that a reader has entered, with a comma or a point and either minus sign; NaN if it is none.
function numberIn(text) {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  return plain === "" ? NaN : Number(plain);
}

// Text with `code` between backticks, as nodes.
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

function view({ say, fixed: { questions }, choose, now, redraw, spoken }) {
  const shown = questions.map(() => null); // the answers that the forms show
  const verdict = (i, given) => (isRight(questions[i], given)
    ? say("right", { why: questions[i].why }) : say("wrong")).replaceAll("`", "");
  const rightOnes = ({ answers }) => answers.filter((given, i) => isRight(questions[i], given)).length;
  const tellTally = (state) => say("tally", { right: rightOnes(state), total: questions.length });

  const forms = questions.map((question, i) => questionForm(say, question, {
    legend: say("question", { place: i + 1, total: questions.length, prompt: question.prompt }),
    spoken,
    check(given) {
      shown[i] = undefined; // the same answer as before gets its verdict again
      choose({ answers: now().answers.map((other, j) => (j === i ? given : other)) });
      redraw();
      spoken.say(`${verdict(i, given)} ${tellTally(now())}`);
    },
  }));
  const tally = element("p", { class: "cnn-quiz-tally" });

  return {
    node: element("div", {}, ...forms.map(({ node }) => node), tally),
    draw(state, before) {
      const isEmpty = ({ answers }) => answers.every((given) => given === null);
      const emptied = isEmpty(state) && !isEmpty(before);
      state.answers.forEach((given, i) => {
        if (emptied || given !== shown[i]) forms[i].show(given);
        shown[i] = given;
      });
      write(tally, isEmpty(state) ? "" : tellTally(state));
    },
    words(state, before) {
      const changed = upTo(questions.length).filter((i) => state.answers[i] !== before.answers[i]);
      const told = changed.filter((i) => state.answers[i] !== null);
      if (state.answers.every((given) => given === null)) return say("emptied");
      return [...told.map((i) => verdict(i, state.answers[i])), tellTally(state)].join(" ");
    },
  };
}

// One question: {node, show(given)}. A verdict is on what was checked, not on what is being entered.
function questionForm(say, question, { legend, check, spoken }) {
  const { kind, options = [] } = question;
  const name = uniqueId("question");
  const told = element("div", { class: "cnn-quiz-verdict" });
  const inputs = kind === "choice"
    ? options.map(() => element("input", { type: "radio", name }))
    : [element("input", { type: "text", inputmode: "decimal", name, size: 8, autocomplete: "off" })];
  const fields = kind === "choice"
    ? options.map((option, i) => element("label", { class: "cnn-quiz-option" }, inputs[i],
      element("span", {}, ...prose(option))))
    : [element("label", { class: "cnn-quiz-option" }, `${say("field")} `, inputs[0])];

  function tell(state = "", ...words) {
    told.dataset.state = state;
    told.replaceChildren(...words);
  }

  function entered() {
    if (kind === "choice") return inputs.findIndex(({ checked }) => checked);
    return numberIn(inputs[0].value);
  }

  const form = element("form", {
    class: "cnn-quiz-question",
    oninput: () => tell(),
    onsubmit: (event) => {
      event.preventDefault();
      const given = entered();
      if (fits(question, given)) check(given);
      else {
        tell("empty", say(`empty.${kind}`));
        spoken.say(say(`empty.${kind}`));
      }
    },
  },
  element("fieldset", {}, element("legend", {}, ...prose(legend)), ...fields),
  element("button", { type: "submit", class: "cnn-button" }, say("check")), told);

  return {
    node: form,
    show(given) {
      inputs.forEach((one, i) => {
        if (kind === "choice") one.checked = given === i;
        else one.value = given ?? "";
      });
      if (given === null) tell();
      else if (isRight(question, given)) tell("right", ...prose(say("right", { why: question.why })));
      else {
        const words = say(`answer.${kind}`, { answer: answerInWords(question), why: question.why });
        tell("wrong", say("wrong"),
          element("details", {}, element("summary", {}, say("why")), ...prose(words)));
      }
    },
  };
}

function answerInWords({ kind, options, answer }) {
  return kind === "choice" ? options[answer] : signed(String(Number(answer.toPrecision(12))));
}
