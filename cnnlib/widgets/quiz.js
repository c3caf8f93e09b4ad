// A quiz: each question is a form of its own, checked in the page.

import { element, prose, same, upTo, write } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { fieldOf, inWords, withUnit } from "./quiz_fields.js";
import { fits, furthest, isRight, whatIsWrong } from "./quiz_sums.js";

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

function view({ say, fixed: { questions }, choose, now, redraw, spoken }) {
  const shown = questions.map(() => null); // the answers that the forms show
  const aloud = (i, given) => verdict(say, questions[i], given).words.replaceAll("`", "");
  const rightOnes = ({ answers }) => answers.filter((given, i) => isRight(questions[i], given)).length;
  const tellTally = (state) => say("tally", { right: rightOnes(state), total: questions.length });
  const isEmpty = ({ answers }) => answers.every((given) => given === null);

  const forms = questions.map((question, i) => questionForm(say, question, {
    legend: say("question", { place: i + 1, total: questions.length, prompt: question.prompt }),
    spoken,
    check(given) {
      shown[i] = undefined; // the same answer as before gets its verdict again
      choose({ answers: now().answers.map((other, j) => (j === i ? given : other)) });
      redraw();
      spoken.say(`${aloud(i, given)} ${tellTally(now())}`);
    },
  }));
  const tally = element("p", { class: "cnn-quiz-tally" });

  return {
    node: element("div", {}, ...forms.map(({ node }) => node), tally),
    draw(state, before) {
      const emptied = isEmpty(state) && !isEmpty(before);
      state.answers.forEach((given, i) => {
        if (emptied || !same(given, shown[i])) forms[i].show(given);
        shown[i] = given;
      });
      write(tally, isEmpty(state) ? "" : tellTally(state));
    },
    words(state, before) {
      const changed = upTo(questions.length).filter((i) => !same(state.answers[i], before.answers[i]));
      const told = changed.filter((i) => state.answers[i] !== null);
      if (isEmpty(state)) return say("emptied");
      return [...told.map((i) => aloud(i, state.answers[i])), tellTally(state)].join(" ");
    },
    kept: {
      read: (get) => ({ answers: questions.map(({ id }) => get(id)) }), // settled checks them
      write: (state, before) => upTo(questions.length)
        .filter((i) => !same(state.answers[i], before.answers[i]))
        .map((i) => [questions[i].id, state.answers[i], Number(isRight(questions[i], state.answers[i]))]),
    },
  };
}

// What a checked answer is told: {right, words, reason}. `reason` opens below the words; "" for none,
// where the words say all.
function verdict(say, question, given) {
  const { kind, why } = question;
  const right = isRight(question, given);
  if (kind === "prediction" || kind === "sketch") {
    return { right, words: say(`${right ? "right" : "wrong"}.${kind}`, compared(question, given)), reason: "" };
  }
  if (right) return { right, words: say("right", { why }), reason: "" };
  const { sentences, key } = whatIsWrong(question, given);
  const what = [...sentences, ...(key ? [say(...key)] : [])].join(" ");
  return {
    right,
    words: what ? say("wrong.known", { what }) : say("wrong"),
    reason: say(`answer.${kind}`, { answer: answerInWords(say, question), why }),
  };
}

// What a sentence needs that compares an answer with the truth.
function compared(question, given) {
  const { kind, why, answer, unit, x } = question;
  if (kind === "prediction") {
    return { why, given: withUnit(given, unit), answer: withUnit(answer, unit) };
  }
  const i = furthest(question, given);
  const off = Math.abs(given[i] - answer[i]);
  return { why, x: x[i], given: inWords(given[i]), answer: inWords(answer[i]), off: inWords(off) };
}

// The values of a sketch and of the truth, as a table that opens.
function values(say, { x, answer }, given) {
  const row = (tag, ...cells) => element("tr", {}, ...cells.map((cell) => element(tag, {}, cell)));
  return element("details", {}, element("summary", {}, say("sketch.values")),
    element("table", {}, element("thead", {},
      row("th", say("sketch.place"), say("sketch.yours"), say("sketch.truth"))),
    element("tbody", {}, ...x.map((label, i) => row("td", label, inWords(given[i]), inWords(answer[i]))))));
}

// One question: {node, show(given)}. A verdict is on what was checked, not on what is being entered.
function questionForm(say, question, { legend, check, spoken }) {
  const told = element("div", { class: "cnn-quiz-verdict" });
  const field = fieldOf(say, question, spoken, () => tell());

  function tell(state = "", ...words) {
    told.dataset.state = state;
    told.replaceChildren(...words.filter((word) => word !== null));
  }

  const form = element("form", {
    class: "cnn-quiz-question",
    oninput() {
      tell();
      field.hide?.();
    },
    onsubmit(event) {
      event.preventDefault();
      const { given, wrong } = field.entered();
      if (!wrong) return check(given);
      tell("empty", say(...wrong));
      return spoken.say(say(...wrong));
    },
  },
  element("fieldset", {}, element("legend", {}, ...prose(legend)), field.node),
  element("button", { type: "submit", class: "cnn-button" }, say("check")), told);

  return {
    node: form,
    show(given) {
      field.show(given);
      if (given === null) return tell();
      const { right, words, reason } = verdict(say, question, given);
      return tell(right ? "right" : "wrong", element("span", {}, ...prose(words)),
        reason ? element("details", {}, element("summary", {}, say("why")), ...prose(reason)) : null,
        question.kind === "sketch" ? values(say, question, given) : null);
    },
  };
}

function answerInWords(say, { kind, options, answer, unit }) {
  if (kind === "choice") return options[answer];
  if (kind === "several") return answer.map((one) => say("quoted", { text: options[one] })).join(", ");
  return kind === "shape" ? answer.join(" × ") : withUnit(answer, unit);
}
