// Occlusion, the sums: where a cover may stand, and what a scan holds of each place. occlusion.py has
// the twins of the first; a browser test holds them equal.

import { same, unpack, upTo } from "./kit/dom.js";
import { valueOf } from "./kit/pixels.js";
import { Settling } from "./kit/settling.js";

export const MAPS = ["probability", "activity", "labels"];
const SHARES = { low: 0, high: 1 };

// ---- Places.

// The twin of Occlusion.settled.
export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  const { photographs } = fixed;
  const photograph = photographs[s.whole("photograph", 0, photographs.length - 1)];
  const scan = photograph.scans[s.whole("occluder", 0, photograph.scans.length - 1)];
  s.oneOf("shown", MAPS.filter((name) => scan[name] !== null));
  const wanted = s.wanted("place");
  let corner = s.place("place", photograph.size);
  const moved = !s.asks("place")
    && ["photograph", "occluder"].some((name) => s.state[name] !== present[name]);
  if (moved) corner = carried(present.place, ...viewOf(present, fixed), photograph, scan);
  const place = s.take("place", moved || !fixed.live ? nearest(corner, scan)
    : inside(corner, photograph, scan));
  if (!same(place, wanted)) s.refuse("place", "place.expected", { top: place[0], left: place[1] });
  return s.done();
}

// The chosen photograph and the chosen scan of it.
export function viewOf({ photograph, occluder }, { photographs }) {
  return [photographs[photograph], photographs[photograph].scans[occluder]];
}

// The corner of another cover with its middle at the same part of another photograph.
function carried(corner, photograph, scan, toPhotograph, toScan) {
  return corner.map((start, axis) => {
    const middle = (start + scan.size[axis] / 2) / photograph.size[axis];
    return Math.floor(middle * toPhotograph.size[axis] - toScan.size[axis] / 2 + 0.5);
  });
}

// The place of the grid that is nearest to a corner.
export function nearest(corner, scan) {
  return indexOf(corner, scan).map((index, axis) => startsOf(scan)[axis][index]);
}

// Its row and its column on the grid.
export function indexOf(corner, scan) {
  return startsOf(scan).map((starts, axis) => starts.reduce((best, start, index) =>
    (Math.abs(start - corner[axis]) < Math.abs(starts[best] - corner[axis]) ? index : best), 0));
}

// The nearest corner that the grid reaches, or that leaves the cover inside the picture.
function inside(corner, { size }, scan) {
  return startsOf(scan).map((starts, axis) =>
    Math.min(corner[axis], Math.max(starts.at(-1), size[axis] - scan.size[axis])));
}

const startsOf = ({ tops, lefts }) => [tops, lefts];

// ---- What a scan holds.

// A photograph with its maps' bytes.
export function unpackScans({ scans, ...photograph }) {
  const map = (packed) => packed && { ...packed, ...unpack(packed.levels) };
  return {
    ...photograph,
    scans: scans.map((scan) => ({
      ...scan,
      probability: map(scan.probability),
      activity: map(scan.activity),
      labels: unpack(scan.labels),
      best: scan.best && { ...unpack(scan.best.levels), classes: unpack(scan.best.classes).bytes },
    })),
  };
}

/** @param {any} map  @param {number[]} place */
export function valueAt({ scale, bytes, shape }, [row, column]) {
  return valueOf(scale, bytes[row * shape[1] + column]);
}

/** @param {any} scan  @param {number[]} place */
export function labelAt({ names, labels: { bytes, shape } }, [row, column]) {
  return names[bytes[row * shape[1] + column]];
}

// [name, share] of the best classes at a place, as far as they are known, and of the true one.
/** @param {any} scan  @param {number[]} place */
export function bestAt({ names, best, probability }, [row, column]) {
  const start = best ? (row * best.shape[1] + column) * best.shape[2] : 0;
  const known = upTo(best ? best.shape[2] : 0).map((rank) =>
    [names[best.classes[start + rank]], valueOf(SHARES, best.bytes[start + rank])]);
  return withTarget(known, names[0], valueAt(probability, [row, column]));
}

export function cleanBest({ names, clean_best: best, probability }) {
  const known = (best ?? []).map(([number, share]) => [names[number], share]);
  return withTarget(known, names[0], probability.clean);
}

// The true class is always in the list, with the share that its own map has.
export function withTarget(best, target, share) {
  if (!best.some(([name]) => name === target)) return [...best, [target, share]];
  return best.map(([name, own]) => [name, name === target ? share : own]);
}

// The places of a map's least and its most value; of equal ones the first.
export function extremesOf({ bytes, shape: [, columns] }) {
  const place = (index) => [Math.floor(index / columns), index % columns];
  const best = (isBetter) =>
    place(bytes.reduce((found, byte, index) => (isBetter(byte, bytes[found]) ? index : found), 0));
  return { least: best((a, b) => a < b), most: best((a, b) => a > b) };
}

// Each connected region of one label, and its cell nearest to the region's middle.
export function regions(bytes, rows, columns) {
  const seen = new Uint8Array(rows * columns);
  const found = [];
  for (let start = 0; start < rows * columns; start += 1) {
    if (seen[start]) continue;
    const cells = [start];
    seen[start] = 1;
    for (let next = 0; next < cells.length; next += 1) {
      const [row, column] = [Math.floor(cells[next] / columns), cells[next] % columns];
      for (const [r, c] of [[row - 1, column], [row + 1, column], [row, column - 1], [row, column + 1]]) {
        const cell = r * columns + c;
        const isIn = r >= 0 && c >= 0 && r < rows && c < columns;
        if (isIn && !seen[cell] && bytes[cell] === bytes[start]) {
          seen[cell] = 1;
          cells.push(cell);
        }
      }
    }
    const places = cells.map((cell) => [Math.floor(cell / columns), cell % columns]);
    const [y, x] = [0, 1].map((axis) => places.reduce((sum, p) => sum + p[axis], 0) / places.length);
    /** @param {number[]} place */
    const distance = ([row, column]) => (row - y) ** 2 + (column - x) ** 2;
    const [row, column] = places.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    found.push({ label: bytes[start], row, column, size: cells.length });
  }
  return found;
}
