// The network that makes features of a reader's own pictures, and those pictures. All stays in the page.

import { averaged } from "./new_head_sums.js";
import { element } from "./kit/dom.js";
import { LiveError } from "./live/engine.js";

const SHORTER = 512; // pixels of the shorter side, above which the browser makes a picture smaller first
const THUMBNAIL = 96;
const MOST_OWN = 99;
const LARGEST = 40e6; // bytes of a file

// {status(), load(), unload(), add(sources, kind), look(bitmap), cancel(), get(key), all(), forget(key), stop()}.
//
// status(): {state, share, error, done, count}. `state` is "idle", "loading", "ready" or "failed", `error` the
// code of what failed (live/engine.js); of `count` pictures that have been given, `done` are finished. A source
// is {title, blob} or {title, take}, where take() promises an ImageBitmap. `arrived(key, kind)` is called for each
// picture that is there, `refused(why, title)` for each that is not, `changed` for all else.
export function ownPictures({ open, fixed, changed, arrived, refused }) {
  const kept = new Map(); // key -> {key, title, address, features}
  let [state, share, error] = ["idle", 0, null];
  let network = null;
  let given = 0; // pictures that have had a key
  let control = null; // of the loading or the loaded network; another one, or null, and it is out of date
  let [queue, done, count, busy] = [[], 0, 0, false];

  function leave(next, code = null) {
    control?.abort();
    network?.close();
    [control, network, state, error] = [null, null, next, code];
    cancel();
  }

  function cancel() {
    [queue, done, count] = [[], 0, 0];
    changed();
  }

  async function load() {
    if (control) return;
    const own = new AbortController();
    control = own;
    [state, share, error] = ["loading", 0, null];
    changed();
    try {
      const opened = await open(fixed.network, {
        signal: own.signal,
        onProgress({ loaded, total }) {
          if (control !== own) return;
          share = loaded / total;
          changed();
        },
      });
      if (control !== own) {
        opened.close();
        return;
      }
      [network, state] = [opened, "ready"];
      changed();
    } catch (fault) {
      if (control === own) leave("failed", codeOf(fault));
    }
  }

  // An ImageBitmap's features; it is used up. One after the other, for a newer request would end an older one.
  let turn = Promise.resolve();
  function featuresOf(bitmap) {
    const mine = turn.then(() => computed(bitmap));
    turn = mine.catch(() => {});
    return mine;
  }

  async function computed(bitmap) {
    const input = await network.prepare(bitmap);
    const { maps } = await network.run(input, { layers: [fixed.layer] });
    return averaged(maps[fixed.layer], fixed.shape[0]);
  }

  async function pump() {
    if (busy) return;
    busy = true;
    while (queue.length && network) {
      const [{ title, blob, take, kind }, mine] = [queue.shift(), control];
      const round = queue;
      try {
        const bitmap = blob ? await bitmapOf(blob) : await take();
        const address = thumbnailOf(bitmap);
        const features = await featuresOf(bitmap);
        // What has been cancelled meanwhile is not wanted any more.
        if (control === mine && round === queue) keep({ title, address, features }, kind);
      } catch (fault) {
        if (control !== mine || codeOf(fault) === "aborted") continue;
        if (fault instanceof LiveError && !["input", "aborted"].includes(fault.code)) leave("failed", fault.code);
        else refused("unreadable", title);
      }
      if (round === queue) done += 1;
      changed();
    }
    busy = false;
    [done, count] = [0, 0];
    changed();
  }

  function keep(picture, kind) {
    if (given === MOST_OWN) {
      refused("many", picture.title);
      return;
    }
    given += 1; // a key is never another picture's, for Undo may bring it back
    const key = `own-${given}`;
    kept.set(key, { key, ...picture });
    arrived(key, kind);
  }

  return {
    status: () => ({ state, share, error, done, count }),
    load,
    unload: () => leave("idle"),
    add(sources, kind) {
      if (!network) return;
      for (const { title, blob, take } of sources) {
        if (blob && blob.size > LARGEST) refused("large", title);
        else {
          queue.push({ title, blob, take, kind });
          count += 1;
        }
      }
      changed();
      pump();
    },
    // Features of what the camera sees, or null where the network is at work on pictures.
    async look(bitmap) {
      if (!network || busy) {
        bitmap.close();
        return null;
      }
      try {
        return await featuresOf(bitmap);
      } catch {
        return null; // what is wrong for good, the next picture says
      }
    },
    cancel,
    get: (key) => kept.get(key),
    all: () => [...kept.values()],
    forget(key) {
      kept.delete(key);
      changed();
    },
    stop() {
      changed = () => {};
      leave("idle");
    },
  };
}

const codeOf = (fault) => (fault instanceof LiveError ? fault.code : "broken");

async function bitmapOf(blob) {
  return smaller(await createImageBitmap(blob, { imageOrientation: "from-image" }));
}

async function smaller(whole) {
  const { width, height } = whole;
  const shorter = Math.min(width, height);
  if (shorter <= SHORTER) return whole;
  const made = await createImageBitmap(whole, {
    resizeWidth: Math.round((width * SHORTER) / shorter),
    resizeHeight: Math.round((height * SHORTER) / shorter),
    resizeQuality: "high",
  });
  whole.close();
  return made;
}

// The middle square, small, as an address.
function thumbnailOf(bitmap) {
  const side = Math.min(bitmap.width, bitmap.height);
  const canvas = element("canvas", { width: THUMBNAIL, height: THUMBNAIL });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, THUMBNAIL, THUMBNAIL);
  return canvas.toDataURL("image/jpeg", 0.8);
}
