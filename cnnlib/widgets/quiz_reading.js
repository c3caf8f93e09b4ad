// What a reader has typed, as a number or a shape. What can be meant in two ways is not guessed.
//
// Both give {given}, or {wrong: [key, values]} with what to say.

// Words behind a number that multiply it, and what of them a unit may begin with ("M parameters").
const SCALES = new Map(Object.entries({
  k: 1e3, K: 1e3, thousand: 1e3, M: 1e6, million: 1e6, G: 1e9, billion: 1e9,
}));

const SIGN = "[-+]?";
const PLAIN = "\\d+";
const NUMBER = new RegExp(`^(${SIGN})([\\d.,' _]*[\\d.])`
  + `(?:\\s*[x×*·]\\s*10\\s*(?:\\^|\\*\\*)\\s*(${SIGN}${PLAIN})|[eE](${SIGN}${PLAIN}))?\\s*(.*)$`);
const FRACTION = new RegExp(`^(${SIGN}${PLAIN})\\s*/\\s*(${PLAIN})$`);

// Every minus, space and apostrophe that a keyboard or a page may have, as the plain one; raised
// digits behind a ^.
function plain(text) {
  return text.replaceAll(/[⁰¹²³⁴-⁹⁺⁻]+/g, "^$&").normalize("NFKC").trim().replaceAll(/[−‐‑–—]/g, "-").replaceAll(/[’ʼ]/g, "'")
    .replaceAll(/\s+/g, " ").replaceAll("⁄", "/");
}

// A number: 2.5, 2,5, −3, 61 M, 6.1e7, 6.1 × 10^7, 61,000,000, 61 000 000, 5/2, with the field's unit
// or without. Whether 1,234 has a decimal comma or thousands cannot be told.
export function numberIn(text, unit = "") {
  const typed = plain(text).replace(/^[-+]?(?=10\s*(?:\^|\*\*))/, "$&1 × "); // 10^6 is 1 × 10^6
  if (typed === "") return { wrong: ["empty.number", {}] };
  const none = { wrong: ["unread.number", { text: typed.slice(0, 40) }] };
  const fraction = FRACTION.exec(typed);
  if (fraction) return finite(Number(fraction[1]) / Number(fraction[2]), none);

  const found = NUMBER.exec(typed);
  if (!found) return none;
  const [, sign, digits, power, exponent, rest] = found;
  const value = valueOf(digits.trim());
  if (value === null) return none;
  if (Array.isArray(value)) return { wrong: ["unread.comma", { one: value[0], other: value[1] }] };
  const number = Number(`${sign}${value}e${power ?? exponent ?? 0}`);

  const own = SCALES.get(plain(unit).split(" ")[0]) ?? 1; // 1e6 where the field counts in millions
  if (rest === "") {
    if (own > 1 && Math.abs(number) >= own) {
      return { wrong: ["unread.scale", { value: String(number), unit }] };
    }
    return finite(number, none);
  }
  if (isUnit(rest, plain(unit))) return finite(number, none);
  const [word, ...others] = rest.split(" ");
  const named = plain(unit).split(" ").slice(own > 1 ? 1 : 0).join(" "); // the unit without "M"
  if (SCALES.has(word) && (others.length === 0 || isUnit(others.join(" "), named))) {
    return finite((number * SCALES.get(word)) / own, none);
  }
  return { wrong: unit ? ["unread.unit", { text: rest.slice(0, 20), unit }]
    : ["unread.no_unit", { text: rest.slice(0, 20) }] };
}

const finite = (given, none) => (Number.isFinite(given) ? { given } : none);

// A unit is the field's as it stands, or its case apart if it has more letters than one.
function isUnit(text, unit) {
  return text === unit || (unit.length > 1 && text.toLowerCase() === unit.toLowerCase());
}

// The digits of a number, plain; null for none; two texts where they may mean one or the other.
function valueOf(digits) {
  const grouped = (text, mark) => text.split(mark).every((part, i) =>
    (i === 0 ? /^\d{1,3}$/ : /^\d{3}$/).test(part));
  const [commas, points] = [digits.split(",").length - 1, digits.split(".").length - 1];
  let mark = null; // the decimal sign
  if (commas > 0 && points > 0) mark = digits.lastIndexOf(",") > digits.lastIndexOf(".") ? "," : ".";
  else if (points === 1) mark = ".";
  else if (commas === 1) mark = ",";
  const place = mark === null ? digits.length : digits.lastIndexOf(mark);
  const [whole, decimals] = [digits.slice(0, place), digits.slice(place + 1)];
  if (!/^\d*$/.test(decimals) || (whole === "" && decimals === "")) return null;
  const marks = new Set(whole.replaceAll(/\d/g, ""));
  if (marks.size > 1 || (marks.size === 1 && !grouped(whole, [...marks][0]))) return null;
  const plain = whole.replaceAll(/\D/g, "") || "0";
  if (mark === "," && points === 0 && marks.size === 0 && /^[1-9]\d{0,2}$/.test(whole)
    && decimals.length === 3) {
    return [`${whole}${decimals}`, `${whole}.${decimals}`];
  }
  return decimals === "" ? plain : `${plain}.${decimals}`;
}

// A shape: 64 x 27 x 27, 64×27×27, (64, 27, 27), [64,27,27], 64 27 27.
export function shapeIn(text) {
  const typed = plain(text);
  if (typed === "") return { wrong: ["empty.shape", {}] };
  const bare = typed.replace(/^[([]\s*(.*?)\s*,?\s*[)\]]$/, "$1");
  const parts = bare.split(/\s*[x×X*,;·]\s*|\s+/);
  const isSize = (part) => /^[1-9]\d{0,14}$/.test(part);
  if (!parts.every(isSize)) return { wrong: ["unread.shape", { text: typed.slice(0, 40) }] };
  return { given: parts.map(Number) };
}
