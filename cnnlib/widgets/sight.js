// What the units along one axis see of the network's input, carried from layer to layer: the twin of
// cnnlib/sight.py, for windows.
//
// A sight is {units, spans, step, pitch, origin}. spans are [start, stop) pairs; unit i + spans.length
// sees what unit i sees, `step` inputs further on, and where the units follow no such rule step is
// null and every unit has its span. pitch and origin are fractions [n, d] of BigInts.

import { inputIndices, span as spanOf } from "./geometry.js";
import { same, upTo } from "./kit/dom.js";

// ------------------------------------------------------------------------------------ fractions

/** @typedef {bigint[]} Fraction  numerator, denominator */
/** @typedef {number[]} Range  [start, stop) */

/** @type {(number: number) => Fraction} */
const whole = (number) => [BigInt(number), 1n];

/** @param {bigint} n  @param {bigint} d  @returns {Fraction} */
export function fraction(n, d) {
  const divisor = (a, b) => (b ? divisor(b, a % b) : a);
  let common = divisor(n, d);
  if (common < 0n !== d < 0n) common = -common; // the denominator comes out positive
  return [n / common, d / common];
}

/** @type {(one: Fraction, other: Fraction) => Fraction} */
const plus = ([a, b], [c, d]) => fraction(a * d + c * b, b * d);
/** @type {(one: Fraction, other: Fraction) => Fraction} */
const minus = (one, [c, d]) => plus(one, [-c, d]);
/** @type {(one: Fraction, other: Fraction) => Fraction} */
const multiply = ([a, b], [c, d]) => fraction(a * c, b * d);
const half = (number) => fraction(BigInt(number), 2n);

// As Python's JSON has it: a number where it is whole, else "3/2".
/** @type {(number: Fraction) => number | string} */
const written = ([n, d]) => (d === 1n ? Number(n) : `${n}/${d}`);

// --------------------------------------------------------------------------------------- spans

const EMPTY = [0, 0];
/** @type {(range: Range) => number} */
const size = ([start, stop]) => Math.max(0, stop - start);
const alike = (one, other) => (size(one) === 0 && size(other) === 0) || same(one, other);

/** @param {Range[]} ranges */
function hull(ranges) {
  const found = ranges.filter(size);
  if (!found.length) return EMPTY;
  return [
    found.reduce((least, [start]) => Math.min(least, start), Infinity),
    found.reduce((most, [, stop]) => Math.max(most, stop), -Infinity),
  ];
}

function divide(a, b) {
  const turns = Math.floor(a / b);
  return [turns, a - turns * b];
}

const gcd = (a, b) => (b ? gcd(b, a % b) : Math.abs(a));
const lcm = (a, b) => (a / gcd(a, b)) * b;

function spanAt({ spans, step }, unit) {
  if (step === null) return unit >= 0 && unit < spans.length ? spans[unit] : EMPTY;
  const [turns, phase] = divide(unit, spans.length);
  return spans[phase].map((end) => end + turns * step);
}

// -------------------------------------------------------------------------------------- sights

// The units' field, or where they differ, the largest size over the mean places.
export function fieldOf({ spans, step, pitch, origin }) {
  if (step !== null && spans.length === 1) {
    return { size: size(spans[0]), stride: step, start: spans[0][0] };
  }
  const most = spans.reduce((largest, span) => Math.max(largest, size(span)), 0);
  return { size: most, stride: written(pitch), start: written(minus(origin, half(most - 1))) };
}

export function seeItself(units) {
  return { units, spans: [[0, 1]], step: 1, pitch: whole(1), origin: whole(0) };
}

// What a unit reads where the axis has no ends: of one that is long enough.
/** @typedef {import("./geometry.js").Window} Window */
/** @param {Window} window  @param {number} unit */
function readBy(window, unit) {
  const long = (unit + 1) * window.stride + spanOf(window) + 2 * window.padding[0];
  return inputIndices(window, long, unit);
}

// `window` as makeWindow() gives it; `units` of them read the axis.
export function seeThrough(sight, window, units) {
  const [period, step] = window.transposed ? [window.stride, 1] : [1, window.stride];
  const grid = moveGrid(sight, upTo(period).map((unit) => readBy(window, unit)), period, step);
  const see = (unit) => hull(readBy(window, unit).map((place) => spanAt(sight, place)));
  if (sight.step === null) return settle(units, upTo(units).map(see), null, grid);
  // The window's period, as often as it takes to come to the end of one of the sight's.
  const turns = sight.spans.length / gcd(sight.spans.length, step);
  return settle(units, upTo(turns * period).map(see),
    (sight.step * turns * step) / sight.spans.length, grid);
}

// All of an axis, seen by one unit.
export function seeAll(sight) {
  const all = hull(upTo(sight.units).map((unit) => spanAt(sight, unit)));
  const middle = plus(sight.origin, multiply(sight.pitch, half(sight.units - 1)));
  return {
    units: 1, spans: [all], step: 0, pitch: multiply(sight.pitch, whole(sight.units)), origin: middle,
  };
}

// The hull of what several inputs' units see, and whether their grids lie on each other.
export function join(sights, units) {
  if (sights.length === 1) return [sights[0], true];
  const grid = ({ pitch, origin }) => [...pitch, ...origin].join();
  const aligned = units === 1 || new Set(sights.map(grid)).size === 1;
  const rate = ({ spans, step }) => (step === null ? null
    : fraction(BigInt(step), BigInt(spans.length)).join());
  const rates = new Set(sights.map(rate));
  let [period, step] = [units, null];
  if (rates.size === 1 && !rates.has(null)) {
    period = sights.reduce((all, { spans }) => lcm(all, spans.length), 1);
    step = (sights[0].step * period) / sights[0].spans.length;
  }
  const spans = upTo(period).map((unit) => hull(sights.map((sight) => spanAt(sight, unit))));
  return [settle(units, spans, step, [sights[0].pitch, sights[0].origin]), aligned];
}

// Pitch and origin of a grid whose units lie in the middle of what they read, on average. `read` is
// what the units of one period read, `step` inputs further on in the next.
function moveGrid({ pitch, origin }, read, period, step) {
  const rate = fraction(BigInt(step), BigInt(period));
  const offsets = read.flatMap((places, unit) => (places.length
    ? [minus(half(places[0] + places.at(-1)), multiply(whole(unit), rate))] : []));
  const sum = offsets.reduce(plus, whole(0));
  const offset = multiply(sum, fraction(1n, BigInt(Math.max(offsets.length, 1))));
  return [multiply(pitch, rate), plus(origin, multiply(pitch, offset))];
}

// A sight in its shortest form: one span, if the others follow from it.
/**
 * @param {number} units  @param {Range[]} spans
 * @param {number | null} step  @param {Fraction[]} grid
 */
function settle(units, spans, step, [pitch, origin]) {
  const each = step === null ? 0 : step / spans.length;
  const sight = { units, spans, step, pitch, origin };
  if (!Number.isInteger(each)) return sight;
  const short = { ...sight, spans: spans.slice(0, 1), step: each };
  return spans.every((span, unit) => alike(spanAt(short, unit), span)) ? short : sight;
}
