// Whether what came is what was expected, and what to say if not: a twin of
// cnnlib/exercises/agreement.py. tests/exercise_agreement.json holds both to the same cases.

const SHOWN = 200; // characters of a value that is shown

// Whether a plain value agrees with the expected one. true and false are no numbers. Numbers agree
// within `tolerance` times the larger of 1 and the expected one's size; lists one by one, and so
// objects of the same keys.
export function agrees(got, expected, tolerance) {
  if (typeof expected === "number") {
    return typeof got === "number"
      && Math.abs(got - expected) <= tolerance * Math.max(1, Math.abs(expected));
  }
  if (expected === null || typeof expected !== "object") return got === expected;
  if (got === null || typeof got !== "object" || Array.isArray(got) !== Array.isArray(expected)) {
    return false;
  }
  const keys = Object.keys(expected);
  return Object.keys(got).length === keys.length
    && keys.every((key) => Object.hasOwn(got, key) && agrees(got[key], expected[key], tolerance));
}

// The verdict on a run (see code_runner.js), the first case that fails deciding:
//
//   kind       "right", "not_started" (nothing comes where something is expected, in the first case
//              already), "missing" (no function of that name), "syntax", "raised", "differs",
//              "mistake" (it gives what a known wrong program gives), "time", "memory", "died"
//              (Python itself ended) or "unable" (there is no Python; `why`)
//   case, call, passed     the case that fails and how many came before; null where it got to none
//   got, expected          as texts
//   say                    what is said of a known mistake
//   raised                 {type, message, lines: [[number, text], ...]}
//   printed, more          what the program printed
export function judge(record, run) {
  const { results, calling, printed, more = false, ended, raised = null, why = "" } = run;
  const verdict = (kind, place = null, told = {}) => ({
    kind, case: place, passed: place ?? 0, call: place === null ? null : record.cases[place].call,
    expected: place === null ? null : written(record.cases[place].expected),
    got: null, say: null, raised: null, printed, more, ...told,
  });
  const fault = results.findIndex((result, i) => faultOf(record, result, i) !== null);
  if (fault >= 0) {
    const { kind, ...told } = faultOf(record, results[fault], fault);
    const say = kind === "differs" && "value" in results[fault] ? sentenceOf(record, results) : null;
    return verdict(say === null ? kind : "mistake", fault, { ...told, say });
  }
  if (ended === "unable") return verdict(ended, null, { why });
  if (ended) return verdict(ended, calling ? results.length : null, { raised });
  return { ...verdict("right"), passed: results.length };
}

// What is wrong with the result of a case: {kind, got, raised}, or null.
function faultOf({ cases, tolerance }, { value, shown, raised }, i) {
  if (raised) return { kind: "raised", raised };
  if (shown !== undefined) return { kind: "differs", got: shown };
  if (agrees(value, cases[i].expected, tolerance)) return null;
  const got = written(value);
  if (value === null && i === 0) return { kind: "not_started", got };
  return { kind: "differs", got };
}

// What to say: of the wrong program that gives the same in every case, those before the first failing
// one among them. Cases without a plain value do not count.
function sentenceOf({ cases, mistakes, tolerance }, results) {
  const given = ({ expected, mistakes: known }, which) =>
    (known.find(([, other]) => other === which) ?? [expected])[0];
  return mistakes.find((_, which) => results.every((result, i) =>
    !("value" in result) || agrees(result.value, given(cases[i], which), tolerance))) ?? null;
}

// What each case of a run gave, in words: {got, state}, and null for a case that was not called. The
// state is "right", "wrong" or "raised".
export function rowsOf(record, { results }) {
  return record.cases.map((_, i) => {
    if (i >= results.length) return null;
    const { value, shown, raised } = results[i];
    if (raised) return { got: raised.type, state: "raised" };
    return {
      got: shown ?? written(value),
      state: faultOf(record, results[i], i) ? "wrong" : "right",
    };
  });
}

// A plain value as Python writes it, shortened.
export function written(value) {
  const text = python(value);
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN - 2)} …`;
}

function python(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : sixDigits(value);
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  const entries = Object.entries(value).map(([key, one]) => `${quoted(key)}: ${python(one)}`);
  return `{${entries.join(", ")}}`;
}

// A text between quotes; what cannot be seen, or would turn the line round, by its number.
function quoted(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.slice(0, SHOWN).replace(/[\\\p{C}\p{Z}]/gu, escaped);
  return `${mark}${inner.replaceAll(mark, `\\${mark}`)}${mark}`;
}

const ESCAPES = { " ": " ", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(letter) {
  const code = letter.codePointAt(0);
  const [sign, width] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return ESCAPES[letter] ?? `\\${sign}${code.toString(16).padStart(width, "0")}`;
}

// As "%.6g" does, where a value is no whole number.
function sixDigits(value) {
  const [digits, power] = value.toExponential(5).split("e");
  if (power < -4 || power > 5) {
    const short = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
    return `${short}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  return String(Number(value.toPrecision(6)));
}
