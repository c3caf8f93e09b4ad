// The tables below two networks: what each costs, and how both did over the gallery.

import { element, write } from "./kit/dom.js";
import { fixedPoint } from "./kit/words.js";
import { signTest } from "./two_networks_sums.js";

const COSTS = ["input", "classes", "parameters", "macs", "bytes", "held", "time"];
const SURVEYED = ["known", "right", "when_right", "when_wrong", "when_foreign"];

// A table of rows that are known: {node, show(titles, cells)}; cells[row] is a text for each network.
function tableOf(caption, rows) {
  const heads = [element("th", { scope: "col" }), element("th", { scope: "col" })];
  const lines = rows.map((text) => [element("td"), element("td"), text]);
  return {
    node: element("div", { class: "cnn-scroll", tabindex: 0, role: "region", "aria-label": caption },
      element("table", { class: "tn-table" }, element("caption", {}, caption),
        element("thead", {}, element("tr", {}, element("td"), ...heads)),
        element("tbody", {}, ...lines.map(([one, other, text]) =>
          element("tr", {}, element("th", { scope: "row" }, text), one, other))))),
    show(titles, cells) {
      heads.forEach((head, i) => write(head, titles[i]));
      lines.forEach((line, row) => cells[row].forEach((text, i) => write(line[i], text)));
    },
  };
}

// ---- What a network costs: {node, show(pair, {told, runs, lists})}.

export function costTable(say) {
  const table = tableOf(say("costs"), COSTS.map((name) => say(`cost.${name}`)));
  const note = element("p", { class: "cnn-help" });
  return {
    node: element("div", {}, table.node, note),
    show(pair, { told, runs, lists }) {
      table.show(pair.map(({ title }) => title), COSTS.map((name) =>
        pair.map((network, i) => cost(name, network, lists, told?.[i].milliseconds ?? null))));
      write(note, say("time.note", { count: runs }));
    },
  };

  function cost(name, { how, dataset, parameters, macs, bytes, right, tested }, lists, milliseconds) {
    if (name === "input") return say("pixels", { side: how.height });
    if (name === "classes") return say("trained", { set: say(`set.${dataset}`), count: lists[dataset].length });
    if (name === "parameters") return say("millions", { value: fixedPoint(parameters / 1e6, 2) });
    if (name === "macs") return say("millions", { value: fixedPoint(macs / 1e6, 1) });
    if (name === "bytes") return say("kilobytes", { count: Math.round(bytes / 1000) });
    if (name === "held") {
      return right === null ? say("held.none")
        : say("held", { value: fixedPoint((100 * right) / tested, 1), count: tested });
    }
    if (milliseconds === null) return say("time.none");
    return milliseconds < 0.1 ? say("time.under") : say("time", { value: fixedPoint(milliseconds, 1) });
  }
}

// ---- Over the gallery: {node, show(pair, tallied), words(pair, tallied)}; see tally() of two_networks_sums.js.

export function surveyTable(say) {
  const table = tableOf(say("surveyed"), SURVEYED.map((name) => say(`surveyed.${name}`)));
  const sentences = element("p", { class: "tn-surveyed" });
  const node = element("div", { hidden: true }, table.node, sentences);
  const percent = (share) => say("percent", { value: fixedPoint(100 * share, 0) });
  return {
    node,
    show(pair, tallied) {
      node.hidden = !tallied;
      if (!tallied) return;
      table.show(pair.map(({ title }) => title), SURVEYED.map((name) => tallied.sides.map((side) => {
        if (name === "known" || name === "right") return say("of", { count: side[name], all: tallied.labelled });
        return side[name] === null ? say("surveyed.nothing") : percent(side[name]);
      })));
      write(sentences, words(pair, tallied));
    },
    words,
  };

  function words(pair, found) {
    const [first, second] = pair.map(({ title }) => title);
    const { one, fair, both, neither, labelled, same, photographs, surer } = found;
    const alone = one[0] + one[1];
    const parts = [
      say("surveyed.same", { same, photographs }),
      say("surveyed.counts", { labelled, both, first, only_first: one[0], second, only_second: one[1], neither }),
    ];
    if (alone > 0) parts.push(say("surveyed.surer", { alone, surer }));
    const values = { shared: found.fair_labelled, alone: fair[0] + fair[1] };
    if (values.alone > 0) {
      parts.push(say("surveyed.test", { ...values, p: fixedPoint(signTest(...fair), 3) }));
    } else parts.push(say(values.shared ? "surveyed.untested" : "surveyed.unshared", { shared: values.shared }));
    return parts.join(" ");
  }
}
