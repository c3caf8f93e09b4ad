// What a widget loads when its reader asks for it, and how it asks one thing at a time.

import { button } from "../kit/controls.js";
import { element, same, setAttribute, write } from "../kit/dom.js";
import { LiveError } from "./engine.js";

export const codeOf = (fault) => (fault instanceof LiveError ? fault.code : "broken");

// {status(), isReady(), isAtWork(), get(), load(), unload(), kick(), fail(fault), stop()}.
//
// status(): {state, share, error, busy}. `state` is "idle", "loading", "ready" or "failed", `error` the code of
// what failed (see engine.js), `share` how much is loaded, 0 to 1. get() gives the networks in the order of
// `keys`, or null; networks that are loaded anew are another list. `open` is that of home.js;
// more(networks, {signal, progress}) may load what else is needed.
//
// next() gives the next job, an async function of the networks, or null: what the reader wants now comes
// first, and nothing is asked twice at once. kick() is called when there may be one. `changed` is called when
// anything has changed and after each job, `idle` when all is done, `left` when the networks have gone.
export function loaderOf({
  open, keys, more = null, changed, next = () => null, idle = () => {}, left = () => {},
}) {
  let [state, share, error, networks, busy] = ["idle", 0, null, null, false];
  let control = null; // of the loading or the loaded networks; another one, or null, and they are out of date

  function leave(then, code = null) {
    control?.abort();
    closeAll(networks ?? []);
    [control, networks, state, error] = [null, null, then, code];
    left();
    changed();
  }

  async function load() {
    if (control) return;
    const own = new AbortController();
    control = own;
    [state, share, error] = ["loading", 0, null];
    changed();
    let opened;
    try {
      opened = await openAll({ open, keys, more, signal: own.signal }, (part) => {
        if (control !== own) return;
        share = part;
        changed();
      });
    } catch (fault) {
      if (control === own) leave("failed", codeOf(fault));
      return;
    }
    if (control !== own) {
      closeAll(opened);
      return;
    }
    [networks, state] = [opened, "ready"];
    changed();
  }

  async function kick() {
    if (busy || !networks) return;
    let job = next();
    if (!job) return; // with nothing to do there is nothing to be idle from
    const mine = networks;
    busy = true;
    try {
      while (job) {
        await job(...mine);
        if (networks !== mine) break;
        changed();
        job = next();
      }
    } catch (fault) {
      if (networks === mine && codeOf(fault) !== "aborted") leave("failed", codeOf(fault));
    }
    busy = false;
    changed();
    if (networks === mine) idle();
  }

  return {
    status: () => ({ state, share, error, busy }),
    isReady: () => networks !== null,
    isAtWork: () => busy || state === "loading",
    get: () => networks,
    load,
    unload: () => leave("idle"),
    kick,
    fail: (fault) => leave("failed", codeOf(fault)),
    stop() {
      [changed, idle, left] = [() => {}, () => {}, () => {}];
      leave("idle");
    },
  };
}

// The same for networks that the reader chooses: follow(keys) says which are wanted now, before anything else is asked;
// other ones have to be loaded anew.
export function followingLoader(how) {
  let loader = null;
  let keys = null;
  return {
    follow(next) {
      if (same(next, keys)) return;
      keys = next;
      loader?.stop();
      loader = loaderOf({ ...how, keys });
    },
    status: () => loader.status(),
    isReady: () => loader.isReady(),
    isAtWork: () => loader.isAtWork(),
    load: () => loader.load(),
    unload: () => loader.unload(),
    kick: () => loader.kick(),
    stop: () => loader?.stop(),
  };
}

// One after the other, for a notebook sends one file at a time.
async function openAll({ open, keys, more, signal }, progress) {
  const found = [];
  const parts = keys.length + (more ? 1 : 0);
  const tell = (part) => progress((found.length + Math.min(part, 1)) / parts);
  try {
    for (const key of keys) {
      found.push(await open(key, { signal, onProgress: ({ loaded, total }) => tell(loaded / total) }));
    }
    await more?.(found, { signal, progress: tell });
    return found;
  } catch (fault) {
    closeAll(found);
    throw fault;
  }
}

function closeAll(networks) {
  for (const network of networks) network.close();
}

// The button that loads, how much has come, and one sentence of how it stands: {node, show()}. `values` fill in
// the sentences. work() may give {done, count, end} of work under way: then the button ends it.
export function startLine(say, loader, values, work = () => null) {
  const bar = element("progress", { max: 1, value: 0, "aria-label": say("live.progress"), hidden: true });
  const told = element("p", { class: "live-status", role: "status" });
  const press = button("", () => {
    const under = work();
    if (under) under.end();
    else if (["idle", "failed"].includes(loader.status().state)) loader.load();
    else loader.unload();
  });
  return {
    node: element("div", { class: "live-start" }, press, bar, told),
    show() {
      const { state, share, error } = loader.status();
      const under = work();
      const key = under ? "working" : state;
      write(press, say(`live.start.${key === "failed" ? "idle" : key}`, values));
      bar.hidden = !["loading", "working"].includes(key);
      setAttribute(bar, "value", under ? under.done / under.count : share);
      told.classList.toggle("live-trouble", key === "failed");
      write(told, key === "failed" ? say(`live.error.${error}`) : say(`live.status.${key}`, { ...values, ...under }));
    },
  };
}
