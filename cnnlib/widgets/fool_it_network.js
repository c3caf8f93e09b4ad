// The network behind the widget: loaded when the reader asks, and asked one thing at a time.

import {
  bestOf, climbed, inputOf, noise, pictureOf, rolled, shiftOf, slopeOf, softmax, stepped, CLIMB, STEPS, whole,
} from "./fool_it_sums.js";
import { LiveError } from "./live/engine.js";

// {status(), load(), unload(), kick(), stop()}. status(): {state, share, error, busy}; `state` is "idle",
// "loading", "ready" or "failed", `error` the code of what failed (see live/engine.js), `share` how much is
// loaded, 0 to 1. next() gives the next job, an async function of the network, or null: what the reader
// wants now comes first, and nothing is asked twice at once. `changed` is called when anything has changed.
export function liveNetwork({ open, key, next, changed }) {
  let [state, share, error, network, busy] = ["idle", 0, null, null, false];
  let control = null; // of the loading or the loaded network; another one, or null, and it is out of date

  function leave(then, code = null) {
    control?.abort();
    network?.close();
    [control, network, state, error] = [null, null, then, code];
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
      opened = await open(key, {
        signal: own.signal,
        onProgress({ loaded, total }) {
          if (control !== own) return;
          share = loaded / total;
          changed();
        },
      });
    } catch (fault) {
      if (control === own) leave("failed", codeOf(fault));
      return;
    }
    if (control !== own) {
      opened.close();
      return;
    }
    [network, state] = [opened, "ready"];
    changed();
  }

  async function kick() {
    if (busy || !network) return;
    const [job, own] = [next(), control];
    if (!job) return;
    busy = true;
    try {
      await job(network);
    } catch (fault) {
      if (control === own && codeOf(fault) !== "aborted") leave("failed", codeOf(fault));
    }
    busy = false;
    changed();
  }

  return {
    status: () => ({ state, share, error, busy }),
    load,
    unload: () => leave("idle"),
    kick,
    stop() {
      changed = () => {};
      leave("idle");
    },
  };
}

const codeOf = (fault) => (fault instanceof LiveError ? fault.code : "broken");

// The photograph's walk: {follow(state, picture), next(), record(number), own(), length()}. A record is
// {planes, best, shares}, of whole greys. `picture`: {id, planes, best}, `best` null if it is not known.
export function walkOf() {
  let [key, picture, want] = ["", null, null];
  let [records, present] = [[], null];

  const answer = (planes, scores) => {
    const shares = softmax(scores);
    return { planes, shares, best: bestOf(shares) };
  };

  return {
    follow(state, shown) {
      const { way, target, rule, size, budget } = state;
      const wanted = shown ? JSON.stringify([shown.id, way, way === "away" || target, rule, size, budget]) : "";
      if (wanted !== key) [key, records, present] = [wanted, [], shown?.planes ?? null];
      [picture, want] = [shown, state];
    },

    // The class that is aimed at, or left; null while that is not known.
    aim: () => (want?.way === "towards" ? want.target : picture?.best?.[0][0] ?? null),

    next() {
      if (!picture || records.length > Math.min(want.steps, STEPS)) return null;
      const [mine, own, started] = [key, picture, present];
      const away = want.way === "away";
      if (away && !own.best) {
        return async (network) => {
          const { scores } = await network.run(inputOf(own.planes, network.preprocessing));
          own.best = bestOf(softmax(scores));
        };
      }
      const target = this.aim();
      const how = { ...want, away };
      return async (network) => {
        const planes = whole(started);
        const back = await network.gradient(inputOf(planes, network.preprocessing), { target, logarithm: true });
        if (mine !== key) return;
        records.push(answer(planes, back.scores));
        own.best ??= records[0].best;
        present = stepped(started, slopeOf(back.image, network.preprocessing), own.planes, how);
      };
    },

    // What is known of step `number`, or of the last step before it.
    record: (number) => records[Math.min(number, records.length - 1)] ?? null,
    reached: () => records.length - 1,
  };
}

// The picture made for a class: {follow(aim, helps, climb), next(), shown()}. shown(): {planes, share,
// number}: `share` is the class's own at the picture that is seen, null where it has not been asked.
export function climbOf() {
  let [key, aim, helps, climb] = ["", null, "soft", 0];
  let [input, records] = [null, []];
  let start = null;

  return {
    follow(nextAim, nextHelps, nextClimb) {
      const wanted = JSON.stringify([nextAim, nextHelps]);
      if (wanted !== key) [input, records] = [null, []];
      [key, aim, helps, climb] = [wanted, nextAim, nextHelps, nextClimb];
    },

    next() {
      if (aim === null || climb === 0 || records.length > climb) return null;
      const [mine, number, target, how] = [key, records.length, aim, helps];
      start ??= noise();
      const from = input ?? start;
      return async (network) => {
        const planes = whole(pictureOf(from, network.preprocessing)).map((grey) => Math.min(Math.max(grey, 0), 255));
        const { scores } = await network.run(inputOf(planes, network.preprocessing));
        const shift = shiftOf(how, number);
        const back = await network.gradient(rolled(from, shift), { target });
        if (mine !== key) return;
        records.push({ planes: new Uint8ClampedArray(planes), share: softmax(scores)[target] });
        input = climbed(from, back.image, shift, how, number === CLIMB - 1);
      };
    },

    shown() {
      const number = Math.min(climb, records.length - 1);
      return records[number] ? { ...records[number], number } : null;
    },
  };
}
