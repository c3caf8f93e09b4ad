// Convolution as a product of matrices: the kernels are one, [output channels][k], the windows of the
// picture are the columns of the other, [k][windows]. k counts the numbers that a window holds.
// Eight windows are laid side by side at a time (see kernel.wat); the whole second matrix never exists.

import { windowsOn } from "./parts.js";

const EIGHT = 8;

export const conv2d = {
  open(net, { inputs, output, weight, bias, stride, padding, dilation, groups }) {
    const [, channels, height, width] = net.shapes[inputs[0]];
    const [, filters, rows, columns] = net.shapes[output];
    const [, depth, high, wide] = weight.shape;
    const [top, bottom, left, right] = padding;
    const padded = padding.some((p) => p > 0);
    const tall = height + top + bottom;
    const broad = width + left + right;
    const k = depth * high * wide;
    const offsets = new Int32Array(k);
    let at = 0;
    for (let c = 0; c < depth; c += 1) {
      for (let y = 0; y < high; y += 1) {
        for (let x = 0; x < wide; x += 1) {
          offsets[at] = 4 * ((c * tall + y * dilation[0]) * broad + x * dilation[1]);
          at += 1;
        }
      }
    }
    const starts = windowStarts(rows, columns, stride, broad);
    const own = filters / groups;
    const panels = Math.ceil(own / 4);
    const { arena } = net;
    return {
      channels, height, width, filters, rows, columns, depth, top, left, tall, broad, k, groups, own, panels,
      padded, weight, bias, starts, distances: offsets,
      frame: padded ? arena.take(channels * tall * broad) : 0,
      offsets: arena.putInts(offsets),
      weights: arena.take(groups * panels * 4 * k),
      biases: arena.take(groups * panels * 4),
      tile: arena.take(Math.max(k, filters + 4) * EIGHT),
      sums: arena.take(Math.max(k + 4, 4 * panels) * EIGHT),
    };
  },

  load(net, s) {
    const weight = net.tensor(s.weight);
    const packed = net.arena.floats(s.weights, s.groups * s.panels * 4 * s.k);
    packPanels(packed, s, (g, row, k) => weight[(g * s.own + row) * s.k + k]);
    if (!s.bias) return;
    const bias = net.tensor(s.bias);
    const biases = net.arena.floats(s.biases, s.groups * s.panels * 4);
    for (let f = 0; f < s.filters; f += 1) {
      biases[Math.floor(f / s.own) * s.panels * 4 + (f % s.own)] = bias[f];
    }
  },

  windows: (part, s, { stride, dilation, weight }) => windowsOn(part, {
    kernel: weight.shape.slice(2), stride, dilation, padding: [s.top, s.left], count: [s.rows, s.columns],
  }),

  forward(net, { inputs, output }, s, part = [0, s.rows, 0, s.columns]) {
    const { kernel } = net.arena;
    const windows = s.rows * s.columns;
    const firsts = firstsOf(s, part);
    const from = frameOf(net, s, net.address[inputs[0]]);
    const to = net.address[output];
    const row = 4 * windows;
    const full = Math.floor(s.own / 4);
    for (let g = 0; g < s.groups; g += 1) {
      const source = from + 4 * g * s.depth * s.tall * s.broad;
      const weights = s.weights + 16 * g * s.panels * s.k;
      const biases = s.biases + 16 * g * s.panels;
      const target = to + g * s.own * row;
      for (const n of firsts) {
        const count = Math.min(EIGHT, windows - n);
        packWindows(kernel, s, source, n, count);
        if (count === EIGHT) {
          if (full) kernel.multiply(weights, s.tile, s.k, full, target + 4 * n, row, biases);
          if (full < s.panels) {
            kernel.multiply(weights + 16 * full * s.k, s.tile, s.k, 1, s.sums, 32, biases + 16 * full);
            copyRows(net.arena, s.sums, target + 4 * full * row + 4 * n, row, s.own - 4 * full, EIGHT);
          }
        } else {
          kernel.multiply(weights, s.tile, s.k, s.panels, s.sums, 32, biases);
          copyRows(net.arena, s.sums, target + 4 * n, row, s.own, count);
        }
      }
    }
  },

  // The signal of a window goes to the places that it has seen, through the kernels turned on their side.
  backward(net, { inputs, output }, s) {
    const { arena } = net;
    const { kernel } = arena;
    const back = net.once(s, "back", () => packBack(net, s));
    const windows = s.rows * s.columns;
    const panels = Math.ceil(s.k / 4);
    const size = s.channels * s.tall * s.broad;
    const total = s.padded ? net.once(s, "frameSignal", () => arena.take(size)) : net.signal(inputs[0]);
    const rowOffsets = net.once(s, "rowOffsets", () =>
      arena.putInts(Int32Array.from({ length: s.own }, (_, m) => 4 * m * windows)));
    const zeros = net.once(s, "zeros", () => arena.take(4 * panels));
    const signal = net.signal(output);
    if (s.padded) arena.floats(total, size).fill(0);
    for (let g = 0; g < s.groups; g += 1) {
      const target = total + 4 * g * s.depth * s.tall * s.broad;
      for (let n = 0; n < windows; n += EIGHT) {
        const count = Math.min(EIGHT, windows - n);
        const from = signal + 4 * (g * s.own * windows + n);
        if (count === EIGHT) kernel.pack_row(s.tile, rowOffsets, s.own, from);
        else {
          const p = Array.from({ length: EIGHT }, (_, j) => from + 4 * Math.min(j, count - 1));
          kernel.pack(s.tile, rowOffsets, s.own, ...p);
        }
        kernel.multiply(back + 16 * g * panels * s.own, s.tile, s.own, panels, s.sums, 32, zeros);
        if (inRow(s, n, count)) kernel.unpack_row(s.sums, s.offsets, s.k, target + s.starts[n]);
        else {
          for (let j = 0; j < count; j += 1) kernel.unpack(s.sums + 4 * j, s.offsets, s.k, target + s.starts[n + j]);
        }
      }
    }
    if (s.padded) addFrame(net.signals(inputs[0]), arena.floats(total, size), s);
  },

  // What the weights and biases owe: the sum over all windows of signal times what the window saw. It is a
  // product as in forward(): the signals are the first matrix, what eight places of all windows saw the second.
  learn(net, { inputs, output }, s) {
    const { arena } = net;
    const windows = s.rows * s.columns;
    const [sent, saw, starts, zeros] = net.once(s, "learning", () => [arena.take(s.panels * 4 * windows),
      arena.take(EIGHT * windows), arena.putInts(s.starts), arena.take(4 * s.panels)]);
    const frame = frameOf(net, s, net.address[inputs[0]]);
    const signal = net.signals(output);
    const packed = arena.floats(sent, s.panels * 4 * windows);
    const sums = arena.floats(s.sums, s.own * EIGHT);
    const owed = net.owedFor(s.weight);
    for (let g = 0; g < s.groups; g += 1) {
      const plane = frame + 4 * g * s.depth * s.tall * s.broad;
      for (let f = 0; f < s.own; f += 1) {
        const from = (g * s.own + f) * windows;
        const to = Math.floor(f / 4) * 4 * windows + (f % 4);
        for (let n = 0; n < windows; n += 1) packed[to + 4 * n] = signal[from + n];
      }
      for (let k = 0; k < s.k; k += EIGHT) {
        const at = (j) => plane + s.distances[Math.min(k + j, s.k - 1)];
        arena.kernel.pack(saw, starts, windows, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
        arena.kernel.multiply(sent, saw, windows, s.panels, s.sums, 32, zeros);
        const count = Math.min(EIGHT, s.k - k);
        for (let f = 0; f < s.own; f += 1) {
          const to = (g * s.own + f) * s.k + k;
          for (let j = 0; j < count; j += 1) owed[to + j] += sums[f * EIGHT + j];
        }
      }
    }
    if (!s.bias) return;
    const biases = net.owedFor(s.bias);
    for (let f = 0; f < s.filters; f += 1) {
      let sum = 0;
      for (let n = 0; n < windows; n += 1) sum += signal[f * windows + n];
      biases[f] += sum;
    }
  },
};

// Which windows begin a tile of eight, so that the tiles hold a part. Others between two rows of it come along.
function firstsOf({ columns }, [top, bottom, left, right]) {
  const firsts = [];
  let end = 0;
  for (let y = top; y < bottom; y += 1) {
    for (let n = Math.max(y * columns + left, end); n < y * columns + right; n = end) {
      firsts.push(n);
      end = n + EIGHT;
    }
  }
  return firsts;
}

// Where each window begins, in bytes from the frame's first number.
function windowStarts(rows, columns, [down, across], broad) {
  const starts = new Int32Array(rows * columns);
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) starts[y * columns + x] = 4 * (y * down * broad + x * across);
  }
  return starts;
}

// Whether from the n-th on there are eight windows that are neighbours.
const inRow = ({ starts }, n, count) => count === EIGHT && starts[n + 7] - starts[n] === 28;

function packWindows(kernel, { tile, offsets, k, starts }, source, n, count) {
  if (inRow({ starts }, n, count)) kernel.pack_row(tile, offsets, k, source + starts[n]);
  else {
    const at = (j) => source + starts[n + Math.min(j, count - 1)];
    kernel.pack(tile, offsets, k, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
  }
}

// The picture with its padding round it; the picture itself where there is none.
function frameOf({ arena }, s, address) {
  if (!s.padded) return address;
  const picture = arena.floats(address, s.channels * s.height * s.width);
  const frame = arena.floats(s.frame, s.channels * s.tall * s.broad);
  for (let c = 0; c < s.channels; c += 1) {
    for (let y = 0; y < s.height; y += 1) {
      const start = (c * s.height + y) * s.width;
      frame.set(picture.subarray(start, start + s.width), (c * s.tall + y + s.top) * s.broad + s.left);
    }
  }
  return s.frame;
}

function addFrame(picture, frame, s) {
  for (let c = 0; c < s.channels; c += 1) {
    for (let y = 0; y < s.height; y += 1) {
      const to = (c * s.height + y) * s.width;
      const from = (c * s.tall + y + s.top) * s.broad + s.left;
      for (let x = 0; x < s.width; x += 1) picture[to + x] += frame[from + x];
    }
  }
}

function packPanels(packed, { groups, panels, own, k }, weightAt) {
  let at = 0;
  for (let g = 0; g < groups; g += 1) {
    for (let panel = 0; panel < panels; panel += 1) {
      for (let i = 0; i < k; i += 1) {
        for (let r = 0; r < 4; r += 1) {
          const row = 4 * panel + r;
          packed[at] = row < own ? weightAt(g, row, i) : 0;
          at += 1;
        }
      }
    }
  }
}

function packBack(net, s) {
  const panels = Math.ceil(s.k / 4);
  const address = net.once(s, "backRoom", () => net.arena.take(s.groups * panels * 4 * s.own));
  const weight = net.tensor(s.weight);
  const turned = { groups: s.groups, panels, own: s.k, k: s.own };
  const packed = net.arena.floats(address, s.groups * panels * 4 * s.own);
  packPanels(packed, turned, (g, k, row) => weight[(g * s.own + row) * s.k + k]);
  return address;
}

function copyRows(arena, from, to, row, rows, count) {
  const source = arena.floats(from, rows * EIGHT);
  for (let r = 0; r < rows; r += 1) {
    arena.floats(to + r * row, count).set(source.subarray(r * EIGHT, r * EIGHT + count));
  }
}

// Transposed convolution: each number of the input lays a kernel onto the output. Written as its sum.
export const conv_transpose2d = {
  open(net, step) {
    const [, channels, height, width] = net.shapes[step.inputs[0]];
    const [, filters, rows, columns] = net.shapes[step.output];
    return { ...step, channels, height, width, filters, rows, columns };
  },

  load() {},

  forward(net, { inputs, output }, s) {
    const x = net.values(inputs[0]);
    const y = net.values(output);
    const weight = net.tensor(s.weight);
    const bias = s.bias && net.tensor(s.bias);
    const plane = s.rows * s.columns;
    for (let f = 0; f < s.filters; f += 1) y.fill(bias ? bias[f] : 0, f * plane, (f + 1) * plane);
    eachProduct(s, (i, o, w) => { y[o] += x[i] * weight[w]; });
  },

  backward(net, { inputs, output }, s) {
    const weight = net.tensor(s.weight);
    const [to, from] = [net.signals(inputs[0]), net.signals(output)];
    eachProduct(s, (i, o, w) => { to[i] += from[o] * weight[w]; });
  },
};

function eachProduct({ channels, height, width, filters, rows, columns, weight, stride, padding, dilation, groups }, use) {
  const [, own, high, wide] = weight.shape; // own: output channels of a group
  const depth = channels / groups;
  for (let c = 0; c < channels; c += 1) {
    const first = Math.floor(c / depth) * own;
    for (let f = 0; f < own && first + f < filters; f += 1) {
      for (let i = 0; i < high * wide; i += 1) {
        const w = (c * own + f) * high * wide + i;
        const down = Math.floor(i / wide) * dilation[0] - padding[0];
        const across = (i % wide) * dilation[1] - padding[1];
        for (let y = 0; y < height; y += 1) {
          const row = y * stride[0] + down;
          if (row < 0 || row >= rows) continue;
          for (let x = 0; x < width; x += 1) {
            const column = x * stride[1] + across;
            if (column < 0 || column >= columns) continue;
            use((c * height + y) * width + x, ((first + f) * rows + row) * columns + column, w);
          }
        }
      }
    }
  }
}

// A convolution with one window, which is the whole input, as the linear layer that it is; any other stays.
export function plainest(step, sizes) {
  const { weight, inputs, groups, padding } = step;
  if (step.op !== "conv2d" || weight.pairs || groups > 1 || padding.some(Boolean)) return step;
  const [filters, ...window] = weight.shape;
  const k = window.reduce((a, b) => a * b);
  return k === sizes[inputs[0]] ? { ...step, op: "linear", weight: { ...weight, shape: [filters, k] } } : step;
}

// A linear layer: a row of weights for each output. Rows are filled up to a multiple of four.
export const linear = {
  open(net, { inputs, output, weight, bias }) {
    const [outputs, k] = weight.shape;
    const fours = Math.ceil(k / 4);
    const rows = net.sizes[inputs[0]] / k;
    const { arena } = net;
    return {
      outputs, k, fours, rows, weight, bias, output,
      weights: arena.take(outputs * fours * 4), biases: arena.take(outputs), row: arena.take(fours * 4),
    };
  },

  load(net, s) {
    const weight = net.tensor(s.weight);
    const rows = net.arena.floats(s.weights, s.outputs * s.fours * 4);
    for (let m = 0; m < s.outputs; m += 1) {
      rows.set(weight.subarray(m * s.k, (m + 1) * s.k), m * s.fours * 4);
    }
    if (s.bias) net.arena.floats(s.biases, s.outputs).set(net.tensor(s.bias));
  },

  forward(net, { inputs, output }, s) {
    const x = net.values(inputs[0]);
    for (let r = 0; r < s.rows; r += 1) {
      net.arena.floats(s.row, s.k).set(x.subarray(r * s.k, (r + 1) * s.k));
      const to = net.address[output] + 4 * r * s.outputs;
      net.arena.kernel.products(s.weights, s.row, s.fours, s.outputs, to, s.biases);
    }
  },

  backward(net, { inputs, output }, s) {
    const to = net.signal(inputs[0]);
    eachSent(net, output, s, (r, m, sent) => {
      if (sent !== 0) net.arena.kernel.add_times(to + 4 * r * s.k, s.weights + 16 * m * s.fours, sent, s.fours);
    });
  },

  learn(net, { inputs, output }, s) {
    const { arena } = net;
    const owed = net.owedFor(s.weight).byteOffset;
    const biases = s.bias && net.owedFor(s.bias);
    const x = net.values(inputs[0]);
    const row = arena.floats(s.row, s.k);
    eachSent(net, output, s, (r, m, sent) => {
      if (m === 0) row.set(x.subarray(r * s.k, (r + 1) * s.k));
      if (biases) biases[m] += sent;
      if (sent !== 0) arena.kernel.add_times(owed + 4 * m * s.k, s.row, sent, s.fours);
    });
  },
};

// Calls use(row, output, its signal). Rows of zeros behind the numbers make whole fours of them.
function eachSent(net, output, { rows, outputs }, use) {
  const signal = net.signals(output);
  for (let r = 0; r < rows; r += 1) for (let m = 0; m < outputs; m += 1) use(r, m, signal[r * outputs + m]);
}
