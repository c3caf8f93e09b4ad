// Leaderboard: a table that sorts, and a scatter plot of any two of its columns. What is hovered or
// has the focus is lit in both; what is clicked stays lit (`network`).

import { plotAxes } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, same, setAttribute, svgElement, upTo, write } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import { teach } from "./kit/teach.js";
import { frontOf, LETTER, LINE, orderOf, placeLabels, settled } from "./leaderboard_sums.js";

const NAMES = ["x", "y", "sort", "descending", "front", "network"];
const NEAR = 24; // pixels from a marker's middle: where the pointer means it

export default teach({ stem: "leaderboard", names: NAMES, settled, view });

function view({ say, fixed, controls, choose, now, redraw, spoken }) {
  const { columns, entries, families } = fixed;
  let lit = null; // the entry under the pointer or with the focus, or null
  let board; // what prepare() finds of the state
  let [ordered, plotted] = [null, null]; // what the table and the plot were drawn for

  const options = columns.map((column) => [column.key, titleOf(column)]);
  const axes = [["x", "across"], ["y", "up"]].map(([name, key]) =>
    controls.dropdown(name, { label: say(key), options }));
  const front = button(say("front"), () => choose({ front: !now().front }), { pressed: false });
  controls.own("front", say("front"), { node: front });
  const note = element("p", { class: "lb-note" });
  const details = element("p", { class: "lb-details" });
  const pick = (number) => choose({ network: now().network === number ? -1 : number });
  const hover = (number) => {
    if (number !== lit) redraw();
    lit = number;
  };
  const focus = (number) => {
    hover(number);
    if (number !== null) spoken.say(inWords(number));
  };
  const table = tablePanel(say, fixed, {
    hover,
    focus,
    pick,
    sort: (key) => choose(now().sort === key ? { descending: !now().descending } : { sort: key }),
  });
  const plot = plotPanel(say, fixed, {
    hover(number) {
      hover(number);
      if (number !== null) table.reveal(number);
    },
    focus(number) {
      focus(number);
      if (number !== null) table.reveal(number);
    },
    pick,
  });

  // The chosen columns' numbers, each entry's point, and who is on the front: null where an axis has
  // no better end.
  function prepare({ x, y }) {
    const which = [x, y].map((key) => columns.findIndex((column) => column.key === key));
    const better = which.map((column) => columns[column].better);
    const points = entries.map(({ cells }) => {
      const point = which.map((column) => cells[column].value);
      return point.includes(null) ? null : point;
    });
    board = { which, points, best: better.includes(0) ? null : frontOf(points, better) };
  }

  function draw(state) {
    const order = [state.sort, state.descending];
    if (!same(order, ordered)) {
      ordered = order;
      table.sort(orderOf(valuesOf(state.sort), state.descending), state);
    }
    const picture = [state.x, state.y, state.front, plot.width()];
    if (!same(picture, plotted)) {
      plotted = picture;
      const shown = state.front ? board.best : null;
      front.disabled = board.best === null;
      setAttribute(front, "aria-pressed", String(shown !== null));
      write(note, noteInWords());
      plot.draw(board.which, board.points, shown);
    }
    const number = lit ?? (state.network < 0 ? null : state.network);
    table.light(number, state.network);
    plot.light(number, state.network);
    write(details, number === null ? say("hint") : inWords(number));
  }

  // What the table is sorted by.
  function valuesOf(key) {
    const column = columns.findIndex((other) => other.key === key);
    return entries.map(({ name, family, cells }) => {
      if (key === "name") return name.toLowerCase();
      if (key === "family") return families[family].name.toLowerCase() || null;
      return cells[column].value;
    });
  }

  function noteInWords() {
    const missing = entries.filter((_, number) => board.points[number] === null);
    const names = missing.map(({ name }) => name).join(", ");
    return say(board.best === null ? "front.none" : "front.note")
      + (missing.length ? ` ${say("missing", { names })}` : "");
  }

  function inWords(number) {
    const { name, family, cells } = entries[number];
    const figures = columns.map((column, i) =>
      say("figure.of", { column: column.label, figure: figureInWords(say, cells[i], column) }));
    const kind = families[family].name;
    const words = say(kind ? "details.family" : "details",
      { name, family: kind, figures: figures.join("; ") });
    return board.best?.includes(number) ? `${words} ${say("details.front")}` : words;
  }

  return {
    node: element("div", {
      onkeydown: ({ key }) => { if (key === "Escape") choose({ network: -1 }); },
    },
    element("div", { class: "cnn-row" }, ...axes.map(({ node }) => node), front),
    plot.node, legend(say, families), note, details, table.node),
    prepare,
    draw,
    fit: plot.fit,
    words(state, before) {
      if (state.network !== before.network) {
        return state.network < 0 ? "" : inWords(state.network);
      }
      if (["x", "y", "front"].some((name) => state[name] !== before[name])) return note.textContent;
      const column = columns.find(({ key }) => key === state.sort);
      if (!column) return say(`sorted.${state.sort}`);
      return say(state.descending ? "sorted.largest" : "sorted.smallest",
        { column: titleOf(column) });
    },
  };
}

function titleOf({ label, unit }) {
  return unit ? `${label} (${unit})` : label;
}

function spanInWords(say, [least, most]) {
  return least === undefined ? "" : say("span", { least, most });
}

function figureInWords(say, { text, ends, values }, { unit }) {
  if (!values.length) return say("figure.missing");
  const figure = unit ? `${text} ${unit}` : text;
  if (values.length < 2) return figure;
  return say("figure.runs", { figure, count: values.length, span: spanInWords(say, ends) });
}

function marker(family) {
  return svgElement("path", { d: family.shape, style: `fill: var(--cnn-${family.colour})` });
}

function icon(family) {
  return svgElement("svg", {
    class: "lb-icon", width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true",
  }, marker(family));
}

function legend(say, families) {
  const named = families.filter(({ name }) => name);
  return element("ul", { class: "lb-legend", "aria-label": say("families"), hidden: !named.length },
    ...named.map((family) => element("li", {}, icon(family), family.name)));
}

// Where a key leads in a list, or null for other keys.
function step(key, from, count) {
  const moves = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: count - 1 };
  return key in moves ? Math.max(0, Math.min(count - 1, moves[key])) : null;
}

// ---- The table: one tab stop in its body, arrows walk through the rows.

function tablePanel(say, { columns, entries, families }, { hover, focus, pick, sort }) {
  const titles = [
    { key: "name", label: say("network") }, ...columns, { key: "family", label: say("family") }];
  const heads = titles.map(({ key, label, unit }) => {
    const arrow = element("span", { class: "lb-arrow", "aria-hidden": "true" });
    const press = element("button", { type: "button", onclick: () => sort(key) },
      label, unit ? element("span", { class: "lb-unit" }, ` ${unit}`) : null, arrow);
    return { key, arrow, node: element("th", { scope: "col" }, press) };
  });
  const spans = entries.map(({ cells }) => cells.map(({ ends }) => spanInWords(say, ends)));
  const longest = columns.map((_, i) => Math.max(...spans.map((own) => own[i].length)));
  const buttons = entries.map(({ name, family }, number) => element("button", {
    type: "button", tabindex: -1, "aria-pressed": "false",
    onfocus: () => focus(number), onblur: () => focus(null),
  }, icon(families[family]), name));
  const rows = entries.map(({ family, cells }, number) => element("tr", {
    onpointerenter: () => hover(number), onclick: () => pick(number),
  },
  element("th", { scope: "row" }, buttons[number]),
  ...cells.map(({ text }, i) => element("td", { class: "lb-figure" }, `${text} `, longest[i]
    ? element("span", { class: "lb-span", style: `min-width: ${longest[i]}ch` }, spans[number][i])
    : null)),
  element("td", {}, families[family].name || "–")));
  const head = element("thead", {}, element("tr", {}, ...heads.map(({ node }) => node)));
  const body = element("tbody", {
    onpointerleave: () => hover(null),
    onkeydown: (event) => {
      const to = step(event.key, order.indexOf(buttons.indexOf(event.target)), order.length);
      if (to === null) return;
      event.preventDefault();
      buttons[order[to]].focus();
    },
  }, ...rows);
  const node = element("div", {
    class: "lb-table", tabindex: 0, role: "region", "aria-label": say("table"),
  }, element("table", {}, element("caption", {}, say("table.caption")), head, body));
  let order = [];

  return {
    node,
    sort(next, { sort: key, descending }) {
      order = next;
      const focused = buttons.indexOf(document.activeElement);
      body.append(...order.map((number) => rows[number]));
      if (focused >= 0) buttons[focused].focus(); // a row that moves loses it
      for (const { key: own, arrow, node: title } of heads) {
        const way = descending ? "descending" : "ascending";
        setAttribute(title, "aria-sort", own === key ? way : null);
        write(arrow, own !== key ? "↕" : descending ? "▼" : "▲");
      }
    },
    light(number, pinned) {
      const stop = pinned < 0 ? order[0] : pinned; // the one row that Tab reaches
      rows.forEach((row, other) => row.classList.toggle("lb-lit", other === number));
      buttons.forEach((each, other) => {
        setAttribute(each, "aria-pressed", String(other === pinned));
        each.tabIndex = other === stop ? 0 : -1;
      });
    },
    reveal(number) { // the box scrolls, the page does not
      const { offsetTop, offsetHeight } = rows[number];
      const [top, bottom] = [offsetTop - head.offsetHeight, offsetTop + offsetHeight];
      if (node.scrollTop > top) node.scrollTop = top;
      if (node.scrollTop < bottom - node.clientHeight) node.scrollTop = bottom - node.clientHeight;
    },
  };
}

// ---- The plot: a marker for each network, one tab stop, arrows walk from left to right.

function plotPanel(say, { columns, entries, families }, { hover, focus, pick }) {
  const layer = (name, children) => svgElement("g", { class: name, "aria-hidden": "true" }, ...children);
  const axes = plotAxes();
  const line = svgElement("polyline", { class: "lb-front", "aria-hidden": "true" });
  const dots = entries.map(({ family }, number) => svgElement("g", {
    class: "lb-dot", role: "button", tabindex: -1, "aria-pressed": "false",
    onfocus: () => focus(number), onblur: () => focus(null),
    onkeydown: (event) => walk(event, number),
    onclick: ({ detail }) => { if (detail === 0) pick(number); }, // by a screen reader
  }, svgElement("circle", { class: "lb-ring", r: 12 }), marker(families[family])));
  const names = entries.map(({ name }) => svgElement("text", {}, name));
  const leaders = entries.map(() => svgElement("line"));
  const runs = entries.map(() => svgElement("path"));
  const labels = layer("lb-labels", names);
  const svg = svgElement("svg", { class: "lb-plot", role: "group" }, axes.node, line,
    layer("lb-runs", runs), layer("lb-leaders", leaders), svgElement("g", {}, ...dots), labels);
  const node = element("div", {}, svg);
  let width = 640;
  let places = []; // of every entry: [x, y], or null
  let order = []; // the drawn entries from left to right
  pointing(svg, { at: nearest, hover, press: pick });

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
    const key = { ArrowRight: "ArrowDown", ArrowLeft: "ArrowUp" }[event.key] ?? event.key;
    const to = step(key, order.indexOf(number), order.length);
    if (to !== null) dots[order[to]].focus();
    else if (key === "Enter" || key === " ") pick(number);
    else return;
    event.preventDefault();
  }

  function drawDot(number, which, at, label) {
    const { name, cells } = entries[number];
    const [x, y] = places[number];
    set(dots[number], {
      transform: `translate(${x} ${y})`,
      "aria-label": [name, ...which.map((i) => say("figure.of",
        { column: columns[i].label, figure: figureInWords(say, cells[i], columns[i]) }))].join(", "),
    });
    set(runs[number], { d: runMarks(which.map((i, axis) => cells[i].values.map(at[axis])), [x, y]) });
    // A label without a place of its own stands beside its marker, and is only shown while lit.
    const wide = LETTER * name.length;
    const { left, upper } = label ?? { left: x + 9 + wide < width ? x + 9 : x - 9 - wide, upper: y - LINE / 2 };
    names[number].classList.toggle("lb-crowded", !label);
    set(names[number], { x: left, y: upper + LINE - 3 });
    const [endX, endY] = label?.far ? label.end : [x, y];
    set(leaders[number], { x1: x, y1: y, x2: endX, y2: endY });
  }

  return {
    node,
    width: () => width,
    fit() { width = node.clientWidth || width; },
    draw(which, points, front) {
      const height = Math.round(Math.max(300, Math.min(430, 0.62 * width)));
      const drawn = upTo(entries.length).filter((number) => points[number]);
      const [across, up] = which.map((i) => ({
        title: titleOf(columns[i]), log: columns[i].log, grouped: columns[i].grouped,
        values: drawn.flatMap((number) => entries[number].cells[i].values),
      }));
      set(svg, {
        width, height, viewBox: `0 0 ${width} ${height}`,
        "aria-label": say("plot", { up: up.title, across: across.title }),
      });
      axes.clear();
      const frame = drawn.length ? axes.draw([across, up], [width, height]) : null;
      places = points.map((point) => point && point.map((value, axis) => frame.at[axis](value)));
      order = [...drawn].sort((a, b) => places[a][0] - places[b][0] || places[b][1] - places[a][1]);
      const placed = placeLabels(
        drawn.map((number) => places[number]),
        drawn.map((number) => LETTER * entries[number].name.length),
        frame?.box,
        (front ?? []).map((number) => drawn.indexOf(number)).sort((a, b) => a - b));
      places.forEach((place, number) => {
        for (const part of [dots, names, leaders, runs]) {
          part[number].style.display = place ? "" : "none";
        }
        if (place) drawDot(number, which, frame.at, placed[drawn.indexOf(number)]);
      });
      set(line, { points: (front ?? []).map((number) => places[number].join()).join(" ") });
    },
    light(number, pinned) {
      const stop = places[pinned] ? pinned : order[0];
      dots.forEach((dot, other) => {
        dot.classList.toggle("lb-lit", other === number);
        names[other].classList.toggle("lb-lit", other === number);
        set(dot, { "aria-pressed": other === pinned, tabindex: other === stop ? 0 : -1 });
      });
      if (number !== null && labels.lastChild !== names[number]) labels.append(names[number]);
    },
  };
}

function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, String(value));
}

// A line from the least run to the most, and a stroke for each run, along both axes.
function runMarks([xs, ys], [x, y]) {
  const across = xs.length < 2 ? ""
    : `M${Math.min(...xs)},${y}H${Math.max(...xs)}${xs.map((end) => `M${end},${y - 3}v6`).join("")}`;
  const up = ys.length < 2 ? ""
    : `M${x},${Math.min(...ys)}V${Math.max(...ys)}${ys.map((end) => `M${x - 3},${end}h6`).join("")}`;
  return across + up;
}
