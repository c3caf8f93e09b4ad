// Normalisation: the numbers of each channel on a line, before above after.

import { numberLine } from "./kit/bars.js";
import { element, setAttribute, svgElement, swatches, upTo } from "./kit/dom.js";
import { CHANNELS, moments } from "./normalisation_sums.js";

const [LEFT, LANE, GAP] = [64, 18, 14]; // CSS pixels: names, a line of numbers, between channels
const KINDS = ["before", "after"];

// {node, show(state, told, width)}.
export function stripsPanel(say) {
  const svg = svgElement("svg", { class: "no-strips", role: "img", "aria-label": say("strips.label") });
  const keys = ["before", "after", "bar", "set"].map((name) =>
    [`no-swatch no-key-${name}`, say(`legend.${name}`)]);
  return {
    node: element("figure", {}, element("figcaption", {}, say("strips")), svg,
      swatches(keys)),
    show(state, told, width) {
      const tall = 2 * LANE + GAP;
      const height = CHANNELS * tall + 20;
      for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
        setAttribute(svg, name, value);
      }
      const all = KINDS.flatMap((kind) => told[kind].flat(2));
      const line = numberLine([-5, 8, ...all], [LEFT, width - 8], { most: Math.floor(width / 60) });
      const bottom = height - 16;
      svg.replaceChildren(
        ...line.ticks.flatMap(({ value, text }) => [
          svgElement("line", { class: "no-tick", x1: line.at(value), x2: line.at(value), y1: 0, y2: bottom }),
          svgElement("text", { x: line.at(value), y: height - 2, "text-anchor": "middle" }, text)]),
        ...upTo(CHANNELS).flatMap((channel) => {
          const top = channel * tall + 4;
          return [
            svgElement("text", { x: 0, y: top + LANE + 4 }, say("channel", { channel })),
            ...KINDS.flatMap((kind, lane) =>
              laneOf(kind, told, channel, line.at, top + (lane + 0.5) * LANE)),
          ];
        }));
    },
  };
}

function laneOf(kind, told, channel, at, y) {
  const values = told[kind].flatMap((image) => image[channel]);
  const [mean, variance] = moments(values);
  const far = Math.sqrt(variance);
  const dots = told[kind].flatMap((image, i) => image[channel].map((value) => {
    const pale = told.by.count > 0 && !told.isOfSet(i, channel);
    const name = `no-dot no-dot-${kind}${pale ? " no-pale" : ""}`;
    return kind === "before"
      ? svgElement("circle", { class: name, cx: at(value), cy: y, r: 4 })
      : svgElement("rect", { class: name, x: at(value) - 3.5, y: y - 3.5, width: 7, height: 7 });
  }));
  return [
    svgElement("line", { class: "no-bar", x1: at(mean - far), x2: at(mean + far), y1: y + 7, y2: y + 7 }),
    ...dots,
    svgElement("line", { class: "no-middle", x1: at(mean), x2: at(mean), y1: y - 5, y2: y + 10 }),
  ];
}
