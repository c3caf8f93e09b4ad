// Both networks: loaded when they are asked for, and asked one drawing at a time.

import {
  gradCam, highest, packed, SIDE, strongest,
} from "./draw_digit_sums.js";
import { LiveError, prepare } from "./live/engine.js";

const WIDE = 32; // a side of the networks' input

// A drawing as the input of a network: a Float32Array, (1, 32, 32).
export function inputOf(pixels, preprocessing) {
  const data = new Uint8ClampedArray(4 * pixels.length).fill(255);
  pixels.forEach((ink, i) => data.fill(ink, 4 * i, 4 * i + 3));
  return prepare({ data, width: SIDE, height: SIDE }, preprocessing);
}

// {status(), load(), unload(), ask(request), stop()}.
//
// status(): {state, share, error, answer, pending}. `state` is "idle", "loading", "ready" or "failed",
// `error` the code of what failed (see live/engine.js), `share` how much is loaded, 0 to 1. `answer` is
// {request, records, milliseconds}, the newest there is, with a record a network as answer() of
// draw_digit_answers.py has it. A request is {pixels, look}: of several that come while one is worked
// on, the newest is next. `changed` is called when any of this has changed.
export function livePair({ open, networks, changed }) {
  let [state, share, error, answer] = ["idle", 0, null, null];
  let opened = [];
  let control = null; // of the loading or the loaded pair; another one, or null, and it is out of date
  let [wanted, busy] = [null, false];

  function leave(next, code = null) {
    control?.abort();
    for (const network of opened) network.close();
    [control, opened, state, error, wanted, answer] = [null, [], next, code, null, null];
    changed();
  }

  async function load() {
    if (control) return;
    const own = new AbortController();
    control = own;
    [state, share, error] = ["loading", 0, null];
    changed();
    const found = [];
    try {
      // One after the other: a notebook sends one file at a time.
      for (const { key } of networks) {
        found.push(await open(key, {
          signal: own.signal,
          onProgress({ loaded, total }) {
            if (control !== own) return;
            share = (found.length + loaded / total) / networks.length;
            changed();
          },
        }));
      }
    } catch (fault) {
      for (const network of found) network.close();
      if (control === own) leave("failed", codeOf(fault));
      return;
    }
    if (control !== own) {
      for (const network of found) network.close();
      return;
    }
    [opened, state] = [found, "ready"];
    changed();
  }

  async function pump() {
    if (busy || !wanted || state !== "ready") return;
    const [request, own] = [wanted, control];
    [wanted, busy] = [null, true];
    const start = performance.now();
    try {
      const records = await Promise.all(opened.map((network, i) => recordOf(network, networks[i], request)));
      if (control === own) answer = { request, records, milliseconds: performance.now() - start };
    } catch (fault) {
      if (control === own && codeOf(fault) !== "aborted") leave("failed", codeOf(fault));
    }
    busy = false;
    changed();
    pump();
  }

  return {
    status: () => ({ state, share, error, answer, pending: busy || wanted !== null }),
    load,
    unload: () => leave("idle"),
    ask(request) {
      if (state !== "ready") return;
      wanted = request;
      pump();
    },
    stop() {
      changed = () => {};
      leave("idle");
    },
  };
}

const codeOf = (fault) => (fault instanceof LiveError ? fault.code : "broken");

async function recordOf(network, { stages, reach, cam }, { pixels, look }) {
  const image = inputOf(pixels, network.preprocessing);
  const hasCodes = network.layers.some(({ name }) => name === "f6");
  const layers = [...new Set([...stages.map(({ layer }) => layer), cam, ...(hasCodes ? ["f6"] : [])])];
  const { scores, maps } = await network.run(image, { layers });
  const found = await lookOf(network, image, { target: strongest(scores), look, cam, map: maps[cam] });
  return {
    scores: Array.from(scores),
    stages: stages.map(({ layer }) => packed(maps[layer], reach ?? highest(maps[layer]), reach !== null)),
    f6: hasCodes ? Array.from(maps.f6) : null,
    look: found && packed(found, highest(found), look !== "grad_cam"),
  };
}

// The winner's map on the input, or null where the engine refuses the rule.
async function lookOf(network, image, { target, look, cam, map }) {
  const rule = look === "deconvnet" ? "deconvnet" : "gradient";
  const layers = look === "grad_cam" ? [cam] : [];
  let back;
  try {
    back = await network.gradient(image, { target, rule, layers });
  } catch (fault) {
    if (codeOf(fault) === "input") return null;
    throw fault;
  }
  if (look !== "grad_cam") return back.image;
  const [, side] = network.layers.find(({ name }) => name === cam).shape;
  return gradCam(map, back.maps[cam], side, WIDE);
}
