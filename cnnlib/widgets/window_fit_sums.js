// How many windows fit along an axis, by three ways of counting: the twin of `fits` and `settled` in
// window_fit.py.

import { coveringSize, outputSize, unreadInputs } from "./geometry.js";
import { Settling } from "./kit/settling.js";

export function settled(changes, present, { least, most }) {
  const s = new Settling(changes, present);
  for (const name of Object.keys(most)) s.whole(name, least[name], most[name]);
  return s.done();
}

// [{way, count, why, over, dropped, unread}], as Fit in Python has it.
export function fits({ size, kernel_size, stride, padding }) {
  const window = { kernel_size, stride, padding };
  const padded = size + 2 * padding;
  /** @type {[string, typeof outputSize, import("./geometry.js").Settings][]} */
  const ways = [["authors", coveringSize, window], ["floor", outputSize, window],
    ["ceil", outputSize, { ...window, ceil_mode: true }]];
  return ways.map(([way, countWindows, used]) => {
    const none = (why) => ({ way, count: 0, why, over: 0, dropped: 0, unread: [] });
    if (way === "ceil" && padding > Math.floor(kernel_size / 2)) return none("padding");
    let count;
    try {
      count = countWindows(size, used);
    } catch {
      return none("kernel");
    }
    const end = (count - 1) * stride + kernel_size;
    return {
      way,
      count,
      why: "",
      over: Math.min(kernel_size, Math.max(0, end - padded)),
      dropped: Number(way === "ceil" && end < padded),
      unread: runs(unreadInputs(size, window, count)),
    };
  });
}

// Ascending places as runs, [first, last].
function runs(places) {
  const found = [];
  for (const place of places) {
    const last = found.at(-1);
    if (last && last[1] === place - 1) last[1] = place;
    else found.push([place, place]);
  }
  return found;
}

// The columns that any of the windows or the padded axis has: [first, stop).
export function extent({ size, kernel_size, stride, padding }, all) {
  const ends = all.map(({ count }) => (count ? (count - 1) * stride + kernel_size - padding : 0));
  return [-padding, Math.max(size + padding, ...ends)];
}
