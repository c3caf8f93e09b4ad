// A quiz: each question is a form of its own, checked in the page.

import { element, uniqueId, watch } from "./page.js";

// Whether `given` answers the question; the twin of Quiz.right in quiz.py.
export function isRight(question, given) {
  return given !== null && Math.abs(given - question.answer) <= (question.tolerance ?? 0);
}

// Text with `code` between backticks, as nodes.
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

function questionForm(question, place, total, onAnswer) {
  const id = uniqueId("question");
  const verdict = element("p", { class: "cnn-quiz-verdict", role: "status" });
  const fields = question.kind === "choice"
    ? question.options.map((option, index) => element("label", { class: "cnn-quiz-option" },
      element("input", { type: "radio", name: id, value: index }),
      element("span", {}, ...prose(option))))
    : [element("label", { class: "cnn-quiz-option" }, "Your number: ",
      element("input", { type: "text", inputmode: "decimal", name: id, size: 8, autocomplete: "off" }))];
  const form = element("form", {
    class: "cnn-quiz-question",
    oninput: () => say(), // a verdict is on what was checked, not on what is being entered
    onsubmit: (event) => {
      event.preventDefault();
      const raw = String(new FormData(form).get(id) ?? "").trim().replace(",", ".");
      const given = raw === "" ? NaN : Number(raw);
      if (Number.isNaN(given)) {
        say("empty", question.kind === "choice" ? "Choose an answer first." : "Enter a number first.");
        return;
      }
      onAnswer(given);
    },
  },
  element("fieldset", {},
    element("legend", {}, `${place} of ${total}. `, ...prose(question.prompt)), ...fields),
  element("button", { type: "submit", class: "cnn-button" }, "Check"), verdict);

  function say(state = "", ...words) {
    verdict.dataset.state = state;
    verdict.replaceChildren(...words);
  }

  return {
    node: form,
    show(given) {
      if (given === null) {
        say();
        return;
      }
      const right = isRight(question, given);
      const options = form.querySelectorAll("input[type=radio]");
      if (options.length) options[given].checked = true;
      else form.querySelector("input").value = given;
      if (right) {
        say("right", "✓ Right. ", ...prose(question.why));
      } else {
        say("wrong", "✗ Not so. Try again, or open the reason.");
        verdict.append(element("details", {}, element("summary", {}, "Why"),
          ...prose(`The answer is ${spoken(question)}. ${question.why}`)));
      }
    },
  };
}

function spoken(question) {
  return question.kind === "choice"
    ? `“${question.options[question.answer]}”`
    : String(Number(question.answer.toPrecision(12)));
}

function render({ model, el }) {
  el.classList.add("cnn-widget", "cnn-quiz");
  const questions = model.get("questions");
  const forms = questions.map((question, i) => questionForm(question, i + 1, questions.length, (given) => {
    const answers = [...model.get("answers")];
    answers[i] = given;
    shown[i] = undefined; // the same answer as before gets its verdict again
    model.set("answers", answers);
    model.save_changes();
    redraw();
  }));
  const tally = element("p", { class: "cnn-quiz-tally", role: "status" });
  el.replaceChildren(...forms.map(({ node }) => node), tally);
  let shown = questions.map(() => undefined);
  const redraw = () => {
    const answers = model.get("answers");
    answers.forEach((given, i) => { if (given !== shown[i]) forms[i].show(given); });
    shown = [...answers];
    const right = questions.filter((question, i) => isRight(question, answers[i])).length;
    tally.textContent = answers.some((given) => given !== null) ? `${right} of ${questions.length} right.` : "";
  };
  redraw();
  return watch(model, ["answers"], redraw);
}

export default { render };
