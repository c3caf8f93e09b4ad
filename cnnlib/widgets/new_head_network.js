// The network that makes features of a reader's own pictures, and those pictures. All stays in the page.

import { averaged } from "./new_head_sums.js";
import { element } from "./kit/dom.js";
import { LiveError } from "./live/engine.js";
import { codeOf, loaderOf } from "./live/loader.js";
import { bitmapOf } from "./live/planes.js";

const THUMBNAIL = 96;
const MOST_OWN = 99;
const LARGEST = 40e6; // bytes of a file

// A loader of the network (live/loader.js) that makes features: with work(), add(sources, kind), look(bitmap),
// get(key), all() and forget(key).
//
// work() is {done, count, end} while pictures are worked on: of `count` that have been given, `done` are finished. A
// source is {title, blob} or {title, take}, where take() promises an ImageBitmap. `arrived(key, kind)` is called for
// each picture that is there, `refused(why, title)` for each that is not, `changed` for all else.
export function ownPictures({ open, fixed, changed, arrived, refused }) {
  const kept = new Map(); // key -> {key, title, address, features}
  let given = 0; // pictures that have had a key
  let [queue, done, count, busy] = [[], 0, 0, false];
  const loader = loaderOf({ open, keys: [fixed.network], changed, left: cancel });

  function cancel() {
    [queue, done, count] = [[], 0, 0];
    changed();
  }

  // An ImageBitmap's features; it is used up. One after the other, for a newer request would end an older one.
  let turn = Promise.resolve();
  function featuresOf(bitmap) {
    const mine = turn.then(() => computed(bitmap));
    turn = mine.catch(() => {});
    return mine;
  }

  async function computed(bitmap) {
    const [network] = loader.get();
    const input = await network.prepare(bitmap);
    const { maps } = await network.run(input, { layers: [fixed.layer] });
    return averaged(maps[fixed.layer], fixed.shape[0]);
  }

  async function pump() {
    if (busy) return;
    busy = true;
    while (queue.length && loader.isReady()) {
      const [{ title, blob, take, kind }, mine] = [queue.shift(), loader.get()];
      const round = queue;
      try {
        const bitmap = blob ? await bitmapOf(blob) : await take();
        const address = thumbnailOf(bitmap);
        const features = await featuresOf(bitmap);
        // What has been cancelled meanwhile is not wanted any more.
        if (loader.get() === mine && round === queue) keep({ title, address, features }, kind);
      } catch (fault) {
        if (loader.get() !== mine || codeOf(fault) === "aborted") continue;
        if (fault instanceof LiveError && fault.code !== "input") loader.fail(fault);
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
    ...loader,
    work: () => (count > 0 ? { done, count, end: cancel } : null),
    add(sources, kind) {
      if (!loader.isReady()) return;
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
      if (!loader.isReady() || busy) {
        bitmap.close();
        return null;
      }
      try {
        return await featuresOf(bitmap);
      } catch {
        return null; // what is wrong for good, the next picture says
      }
    },
    get: (key) => kept.get(key),
    all: () => [...kept.values()],
    forget(key) {
      kept.delete(key);
      changed();
    },
    stop() {
      changed = () => {};
      loader.stop();
    },
  };
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
