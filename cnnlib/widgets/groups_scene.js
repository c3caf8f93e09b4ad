// The groups widget's picture: columns of channels, and the strands between them.

import { element, setAttribute, svgElement, upTo } from "./kit/dom.js";
import { gridStep, pointing } from "./kit/focus.js";
import { bundles, columnGroups, reached, steps, threads } from "./groups_sums.js";

const TOP = 56; // CSS pixels above the columns, and below them
const BOTTOM = 24;
const GAP = 0.16; // of a group's height, left free
const NUMBERED = 16; // dots that still have room for a number

// What is drawn of a state: its layers, and for every column its channels, its dots, their heights
// from 0 to 1.
export function columnsOf(state) {
  const layers = steps(state);
  const channels = [layers[0][0], ...layers.map(([, outs]) => outs)];
  const groups = columnGroups(layers);
  return { layers, columns: channels.map((count, i) => {
    const dots = bundles(count, groups[i]);
    const parts = Math.min(groups[i], dots.length);
    const each = dots.length / parts;
    const gap = parts >= 2 && parts <= 16 ? GAP : 0;
    const heights = dots.map((_, k) =>
      (Math.floor(k / each) + gap / 2 + ((1 - gap) * ((k % each) + 0.5)) / each) / parts);
    return { count, dots, heights, most: Math.max(...dots.map(([a, b]) => b - a + 1)) };
  }) };
}

// {node, show(state, width)}. `hear(output or null)` is for a pointer, `choose(output)` for a press.
export function strandsPicture(say, { hear, choose, now }) {
  const svg = svgElement("svg", { class: "gr-strands", "aria-hidden": "true" });
  let drawn = null; // {columns, at: [heights in pixels], tall}
  const node = element("div", {
    class: "gr-scene", role: "application", tabindex: 0, "aria-label": say("scene"),
    onkeydown(event) {
      const key = { ArrowDown: "ArrowRight", ArrowUp: "ArrowLeft" }[event.key] ?? event.key;
      const place = gridStep(key, [0, now().output], [1, drawn.columns.at(-1).count]);
      if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      choose(place[1]);
    },
  }, svg);
  pointing(svg, { at: outputAt, hover: hear, press: choose });

  // The output channel nearest to a pointer: of a dot, the channel as far along as the pointer is.
  function outputAt({ clientY }) {
    const y = (clientY - svg.getBoundingClientRect().y - TOP) / drawn.tall;
    const { dots, heights } = drawn.columns.at(-1);
    const far = heights.map((height) => Math.abs(height - y));
    return dots[far.indexOf(Math.min(...far))][0];
  }

  function show(state, width) {
    const { layers, columns } = columnsOf(state);
    const rows = Math.max(...columns.map(({ dots }) => dots.length));
    const tall = Math.max(150, Math.min(400, 20 * rows));
    const edge = 34;
    const x = columns.map((_, i) => edge + (i * (width - 2 * edge)) / layers.length);
    const at = columns.map(({ heights }) => heights.map((height) => TOP + height * tall));
    const lit = reached(layers, state.output);
    drawn = { columns, tall };
    const height = TOP + tall + BOTTOM;
    for (const [name, value] of Object.entries({ width, height })) setAttribute(svg, name, value);
    setAttribute(svg, "viewBox", `0 0 ${width} ${height}`);
    const place = { x, at, tall, state, columns, layers, lit };
    svg.replaceChildren(...headings(say, place), ...strands(place), ...dotsOf(place));
  }
  return { node, show };
}

function headings(say, { x, tall, columns, layers, state }) {
  const last = columns.length - 1;
  const text = (words, attributes) => svgElement("text", { "text-anchor": "middle", ...attributes }, words);
  const nameOf = (i) => {
    if (i === 0) return say("column.input");
    if (i === last) return say("column.output");
    return say(state.kind === "shuffled" && i === 2 ? "column.shuffled" : "column.middle");
  };
  const inside = (i) => (i === 0 ? Math.max(x[i], 30) : Math.min(x[i], x.at(-1) + 4));
  return [
    ...columns.flatMap(({ count, most }, i) => [
      text(nameOf(i), { x: inside(i), y: 13, class: "gr-name" }),
      text(String(count), { x: inside(i), y: 29 }),
      most > 1 ? text(say("column.dot", { count: most }), { x: inside(i), y: TOP + tall + 16 }) : null,
    ]),
    ...layers.map((step, i) => text(stepInWords(say, step),
      { x: (x[i] + x[i + 1]) / 2, y: 46, class: "gr-step" })),
  ].filter(Boolean);
}

function stepInWords(say, [, , groups, size]) {
  if (!size) return say("step.shuffle");
  return say(groups > 1 ? "step.groups" : "step", { size, groups });
}

function strands({ x, at, columns, layers, lit }) {
  const path = (i, only) => {
    const pairs = threads(layers[i], columns[i].dots, columns[i + 1].dots, only);
    return { count: pairs.length, d: pairs.map(([a, b]) =>
      `M${x[i].toFixed(1)} ${at[i][a].toFixed(1)}L${x[i + 1].toFixed(1)} ${at[i + 1][b].toFixed(1)}`)
      .join("") };
  };
  return [false, true].flatMap((chosen) => layers.map(([, , , size], i) => {
    const { count, d } = path(i, chosen ? lit[i + 1] : null);
    const faint = Math.min(0.55, Math.max(0.07, 45 / Math.max(count, 1)));
    return svgElement("path", {
      d, class: `gr-strand ${size ? "gr-weights" : "gr-moved"}${chosen ? " gr-lit" : ""}`,
      "stroke-opacity": chosen ? null : faint,
      "stroke-width": chosen && count < 150 ? 1.7 : 0.9,
    });
  }));
}

function dotsOf({ x, at, tall, columns, lit, state }) {
  const last = columns.length - 1;
  return columns.flatMap(({ dots }, i) => {
    const here = new Set(lit[i]);
    const radius = Math.min(6.5, Math.max(2.2, (0.4 * tall) / dots.length));
    const kind = i === 0 ? "input" : i === last ? "output" : "middle";
    return dots.flatMap(([first, end], k) => {
      const on = upTo(end - first + 1).some((step) => here.has(first + step));
      const chosen = i === last && first <= state.output && state.output <= end;
      const y = at[i][k];
      return [
        chosen ? svgElement("circle", { cx: x[i], cy: y, r: radius + 4, class: "gr-chosen" }) : null,
        svgElement("circle", {
          cx: x[i], cy: y, r: radius, class: `gr-dot gr-${kind}${on ? " gr-on" : ""}`,
        }),
        dots.length <= NUMBERED && (i === 0 || i === last) ? svgElement("text", {
          x: x[i] + (i ? 14 : -14), y: y + 4, "text-anchor": i ? "start" : "end",
        }, String(first)) : null,
      ].filter(Boolean);
    });
  });
}
