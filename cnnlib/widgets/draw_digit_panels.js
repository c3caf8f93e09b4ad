// One network's answer: its output, its maps, and where the winner's score comes from.

import { bars } from "./kit/bars.js";
import { element, setAttribute, unpack, upTo, write } from "./kit/dom.js";
import { opaque, paintMap, paintPixels } from "./kit/pixels.js";
import { fixedPoint } from "./kit/words.js";
import { softmax, strongest } from "./live/answers.js";

const CODE = [12, 7]; // rows and columns of a code
const ACROSS = { 6: 6, 16: 8 }; // so many maps side by side

export function networkPanel(say, network, { codes, amplitude }, palettes) {
  const verdict = element("p", { class: "dd-verdict" });
  const output = network.key === "lenet5"
    ? codesOutput(say, unpack(codes).bytes, amplitude, palettes) : sharesOutput(say);
  const stages = network.stages.map((stage) => stageFigure(say, stage, palettes));
  const look = lookFigure(say, palettes);
  return {
    node: element("section", { class: "dd-network", "aria-label": say(`network.${network.key}`) },
      element("p", { class: "dd-name" }, say(`network.${network.key}`)), verdict, output.node, look.node,
      ...stages.map(({ node }) => node)),
    show(record, how) {
      write(verdict, output.show(record));
      stages.forEach((stage, i) => stage.show(record.stages[i]));
      look.show(record.look, how, strongest(record.scores));
    },
  };
}

// ---- The outputs. Each shows a record and gives the answer in words.

// LeNet-5's: F6 as a picture, and the ten codes with F6's distance from each.
function codesOutput(say, inks, amplitude, palettes) {
  const f6 = element("canvas", { class: "cnn-pixels dd-f6", role: "img", "aria-label": say("f6.label") });
  const area = CODE[0] * CODE[1];
  const items = upTo(10).map((digit) => {
    const canvas = element("canvas", { class: "cnn-pixels", "aria-hidden": "true" });
    const greys = inks.slice(digit * area, (digit + 1) * area).map((ink) => 255 * (1 - ink));
    paintPixels(canvas, CODE, opaque(greys, 1));
    const name = element("span", { class: "dd-digit" }, String(digit));
    const distance = element("span", { class: "dd-distance" });
    return { node: element("li", {}, canvas, name, " ", distance), distance };
  });
  return {
    node: element("div", { class: "dd-codes" },
      element("figure", {}, element("figcaption", { translate: "no" }, "F6"), f6),
      element("figure", {}, element("figcaption", {}, say("codes")),
        element("ul", {}, ...items.map(({ node }) => node)))),
    show({ scores, f6: values }) {
      const levels = values.map((value) => Math.round((value / amplitude) * 127) + 128);
      paintMap(f6, CODE, levels, palettes.signed);
      const best = strongest(scores);
      items.forEach(({ node, distance }, digit) => {
        node.classList.toggle("dd-best", digit === best);
        write(distance, fixedPoint(-scores[digit], 1));
      });
      const next = secondOf(scores);
      return say("verdict.codes", {
        digit: best, distance: fixedPoint(-scores[best], 1), next, further: fixedPoint(-scores[next], 1),
      });
    },
  };
}

// The modern one's: a softmax.
function sharesOutput(say) {
  const list = bars(say("shares"), 10);
  list.node.classList.add("dd-shares");
  return {
    node: list.node,
    show({ scores }) {
      const [found, best, next] = [softmax(scores), strongest(scores), secondOf(scores)];
      const percent = (digit) => say("percent", { value: fixedPoint(100 * found[digit], 1) });
      list.show(found.map((share, digit) =>
        ({ name: String(digit), share, text: percent(digit), strong: digit === best })));
      return say("verdict.shares", { digit: best, share: percent(best), next, rest: percent(next) });
    },
  };
}

function secondOf(scores) {
  const best = strongest(scores);
  return strongest(scores.map((score, i) => (i === best ? -Infinity : score)));
}

// ---- The maps.

// All maps of a stage on one canvas, with a line between them.
function stageFigure(say, { name, shape: [count, rows, columns] }, palettes) {
  const across = ACROSS[count];
  const size = [(count / across) * (rows + 1) - 1, across * (columns + 1) - 1];
  const canvas = element("canvas", {
    class: "cnn-pixels dd-maps", role: "img", "aria-label": say("stage.label", { name, count, rows, columns }),
  });
  const pixels = new Uint32Array(size[0] * size[1]); // what lies between the maps stays transparent
  return {
    node: element("figure", {}, element("figcaption", {},
      element("span", { translate: "no" }, `${name}:`), " ", say("stage", { count, rows, columns })), canvas),
    show({ bytes, signed }) {
      const palette = signed ? palettes.signed : palettes.positive;
      for (let map = 0; map < count; map += 1) {
        const [top, left] = [Math.floor(map / across) * (rows + 1), (map % across) * (columns + 1)];
        for (let i = 0; i < rows * columns; i += 1) {
          const place = (top + Math.floor(i / columns)) * size[1] + left + (i % columns);
          pixels[place] = palette[bytes[map * rows * columns + i]];
        }
      }
      paintPixels(canvas, size, pixels);
    },
  };
}

function lookFigure(say, palettes) {
  const canvas = element("canvas", { class: "cnn-pixels dd-look", role: "img" });
  const caption = element("figcaption");
  const refusal = element("p", { class: "dd-refusal" });
  return {
    node: element("figure", { class: "dd-looked" }, caption, canvas, refusal),
    show(look, how, digit) {
      write(caption, say("look.of", { how: say(`look.${how}`), digit }));
      setAttribute(canvas, "hidden", look === null);
      write(refusal, look === null ? say("refused") : "");
      if (!look) return;
      const side = Math.sqrt(look.bytes.length);
      setAttribute(canvas, "aria-label", say(`look.label.${how}`, { digit }));
      paintMap(canvas, [side, side], look.bytes, look.signed ? palettes.signed : palettes.positive);
    },
  };
}
