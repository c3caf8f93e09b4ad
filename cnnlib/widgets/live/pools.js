// Pools: a window of a map becomes one number.

import { windowsOn } from "./parts.js";

const windows = (part, s, { kernel_size: kernel, stride, padding, dilation = [1, 1] }) =>
  windowsOn(part, { kernel, stride, padding, dilation, count: [s.rows, s.columns] });

function sizesOf(net, { inputs, output }) {
  const [, channels, height, width] = net.shapes[inputs[0]];
  const [, , rows, columns] = net.shapes[output];
  return { channels, height, width, rows, columns };
}

const open = (net, step) => ({ ...step, ...sizesOf(net, step) });

// Where along an axis the windows begin and end, as far as they lie on the map: {starts, ends}.
function spans(count, size, kernel, stride, padding, dilation) {
  const [starts, ends] = [new Int32Array(count), new Int32Array(count)];
  for (let i = 0; i < count; i += 1) {
    let start = i * stride - padding;
    ends[i] = Math.min(start + (kernel - 1) * dilation + 1, size);
    while (start < 0) start += dilation;
    starts[i] = start;
  }
  return { starts, ends };
}

function adaptiveSpans(count, size) {
  return {
    starts: Int32Array.from({ length: count }, (_, i) => Math.floor((i * size) / count)),
    ends: Int32Array.from({ length: count }, (_, i) => Math.ceil(((i + 1) * size) / count)),
  };
}

// For each output, the place of the maximum. Of equal values the first wins, in reading order.
function winnersOf(x, { channels, height, width, rows, columns, down, across, steps: [step, side] }) {
  const winners = new Int32Array(channels * rows * columns);
  for (let c = 0; c < channels; c += 1) {
    for (let i = 0; i < rows; i += 1) {
      const top = down.starts[i];
        const bottom = down.ends[i];
      for (let j = 0; j < columns; j += 1) {
        const left = across.starts[j];
          const right = across.ends[j];
        let best = -Infinity;
        let place = (c * height + top) * width + left;
        for (let y = top; y < bottom; y += step) {
          const row = (c * height + y) * width;
          for (let x0 = left; x0 < right; x0 += side) {
            if (x[row + x0] > best) {
              best = x[row + x0];
              place = row + x0;
            }
          }
        }
        winners[(c * rows + i) * columns + j] = place;
      }
    }
  }
  return winners;
}

const maximum = {
  forward(net, { inputs, output }, s) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    winnersOf(x, s).forEach((place, o) => { y[o] = x[place]; });
  },

  backward(net, { inputs, output }, s) {
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    const winners = winnersOf(net.values(inputs[0]), s);
    for (let o = 0; o < from.length; o += 1) to[winners[o]] += from[o];
  },
};

// Rows are compared by the kernel: first the rows of a window, then that row with itself, moved on by one
// place after the other. What lies outside of the map is -Infinity.
export const max_pool2d = {
  ...maximum,
  windows,
  open(net, step) {
    const s = open(net, step);
    const [down, across] = [[s.rows, s.height], [s.columns, s.width]].map(([count, size], axis) =>
      spans(count, size, step.kernel_size[axis], step.stride[axis], step.padding[axis], step.dilation[axis]));
    const margin = step.padding[1];
    const length = margin + s.width + step.kernel_size[1] * step.dilation[1] + s.columns * step.stride[1];
    const [tops, best] = [net.arena.take(length), net.arena.take(length)];
    return { ...s, down, across, steps: step.dilation, margin, length, tops, best };
  },

  forward(net, { inputs, output }, s, [top, bottom] = [0, s.rows]) {
    const { kernel } = net.arena;
    const { channels, height, width, rows, columns, down, steps: [step, side], stride: [, apart], margin } = s;
    const y = net.values(output);
    const tops = net.arena.floats(s.tops, s.length);
    const best = net.arena.floats(s.best, s.length);
    const map = net.address[inputs[0]];
    const fours = Math.ceil(width / 4);
    const inner = s.tops + 4 * margin;
    const reach = (columns - 1) * apart + 1; // as far as windows begin
    for (let c = 0; c < channels; c += 1) {
      for (let i = top; i < bottom; i += 1) {
        const first = map + 4 * (c * height + down.starts[i]) * width;
        kernel.larger(first, first, inner, fours);
        for (let q = down.starts[i] + step; q < down.ends[i]; q += step) {
          kernel.larger(inner, map + 4 * (c * height + q) * width, inner, fours);
        }
        tops.fill(-Infinity, 0, margin);
        tops.fill(-Infinity, margin + width);
        kernel.larger(s.tops, s.tops, s.best, Math.ceil(reach / 4));
        for (let k = 1; k < s.kernel_size[1]; k += 1) {
          kernel.larger(s.best, s.tops + 4 * k * side, s.best, Math.ceil(reach / 4));
        }
        const to = (c * rows + i) * columns;
        for (let j = 0; j < columns; j += 1) y[to + j] = best[j * apart];
      }
    }
  },
};

export const adaptive_max_pool2d = { ...maximum, open: openAdaptive };

function openAdaptive(net, step) {
  const s = open(net, step);
  return {
    ...s, down: adaptiveSpans(s.rows, s.height), across: adaptiveSpans(s.columns, s.width), steps: [1, 1],
    divisor: (i, j, count) => count,
  };
}

// Calls use(output place, input place, divisor) for every number that a mean counts.
function eachMean({ channels, height, width, rows, columns, down, across, divisor }, use) {
  for (let c = 0; c < channels; c += 1) {
    for (let i = 0; i < rows; i += 1) {
      const top = down.starts[i];
        const bottom = down.ends[i];
      for (let j = 0; j < columns; j += 1) {
        const left = across.starts[j];
          const right = across.ends[j];
        const by = divisor(i, j, (bottom - top) * (right - left));
        for (let y = top; y < bottom; y += 1) {
          for (let x = left; x < right; x += 1) use((c * rows + i) * columns + j, (c * height + y) * width + x, by);
        }
      }
    }
  }
}

const mean = {
  forward(net, { inputs, output }, s) {
    const [x, y] = [net.values(inputs[0]), net.values(output)];
    const sums = new Float64Array(y.length);
    eachMean(s, (o, i, by) => { sums[o] += x[i] / by; });
    y.set(sums);
  },

  backward(net, { inputs, output }, s) {
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    eachMean(s, (o, i, by) => { to[i] += from[o] / by; });
  },
};

export const adaptive_avg_pool2d = { ...mean, open: openAdaptive };

export const avg_pool2d = {
  ...mean,
  windows,
  open(net, step) {
    const s = open(net, step);
    const axes = [[s.rows, s.height], [s.columns, s.width]];
    const [down, across] = axes.map(([count, size], axis) =>
      spans(count, size, step.kernel_size[axis], step.stride[axis], step.padding[axis], 1));
    // With the padding counted, a window is as large as it reaches into the padding; a ceiling's rest is not.
    const [tall, broad] = axes.map(([count, size], axis) => Array.from({ length: count }, (_, i) => {
      const start = i * step.stride[axis] - step.padding[axis];
      return Math.min(start + step.kernel_size[axis], size + step.padding[axis]) - start;
    }));
    const divisor = (i, j, count) =>
      step.divisor ?? (step.count_include_pad ? tall[i] * broad[j] : count);
    return { ...s, down, across, divisor };
  },
};
