// Receptive field explorer: the list of layers, deepest first, with the lines of the network's graph,
// each layer's map and the unit's window in it.

import { element, setAttribute, svgElement, uniqueId, write } from "./kit/dom.js";
import {
  clamp, extent, fitBox, isEmpty, lanes, setBox, windowBox,
} from "./receptive_field_explorer_sums.js";
import { rangesInWords, times, titleOf } from "./receptive_field_explorer_words.js";

const THUMB = { x: 0, y: 0, width: 54, height: 44 };
const VECTOR = { x: 18, y: 2, width: 18, height: 40 };
const LANE = 8; // pixels from one line of the graph to the next
const STILL = 200; // milliseconds without a change, then what is out of sight is marked too

// {node, fill(order), measure(), show(layer, windows), stop()}. onPick(layer) is called for a press
// or a key; picked() is the layer that is chosen, drawn or not.
export function layerList(say, network, { onPick, picked }) {
  const id = uniqueId("layers");
  const graph = graphOf();
  const content = element("div", { class: "cnn-rf-content", role: "presentation" });
  const node = element("div", {
    class: "cnn-rf-list", role: "listbox", tabindex: 0, "aria-label": say("list"),
    onkeydown: move,
    onscroll() {
      top = node.scrollTop;
      inSight().forEach(mark);
    },
  }, content);
  let order = [];
  let entries = new Map();
  let chosen = null;
  let latest = { layer: null, windows: new Map() };
  let timer = 0;
  // In pixels, when last measured: where what is in sight begins, a layer's height, and its own.
  let [top, each, high] = [0, 0, 0];

  function move(event) {
    const far = order.length;
    const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 8, PageDown: -8, Home: far, End: -far };
    if (!Object.hasOwn(steps, event.key)) return;
    event.preventDefault();
    onPick(order[clamp(order.indexOf(picked()) + steps[event.key], 0, order.length - 1)]);
  }

  function measure() {
    [top, each, high] = [node.scrollTop, content.clientHeight / order.length, node.clientHeight];
  }

  function inSight() {
    if (!each) return order;
    const [first, last] = [Math.floor(top / each), Math.ceil((top + high) / each)];
    return order.slice(Math.max(0, order.length - last), order.length - first);
  }

  function mark(number) {
    const { layer, windows } = latest;
    entries.get(number).show(windows.get(number), number === layer);
  }

  // Returns where what is in sight has to begin, so that the layer is seen.
  function choose(layer, windows) {
    entries.get(chosen)?.choose(false);
    entries.get(layer).choose(true);
    chosen = layer;
    graph.use(order, layer, windows);
    setAttribute(node, "aria-activedescendant", entries.get(layer).node.id);
    const from = (order.length - 1 - order.indexOf(layer)) * each;
    return from < top || from + each > top + high ? from - high / 4 : top;
  }

  return {
    node,
    measure,
    // Lists these layers, given from the input upwards.
    fill(next) {
      order = next;
      entries = new Map(order.map((layer) => [layer, layerEntry(say, network.at(layer), {
        id: `${id}-${layer}`, isInput: layer < 0, onPick: () => onPick(layer),
      })]));
      node.style.setProperty("--cnn-rf-lanes", `${graph.draw(network, order)}px`);
      content.replaceChildren(graph.node, ...[...order].reverse().map((layer) => entries.get(layer).node));
      chosen = null;
      measure();
    },
    // Marks the unit in its layer and its window in every layer below: what is in sight at once,
    // the rest when things have been still for a moment. Nothing is measured here: a layout for
    // each of many moves would take most of a frame.
    show(layer, windows) {
      clearTimeout(timer);
      latest = { layer, windows };
      const before = top;
      if (layer !== chosen) top = clamp(choose(layer, windows), 0, order.length * each - high);
      inSight().forEach(mark);
      if (top !== before) node.scrollTop = top;
      timer = setTimeout(() => order.forEach(mark), STILL);
    },
    stop() { clearTimeout(timer); },
  };
}

// A layer of the list: {node, choose(whether it is the unit's), show(its window, the same)}.
function layerEntry(say, row, { id, isInput, onPick }) {
  const map = row.vector ? VECTOR : fitBox(row.grid, THUMB);
  const rect = svgElement("rect", { class: "cnn-rf-mark cnn-rf-answer" });
  const where = element("span", { class: "cnn-rf-where cnn-rf-answer" });
  const size = times(row.field.map((f) => f.size));
  const title = titleOf(row);
  const node = element("div", {
    role: "option", class: "cnn-rf-layer", id, "aria-selected": "false", title, onclick: onPick,
  },
  svgElement("svg", { class: "cnn-rf-thumb", viewBox: "-1 -1 56 46", "aria-hidden": "true" },
    svgElement("rect", { class: `cnn-rf-map${isInput ? " cnn-rf-input" : ""}`, ...map }), rect),
  element("span", {}, element("b", {}, row.name), title.slice(row.name.length),
    row.inputs.length > 1 ? ` · ${say("list.joins", { count: row.inputs.length })}` : "",
    row.aligned ? ""
      : element("span", { class: "cnn-rf-warning" }, ` ${say("list.misaligned")}`)),
  element("span", { class: "cnn-rf-facts" }, times(row.shape),
    element("span", { class: "cnn-rf-answer" },
      ` · ${say(row.varies ? "list.field.most" : "list.field", { size })}`)),
  where);

  function words(ranges, isChosen) {
    if (row.vector) return say(isChosen ? "list.no_place" : "list.all");
    if (isChosen) return say("list.unit", { row: ranges[0][0], column: ranges[1][0] });
    return say("list.window", {
      size: times(ranges.map(extent)), ranges: rangesInWords(say, ranges),
    });
  }

  return {
    node,
    choose(isChosen) {
      setAttribute(node, "aria-selected", String(isChosen));
      rect.classList.toggle("cnn-rf-unit", isChosen);
      for (const part of [rect, where]) part.classList.toggle("cnn-rf-answer", !isChosen);
    },
    show(ranges, isChosen) {
      const reached = !isEmpty(ranges);
      write(where, reached ? words(ranges, isChosen) : "");
      rect.style.display = reached ? "" : "none";
      if (reached) setBox(rect, windowBox(ranges, row.grid, map, 4));
    },
  };
}

// The lines beside the list: {node, draw(network, order) -> their width in pixels, use(...)}. use()
// marks those by which a unit of `layer` reads what it sees.
function graphOf() {
  const all = svgElement("path", { class: "cnn-rf-line" });
  const used = svgElement("path", { class: "cnn-rf-line cnn-rf-used cnn-rf-answer" });
  const node = svgElement("svg", {
    class: "cnn-rf-graph", "aria-hidden": "true", preserveAspectRatio: "none",
  }, all, used);
  let lines = [];
  let count = 0;

  function path(some) {
    const height = (index) => count - index - 0.5;
    return some.map(({ from, to, lane }) => {
      const aside = lane ? `H${LANE * (lane + 0.5)}V${height(to)}` : `V${height(to)}`;
      return `M${LANE / 2} ${height(from)}${aside}H${LANE / 2}`;
    }).join("");
  }

  return {
    node,
    draw(network, order) {
      lines = lanes(network, order);
      count = order.length;
      const width = LANE * (1 + Math.max(0, ...lines.map((line) => line.lane)));
      setAttribute(node, "viewBox", `0 0 ${width} ${count}`);
      setAttribute(all, "d", path(lines));
      return width;
    },
    use(order, layer, windows) {
      setAttribute(used, "d", path(lines.filter(({ from, to }) => (
        order[to] <= layer && windows.has(order[to]) && windows.has(order[from])))));
    },
  };
}
