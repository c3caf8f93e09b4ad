// A teaching widget, put together: its state, its view, and what every widget owes its reader.
//
//     export default teach({ stem: "counter", names: ["count"], settled, view });
//
// settled(changes, present, fixed) is the twin of the Python class's. view(tools) builds the picture
// once and returns
//
//   node                   the element
//   prepare(state)         optional: sums that the controls and the picture need, before both
//   draw(state, before)    shows a state; called at most once a frame
//   words(state, before)   what a change is worth saying aloud, or ""
//   fit(width)             optional: the place's width in CSS pixels, before a draw
//   stop()                 optional
//
// with tools = {say, fixed, controls, choose(changes), now(), redraw(), spoken, kernel}. Undo, Reset,
// links, hidden controls and announcements are done here, for all widgets alike. `kernel` has what
// Python sets and nobody chooses, such as an answer: get(name), and on(name, callback) -> the undo.

import { button, controlsOf } from "./controls.js";
import { element, setAttribute, write } from "./dom.js";
import {
  complaint, fromAddress, hasPlace, isInFirstPlace, nameOf, sharePanel, toAddress,
} from "./share.js";
import { announcer } from "./speak.js";
import { choices } from "./state.js";
import { makeWords } from "./words.js";

export function teach({ stem, names, settled, view }) {
  function render({ model, el }) {
    el.classList.add("cnn-widget", `cnn-${stem.replaceAll("_", "-")}`);
    const state = choices(model, names, settled);
    const spoken = announcer();
    const place = nameOf(el);
    const notice = element("p", { class: "cnn-notice", role: "status" });
    let [say, controls, part, share] = [];
    let hidden = model.get("hidden") ?? [];
    const kernel = {
      get: (name) => model.get(name),
      on(name, callback) {
        model.on(`change:${name}`, callback);
        return () => model.off(`change:${name}`, callback);
      },
    };
    const undo = button("", () => state.undo());
    const reset = button("", () => state.reset());

    function build() {
      part?.stop?.();
      say = makeWords(model.get("texts"));
      controls = controlsOf(state);
      part = view({
        el, say, controls, spoken, fixed: state.fixed(),
        choose: state.choose, now: state.now, redraw: state.redraw, kernel,
      });
      write(undo, say("kit.undo"));
      write(reset, say("kit.reset"));
      share = place === null ? null : sharePanel(say, {
        labels: controls.labels,
        hidden,
        address: (hide) => toAddress(place, state.fromFirst(), hide),
      });
      el.replaceChildren(notice, part.node,
        element("div", { class: "cnn-tools" }, undo, reset, share?.node), spoken.node);
      controls.hide(hidden);
      part.fit?.(el.clientWidth);
      state.draw();
    }

    state.onChange((now, before) => {
      part.prepare?.(now);
      controls.draw(now);
      part.draw(now, before);
      // Not `disabled`, which would take the keyboard's focus away with the last step back.
      setAttribute(undo, "aria-disabled", String(!state.canUndo()));
      if (now === before) return; // what is hovered, or a new width
      share?.update();
      const words = part.words(now, before);
      if (words) spoken.say(words);
    });

    // Opens the state of a link, if the page's address has one of this widget.
    function open() {
      const link = place === null ? null : fromAddress(location.hash, state.first());
      if (!link) return;
      if (link.widget !== place) {
        const lost = isInFirstPlace(el) && !hasPlace(link.widget);
        write(notice, lost ? say("kit.share.no_widget") : "");
        return;
      }
      const said = state.choose(link.changes, state.first());
      hidden = link.hidden.filter((name) => names.includes(name));
      if (hidden.length < link.hidden.length) said.hide = ["kit.unknown", { names: names.join(", ") }];
      controls.hide(hidden);
      share.hide(hidden);
      write(notice, complaint(say, link, said, controls.labels));
      scroll();
      if (document.readyState !== "complete") window.addEventListener("load", scroll, { once: true });
    }
    const scroll = () => el.scrollIntoView({ block: "start" });

    function key(event) {
      const undoes = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey
        && event.key.toLowerCase() === "z";
      if (!undoes || event.target.matches("input[type=text], textarea")) return;
      event.preventDefault();
      event.stopPropagation();
      state.undo();
    }

    function renew() {
      state.begin();
      build();
    }

    let width = el.clientWidth;
    const follow = new ResizeObserver(() => {
      if (el.clientWidth === width) return;
      width = el.clientWidth;
      part.fit?.(width);
      state.redraw();
    });

    build();
    open();
    model.on("change:fixed", renew);
    el.addEventListener("keydown", key);
    window.addEventListener("hashchange", open);
    follow.observe(el);
    return () => {
      part.stop?.();
      state.stop();
      spoken.stop();
      follow.disconnect();
      model.off("change:fixed", renew);
      el.removeEventListener("keydown", key);
      window.removeEventListener("hashchange", open);
      window.removeEventListener("load", scroll);
    };
  }
  return { render, names, settled };
}
