// What a network costs in memory: a line for every layer, the sums, and the batch that fits.

import { bars as barList } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, same, setAttribute, upTo, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { bill, settled, writeBytes, writeCount } from "./memory_bill_sums.js";

const NAMES = ["network", "use", "bits", "batch", "card", "bars"];
const PARTS = ["parameters", "gradients", "state", "maps", "marks"];

export default teach({ stem: "memory_bill", names: NAMES, settled, view });

function view({ say, fixed: { networks, uses, cards, bars, most }, controls, choose }) {
  const pairs = (key, values) => values.map((value) => [value, say(`${key}.${value}`)]);
  const top = [
    controls.dropdown("network", {
      label: say("network"), options: networks.map(({ name }) => [name, name]),
    }),
    controls.dropdown("card", {
      label: say("card"), options: cards.map((card) => [card, say("card.size", { card })]),
    }),
    controls.slider("batch", { label: say("batch"), min: 1, max: most }),
  ];
  let found; // the bill
  const fill = button(say("largest"), () =>
    choose({ batch: Math.min(Math.max(found.largest, 1), most) }));
  const switches = [
    controls.radios("use", { label: say("use"), options: pairs("use", uses) }),
    controls.radios("bits", { label: say("bits"), options: pairs("bits", [32, 16]) }),
  ];
  const measure = controls.radios("bars", { label: say("bars"), options: pairs("bars", bars) });
  const parts = barList(say("bill"), PARTS.length);
  const [verdict, lecture] = [element("p", { class: "mb-verdict" }), element("p", { class: "mb-lecture" })];
  const counted = element("p", { class: "mb-counted" });
  const table = layerTable(say);
  let drawn = null;
  const networkOf = ({ network }) => networks.find(({ name }) => name === network);

  function verdictOf({ batch, card }) {
    const { largest } = found;
    const key = batch <= largest ? "fits" : largest === 0 ? "none" : "too_large";
    return say(`verdict.${key}`, { total: writeBytes(say, found.total), card, count: largest });
  }

  return {
    node: element("div", {},
      element("div", { class: "cnn-row" }, ...top.map(({ node }) => node), fill),
      element("div", { class: "cnn-row mb-switches" }, ...switches.map(({ node }) => node)),
      element("div", { class: "mb-sums" }, parts.node,
        element("div", {}, verdict, lecture, counted)),
      measure.node, table.node),
    prepare(state) { found = bill(networkOf(state).lines, state); },
    draw(state) {
      if (same(state, drawn)) return;
      drawn = state;
      const network = networkOf(state);
      const largest = Math.max(...PARTS.map((part) => found[part]));
      parts.show(PARTS.filter((part) => found[part]).map((part) => ({
        name: say(part), share: found[part] / largest, text: writeBytes(say, found[part]),
        strong: part === "maps",
      })));
      write(verdict, verdictOf(state));
      verdict.classList.toggle("mb-over", state.batch > found.largest);
      fill.setAttribute("aria-disabled", String(found.largest === 0));
      const known = network.lines.filter(({ printed }) => printed);
      const values = known.reduce((sum, line) => sum + line.values, 0);
      lecture.hidden = !network.claim;
      write(lecture, network.claim ? say("lecture", {
        claim: network.claim, values: values.toLocaleString("en-GB"), bits: state.bits,
        bytes: writeBytes(say, values * (state.bits / 8)),
      }) : "");
      write(counted, say(state.use === "inference" ? "counted.inference" : "counted.training"));
      table.show(network, found, state.bars);
    },
    words(state, before) {
      if (state.bars !== before.bars) return say(`bars.${state.bars}`);
      return verdictOf(state);
    },
  };
}

// ---- A line for every layer; the box scrolls, the page does not.

function layerTable(say) {
  const titles = ["layer", "memory", "output", "values", "printed", "count", "macs"];
  const heads = Object.fromEntries(titles.map((title) =>
    [title, element("th", { scope: "col", class: `mb-${title}` }, say(title))]));
  const body = element("tbody");
  const key = (name) => element("span", { class: "mb-key" },
    element("span", { class: `mb-box mb-${name}`, "aria-hidden": "true" }), say(`legend.${name}`));
  const legend = element("p", { class: "mb-legend" }, key("weights"), key("maps"));
  const box = element("div", { class: "mb-table", tabindex: 0, role: "region" },
    element("table", {},
      element("thead", {}, element("tr", {}, ...titles.map((title) => heads[title]))), body));
  let shown = null; // the network whose lines are there
  let rows = [];

  function build({ lines, claim }) {
    rows = lines.map((line) => {
      const [weights, maps] = ["weights", "maps"].map((name) =>
        element("span", { class: `mb-bar mb-${name}` }));
      const text = element("span", { class: "mb-text" });
      const cells = [line.shape.join("×"), line.values.toLocaleString("en-GB"),
        claim ? line.printed || "–" : null, writeCount(line.parameters), writeCount(line.macs)];
      const node = element("tr", {},
        element("th", { scope: "row" }, line.name || say("image")),
        element("td", { class: "mb-memory" }, text,
          element("span", { class: "mb-bars", "aria-hidden": "true" }, weights, maps)),
        ...cells.filter((cell) => cell !== null).map((cell) => element("td", {}, cell)));
      return { node, weights, maps, text };
    });
    heads.printed.hidden = !claim;
    body.replaceChildren(...rows.map(({ node }) => node));
  }

  return {
    node: element("div", {}, legend, box, element("p", { class: "mb-counted" }, say("caption"))),
    show(network, found, measure) {
      if (shown !== network) build(network);
      shown = network;
      const { lines } = network;
      legend.hidden = measure !== "memory";
      setAttribute(box, "aria-label", say("table", { network: network.name }));
      write(heads.memory, say(measure === "memory" ? "memory" : `bars.${measure}`));
      const amounts = measure === "memory" ? found.lines : lines.map((line) =>
        [line[measure], 0]);
      const largest = Math.max(...amounts.map(([a, b]) => a + b)) || 1;
      upTo(lines.length).forEach((number) => {
        const [weights, maps] = amounts[number];
        rows[number].weights.style.width = `${(100 * weights) / largest}%`;
        rows[number].maps.style.width = `${(100 * maps) / largest}%`;
        write(rows[number].text, measure === "memory" ? writeBytes(say, weights + maps)
          : writeCount(weights));
      });
    },
  };
}
