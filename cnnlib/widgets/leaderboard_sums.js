// Leaderboard, the sums: orders, fronts, and where labels stand. leaderboard.py and plots.py have the
// twins; a browser test holds them equal.

import { Settling } from "./kit/settling.js";

// The measures of labels in pixels.
export const LETTER = 6.4; // a label's width for each letter
export const LINE = 13; // and its height
const REACH = 7; // from a marker's middle: what no label may cover
const SIDES = [
  [0.6, 0], [-0.6, 0], [0, -1], [0, 1], [0.6, -0.8], [-0.6, -0.8], [0.6, 0.8], [-0.6, 0.8],
];
const SPOTS = [14, 22, 30, 40].flatMap((far) => SIDES.map(([dx, dy]) => [far, dx, dy]));

// The twin of Leaderboard.settled.
export function settled(changes, present, { columns, entries }) {
  const s = new Settling(changes, present);
  const keys = columns.map(({ key }) => key);
  const [x, y] = [s.oneOf("x", keys), s.oneOf("y", keys)];
  if (x === y) {
    const [keeps, moves] = s.asks("x") && !s.asks("y") ? ["x", "y"] : ["y", "x"];
    s.refuse(moves, "axes.alike");
    s.take(moves, present[keeps] === x ? present[moves] : present[keeps]);
  }
  const sort = s.oneOf("sort", ["name", "family", ...keys]);
  if (sort !== present.sort && !s.asks("descending")) {
    s.take("descending", columns.some(({ key, better }) => key === sort && better === 1));
  }
  s.flag("descending");
  s.flag("front");
  s.whole("network", -1, entries.length - 1);
  return s.done();
}

// The numbers of `values` in order. Equal ones keep theirs, null comes last either way.
export function orderOf(values, descending = false) {
  const sign = descending ? -1 : 1;
  const numbers = values.map((_, number) => number);
  const known = numbers.filter((number) => values[number] !== null);
  known.sort((a, b) => {
    if (values[a] === values[b]) return a - b;
    return values[a] < values[b] ? -sign : sign;
  });
  return [...known, ...numbers.filter((number) => values[number] === null)];
}

// The numbers of the points that none beats, from left to right. One beats another if it is at least
// as good on both axes and better on one. `better`, for each axis: 1 more, -1 less. null is missing.
export function frontOf(points, better = [-1, 1]) {
  const known = points.map((_, number) => number).filter((number) => points[number] !== null);
  const beats = (a, b) => {
    const gains = better.map((way, axis) => way * (points[a][axis] - points[b][axis]));
    return Math.min(...gains) >= 0 && Math.max(...gains) > 0;
  };
  return known.filter((number) => !known.some((other) => beats(other, number)))
    .sort((a, b) => points[a][0] - points[b][0] || points[a][1] - points[b][1] || a - b);
}

// Where each point's label covers no marker and no other label, or null. `frame` is [left, top,
// right, bottom]. A label is {left, upper, far, end}: `far` if it needs a line from its point, and
// where that line ends. Those in `first` choose first, then the others in their order. Beside the
// point is best, then above and below, then the corners; then the same further out.
export function placeLabels(points, widths, frame, first = []) {
  const taken = points.map(([x, y]) => [x - REACH, y - REACH, x + REACH, y + REACH]);
  const labels = points.map(() => null);
  const rest = points.map((_, number) => number).filter((number) => !first.includes(number));
  for (const number of [...first, ...rest]) {
    const [x, y] = points[number];
    for (const [far, dx, dy] of SPOTS) {
      const middle = [x + dx * far, y + dy * far];
      const left = middle[0] - ((1 - Math.sign(dx)) / 2) * widths[number];
      const upper = middle[1] - LINE / 2;
      const box = [left, upper, left + widths[number], upper + LINE];
      if (inside(box, frame) && !taken.some((other) => meet(box, other))) {
        taken.push(box);
        const end = [middle[0], dx ? middle[1] : middle[1] - (dy * LINE) / 2];
        labels[number] = { left, upper, far: far > SPOTS[0][0], end };
        break;
      }
    }
  }
  return labels;
}

function inside(box, frame) {
  return frame[0] <= box[0] && frame[1] <= box[1] && box[2] <= frame[2] && box[3] <= frame[3];
}

function meet(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}
