// What a run must compute anew. A part is the rows and columns of a value that may be others than at the last
// run: [top, bottom, left, right], bottom and right not among them. Null: nothing is.

export const wholeOf = ([, , height = 1, width = 1]) => [0, height, 0, width];

export const isWhole = (part, shape) => wholeOf(shape).every((edge, i) => part[i] === edge);

// The smallest part outside of which two images are the same.
export function changedPart(before, after, shape) {
  const [, height, , width] = wholeOf(shape);
  const part = [height, 0, width, 0];
  for (let i = 0; i < after.length; i += 1) {
    if (after[i] === before[i]) continue;
    const [y, x] = [Math.floor(i / width) % height, i % width];
    [y, y + 1, x, x + 1].forEach((edge, k) => { part[k] = (k % 2 ? Math.max : Math.min)(part[k], edge); });
  }
  return part[1] ? part : null;
}

// The part of a step's output that hangs on its inputs' parts. `windows` of an operator says it, or `local`:
// each number of it hangs on those at its own place.
export function partBehind({ step, operator, state }, parts, shapes) {
  const changed = step.inputs.map((value) => parts[value]).filter(Boolean);
  if (!changed.length) return null;
  const seen = [0, 1, 2, 3].map((k) => (k % 2 ? Math.max : Math.min)(...changed.map((part) => part[k])));
  if (operator.windows) return operator.windows(seen, state, step);
  const grids = new Set([...step.inputs, step.output].map((value) => shapes[value].slice(2).join()));
  return operator.local && grids.size === 1 ? seen : wholeOf(shapes[step.output]);
}

// The windows that see a part. The settings are (down, across); `count` says how many windows there are.
export function windowsOn(part, { kernel, stride, dilation, padding, count }) {
  const edges = [0, 1].flatMap((axis) => {
    const first = part[2 * axis] + padding[axis] - (kernel[axis] - 1) * dilation[axis];
    const last = part[2 * axis + 1] - 1 + padding[axis];
    return [Math.max(Math.ceil(first / stride[axis]), 0), Math.min(Math.floor(last / stride[axis]) + 1, count[axis])];
  });
  return edges[0] < edges[1] && edges[2] < edges[3] ? edges : null;
}
