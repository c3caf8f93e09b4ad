// Leaderboard: a table that sorts, and a scatter plot of any two of its columns. What is hovered or
// has the focus is lit in both; what is clicked stays lit (`chosen`).

import { button, choice, element, svgElement, watch } from "./page.js";

// The plot's measures in pixels; leaderboard.py has them too.
const LETTER = 6.4; // a label's width for each letter
const LINE = 13; // and its height
const REACH = 7; // from a marker's middle: what no label may cover
const SIDES = [
  [0.6, 0], [-0.6, 0], [0, -1], [0, 1], [0.6, -0.8], [-0.6, -0.8], [0.6, 0.8], [-0.6, 0.8],
];
const SPOTS = [14, 22, 30, 40].flatMap((far) => SIDES.map(([dx, dy]) => [far, dx, dy]));
const NEAR = 24; // from a marker's middle: where the pointer means it
const HINT = "Point at a network, or walk through them with the arrow keys. A click keeps it lit.";

export default {
  render({ model, el }) {
    el.classList.add("cnn-widget", "cnn-leaderboard");
    const columns = model.get("columns");
    const entries = model.get("entries");
    const families = model.get("families");
    let lit = null; // the entry under the pointer or with the focus, or null

    const options = columns.map((column) => [column.key, titleOf(column)]);
    const axes = [["x", "Across"], ["y", "Up"]].map(([name, label]) =>
      choice({ label, options, value: model.get(name), onChange: (key) => takeAxis(name, key) }));
    const front = button("Show the front", () => save({ front: !model.get("front") }),
      { pressed: false });
    const note = element("p", { class: "cnn-note" });
    const details = element("p", { class: "cnn-details", role: "status", "aria-live": "polite" });
    const look = (number) => { lit = number; light(); };
    const pick = (number) => save({ chosen: model.get("chosen") === number ? -1 : number });
    const table = tablePanel(columns, entries, families, { look, pick, sortBy });
    const plot = plotPanel(entries, families, {
      look(number) { look(number); if (number !== null) table.reveal(number); },
      pick,
    });
    el.addEventListener("keydown", (event) => {
      if (event.key === "Escape") save({ chosen: -1 });
    });
    el.append(
      element("div", { class: "cnn-row" }, ...axes.map(({ node }) => node), front),
      plot.node, legend(families), note, details, table.node);

    function save(choices) {
      for (const [name, value] of Object.entries(choices)) model.set(name, value);
      model.save_changes();
    }

    // An axis takes a column; if the other one has it, they change places.
    function takeAxis(name, key) {
      const other = name === "x" ? "y" : "x";
      save(model.get(other) === key ? { [other]: model.get(name), [name]: key } : { [name]: key });
    }

    // The best first; the same heading again turns the order round.
    function sortBy(key) {
      const again = model.get("sort") === key;
      const best = columns.find((column) => column.key === key)?.better === 1;
      save({ sort: key, descending: again ? !model.get("descending") : best });
    }

    function drawTable() {
      const [key, descending] = [model.get("sort"), model.get("descending")];
      const column = columns.findIndex((other) => other.key === key);
      const values = entries.map(({ name, family, cells }) => {
        if (key === "name") return name.toLowerCase();
        if (key === "family") return families[family].name.toLowerCase() || null;
        return cells[column].value;
      });
      table.sort(orderOf(values, descending), key, descending);
    }

    // The chosen columns' numbers, and who is on their front: null where an axis has no better end.
    function axesNow() {
      const which = ["x", "y"].map((name) =>
        columns.findIndex((column) => column.key === model.get(name)));
      const better = which.map((column) => columns[column].better);
      const points = entries.map(({ cells }) => {
        const point = which.map((column) => cells[column].value);
        return point.includes(null) ? null : point;
      });
      return { which, points, best: better.includes(0) ? null : frontOf(points, better) };
    }

    function drawPlot() {
      const { which, points, best } = axesNow();
      axes[0].set(model.get("x"));
      axes[1].set(model.get("y"));
      const shown = model.get("front") ? best : null;
      front.disabled = best === null;
      front.setAttribute("aria-pressed", String(shown !== null));
      const missing = entries.filter((_, number) => points[number] === null);
      note.textContent = [
        best === null ? "No front: one of the axes has no better end."
          : "The front, dashed, joins the networks that none beats: no other is as good on both axes"
            + " and better on one.",
        missing.length ? `Not drawn, for a figure is missing: ${missing.map(nameOf).join(", ")}.` : "",
      ].join(" ");
      plot.draw(which.map((column) => columns[column]), which, shown);
      light();
    }

    function light() {
      const chosen = model.get("chosen");
      const number = lit ?? (chosen < 0 ? null : chosen);
      table.light(number, chosen);
      plot.light(number, chosen);
      details.textContent = number === null ? HINT : inWords(number);
    }

    function inWords(number) {
      const { name, family, cells } = entries[number];
      const kind = families[family].name;
      const figures = columns.map((column, i) => `${column.label} ${figureInWords(cells[i], column)}`);
      const place = axesNow().best?.includes(number) ? " It is on the front." : "";
      return `${name}${kind && ` (${kind})`}: ${figures.join("; ")}.${place}`;
    }

    const undo = [
      watch(model, ["sort", "descending"], drawTable),
      watch(model, ["x", "y", "front"], drawPlot),
      watch(model, ["chosen"], light),
    ];
    const follow = new ResizeObserver(() => { if (plot.fit()) drawPlot(); });
    follow.observe(plot.node);
    plot.fit();
    drawTable();
    drawPlot();
    return () => {
      for (const stop of undo) stop();
      follow.disconnect();
    };
  },
};

function nameOf({ name }) {
  return name;
}

function titleOf({ label, unit }) {
  return unit ? `${label} (${unit})` : label;
}

function figureInWords({ text, span, values }, { unit }) {
  const runs = values.length > 1 ? `, ${values.length} runs ${span}` : "";
  return values.length ? `${text}${unit && ` ${unit}`}${runs}` : "missing";
}

function marker(family) {
  return svgElement("path", { d: family.shape, style: `fill: var(--cnn-${family.colour})` });
}

function icon(family) {
  return svgElement("svg", {
    class: "cnn-icon", width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true",
  }, marker(family));
}

function legend(families) {
  const named = families.filter(({ name }) => name);
  return element("ul", { class: "cnn-legend", "aria-label": "Families", hidden: !named.length },
    ...named.map((family) => element("li", {}, icon(family), family.name)));
}

// ---- The table: one tab stop in its body, arrows walk through the rows.

function tablePanel(columns, entries, families, { look, pick, sortBy }) {
  const titles = [{ key: "name", label: "network" }, ...columns, { key: "family", label: "family" }];
  const heads = titles.map(({ key, label, unit }) => {
    const arrow = element("span", { class: "cnn-arrow", "aria-hidden": "true" });
    const sort = element("button", { type: "button", onclick: () => sortBy(key) },
      label, unit ? element("span", { class: "cnn-unit" }, ` ${unit}`) : null, arrow);
    return { key, arrow, node: element("th", { scope: "col" }, sort) };
  });
  const longest = columns.map((_, i) => Math.max(...entries.map(({ cells }) => cells[i].span.length)));
  const buttons = entries.map(({ name, family }, number) => element("button", {
    type: "button", tabindex: -1, "aria-pressed": "false",
    onfocus: () => look(number), onblur: () => look(null),
  }, icon(families[family]), name));
  const rows = entries.map(({ family, cells }, number) => element("tr", {
    onpointerenter: () => look(number), onclick: () => pick(number),
  },
  element("th", { scope: "row" }, buttons[number]),
  ...cells.map(({ text, span }, i) => element("td", { class: "cnn-figure" }, `${text} `, longest[i]
    ? element("span", { class: "cnn-span", style: `min-width: ${longest[i]}ch` }, span) : null)),
  element("td", {}, families[family].name || "–")));
  const head = element("thead", {}, element("tr", {}, ...heads.map(({ node }) => node)));
  const body = element("tbody", {
    onpointerleave: () => look(null),
    onkeydown: (event) => {
      const to = step(event.key, order.indexOf(buttons.indexOf(event.target)), order.length);
      if (to === null) return;
      event.preventDefault();
      buttons[order[to]].focus();
    },
  }, ...rows);
  const node = element("div", {
    class: "cnn-table", tabindex: 0, role: "region", "aria-label": "All figures, a row for each network",
  }, element("table", {},
    element("caption", {}, "Sorts by the heading that you press; again, the other way round."),
    head, body));
  let order = [];
  let chosen = -1;

  function stop() { // the one row that Tab reaches
    const now = chosen < 0 ? order[0] : chosen;
    buttons.forEach((each, number) => { each.tabIndex = number === now ? 0 : -1; });
  }

  return {
    node,
    sort(next, key, descending) {
      order = next;
      const focused = buttons.indexOf(document.activeElement);
      body.append(...order.map((number) => rows[number]));
      if (focused >= 0) buttons[focused].focus(); // a row that moves loses it
      for (const { key: own, arrow, node: head } of heads) {
        if (own === key) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
        if (own !== key) arrow.textContent = "↕";
        else arrow.textContent = descending ? "▼" : "▲";
      }
      stop();
    },
    light(number, pinned) {
      chosen = pinned;
      rows.forEach((row, other) => row.classList.toggle("cnn-lit", other === number));
      buttons.forEach((each, other) => each.setAttribute("aria-pressed", String(other === pinned)));
      stop();
    },
    reveal(number) { // the box scrolls, the page does not
      const [top, bottom] = [rows[number].offsetTop - head.offsetHeight,
        rows[number].offsetTop + rows[number].offsetHeight];
      if (node.scrollTop > top) node.scrollTop = top;
      if (node.scrollTop < bottom - node.clientHeight) node.scrollTop = bottom - node.clientHeight;
    },
  };
}

// Where a key leads in a list, or null for other keys.
function step(key, from, count) {
  const moves = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: count - 1 };
  return key in moves ? Math.max(0, Math.min(count - 1, moves[key])) : null;
}

// ---- The plot: a marker for each network, one tab stop, arrows walk from left to right.

function plotPanel(entries, families, { look, pick }) {
  const layer = (name) => svgElement("g", { class: name, "aria-hidden": "true" });
  const [grid, runs, leaders, labels] = ["cnn-grid", "cnn-runs", "cnn-leaders", "cnn-labels"]
    .map(layer);
  const line = svgElement("polyline", { class: "cnn-front", "aria-hidden": "true" });
  const dots = entries.map(({ family }, number) => svgElement("g", {
    class: "cnn-dot", role: "button", tabindex: -1, "aria-pressed": "false",
    onfocus: () => look(number), onblur: () => look(null),
    onkeydown: (event) => walk(event, number),
  }, svgElement("circle", { class: "cnn-ring", r: 11 }), marker(families[family])));
  const names = entries.map(({ name }) => svgElement("text", {}, name));
  const pointers = entries.map(() => svgElement("line"));
  const spans = entries.map(() => svgElement("path"));
  runs.append(...spans);
  leaders.append(...pointers);
  labels.append(...names);
  const svg = svgElement("svg", {
    class: "cnn-plot", role: "group",
    onpointermove: (event) => look(nearest(event)),
    onpointerleave: () => look(null),
    onclick: (event) => { const number = nearest(event); if (number !== null) pick(number); },
  }, grid, line, runs, leaders, svgElement("g", {}, ...dots), labels);
  const node = element("div", {}, svg);
  let width = 640;
  let places = []; // of every entry: [x, y], or null
  let boxes = []; // of its label: [x, y], or null where there is no room
  let order = []; // the drawn entries from left to right

  function nearest({ clientX, clientY }) {
    const box = svg.getBoundingClientRect();
    const scale = width / box.width;
    const far = (number) => Math.hypot(
      places[number][0] - (clientX - box.x) * scale, places[number][1] - (clientY - box.y) * scale);
    const best = order.reduce((near, number) =>
      (near === null || far(number) < far(near) ? number : near), null);
    return best !== null && far(best) <= NEAR ? best : null;
  }

  function walk(event, number) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pick(number);
      return;
    }
    const key = { ArrowRight: "ArrowDown", ArrowLeft: "ArrowUp" }[event.key] ?? event.key;
    const to = step(key, order.indexOf(number), order.length);
    if (to === null) return;
    event.preventDefault();
    dots[order[to]].focus();
  }

  // A label's place: its own, or beside its marker where it is only shown while it is lit.
  function putLabel(number) {
    const [x, y] = places[number];
    const wide = LETTER * entries[number].name.length;
    const [left, top] = boxes[number] ?? [x + 9 + wide < width ? x + 9 : x - 9 - wide, y - LINE / 2];
    set(names[number], { x: left, y: top + LINE - 3 });
  }

  return {
    node,
    fit() {
      const now = node.clientWidth;
      if (!now || now === width) return false;
      width = now;
      return true;
    },
    draw(axes, which, front) {
      const height = Math.round(Math.max(300, Math.min(430, 0.62 * width)));
      const drawn = entries.flatMap(({ cells }, number) =>
        (which.some((column) => cells[column].value === null) ? [] : [number]));
      set(svg, { width, height, viewBox: `0 0 ${width} ${height}` });
      svg.setAttribute("aria-label", `${titleOf(axes[1])} against ${titleOf(axes[0])}, a marker for `
        + "each network. Arrow keys walk from left to right.");
      const frame = drawn.length
        ? drawAxes(grid, axes, [width, height], axes.map((_, i) =>
          drawn.flatMap((number) => entries[number].cells[which[i]].values)))
        : null;
      if (!frame) grid.replaceChildren();
      places = entries.map(({ cells }, number) => (drawn.includes(number)
        ? which.map((column, i) => frame.at[i](cells[column].value)) : null));
      order = [...drawn].sort((a, b) => places[a][0] - places[b][0] || places[b][1] - places[a][1]);
      const boxesOfDrawn = frame ? placeLabels(
        drawn.map((number) => places[number]),
        drawn.map((number) => LETTER * entries[number].name.length),
        frame.box,
        drawn.flatMap((number, k) => (front?.includes(number) ? [k] : []))) : [];
      boxes = entries.map((_, number) => boxesOfDrawn[drawn.indexOf(number)] ?? null);
      entries.forEach((entry, number) => {
        for (const part of [dots, names, pointers, spans]) {
          part[number].style.display = places[number] ? "" : "none";
        }
        if (!places[number]) return;
        const [x, y] = places[number];
        dots[number].setAttribute("transform", `translate(${x} ${y})`);
        dots[number].setAttribute("aria-label", [entry.name, ...axes.map((axis, i) =>
          `${axis.label} ${figureInWords(entry.cells[which[i]], axis)}`)].join(", "));
        spans[number].setAttribute("d", runMarks(entry.cells, which, frame.at, [x, y]));
        names[number].classList.toggle("cnn-crowded", !boxes[number]);
        putLabel(number);
        const [endX, endY] = boxes[number]?.[2] ? boxes[number][3] : [x, y];
        set(pointers[number], { x1: x, y1: y, x2: endX, y2: endY });
      });
      line.setAttribute("points", (front ?? []).map((number) => places[number].join()).join(" "));
    },
    light(number, pinned) {
      const stop = places[pinned] ? pinned : order[0];
      entries.forEach((_, other) => {
        dots[other].classList.toggle("cnn-lit", other === number);
        names[other].classList.toggle("cnn-lit", other === number);
        dots[other].setAttribute("aria-pressed", String(other === pinned));
        dots[other].setAttribute("tabindex", other === stop ? 0 : -1);
      });
      if (number !== null) labels.append(names[number]); // over the others
    },
  };
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
}

// Grid lines, tick labels and titles. Returns the frame's box and, for each axis, value -> pixel.
function drawAxes(grid, axes, [width, height], values) {
  const limits = axes.map(({ log }, i) => domain(values[i], log));
  const most = [Math.max(3, Math.floor(width / 80)), 7];
  const ticks = axes.map(({ log, grouped }, i) => ticksOf(...limits[i], most[i], log)
    .map(([m, e]) => [tickValue(m, e), tickText(m, e, grouped)]));
  const left = 34 + LETTER * Math.max(0, ...ticks[1].map(([, text]) => text.length));
  const [top, right, bottom] = [10, width - 14, height - 46];
  const spans = [[left, right], [bottom, top]];
  const at = axes.map(({ log }, i) => (value) => position(value, limits[i], spans[i], log));
  const text = (words, attributes) => svgElement("text", attributes, words);
  grid.replaceChildren(
    ...ticks[0].flatMap(([value, words]) => [
      svgElement("line", { x1: at[0](value), x2: at[0](value), y1: top, y2: bottom }),
      text(words, { x: at[0](value), y: bottom + 16, "text-anchor": "middle" }),
    ]),
    ...ticks[1].flatMap(([value, words]) => [
      svgElement("line", { x1: left, x2: right, y1: at[1](value), y2: at[1](value) }),
      text(words, { x: left - 6, y: at[1](value) + 4, "text-anchor": "end" }),
    ]),
    text(titleOf(axes[0]), { x: (left + right) / 2, y: height - 8, class: "cnn-title" }),
    text(titleOf(axes[1]), {
      transform: `translate(12 ${(bottom + top) / 2}) rotate(-90)`, class: "cnn-title",
    }));
  return { at, box: [left, top, right, bottom] };
}

// A line from the least run to the most, and a point for each run, along both axes.
function runMarks(cells, which, at, [x, y]) {
  const ends = which.map((column, i) => (cells[column].values.length > 1
    ? cells[column].values.map(at[i]) : []));
  const across = ends[0].length
    ? `M${Math.min(...ends[0])},${y}H${Math.max(...ends[0])}${ends[0].map((end) => `M${end},${y - 3}v6`).join("")}` : "";
  const up = ends[1].length
    ? `M${x},${Math.min(...ends[1])}V${Math.max(...ends[1])}${ends[1].map((end) => `M${x - 3},${end}h6`).join("")}` : "";
  return across + up;
}

// ---- What leaderboard.py computes too, under the same names.

// The numbers of `values` in order. Equal ones keep theirs, null comes last either way.
export function orderOf(values, descending = false) {
  const sign = descending ? -1 : 1;
  const numbers = values.map((_, number) => number);
  const known = numbers.filter((number) => values[number] !== null);
  known.sort((a, b) => {
    if (values[a] === values[b]) return a - b;
    return values[a] < values[b] ? -sign : sign;
  });
  return [...known, ...numbers.filter((number) => values[number] === null)];
}

// The numbers of the points that none beats, from left to right. One beats another if it is at least
// as good on both axes and better on one. `better`, for each axis: 1 more, -1 less. null is missing.
export function frontOf(points, better = [-1, 1]) {
  const known = points.map((_, number) => number).filter((number) => points[number] !== null);
  const beats = (a, b) => {
    const gains = better.map((way, axis) => way * (points[a][axis] - points[b][axis]));
    return Math.min(...gains) >= 0 && Math.max(...gains) > 0;
  };
  return known.filter((number) => !known.some((other) => beats(other, number)))
    .sort((a, b) => points[a][0] - points[b][0] || points[a][1] - points[b][1] || a - b);
}

// The ends of an axis that holds the values, with some room at both.
export function domain(values, log) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (log) {
    const room = high > low ? (high / low) ** 0.07 : 1.5;
    return [low / room, high * room];
  }
  const room = high > low ? 0.07 * (high - low) : Math.abs(low) / 10 || 1;
  return [low - room, high + room];
}

// Where a value stands between the ends of `span`, in pixels.
export function position(value, limits, span, log) {
  const [low, high, here] = [...limits, value].map((v) => (log ? Math.log(v) : v));
  return span[0] + ((here - low) / (high - low)) * (span[1] - span[0]);
}

// Round values from `low` to `high`, as [m, e] for m * 10 ** e, and not above `most` of them.
// A logarithmic axis has 1, 2, 5, or 1, 3, or 1 of every decade, whichever first are few enough and
// still three; where that fails it is so short that evenly spaced values do.
export function ticksOf(low, high, most, log) {
  if (log) {
    let found = [];
    const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
    for (const firsts of [[1, 2, 5], [1, 3], [1]]) {
      found = [];
      for (let e = first; e <= last; e += 1) {
        for (const m of firsts) {
          if (low <= tickValue(m, e) && tickValue(m, e) <= high) found.push([m, e]);
        }
      }
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
      if (last - first + 1 <= most) {
        return Array.from({ length: last - first + 1 }, (_, i) => [(first + i) * m, e]);
      }
    }
  }
}

export function tickValue(m, e) {
  return e >= 0 ? m * 10 ** e : m / 10 ** -e;
}

// m * 10 ** e in few letters: 0.5, 2,000, 12M (million), 3G (thousand million).
export function tickText(m, e, grouped = true) {
  const [unit, power] = [["G", 9], ["M", 6], ["", 0]].find(([letter, exponent]) =>
    !letter || (grouped && Math.abs(tickValue(m, e)) >= 10 ** exponent));
  let [digits, exponent] = [m, e - power];
  while (exponent < 0 && digits % 10 === 0) [digits, exponent] = [digits / 10, exponent + 1];
  const text = tickValue(digits, exponent).toLocaleString("en-GB", {
    minimumFractionDigits: Math.max(0, -exponent), maximumFractionDigits: Math.max(0, -exponent),
    useGrouping: grouped,
  });
  return text.replace("-", "−") + unit;
}

// Where each point's label goes without covering a marker or another label, or null. `frame` is
// [left, top, right, bottom]. A label is placed as [x, y, far, end]: its left and upper edge, whether
// it needs a line from its point, and where that line ends. Those in `first` choose first, then the
// others in their order. Beside the point is best, then above and below, then the corners; then the
// same further out.
export function placeLabels(points, widths, frame, first = []) {
  const markers = points.map(([x, y]) => [x - REACH, y - REACH, x + REACH, y + REACH]);
  const taken = [];
  const places = points.map(() => null);
  const rest = points.map((_, number) => number).filter((number) => !first.includes(number));
  for (const number of [...first, ...rest]) {
    const [x, y] = points[number];
    for (const [far, dx, dy] of SPOTS) {
      const middle = [x + dx * far, y + dy * far];
      const left = middle[0] - ((1 - Math.sign(dx)) / 2) * widths[number];
      const upper = middle[1] - LINE / 2;
      const box = [left, upper, left + widths[number], upper + LINE];
      const inside = frame[0] <= box[0] && frame[1] <= box[1]
        && box[2] <= frame[2] && box[3] <= frame[3];
      if (inside && ![...markers, ...taken].some((other) => meet(box, other))) {
        taken.push(box);
        const end = [middle[0], dx ? middle[1] : middle[1] - (dy * LINE) / 2];
        places[number] = [left, upper, far > SPOTS[0][0], end];
        break;
      }
    }
  }
  return places;
}

function meet(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}
