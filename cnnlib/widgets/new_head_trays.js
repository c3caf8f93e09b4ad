// Rows of pictures to pick one from, and what is drawn of a training.

import { plotAxes } from "./kit/bars.js";
import { element, same, setAttribute, svgElement, upTo, write } from "./kit/dom.js";
import { decimal } from "./kit/words.js";
import { dropping } from "./live/pictures.js";

// A row of pictures: {node, show(pictures, tested)}. A picture is {key, title, address, wrong}; one tab stop
// a row, the arrow keys move. `pick(key)` is called for the one that is picked, `drop(files)` for files that are
// dropped.
export function tray({ say, pick, drop }) {
  const nodes = new Map(); // key -> button
  let shown = [];
  const list = element("div", { class: "nh-pictures", onkeydown: key });
  const empty = element("p", { class: "nh-empty" });
  const node = element("div", { class: "nh-tray" }, list, empty);

  function key(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const from = shown.findIndex((one) => nodes.get(one) === document.activeElement);
    const to = shown[Math.max(0, Math.min(shown.length - 1, from + step))];
    nodes.get(to).focus();
    pick(to);
  }

  const made = ({ key: name, address }) => element("button", {
    type: "button", role: "radio", class: "nh-picture", onclick: () => pick(name),
  }, element("img", { src: address, alt: "", width: 56, height: 56, draggable: "false" }),
  element("span", { class: "nh-mark", "aria-hidden": "true" }));

  dropping(node, drop);

  return {
    node,
    show(pictures, { tested, label, none }) {
      const keys = pictures.map((one) => one.key);
      if (!same(keys, shown)) {
        for (const [name, button] of nodes) {
          if (keys.includes(name)) continue;
          button.remove();
          nodes.delete(name);
        }
        pictures.forEach((one, i) => {
          if (!nodes.has(one.key)) nodes.set(one.key, made(one));
          const button = nodes.get(one.key);
          // Left where it is, where it stands right: a node that moves loses the focus.
          if (list.children[i] !== button) list.insertBefore(button, list.children[i] ?? null);
        });
        shown = keys;
      }
      setAttribute(list, "role", keys.length ? "radiogroup" : null);
      setAttribute(list, "aria-label", keys.length ? label : null);
      write(empty, keys.length ? "" : none);
      pictures.forEach(({ key: name, title, wrong }, i) => {
        const button = nodes.get(name);
        const picked = name === tested;
        setAttribute(button, "aria-checked", String(picked));
        setAttribute(button, "aria-label", wrong ? say("picture.wrong", { title, name: wrong }) : title);
        setAttribute(button, "title", title);
        button.tabIndex = picked || (!keys.includes(tested) && i === 0) ? 0 : -1;
        button.classList.toggle("nh-wrong", Boolean(wrong));
        write(button.lastChild, wrong ? "✗" : "");
      });
    },
  };
}

const [WIDE, HIGH] = [340, 190];

// The loss, step by step: {node, show(losses or null)}.
export function lossCurve(say) {
  const axes = plotAxes();
  const line = svgElement("polyline", { class: "nh-line" });
  const node = svgElement("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, width: WIDE, role: "img", class: "nh-curve" },
    axes.node, line);
  return {
    node,
    show(losses) {
      if (!losses) {
        axes.clear();
        setAttribute(line, "points", null);
        setAttribute(node, "aria-label", say("curve.none"));
        return;
      }
      const steps = losses.length - 1;
      const { at: [x, y] } = axes.draw([
        { title: say("curve.step"), values: [0, steps], grouped: false },
        { title: say("curve.loss"), values: [0, Math.max(...losses)] },
      ], [WIDE, HIGH]);
      const every = Math.max(1, Math.floor(losses.length / 200));
      const points = upTo(losses.length).filter((i) => i % every === 0 || i === steps);
      setAttribute(line, "points", points.map((i) => `${x(i).toFixed(1)},${y(losses[i]).toFixed(1)}`).join(" "));
      setAttribute(node, "aria-label", say("curve.label",
        { steps, first: decimal(losses[0], 2), last: decimal(losses.at(-1), 3) }));
    },
  };
}
