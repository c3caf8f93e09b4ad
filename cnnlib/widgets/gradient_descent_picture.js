// The map of a loss of two weights with a path on it, and the curve of the path's losses.

import { plotAxes } from "./kit/bars.js";
import { element, setAttribute, svgElement, uniqueId, upTo } from "./kit/dom.js";
import { decimal, signed } from "./kit/words.js";
import { EDGE, height, lowest, STEPS } from "./gradient_descent_sums.js";

const FINE = 80; // cells along each weight on which contours are sought
const LEVELS = 12;
const [LEFT, BOTTOM, ROOM] = [40, 40, 8]; // CSS pixels around the map

export function mapPicture(say) {
  const clip = uniqueId("map");
  const plate = svgElement("rect", { class: "gd-plate" });
  const frame = svgElement("rect");
  const [ground, marks, axes] = upTo(3).map(() => svgElement("g"));
  const node = svgElement("svg", { class: "gd-map", "aria-hidden": "true" },
    svgElement("defs", {}, svgElement("clipPath", { id: clip }, frame)), plate,
    svgElement("g", { "clip-path": `url(#${clip})` }, ground, marks), axes);
  let drawn = ""; // the surface and the size whose ground is drawn

  return {
    node,
    plate,
    show({ surface, step }, path, heights, side) {
      const inner = side - LEFT - ROOM;
      const tall = inner + BOTTOM + ROOM;
      const x = (value) => LEFT + ((value + EDGE) / (2 * EDGE)) * inner;
      const y = (value) => ROOM + ((EDGE - value) / (2 * EDGE)) * inner;
      if (drawn !== `${surface} ${side}`) {
        drawn = `${surface} ${side}`;
        for (const [name, value] of Object.entries({ width: side, height: tall, viewBox: `0 0 ${side} ${tall}` })) {
          setAttribute(node, name, value);
        }
        for (const one of [plate, frame]) {
          for (const [name, value] of Object.entries({ x: LEFT, y: ROOM, width: inner, height: inner })) {
            setAttribute(one, name, value);
          }
        }
        ground.replaceChildren(...groundOf(surface, heights, x, y));
        axes.replaceChildren(...axesOf(say, x, y, side, tall));
      }
      marks.replaceChildren(...marksOf(path, step, x, y));
    },
  };
}

function axesOf(say, x, y, side, tall) {
  const text = (words, more) => svgElement("text", more, words);
  return [-2, -1, 0, 1, 2].flatMap((value) => [
    text(signed(String(value)), { x: x(value), y: tall - BOTTOM + 17, "text-anchor": "middle" }),
    text(signed(String(value)), { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }),
  ]).concat([
    text(say("first"), { x: x(0), y: tall - 6, class: "gd-axis" }),
    text(say("second"), { transform: `translate(12 ${y(0)}) rotate(-90)`, class: "gd-axis" }),
  ]);
}

function marksOf({ points }, step, x, y) {
  const far = (value) => Math.min(Math.max(value, -30), 30); // what lies outside is cut off
  const shown = points.slice(0, step + 1).map(([a, b]) => [x(far(a)), y(far(b))]);
  const [start, last] = [shown[0], shown.at(-1)];
  const line = (name) => svgElement("polyline", { class: name,
    points: shown.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" ") });
  return [
    line("gd-path-edge"), line("gd-path"),
    ...shown.slice(1, -1).map(([cx, cy]) => svgElement("circle", { class: "gd-dot", cx, cy, r: 2.6 })),
    svgElement("circle", { class: "gd-start-edge", cx: start[0], cy: start[1], r: 8 }),
    svgElement("circle", { class: "gd-start", cx: start[0], cy: start[1], r: 8 }),
    svgElement("rect", { class: "gd-now", x: last[0] - 5, y: last[1] - 5, width: 10, height: 10 }),
  ];
}

// ---- The ground: for each level what lies below it, tinted, and the line around it.

function groundOf(surface, heights, x, y) {
  const at = (i) => EDGE * ((2 * i) / FINE - 1);
  const grid = upTo(FINE + 1).map((row) =>
    upTo(FINE + 1).map((column) => height(surface, at(column), at(row), heights)));
  const low = lowest(surface, heights);
  const high = Math.max(...grid.map((line) => Math.max(...line)));
  const parts = upTo(LEVELS - 1).map((k) => low + (high - low) * ((k + 1) / LEVELS) ** 3)
    .map((level) => below(grid, level, (i) => x(at(i)), (i) => y(at(i))));
  const least = grid.flatMap((line, row) => line.map((value, column) => [value, column, row]))
    .reduce((one, other) => (other[0] < one[0] ? other : one));
  const [cx, cy] = [x(at(least[1])), y(at(least[2]))];
  return [
    ...parts.map(({ area }) => svgElement("path", { class: "gd-below", d: area })),
    ...parts.map(({ line }) => svgElement("path", { class: "gd-line", d: line })),
    svgElement("path", { class: "gd-low", d: `M${cx - 5} ${cy}h10M${cx} ${cy - 5}v10` }),
  ];
}

// {area, line}, as the d of paths: where the grid lies below a level. Cell by cell, the part below
// is the polygon of its low corners and of the crossings between low and high ones.
function below(grid, level, x, y) {
  let [area, line] = ["", ""];
  for (let row = 0; row < FINE; row += 1) {
    for (let column = 0; column < FINE; column += 1) {
      const corners = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]];
      const values = corners.map(([i, j]) => grid[j][i]);
      if (values.every((value) => value >= level)) continue;
      const [polygon, crossings] = [[], []];
      corners.forEach(([i, j], k) => {
        const [[m, n], here, next] = [corners[(k + 1) % 4], values[k], values[(k + 1) % 4]];
        if (here < level) polygon.push([i, j]);
        if ((here < level) === (next < level)) return;
        const share = (level - here) / (next - here);
        const crossing = [i + share * (m - i), j + share * (n - j)];
        polygon.push(crossing);
        crossings.push(crossing);
      });
      const written = ([i, j]) => `${x(i).toFixed(1)} ${y(j).toFixed(1)}`;
      area += `M${polygon.map(written).join("L")}z`;
      for (let k = 0; k + 1 < crossings.length; k += 2) {
        line += `M${written(crossings[k])}L${written(crossings[k + 1])}`;
      }
    }
  }
  return { area, line };
}

// ---- The loss curve.

export function curvePlot(say) {
  const clip = uniqueId("curve");
  const axes = plotAxes();
  const frame = svgElement("rect");
  const marks = svgElement("g", { "clip-path": `url(#${clip})` });
  const svg = svgElement("svg", { role: "img", class: "gd-curve" },
    svgElement("defs", {}, svgElement("clipPath", { id: clip }, frame)), axes.node, marks);
  const cut = element("p", { class: "cnn-help" });
  return {
    node: element("figure", {}, element("figcaption", {}, say("curve")), svg, cut),
    show({ surface, step }, { losses }, heights, width) {
      const tall = 210;
      const low = lowest(surface, heights);
      const most = Math.max(...losses);
      const roof = low + 2 * Math.max(losses[0] - low, 0.05);
      const top = Math.min(most, roof);
      const last = Math.min(step, losses.length - 1);
      for (const [name, value] of Object.entries({ width, height: tall, viewBox: `0 0 ${width} ${tall}`,
        "aria-label": say("curve.words", { start: decimal(losses[0], 3), now: decimal(losses[last], 3), step: last }) })) {
        setAttribute(svg, name, value);
      }
      const { at: [x, y], box: [left, upper, right, lower] } = axes.draw([
        { title: say("curve.across"), values: [0, STEPS] }, { title: say("curve.up"), values: [low, top] },
      ], [width, tall]);
      for (const [name, value] of Object.entries({ x: left, y: upper - 4, width: right - left + 6, height: lower - upper + 8 })) {
        setAttribute(frame, name, value);
      }
      const point = (loss, i) => `${x(i).toFixed(1)},${y(Math.min(loss, low + 20 * (top - low))).toFixed(1)}`;
      marks.replaceChildren(
        svgElement("line", { class: "gd-lowest", x1: left, x2: right, y1: y(low), y2: y(low) }),
        svgElement("polyline", { class: "gd-loss", points: losses.slice(0, last + 1).map(point).join(" ") }),
        svgElement("rect", { class: "gd-now", x: x(last) - 4, y: y(losses[last]) - 4, width: 8, height: 8 }));
      cut.textContent = most > roof ? say("curve.cut", { top: decimal(roof, 2) }) : "";
    },
  };
}
