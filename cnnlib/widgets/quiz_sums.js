// What an answer can be, whether it is right, and what is known to be wrong with it. The twin of
// quiz_questions.py as far as that judges answers.

import { same, upTo } from "./kit/dom.js";

const MOST_AXES = 8; // of a shape
const TOO_LARGE = 2 ** 53; // from here on there is not every whole number

// Whether a question can have this answer; null stands for none yet.
export function fits(question, given) {
  const { kind, options, least, most } = question;
  const isOption = (one) => Number.isInteger(one) && one >= 0 && one < options.length;
  const isNumber = (one) => Number.isFinite(one) && Math.abs(one) < TOO_LARGE;
  const isInside = (one) => Number.isFinite(one) && least <= one && one <= most;
  if (given === null) return true;
  if (kind === "choice") return isOption(given);
  if (kind === "number") return isNumber(given);
  if (kind === "prediction") return isInside(given);
  if (!Array.isArray(given)) return false;
  if (kind === "several") {
    return given.length > 0 && given.every((one, i) => isOption(one) && (i === 0 || given[i - 1] < one));
  }
  if (kind === "shape") {
    return given.length > 0 && given.length <= MOST_AXES
      && given.every((one) => Number.isInteger(one) && one > 0 && one < TOO_LARGE);
  }
  return given.length === question.x.length && given.every(isInside);
}

// Whether an answer that fits answers the question.
export function isRight(question, given) {
  return given !== null && agrees(question, question.answer, given);
}

function agrees({ kind, tolerance }, value, given) {
  if (["choice", "several", "shape"].includes(kind)) return same(value, given);
  if (kind === "sketch") return value.every((one, i) => isNear(one, given[i], tolerance));
  return isNear(value, given, tolerance);
}

// Within the tolerance; a little more, because 0.4 is not quite 0.3 + 0.1 in binary.
function isNear(value, given, tolerance) {
  return Math.abs(given - value) <= tolerance * (1 + 1e-9) + 1e-12 * Math.abs(value);
}

// What is known to be wrong with a wrong answer: the chapter's own sentences about it, none or more,
// and the key of a sentence of ours with its values, or null.
export function whatIsWrong(question, given) {
  const { kind, answer, mistakes = [], why_not: whyNot = [] } = question;
  if (kind === "choice") return { sentences: [whyNot[given]].filter(Boolean), key: null };
  if (kind === "several") {
    const wrong = given.filter((one) => !answer.includes(one));
    const key = wrong.length > 0 ? null : ["wrong.missing", {}];
    return { sentences: wrong.map((one) => whyNot[one]).filter(Boolean), key };
  }
  const known = mistakes.find(([value]) => agrees(question, value, given));
  if (known) return { sentences: [known[1]], key: null };
  const sorted = (sizes) => [...sizes].sort((one, other) => one - other);
  if (kind === "shape" && given.length !== answer.length) {
    return { sentences: [], key: ["wrong.axes", { given: given.length, count: answer.length }] };
  }
  if (kind === "shape" && same(sorted(given), sorted(answer))) {
    return { sentences: [], key: ["wrong.order", {}] };
  }
  return { sentences: [], key: null };
}

// The place of a sketch at which it is furthest off.
export function furthest({ answer }, given) {
  const off = answer.map((value, i) => Math.abs(value - given[i]));
  return upTo(off.length).reduce((worst, i) => (off[i] > off[worst] ? i : worst), 0);
}
