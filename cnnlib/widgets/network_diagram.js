// Network diagram: cards and lines as planned by cnnlib.layout; a chosen card opens its details.

import { button } from "./kit/controls.js";
import { element, setAttribute, svgElement, uniqueId } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { decimal, signed } from "./kit/words.js";

const POINT = 4 / 3; // CSS pixels of a point

export default teach({ stem: "network_diagram", names: ["level", "card"], settled, view });

// The twin of NetworkDiagram.settled.
export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  const level = s.oneOf("level", Object.keys(fixed.sheets));
  if (level !== present.level && !s.asks("card")) s.take("card", -1);
  s.whole("card", -1, fixed.sheets[level].cards.length - 1);
  return s.done();
}

function view({ say, fixed: { sheets, sources }, controls, choose }) {
  const sheetsDrawn = {}; // level: {node, cards}
  const levels = Object.keys(sheets);
  let shown; // the card that the details are of, null for none
  let wanted = false; // whether the chosen card is to have the focus when it is drawn
  const scroll = element("div", { class: "cnn-network-scroll" });
  const details = element("section", {
    class: "cnn-network-details", "aria-label": say("details"),
  });
  const level = levels.length < 2 ? null : controls.radios("level", {
    label: say("level"), options: levels.map((name) => [name, say(`level.${name}`)]),
  });
  controls.own("card", say("details"), { node: details });

  // From a block's card to the same block opened among all layers.
  function open({ name }) {
    wanted = true;
    choose({
      level: "layers",
      card: sheets.layers.cards.findIndex((other) => other.role === "block" && other.name === name),
    });
  }

  return {
    node: element("div", {},
      element("div", { class: "cnn-row cnn-network-levels" },
        level?.node, element("p", { class: "cnn-help" }, say("help"))),
      element("div", { class: "cnn-network-body" }, scroll, details)),
    draw({ level, card: chosen }) {
      const sheet = sheets[level];
      const drawn = sheetsDrawn[level] ??= drawSheet(say, sheet, (index) => choose({ card: index }));
      if (scroll.firstChild !== drawn.node) {
        scroll.replaceChildren(drawn.node);
        // As wide as the drawing where there is room; the details then go below if they must.
        scroll.style.flexBasis = `${Math.ceil(sheet.width * POINT) + 20}px`;
        scroll.scrollTop = 0;
      }
      drawn.cards.forEach((card, index) => {
        setAttribute(card, "aria-pressed", String(index === chosen));
        setAttribute(card, "tabindex", index === Math.max(chosen, 0) ? 0 : -1);
      });
      if (wanted) drawn.cards[chosen]?.focus();
      wanted = false;
      const card = sheet.cards[chosen] ?? null;
      if (card === shown) return;
      shown = card;
      if (card) bringIntoSight(scroll, drawn.cards[chosen]);
      details.replaceChildren(...describe(say, card, sources, level === "blocks" ? open : null));
    },
    words: ({ level, card }) => (card < 0 ? "" : inWords(sheets[level].cards[card])),
  };
}

// The sheet as SVG, its cards as buttons of which one is in the tab order: {node, cards}.
function drawSheet(say, sheet, choose) {
  const tip = uniqueId("tip");
  const svg = svgElement("svg", {
    viewBox: `0 0 ${sheet.width} ${sheet.height}`,
    width: sheet.width * POINT, height: sheet.height * POINT,
    role: "group", "aria-label": say("network"),
  },
  svgElement("defs", {}, svgElement("marker", {
    id: tip, viewBox: "0 0 6 6", refX: 6, refY: 3, markerWidth: 6, markerHeight: 6, orient: "auto",
  }, svgElement("path", { d: "M0,0 L6,3 L0,6 z", class: "cnn-network-tip" }))));
  for (const [x, y, width, height, lines, times] of sheet.frames) {
    svg.append(svgElement("rect", {
      x, y, width, height, class: `cnn-network-frame${times > 1 ? " cnn-network-repeat" : ""}`,
    }), ...textLines(lines, x + 5, y + 5, "start"));
  }
  for (const [flat, arrow] of sheet.lines) {
    const points = flat.reduce((text, number, i) => `${text}${i % 2 ? "," : " "}${number}`, "").trim();
    svg.append(svgElement("polyline", {
      points, class: "cnn-network-line", "marker-end": arrow ? `url(#${tip})` : null,
    }));
  }
  const cards = sheet.cards.map((card, index) => {
    const [x, y, width, height] = card.box;
    return svgElement("g", {
      class: `cnn-network-card cnn-network-${card.role}`, role: "button", tabindex: -1,
      "aria-label": inWords(card), "aria-pressed": "false",
      onclick: () => pick(index),
      onkeydown: (event) => {
        const next = step(event.key, index, sheet.cards);
        if (event.key !== "Enter" && event.key !== " " && next === null) return;
        event.preventDefault();
        pick(next ?? index);
      },
    },
    svgElement("rect", { x, y, width, height, rx: 2 }),
    ...textLines(card.lines, x + width / 2, y + 5, "middle"));
  });
  function pick(index) {
    choose(index);
    cards[index].focus();
  }
  svg.append(...cards);
  return { node: svg, cards };
}

// Scrolls a box, and nothing around it, until a part of it can be seen.
function bringIntoSight(box, part) {
  const [outer, inner] = [box, part].map((node) => node.getBoundingClientRect());
  if (inner.top < outer.top || inner.bottom > outer.bottom) {
    box.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
  }
  if (inner.left < outer.left || inner.right > outer.right) {
    box.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2;
  }
}

function textLines(lines, x, top, anchor) {
  return lines.map((line, number) => svgElement("text", {
    x, y: top + 10 * (number + 0.75), "text-anchor": anchor, "font-weight": number ? null : "bold",
    "aria-hidden": "true",
  }, line));
}

// Where a key leads from a card: down and up in the order of the network, left and right to the
// nearest card beside. Null for other keys.
function step(key, index, cards) {
  if (key === "ArrowDown") return Math.min(index + 1, cards.length - 1);
  if (key === "ArrowUp") return Math.max(index - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return cards.length - 1;
  if (key !== "ArrowLeft" && key !== "ArrowRight") return null;
  const side = key === "ArrowLeft" ? -1 : 1;
  const [x, y] = middle(cards[index].box);
  let best = index;
  let least = Infinity;
  cards.forEach((card, other) => {
    const [otherX, otherY] = middle(card.box);
    const across = (otherX - x) * side;
    if (across < 8) return;
    const far = across + 3 * Math.abs(otherY - y);
    if (far < least) [best, least] = [other, far];
  });
  return best;
}

function middle([x, y, width, height]) {
  return [x + width / 2, y + height / 2];
}

// ------------------------------------------------------------------------------- a card in words

const inWords = (card) => card.lines.join(", ");
const times = (sizes) => sizes.join(" × ");

// "first" where both are equal, else "first … last".
const range = (first, last) => (first === last ? first : `${first} … ${last}`);

function grouped(say, number) {
  return signed(String(number)).replace(/\B(?=(\d{3})+$)/g, say("thousands"));
}

// The elements that tell what a card is made of; `open` leads from a block to its layers.
function describe(say, card, sources, open) {
  if (!card) return [element("p", {}, say("none"))];
  const name = element("p", { class: "cnn-network-name" },
    card.role === "input" ? say("card.input") : card.name);
  if (card.role === "input") return [name, element("p", {}, say("input", { shape: times(card.out) }))];
  const sentences = [
    card.role === "block" ? say("block", { kind: card.kind, steps: card.steps })
      : say("layer", { kind: card.made || card.kind }),
    card.folded.length ? say("folded", { kinds: card.folded.join(", ") }) : "",
    card.times > 1 ? say("times", { times: card.times }) : "",
  ];
  const facts = {
    in: times(card.in),
    out: range(times(card.out), times(card.last_out)),
    parameters: grouped(say, card.parameters),
    macs: grouped(say, card.macs),
    bytes: grouped(say, card.bytes),
    field: range(times(card.field), times(card.last_field)),
    stride: card.stride.some(Boolean) ? times(card.stride) : say("stride.none"),
    start: times(card.start.map((start) => decimal(start, 3))),
  };
  const source = sources[card.source];
  return [
    name,
    element("p", { class: "cnn-network-kind" }, sentences.filter(Boolean).join(" ")),
    element("dl", {}, ...Object.entries(facts).flatMap(([key, value]) =>
      [element("dt", {}, say(`fact.${key}`)), element("dd", {}, value)])),
    card.aligned ? null : element("p", {}, say("misaligned")),
    open && card.role === "block" ? button(say("open"), () => open(card)) : null,
    source ? element("details", { class: "cnn-network-source" },
      element("summary", {}, say("source", source)),
      element("pre", {
        tabindex: 0, role: "region", "aria-label": say("source.of", { name: card.name }),
      }, element("code", {}, source.text))) : null,
  ].filter(Boolean);
}
