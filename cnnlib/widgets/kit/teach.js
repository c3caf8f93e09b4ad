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
//   kept                   optional: {read, write}, for what the reader's browser keeps of a page
//   stop()                 optional
//
// kept.read(get) gives the changes from the first state that bring back what is kept: get(name) is a
// value that was kept, or null. kept.write(now, before) lists what a reader's move is to keep, as
// [name, value, solved]: null forgets a name; `solved` is 1 where the value solves it, else 0. The
// names are those of the Python class's questions(). What a link shows is not kept.
//
// with tools = {say, fixed, controls, choose(changes), now(), redraw(), spoken, kernel, keep, load, site}.
// Undo, Reset, links, hidden controls and announcements are done here, for all widgets alike. `kernel`
// has what Python sets and nobody chooses, such as an answer: get(name), on(name, callback) -> the undo,
// and ask(name, value), which Python hears of. keep() keeps what is to be kept where no move has
// changed it. load(path) runs a classic script of the site, once; it is null where there is no site.
// site(path) is the address of a file of the site; it is null where a page may load none.

import { button, controlsOf } from "./controls.js";
import { element, setAttribute, write } from "./dom.js";
import { keep, kept, onProgress, placeOf } from "./progress.js";
import {
  complaint, fromAddress, hasPlace, isInFirstPlace, nameOf, sharePanel, toAddress,
} from "./share.js";
import { announcer } from "./speak.js";
import { choices } from "./state.js";
import { makeWords } from "./words.js";

function kernelOf(model) {
  return {
    get: (name) => model.get(name),
    on(name, callback) {
      model.on(`change:${name}`, callback);
      return () => model.off(`change:${name}`, callback);
    },
    ask(name, value) {
      model.set(name, value);
      model.save_changes();
    },
  };
}

export function teach({ stem, names, settled, view }) {
  function render({ model, el }) {
    el.classList.add("cnn-widget", `cnn-${stem.replaceAll("_", "-")}`);
    const state = keeping(choices(model, names, settled));
    const spoken = announcer();
    const place = nameOf(el);
    const notice = element("p", { class: "cnn-notice", role: "status" });
    const keptAt = (name) => placeOf(`${stem}.${name}`);
    let say, controls, part, share;
    let [linked, writing] = [false, false]; // whether a link's state is shown; what is kept is written
    let hidden = model.get("hidden") ?? [];
    let width = el.clientWidth; // asked before anything is built, when the browser has it at hand
    const kernel = kernelOf(model);
    const undo = button("", () => state.undo());
    const reset = button("", () => state.reset());

    function build() {
      part?.stop?.();
      say = makeWords(model.get("texts"));
      controls = controlsOf(state);
      part = view({
        el, say, controls, spoken, fixed: state.fixed(),
        choose: state.choose, now: state.now, redraw: state.redraw, kernel,
        keep: () => remember(state.now(), null),
        load: model.load ? (path) => model.load(path) : null,
        site: model.site ?? null,
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
      fit();
      restore();
      state.draw();
    }

    // The state's moves, as a reader makes them: each is followed by keeping what it has changed.
    function keeping(state) {
      const then = (move) => (...values) => {
        const before = state.now();
        const answer = move(...values);
        remember(state.now(), before);
        return answer;
      };
      const { choose, undo, reset } = state;
      return { ...state, choose: then(choose), undo: then(undo), reset: then(reset), open: choose };
    }

    function remember(now, before) {
      if (place === null || !part?.kept || now === before) return;
      writing = true;
      for (const [name, value, solved] of part.kept.write(now, before)) {
        keep(keptAt(name), value, solved);
      }
      writing = false;
    }

    // Brings back what is kept, at the start and when another tab of the browser has changed it.
    function restore() {
      if (place === null || !part.kept || linked || writing) return;
      state.restore(part.kept.read((name) => kept(keptAt(name))));
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
      linked = true;
      const said = state.open(link.changes, state.first());
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

    const follow = new ResizeObserver(() => {
      if (el.clientWidth === width) return;
      width = el.clientWidth;
      fit();
      state.redraw();
    });

    // Where it is not shown, as on paper, it has no width, and keeps the one it had.
    function fit() {
      if (width > 0) part.fit?.(width);
    }

    build();
    open();
    const forget = part.kept && place !== null ? onProgress(restore) : () => {};
    model.on("change:fixed", renew);
    el.addEventListener("keydown", key);
    window.addEventListener("hashchange", open);
    follow.observe(el);
    return () => {
      part.stop?.();
      forget();
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
