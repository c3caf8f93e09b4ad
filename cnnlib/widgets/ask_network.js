// The network behind a widget: it is loaded when the reader asks, and asked one thing at a time.

import { button } from "./kit/controls.js";
import { element, setAttribute, write } from "./kit/dom.js";
import { openerOf } from "./live/home.js";

const KNOWN = new Set(["simd", "memory", "network", "damaged", "plan", "input", "broken"]);

// {node, ready(), kick(), stop()}. `next()` gives the next job, an async function of the network, for
// the state as it is then, or null: so what is newest comes first, and nothing is asked twice at once.
// kick() is called when there may be one. `told()` is called after each job and when the network has
// come or gone; `idle()` when all is done.
export function networkPanel({ tools, next, told, idle }) {
  const { el, say, fixed, spoken } = tools;
  const open = openerOf(tools);
  const press = button("", () => (phase === "idle" ? load() : leave()));
  const words = element("p", { class: "ask-phase" });
  const bar = element("progress", { "aria-label": say("loading"), hidden: true });
  const trouble = element("p", { class: "ask-trouble", role: "alert" });
  let phase = "idle"; // "idle", "loading", "ready"
  let network = null;
  let leaving = null; // ends the loading
  let busy = false;
  let stopped = false;

  function show() {
    write(press, say(`press.${phase}`, { kilobytes: fixed.kilobytes }));
    write(words, say(`phase.${phase}`));
    bar.hidden = phase !== "loading";
    setAttribute(el, "aria-busy", phase === "loading" || busy ? "true" : null);
  }

  async function load() {
    write(trouble, "");
    bar.removeAttribute("value");
    leaving = new AbortController();
    const { signal } = leaving;
    phase = "loading";
    show();
    try {
      const opened = await open(fixed.network, {
        signal,
        onProgress({ loaded, total }) {
          bar.max = total;
          bar.value = loaded;
        },
      });
      if (signal.aborted) {
        opened.close();
        return;
      }
      network = opened;
      phase = "ready";
      spoken.say(say("phase.ready"));
      kick();
    } catch (error) {
      if (signal.aborted) return;
      fail(error);
    }
    show();
    told();
  }

  function leave() {
    leaving?.abort();
    network?.close();
    [network, phase] = [null, "idle"];
    if (stopped) return;
    show();
    told();
  }

  function fail(error) {
    leave();
    write(trouble, say(`error.${KNOWN.has(error.code) ? error.code : "broken"}`));
  }

  async function kick() {
    if (busy || !network) return;
    const first = next();
    if (!first) return; // with nothing to do there is nothing to be idle from
    busy = true;
    show();
    const mine = network;
    try {
      await work(mine, first);
    } catch (error) {
      if (network === mine && error.code !== "aborted") fail(error);
    }
    busy = false;
    if (stopped) return;
    show();
    if (network === mine) idle();
    else kick();
  }

  async function work(mine, first) {
    for (let job = first; job; job = next()) {
      await job(mine);
      if (network !== mine) return;
      told();
    }
  }

  show();
  return {
    node: element("div", { class: "ask-network" },
      element("div", { class: "ask-load" }, press, bar, words), trouble),
    ready: () => network !== null,
    kick,
    stop() {
      stopped = true;
      leave();
    },
  };
}
