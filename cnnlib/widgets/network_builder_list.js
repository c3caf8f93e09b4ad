// The list of layers: a card each, from the input down, branches side by side.

import { element, same, setAttribute, uniqueId, write } from "./kit/dom.js";
import { writeBytes } from "./memory_bill_sums.js";
import { isBlock } from "./network_builder_plan.js";
import { times } from "./network_builder_sums.js";
import { fieldSizes, titleOf, whole } from "./network_builder_words.js";

const FACTS = ["shape", "parameters", "macs", "memory", "field"];

// {node, show(state, built, kept)}. onPick(path) is called for a press or a key; now() is the state,
// drawn or not; onMove(by) and onRemove() are called for their keys.
export function layerList(say, { onPick, onMove, onRemove, now }) {
  const id = uniqueId("layers");
  const content = element("div", { role: "presentation", class: "nb-chain" });
  const node = element("div", {
    class: "nb-list", role: "listbox", tabindex: 0, "aria-label": say("list"), onkeydown: key,
  }, content);
  let shape = ""; // what the cards stand for
  let cards = new Map(); // by path
  let drawn = null;

  function key(event) {
    const paths = placesOf(now().plan);
    const place = paths.findIndex((path) => same(path, now().selected));
    const steps = { ArrowUp: -1, ArrowDown: 1, Home: -paths.length, End: paths.length };
    const aside = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.ctrlKey || event.metaKey) return;
    if (Object.hasOwn(steps, event.key)) {
      event.preventDefault();
      if (event.altKey) {
        if (Math.abs(steps[event.key]) === 1) onMove(steps[event.key]);
        return;
      }
      onPick(paths[Math.min(Math.max(place + steps[event.key], 0), paths.length - 1)]);
    } else if (Object.hasOwn(aside, event.key) && !event.altKey) {
      event.preventDefault();
      onPick(besides(now(), aside[event.key]) ?? now().selected);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      onRemove();
    }
  }

  function card(path) {
    const title = element("span", { class: "nb-title" });
    const facts = element("span", { class: "nb-facts" });
    const why = element("span", { class: "nb-why" });
    const own = element("div", {
      role: "option", id: `${id}-${path.join("-")}`, "aria-selected": "false",
      class: path.length % 2 ? "nb-card" : "nb-card nb-branch", onclick: () => onPick(path),
    }, title, facts, why);
    const values = FACTS.map((name) => {
      const value = element("span", { class: "nb-value" });
      const fact = element("span", { class: `nb-fact nb-fact-${name}` },
        element("span", { class: "nb-name" }, `${say(`fact.${name}`)} `), value);
      return { name, value, fact };
    });
    facts.append(...values.map(({ fact }) => fact));
    cards.set(path.join(), { node: own, title, values, facts, why });
    return own;
  }

  function chain(layers, path) {
    return layers.flatMap((layer, place) => {
      const here = [...path, place];
      if (!isBlock(layer)) return [card(here)];
      return [card(here), element("div", { role: "group", class: "nb-branches", "aria-label": say(`kind.${layer[0]}`) },
        ...layer.slice(1).map((branch, number) => element("div",
          { role: "presentation", class: "nb-chain" },
          card([...here, number]), ...chain(branch, [...here, number]))))];
    });
  }

  return {
    node,
    show(state, built, kept) {
      if (same([state.plan, state.input, state.batch, state.selected], drawn)) return;
      const before = drawn;
      drawn = [state.plan, state.input, state.batch, state.selected];
      const next = JSON.stringify(outline(state.plan));
      if (next !== shape) {
        shape = next;
        cards = new Map();
        content.replaceChildren(card([]), ...chain(state.plan, []));
      }
      for (const entry of built.entries) fill(say, cards.get(entry.path.join()), entry, state, built, kept);
      for (const { node: one } of cards.values()) setAttribute(one, "aria-selected", "false");
      const chosen = cards.get(state.selected.join()).node;
      setAttribute(chosen, "aria-selected", "true");
      setAttribute(node, "aria-activedescendant", chosen.id);
      if (!before || !same(before[3], state.selected)) reveal(node, chosen);
    },
  };
}

// What the cards of a plan depend on: which places there are, and which are blocks of which kind.
const outline = (layers) => layers.map((layer) => (isBlock(layer)
  ? [layer[0], ...layer.slice(1).map(outline)] : 0));

function reveal(list, card) {
  const [box, one] = [list.getBoundingClientRect(), card.getBoundingClientRect()];
  if (one.top < box.top) list.scrollTop -= box.top - one.top + 8;
  else if (one.bottom > box.bottom) list.scrollTop += one.bottom - box.bottom + 8;
}

function fill(say, { title, values, facts, why }, entry, state, { rows }, kept) {
  const { path, shape, row, first, end, fault } = entry;
  const branch = path.length % 2 === 0 && path.length > 0;
  write(title, titleOf(say, state.plan, path));
  const own = rows.slice(first, end);
  const sum = (of) => own.reduce((all, one) => all + of(one), 0);
  const held = path.length ? kept.slice(first + 1, end + 1) : kept.slice(0, 1);
  const found = shape && {
    shape: times(shape),
    parameters: whole(sum(({ parameters }) => parameters)),
    macs: whole(sum(({ macs }) => macs)),
    memory: writeBytes(say, held.reduce((all, bytes) => all + bytes, 0)),
    field: times(fieldSizes(rows[row])),
  };
  const nothing = new Set(["0", writeBytes(say, 1)]); // too little to be said
  for (const { name, value, fact } of values) {
    fact.hidden = !found || (branch && name !== "shape") || nothing.has(found[name]);
    if (found) write(value, found[name]);
  }
  facts.hidden = !shape;
  why.classList.toggle("nb-fault", Boolean(fault));
  write(why, fault ? say(...fault) : branch && shape && first === end ? say("say.identity")
    : shape ? "" : say("fact.unknown"));
}

// Every place of a plan in the order of the list.
export function placesOf(plan) {
  const walk = (layers, path) => layers.flatMap((layer, place) => {
    const here = [...path, place];
    return [here, ...(isBlock(layer) ? layer.slice(1).flatMap((branch, number) => (
      [[...here, number], ...walk(branch, [...here, number])])) : [])];
  });
  return [[], ...walk(plan, [])];
}

// The place beside the chosen one in the next branch (by 1) or the one before; null where none is.
function besides({ plan, selected }, by) {
  const depth = selected.length - (selected.length % 2 ? 2 : 1); // where the path says the branch
  if (depth < 1) return null;
  const other = selected.map((index, place) => (place === depth ? index + by : index));
  const found = placesOf(plan).filter((path) => same(path.slice(0, depth + 1), other.slice(0, depth + 1))
    && path.length <= selected.length);
  return found.find((path) => same(path, other)) ?? found.at(-1) ?? null;
}
