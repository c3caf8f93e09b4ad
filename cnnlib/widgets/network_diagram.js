// Network diagram: cards and lines as planned by cnnlib.layout; a chosen card opens its details.

import { announcer, button, element, svgElement, uniqueId, watch } from "./page.js";

const POINT = 4 / 3; // CSS pixels of a point
const TITLES = { blocks: "Blocks", layers: "Every layer" };

export default {
  render({ model, el }) {
    el.classList.add("cnn-widget", "cnn-network");
    const sheets = model.get("sheets");
    const spoken = announcer();
    const drawn = {}; // level: {node, cards}
    const levels = Object.keys(sheets).map((level) =>
      [level, button(TITLES[level], () => save({ level, chosen: -1 }), { pressed: false })]);
    const scroll = element("div", { class: "cnn-network-scroll" });
    const details = element("section", { class: "cnn-network-details", "aria-label": "Details" });
    el.append(
      element("div", { class: "cnn-row cnn-network-levels" },
        levels.length > 1 ? element("span", { class: "cnn-network-label" }, "Show:") : null,
        ...(levels.length > 1 ? levels.map(([, node]) => node) : []),
        element("span", { class: "cnn-help" },
          "Click a card, or move between cards with the arrow keys. /2 means stride 2; ×6 stands six times over; the last lines are parameters and receptive field.")),
      element("div", { class: "cnn-network-body" }, scroll, details),
      spoken.node,
    );

    function save(choice) {
      for (const [name, value] of Object.entries(choice)) model.set(name, value);
      model.save_changes();
      redraw();
    }

    function redraw() {
      const level = model.get("level");
      const sheet = sheets[level];
      drawn[level] ??= draw(sheet, choose);
      if (scroll.firstChild !== drawn[level].node) {
        scroll.replaceChildren(drawn[level].node);
        // As wide as the drawing where there is room; the details then go below if they must.
        scroll.style.flexBasis = `${Math.ceil(sheet.width * POINT) + 20}px`;
        scroll.scrollTop = 0;
      }
      for (const [name, node] of levels) node.setAttribute("aria-pressed", String(name === level));
      const chosen = Math.min(model.get("chosen"), sheet.cards.length - 1);
      mark(drawn[level].cards, chosen);
      details.replaceChildren(...(chosen < 0 ? [element("p", {}, "Choose a card to see what it is made of.")]
        : describe(sheet.cards[chosen], model.get("sources"), level === "blocks" ? open : null)));
    }

    function choose(index, focus) {
      save({ chosen: index });
      const card = sheets[model.get("level")].cards[index];
      spoken.say(inWords(card));
      if (focus) drawn[model.get("level")].cards[index].focus({ preventScroll: false });
    }

    // From a block's card to the same block opened among all layers.
    function open(card) {
      const index = sheets.layers.cards.findIndex((other) => other.role === "block" && other.name === card.name);
      save({ level: "layers", chosen: index });
      drawn.layers.cards[index].focus();
      drawn.layers.cards[index].scrollIntoView({ block: "nearest" });
    }

    redraw();
    const unwatch = watch(model, ["level", "chosen"], redraw);
    return () => { unwatch(); spoken.stop(); };
  },
};

// The sheet as SVG, its cards as buttons of which one is in the tab order.
function draw(sheet, choose) {
  const tip = uniqueId("tip");
  const svg = svgElement("svg", {
    viewBox: `0 0 ${sheet.width} ${sheet.height}`,
    width: sheet.width * POINT, height: sheet.height * POINT,
    role: "group", "aria-label": "The network from its input, at the top, to its output",
  },
  svgElement("defs", {}, svgElement("marker", {
    id: tip, viewBox: "0 0 6 6", refX: 6, refY: 3, markerWidth: 6, markerHeight: 6, orient: "auto",
  }, svgElement("path", { d: "M0,0 L6,3 L0,6 z", class: "cnn-network-tip" }))));
  for (const [x, y, width, height, lines, times] of sheet.frames) {
    svg.append(svgElement("rect", {
      x, y, width, height, class: `cnn-network-frame${times > 1 ? " cnn-network-repeat" : ""}`,
    }), ...words(lines, x + 5, y + 5, "start"));
  }
  for (const [flat, arrow] of sheet.lines) {
    const points = flat.reduce((text, number, i) => `${text}${i % 2 ? "," : " "}${number}`, "").trim();
    svg.append(svgElement("polyline", {
      points, class: "cnn-network-line", "marker-end": arrow ? `url(#${tip})` : null,
    }));
  }
  const cards = sheet.cards.map((card, index) => {
    const [x, y, width, height] = card.box;
    const node = svgElement("g", {
      class: `cnn-network-card cnn-network-${card.role}`, role: "button", tabindex: index ? -1 : 0,
      "aria-label": inWords(card), "aria-pressed": "false",
      onclick: () => choose(index, true),
      onkeydown: (event) => {
        const next = step(event.key, index, sheet.cards);
        if (event.key !== "Enter" && event.key !== " " && next === null) return;
        event.preventDefault();
        choose(next ?? index, true);
      },
    },
    svgElement("rect", { x, y, width, height, rx: 2 }),
    ...words(card.lines, x + width / 2, y + 5, "middle"));
    svg.append(node);
    return node;
  });
  return { node: svg, cards };
}

function words(lines, x, top, anchor) {
  return lines.map((line, number) => svgElement("text", {
    x, y: top + 10 * (number + 0.75), "text-anchor": anchor, "font-weight": number ? null : "bold",
    "aria-hidden": "true",
  }, line));
}

function mark(cards, chosen) {
  cards.forEach((card, index) => {
    card.setAttribute("aria-pressed", String(index === chosen));
    card.setAttribute("tabindex", index === Math.max(chosen, 0) ? 0 : -1);
  });
}

// Where a key leads from a card: down and up in the order of the network, left and right to the
// nearest card beside. Null for other keys.
export function step(key, index, cards) {
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

function inWords(card) {
  return card.lines.join(", ");
}

function times(sizes) {
  return sizes.join(" × ");
}

// "first" where both are equal, else "first … last".
function span(first, last) {
  return first === last ? first : `${first} … ${last}`;
}

function describe(card, sources, open) {
  const often = card.times > 1 ? ` Stands ${card.times} times over; the figures are of one.` : "";
  const parts = [element("p", { class: "cnn-network-name" }, card.name)];
  if (card.role === "input") {
    return [...parts, element("p", {}, `The network's input: ${times(card.out)} (channels × height × width).`)];
  }
  const kind = card.role === "block" ? `${card.kind}, a block of ${card.steps} steps.` : `${card.made || card.kind}.`;
  parts.push(element("p", { class: "cnn-network-kind" }, kind,
    card.folded.length ? ` Then ${card.folded.join(", ")}.` : "", often));
  const number = (value) => value.toLocaleString("en-GB").replace("-", "−");
  const facts = [
    ["input", times(card.in)],
    ["output", span(times(card.out), times(card.last_out))],
    ["parameters", number(card.parameters)],
    ["multiply-adds", number(card.macs)],
    ["bytes of activations", number(card.bytes)],
    ["receptive field", span(times(card.field), times(card.last_field))],
    ["effective stride", card.stride.some(Boolean) ? times(card.stride) : "none: every unit sees the same"],
    ["first unit starts at", times(card.start.map(number))],
  ];
  parts.push(element("dl", {}, ...facts.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)])));
  if (!card.aligned) {
    parts.push(element("p", {}, "The branches that join here look at windows with different centres or strides."));
  }
  if (open && card.role === "block") {
    parts.push(button("Show its layers", () => open(card)));
  }
  const source = sources[card.source];
  if (source) {
    parts.push(element("details", { class: "cnn-network-source" },
      element("summary", {}, `${source.file}, lines ${source.first}–${source.last}`),
      element("pre", { tabindex: 0, role: "region", "aria-label": `Source of ${card.name}` },
        element("code", {}, source.text))));
  }
  return parts;
}
