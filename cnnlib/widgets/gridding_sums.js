// How many paths lead from each input to one unit above a stack of dilated convolutions: the twin of
// gridding_sums.py, and of Gridding.settled.

import { upTo } from "./kit/dom.js";
import { Settling } from "./kit/settling.js";

export const KERNEL_SIZES = [2, 5];
export const LAYERS = [1, 5];
export const DILATIONS = [1, 8];

export function settled(changes, present) {
  const s = new Settling(changes, present);
  s.whole("kernel_size", ...KERNEL_SIZES);
  const wanted = s.wanted("dilations");
  const fits = Array.isArray(wanted) && LAYERS[0] <= wanted.length && wanted.length <= LAYERS[1]
    && wanted.every((d) => Number.isInteger(d) && DILATIONS[0] <= d && d <= DILATIONS[1]);
  if (fits) s.take("dilations", wanted);
  else s.refuse("dilations", "dilations.expected", { layers: LAYERS[1], most: DILATIONS[1] });
  s.oneOf("dimensions", [1, 2]);
  const size = fieldSize(s.state);
  s.place("place", [s.state.dimensions === 2 ? size : 1, size]);
  return s.done();
}

export function fieldSize({ kernel_size: size, dilations }) {
  return dilations.reduce((sum, dilation) => sum + (size - 1) * dilation, 1);
}

// The number of paths from each input of the field's axis.
export function paths({ kernel_size: size, dilations }) {
  return dilations.reduce((counts, dilation) => {
    const wider = new Array(counts.length + dilation * (size - 1)).fill(0);
    for (let tap = 0; tap < size; tap += 1) {
      counts.forEach((count, i) => { wider[i + tap * dilation] += count; });
    }
    return wider;
  }, [1]);
}

// The places of each layer that are on a path from the unit down: the input's first, the unit's last.
export function reached({ kernel_size: size, dilations }) {
  const levels = [[0]];
  for (const dilation of [...dilations].reverse()) {
    const next = new Set(levels[0].flatMap((at) => upTo(size).map((tap) => at + tap * dilation)));
    levels.unshift([...next].sort((a, b) => a - b));
  }
  return levels;
}

// The taps, first layer first, of the paths from `place`, `most` of them at most.
export function ways({ kernel_size: size, dilations }, place, most = 3) {
  const found = [];
  const rests = dilations.map((_, i) => fieldSize({ kernel_size: size, dilations: dilations.slice(i) }) - 1);
  function go(layer, left, taps) {
    if (found.length === most) return;
    if (layer === dilations.length) {
      if (left === 0) found.push(taps);
      return;
    }
    if (left < 0 || left > rests[layer]) return;
    for (let tap = 0; tap < size; tap += 1) go(layer + 1, left - tap * dilations[layer], [...taps, tap]);
  }
  go(0, place, []);
  return found;
}

// The smallest dilation that is too large for those below it, and how large it may be; or null.
export function firstGap({ kernel_size: size, dilations }) {
  let reach = 0;
  for (const dilation of [...dilations].sort((a, b) => a - b)) {
    if (dilation > reach + 1) return [dilation, reach + 1];
    reach += (size - 1) * dilation;
  }
  return null;
}
