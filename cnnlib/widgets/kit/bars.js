// Values as lengths and places: bars with names, number lines with round ticks, axes of a plot.

import { element, svgElement, uniqueId, upTo, write } from "./dom.js";
import { signed } from "./words.js";

const LETTER = 6.4; // pixels that a tick's text takes for each letter

// ---- Bars.

// A list of `count` bars under a title: {node, show(rows)}. A row is {name, share, text, strong}: the
// bar's length from 0 to 1, what stands beside its name, and whether it is set off from the others.
export function bars(title, count) {
  const id = uniqueId("bars");
  const lines = upTo(count).map(() => {
    const [name, text] = [element("span"), element("span", { class: "cnn-bar-text" })];
    const bar = element("div", { class: "cnn-bar" });
    return { node: element("li", {}, name, " ", text, bar), name, text, bar };
  });
  return {
    node: element("div", {}, element("p", { class: "cnn-bars-title", id }, title),
      element("ul", { class: "cnn-bars", "aria-labelledby": id }, ...lines.map(({ node }) => node))),
    show(rows) {
      lines.forEach(({ node, name, text, bar }, rank) => {
        const row = rows[rank];
        node.style.visibility = row ? "" : "hidden";
        node.classList.toggle("cnn-bar-strong", Boolean(row?.strong));
        write(name, row?.name ?? "");
        write(text, row?.text ?? "");
        bar.style.width = `${100 * (row?.share ?? 0)}%`;
      });
    },
  };
}

// ---- A number line.

// {at(value), ticks}: where values stand between the pixels from and to, and `most` round ticks at
// most, each {value, text}. The line has some room beyond its values; there is at least one.
export function numberLine(values, [from, to], { log = false, grouped = true, most = 7 } = {}) {
  const [low, high] = ends(values, log);
  const along = (value) => (log ? Math.log(value) : value);
  return {
    at: (value) => from + ((along(value) - along(low)) / (along(high) - along(low))) * (to - from),
    ticks: ticksOf(low, high, most, log).map(([m, e]) =>
      ({ value: tickValue(m, e), text: tickText(m, e, grouped) })),
  };
}

function ends(values, log) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (log) {
    const room = high > low ? (high / low) ** 0.07 : 1.5;
    return [low / room, high * room];
  }
  const room = high > low ? 0.07 * (high - low) : Math.abs(low) / 10 || 1;
  return [low - room, high + room];
}

// Round values from `low` to `high`, as [m, e] for m * 10 ** e, and not above `most` of them.
// A logarithmic line has 1, 2, 5, or 1, 3, or 1 of every decade, whichever first are few enough and
// still three; where that fails it is so short that evenly spaced values do.
export function ticksOf(low, high, most, log) {
  if (log) {
    let found = [];
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    for (const firsts of [[1, 2, 5], [1, 3], [1]]) {
      found = upTo(last - first + 1).flatMap((i) => firsts.map((m) => [m, first + i]))
        .filter(([m, e]) => low <= tickValue(m, e) && tickValue(m, e) <= high);
      if (found.length >= 3 && found.length <= most) return found;
    }
    if (found.length > most) {
      const every = Math.ceil(found.length / most);
      return found.filter((_, i) => i % every === 0);
    }
  }
  for (let e = Math.floor(Math.log10((high - low) / most)); ; e += 1) {
    for (const m of [1, 2, 5]) {
      const [first, last] = [Math.ceil(low / tickValue(m, e)), Math.floor(high / tickValue(m, e))];
      if (last - first + 1 <= most) return upTo(last - first + 1).map((i) => [(first + i) * m, e]);
    }
  }
}

function tickValue(m, e) {
  return e >= 0 ? m * 10 ** e : m / 10 ** -e;
}

// m * 10 ** e in few letters: 0.5, 2,000, 12M (million), 3G (thousand million).
export function tickText(m, e, grouped = true) {
  /** @type {[string, number][]} */
  const units = [["G", 9], ["M", 6], ["", 0]];
  const [unit, power] = units.find(([letter, exponent]) =>
    !letter || (grouped && Math.abs(tickValue(m, e)) >= 10 ** exponent));
  let [digits, exponent] = [m, e - power];
  while (exponent < 0 && digits % 10 === 0) [digits, exponent] = [digits / 10, exponent + 1];
  const decimals = Math.max(0, -exponent);
  return signed(tickValue(digits, exponent).toLocaleString("en-GB", {
    minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: grouped,
  })) + unit;
}

// ---- The axes of a plot.

// {node, draw(axes, [width, height]), clear()}. An axis, the one across first, is {title, values,
// log, grouped}. draw() gives {at, box}: for each axis value -> pixel, and the frame inside them as
// [left, top, right, bottom].
export function plotAxes() {
  const node = svgElement("g", { class: "cnn-axes", "aria-hidden": "true" });
  const text = (words, attributes) => svgElement("text", attributes, words);
  return {
    node,
    clear() { node.replaceChildren(); },
    draw([across, up], [width, height]) {
      const [top, right, bottom] = [10, width - 14, height - 46];
      const y = numberLine(up.values, [bottom, top], { ...up, most: 7 });
      const left = 34 + LETTER * Math.max(0, ...y.ticks.map((tick) => tick.text.length));
      const most = Math.max(3, Math.floor(width / 80));
      const x = numberLine(across.values, [left, right], { ...across, most });
      node.replaceChildren(
        ...x.ticks.flatMap(({ value, text: words }) => [
          svgElement("line", { x1: x.at(value), x2: x.at(value), y1: top, y2: bottom }),
          text(words, { x: x.at(value), y: bottom + 16, "text-anchor": "middle" }),
        ]),
        ...y.ticks.flatMap(({ value, text: words }) => [
          svgElement("line", { x1: left, x2: right, y1: y.at(value), y2: y.at(value) }),
          text(words, { x: left - 6, y: y.at(value) + 4, "text-anchor": "end" }),
        ]),
        text(across.title, { x: (left + right) / 2, y: height - 8, class: "cnn-axis-title" }),
        text(up.title, {
          transform: `translate(12 ${(bottom + top) / 2}) rotate(-90)`, class: "cnn-axis-title",
        }));
      return { at: [x.at, y.at], box: [left, top, right, bottom] };
    },
  };
}
