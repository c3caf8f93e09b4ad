// Pick a unit in any layer of a traced network and see what it sees in every layer below.
//
// The rows come in the short form that receptive_field_explorer.py writes. Row -1 is the input.

import { makeWindow, seenBy, span } from "./geometry.js";
import {
  announcer, button, element, gridStep, slider, svgElement, uniqueId, watch,
} from "./page.js";

// --- The network --------------------------------------------------------------------------------

// The rows as seenBy wants them, every default filled in. A row `varies` where its units may see
// windows of different sizes, as behind a transposed convolution. A `vector` has no places left.
export function expand(rows, inputShape) {
  const both = (list) => (list.length === 1 ? [list[0], list[0]] : list);
  const gridOf = (number) => (
    number < 0 ? inputShape.slice(1) : rows[number].grid ?? rows[number].shape.slice(1));
  const fill = (reading) => {
    if (reading === null) return null;
    if (reading.reads) return { ...reading, chain: reading.chain.map(makeWindow) };
    return makeWindow(reading);
  };
  const full = [];
  rows.forEach((row, number) => {
    const windows = both(row.windows.map(fill));
    const aligned = row.aligned !== false;
    const grid = gridOf(number);
    full.push({
      ...row, windows, aligned, grid, in_sizes: row.inputs.map(gridOf), field: both(row.field),
      vector: row.shape.length === 1 && grid.every((count) => count === 1),
      varies: !aligned || windows.some((w) => w?.transposed || w?.reads)
        || row.inputs.some((below) => below >= 0 && full[below].varies),
    });
  });
  const input = {
    name: "input", kind: "", inputs: [], shape: inputShape, grid: gridOf(-1),
    field: both([{ size: 1, stride: 1, start: 0 }]), vector: false, aligned: true, varies: false,
  };
  return { rows: full, at: (row) => (row < 0 ? input : full[row]) };
}

// What one unit sees: a Map from row number (and -1) to [[first, last], [first, last]], nulls where
// nothing is read. A pixel of the input sees itself.
export function seen(network, row, unit, clip = true) {
  if (row < 0) return new Map([[-1, unit.map((index) => [index, index])]]);
  return seenBy(network.rows, row, unit, clip);
}

// What it sees of the input through one of a join's inputs alone.
export function seenThrough(network, row, unit, which) {
  const join = network.rows[row];
  const alone = { ...join, inputs: [join.inputs[which]], in_sizes: [join.in_sizes[which]] };
  return seenBy([...network.rows.slice(0, row), alone], row, unit).get(-1) ?? null;
}

// Size and step of the field after one more window (Araujo et al. 2019).
function widen(field, window) {
  return {
    size: field.size + (span(window) - 1) * field.stride,
    stride: field.stride * window.stride,
  };
}

function isPointwise(w) {
  return w !== null && !w.reads && !w.transposed && w.kernel_size === 1 && w.stride === 1
    && w.padding[0] === 0 && w.padding[1] === 0;
}

// A ReLU, say: it has one input and reads it place by place, so that every window stays as it is.
function changesNothing(row) {
  return row.inputs.length === 1 && row.windows.every(isPointwise)
    && String(row.grid) === String(row.in_sizes[0]);
}

// --- The words ----------------------------------------------------------------------------------

const times = (pair) => pair.join("×");
const extent = ([first, last]) => last - first + 1;
const isEmpty = (ranges) => !ranges || ranges.includes(null);
const many = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const listed = (words) => (words.length < 2 ? words.join("")
  : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);
const fromTo = ([first, last]) => (first === last ? `${first}` : `${first}–${last}`);
const short = (number) => String(Math.round(number * 1000) / 1000);
const pairOrOne = ([down, across]) => (down === across ? short(down)
  : `${short(down)} down, ${short(across)} across`);

function rowsAndColumns([rows, columns]) {
  const part = (noun, range) => `${noun}${range[0] === range[1] ? "" : "s"} ${fromTo(range)}`;
  return `${part("row", rows)}, ${part("column", columns)}`;
}

function subject(network, layer, unit) {
  const { name, vector } = network.at(layer);
  if (layer < 0) return `Pixel (${unit.join(", ")}) of the input`;
  return vector ? `Every unit of ${name}` : `Unit (${unit.join(", ")}) of ${name}`;
}

// What the unit sees of the input. `ranges` is its window there.
export function sentence(network, layer, unit, ranges) {
  const who = subject(network, layer, unit);
  if (layer < 0) return `${who} sees itself: 1×1 pixel.`;
  if (isEmpty(ranges)) return `${who} sees nothing of the input.`;
  const sizes = ranges.map(extent);
  const pixels = sizes[0] * sizes[1] === 1 ? "pixel" : "pixels";
  return `${who} sees ${rowsAndColumns(ranges)} of the input: ${times(sizes)} ${pixels}`
    + `${stepInWords(network.at(layer))}.`;
}

function stepInWords({ grid, field }) {
  const steps = field.map((f) => f.stride);
  if (grid.every((count) => count === 1)) return "";
  return steps.every((step) => step === 0) ? ", as every unit does" : `; step ${pairOrOne(steps)}`;
}

// What the border takes. `whole` is the window as if every layer went on beyond its border.
export function borderSentence(whole, ranges, size) {
  if (isEmpty(whole) || isEmpty(ranges)) return "";
  if (String(whole) === String(ranges)) return "The border clips nothing.";
  const outside = [];
  const behind = []; // in the image, but only some layer's padding looks at it
  let count = 0;
  [0, 1].forEach((axis) => {
    const noun = ["row", "column"][axis];
    const sides = [["above", "below"], ["left of", "right of"]][axis];
    const [first, last] = whole[axis];
    const front = Math.max(0, Math.min(last, -1) - first + 1);
    const back = Math.max(0, last - Math.max(first, size[axis]) + 1);
    [front, back].forEach((lost, side) => {
      if (lost) outside.push(`${many(lost, noun)} ${sides[side]}`);
    });
    count += front + back;
    const rest = extent(whole[axis]) - front - back - extent(ranges[axis]);
    if (rest) behind.push(many(rest, noun));
  });
  const parts = [];
  const lie = count === 1 ? "lies" : "lie";
  if (count) parts.push(`${listed(outside)} the image ${lie} in the padding`);
  if (behind.length) parts.push(`${listed(behind)} could be reached only through padding`);
  return `The whole window is ${times(whole.map(extent))}, of which ${parts.join("; ")}.`;
}

// How a layer makes its field out of the field below: lines of {text} and of {sum}.
export function growth(network, layer) {
  if (layer < 0) return [];
  const row = network.rows[layer];
  const below = row.inputs.map((number) => network.at(number));
  const names = listed([...new Set(below.map((other) => other.name))]);
  const kernels = times(row.windows.map((w) => w?.kernel_size));
  const onePlace = ({ grid }) => grid.every((count) => count === 1);
  const say = (text) => [{ text: `${row.name} ${text}` }];
  if (row.windows.includes(null)) {
    const [down, across] = row.windows;
    const what = down === across ? "place" : down === null ? "row" : "column";
    return say(`reads every ${what} of ${names}.`);
  }
  if (row.windows.some((w) => w.reads)) {
    return say(`reads ${names} at places that follow no single window. They may differ from unit `
      + "to unit.");
  }
  if (row.windows.some((w) => w.transposed)) {
    return say(`is transposed: each unit of ${names} writes a patch of ${kernels} units, and the `
      + `patches lie ${pairOrOne(row.windows.map((w) => w.stride))} apart. How many cover a unit `
      + "may differ.");
  }
  if (below.length > 1) {
    const spread = onePlace(row) ? [] : below.filter(onePlace).map(({ name }) => name);
    const shared = spread.length ? ` (the one place of ${listed(spread)} is shared by all)` : "";
    return say(`reads the same place of ${below.length} layers${shared}, and sees what any of them `
      + "sees.");
  }
  if (changesNothing(row)) {
    return say(`${onePlace(row) ? `reads the one place of ${names}`
      : `reads one unit of ${names}, at the same place`}: the window stays as it is.`);
  }
  const lines = say(`reads ${kernels} units of ${names}${gaps(row.windows)}.`);
  if (below[0].varies) {
    lines.push({ text: "Below it units need not see alike (a transposed, resampled or misaligned "
      + "layer), so no one sum holds for all." });
    return lines;
  }
  const fields = below[0].field;
  lines.push({ text: `One unit of ${names} sees ${times(fields.map((f) => f.size))} pixels, and `
    + `its neighbour looks ${pairOrOne(fields.map((f) => f.stride))} further on.` });
  lines.push({ sum: "size = size below + (span − 1) · step below" });
  const [down, across] = [0, 1].map((axis) => sums(fields[axis], row.windows[axis]));
  if (down === across) lines.push({ sum: down });
  else lines.push({ sum: `rows: ${down}` }, { sum: `columns: ${across}` });
  return lines;
}

function gaps(windows) {
  if (windows.every((w) => w.dilation === 1)) return "";
  const apart = pairOrOne(windows.map((w) => w.dilation));
  return `, ${apart} apart: they span ${times(windows.map(span))}`;
}

function sums(field, window) {
  const wider = widen(field, window);
  return `size ${field.size} + (${span(window)} − 1) · ${field.stride} = ${wider.size}; `
    + `step ${field.stride} · ${window.stride} = ${wider.stride}`;
}

// --- The list of layers -------------------------------------------------------------------------

const THUMB = { x: 0, y: 0, width: 54, height: 44 };
const LANE = 8; // pixels from one line of the graph to the next
const MOST_LANES = 6;

// The lines of the network's graph beside the list: [{from, to, lane}], indices into `order`, which
// holds row numbers from the input upwards. A row left out of `order` hands on what it reads.
// Lane 0 joins neighbours; other lines go round, one lane for all that read the same row.
export function lanes(network, order) {
  const indexOf = new Map(order.map((layer, index) => [layer, index]));
  const listedRow = (layer) => (
    indexOf.has(layer) ? layer : listedRow(network.rows[layer].inputs[0]));
  const lines = order.flatMap((layer, to) => {
    const read = new Set(network.at(layer).inputs.map((below) => indexOf.get(listedRow(below))));
    return [...read].map((from) => ({ from, to, lane: 0 }));
  });
  const takenUpTo = [];
  for (const from of new Set(lines.map((line) => line.from))) {
    const round = lines.filter((line) => line.from === from && line.to > from + 1);
    if (!round.length) continue;
    let lane = 1;
    while (lane < MOST_LANES && takenUpTo[lane] > from) lane += 1;
    takenUpTo[lane] = Math.max(takenUpTo[lane] ?? 0, ...round.map((line) => line.to));
    for (const line of round) line.lane = lane;
  }
  return lines;
}

// A scrolling list, deepest layer first, with each layer's map and the unit's window in it.
function ladder(network, { onPick }) {
  const id = uniqueId("layers");
  const allLines = svgElement("path", { class: "cnn-rf-line" });
  const usedLines = svgElement("path", { class: "cnn-rf-line cnn-rf-used cnn-rf-answer" });
  const graph = svgElement("svg", {
    class: "cnn-rf-graph", "aria-hidden": "true", preserveAspectRatio: "none",
  }, allLines, usedLines);
  const content = element("div", { class: "cnn-rf-content", role: "presentation" });
  const node = element("div", {
    class: "cnn-rf-list", role: "listbox", tabindex: 0, "aria-label": "Layers, the input last",
    onkeydown: move, onscroll: () => inSight().forEach(mark),
  }, content);
  let order = [];
  let lines = [];
  let entries = new Map();
  let chosen = null;
  let latest = { layer: null, windows: new Map() };
  let timer = 0;

  function move(event) {
    const far = order.length;
    const steps = { ArrowUp: 1, ArrowDown: -1, PageUp: 8, PageDown: -8, Home: far, End: -far };
    if (!(event.key in steps)) return;
    event.preventDefault();
    onPick(order[clamp(order.indexOf(chosen) + steps[event.key], 0, order.length - 1)]);
  }

  function makeEntry(layer) {
    const row = network.at(layer);
    const map = row.vector ? { x: 18, y: 2, width: 18, height: 40 } : fit(row.grid, THUMB);
    const rect = svgElement("rect", { class: "cnn-rf-mark" });
    const where = element("span", { class: "cnn-rf-where" });
    const field = `field ${row.varies ? "up to " : ""}${times(row.field.map((f) => f.size))}`;
    const entry = element("div", {
      role: "option", class: "cnn-rf-layer", id: `${id}-${layer}`, "aria-selected": "false",
      title: title(row), onclick: () => onPick(layer),
    },
    svgElement("svg", { class: "cnn-rf-thumb", viewBox: "-1 -1 56 46", "aria-hidden": "true" },
      svgElement("rect", { class: `cnn-rf-map${layer < 0 ? " cnn-rf-input" : ""}`, ...map }), rect),
    element("span", {}, element("b", {}, row.name), title(row).slice(row.name.length),
      row.inputs.length > 1 ? ` · joins ${row.inputs.length}` : "",
      row.aligned ? "" : element("span", { class: "cnn-rf-warning" }, " ≠ not aligned")),
    element("span", { class: "cnn-rf-facts" }, times(row.shape),
      element("span", { class: "cnn-rf-answer" }, ` · ${field}`)),
    where);
    return { entry, rect, where, row, map };
  }

  function path(some) {
    const height = (index) => order.length - index - 0.5;
    return some.map(({ from, to, lane }) => {
      const aside = lane ? `H${LANE * (lane + 0.5)}V${height(to)}` : `V${height(to)}`;
      return `M${LANE / 2} ${height(from)}${aside}H${LANE / 2}`;
    }).join("");
  }

  function words(row, ranges, chosenOne) {
    if (row.vector) return chosenOne ? "a unit without a place" : "all of it";
    if (chosenOne) return `unit (${ranges.map(([first]) => first).join(", ")})`;
    return `${times(ranges.map(extent))}: ${rowsAndColumns(ranges)}`;
  }

  return {
    node,
    // Lists these layers, given from the input upwards.
    fill(next) {
      order = next;
      entries = new Map(order.map((layer) => [layer, makeEntry(layer)]));
      lines = lanes(network, order);
      const width = LANE * (1 + Math.max(0, ...lines.map((line) => line.lane)));
      graph.setAttribute("viewBox", `0 0 ${width} ${order.length}`);
      allLines.setAttribute("d", path(lines));
      node.style.setProperty("--cnn-rf-lanes", `${width}px`);
      const downwards = order.toReversed().map((layer) => entries.get(layer).entry);
      content.replaceChildren(graph, ...downwards);
      chosen = null;
    },
    // Marks the unit in its layer and its window in every layer below: what is in sight at once,
    // the rest when things have been still for a moment.
    show(layer, windows) {
      clearTimeout(timer);
      latest = { layer, windows };
      if (layer !== chosen) choose(layer, windows);
      inSight().forEach(mark);
      timer = setTimeout(() => order.forEach(mark), 200);
    },
    stop() { clearTimeout(timer); },
  };

  function inSight() {
    const each = content.clientHeight / order.length;
    const first = Math.floor(node.scrollTop / each);
    const last = Math.ceil((node.scrollTop + node.clientHeight) / each);
    return order.slice(Math.max(0, order.length - last), order.length - first);
  }

  function mark(number) {
    const { layer, windows } = latest;
    const { rect, where, row, map } = entries.get(number);
    const ranges = windows.get(number);
    const reached = !isEmpty(ranges);
    where.textContent = reached ? words(row, ranges, number === layer) : "";
    rect.style.display = reached ? "" : "none";
    if (reached) setBox(rect, frame(ranges, row.grid, map, 4));
  }

  function choose(layer, windows) {
    for (const [number, { entry, rect, where }] of entries) {
      entry.setAttribute("aria-selected", String(number === layer));
      rect.classList.toggle("cnn-rf-unit", number === layer);
      for (const part of [rect, where]) part.classList.toggle("cnn-rf-answer", number !== layer);
    }
    chosen = layer;
    usedLines.setAttribute("d", path(lines.filter(({ from, to }) => (
      order[to] <= layer && windows.has(order[to]) && windows.has(order[from])))));
    const { entry } = entries.get(layer);
    node.setAttribute("aria-activedescendant", entry.id);
    const top = entry.offsetTop - node.scrollTop;
    if (top < 0 || top + entry.offsetHeight > node.clientHeight) {
      node.scrollTop = entry.offsetTop - node.clientHeight / 4;
    }
  }
}

function title({ name, kind }) {
  return kind === name ? name : `${name} ${kind}`.trim();
}

// --- Boxes: {x, y, width, height} ---------------------------------------------------------------

const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

// The largest box of a map's proportions in `room`, centred.
function fit([height, width], room) {
  const scale = Math.min(room.width / width, room.height / height);
  return {
    x: room.x + (room.width - width * scale) / 2, y: room.y + (room.height - height * scale) / 2,
    width: width * scale, height: height * scale,
  };
}

// Where a window lies on a map drawn in `map`; never smaller than `least`, so that it can be seen.
function frame(ranges, size, map, least) {
  const along = ([first, last], count, start, room) => {
    const long = Math.max(least, (last - first + 1) * room / count);
    return [start + (first + last + 1) / 2 * room / count - long / 2, long];
  };
  const [y, height] = along(ranges[0], size[0], map.y, map.height);
  const [x, width] = along(ranges[1], size[1], map.x, map.width);
  return { x, y, width, height };
}

function grown({ x, y, width, height }, by) {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by };
}

function common(one, other) {
  const x = Math.max(one.x, other.x);
  const y = Math.max(one.y, other.y);
  const width = Math.min(one.x + one.width, other.x + other.width) - x;
  const height = Math.min(one.y + one.height, other.y + other.height) - y;
  return { x, y, width: Math.max(0, width), height: Math.max(0, height) };
}

function setBox(node, box) {
  for (const [name, value] of Object.entries(box)) node.setAttribute(name, value.toFixed(2));
}

function outlineOf({ x, y, width, height }) {
  return `M${x} ${y}h${width}v${height}h${-width}z`;
}

// --- The picture: the chosen layer's map, and under it the input --------------------------------

const WIDTH = 420;
const UPPER = { x: 125, y: 26, width: 190, height: 120 };
const LOWER = { x: 84, y: 216, width: 290, height: 290 };
const MARGIN = 20; // round the input, where the padding that a unit sees is hatched

// Branches are told apart by their dashes.
const dashes = (which) => ["1 3", "5 3", "10 3", "10 3 2 3", "16 4", "5 3 1 3 1 3"][which % 6];

function stage(network, { onUnit, onPlace, onKey }) {
  const size = network.at(-1).grid;
  const input = fit(size, LOWER);
  input.y = LOWER.y;
  const beyond = grown(input, MARGIN);
  const pixel = input.width / size[1];
  const id = uniqueId("stage");
  const centre = input.x + input.width / 2;
  const bottom = input.y + input.height;

  const rect = (name, attributes = {}) => svgElement("rect", { class: name, ...attributes });
  const text = (name, attributes, words = "") => svgElement("text",
    { class: `cnn-rf-caption ${name}`, "text-anchor": "middle", ...attributes }, words);
  const squares = (name, attributes) => svgElement("pattern",
    { id: `${id}-${name}`, patternUnits: "userSpaceOnUse", ...attributes },
    svgElement("path", {
      class: "cnn-rf-gridline", d: `M${attributes.width} 0H0V${attributes.height}`,
    }));

  const unitGrid = squares("units", { width: 1, height: 1 });
  const defs = svgElement("defs", {}, unitGrid,
    squares("pixels", { x: input.x, y: input.y, width: pixel, height: pixel }),
    svgElement("pattern", {
      id: `${id}-hatch`, patternUnits: "userSpaceOnUse", width: 7, height: 7,
      patternTransform: "rotate(45)",
    }, svgElement("path", { class: "cnn-rf-hatchline", d: "M0 0V7" })),
    svgElement("clipPath", { id: `${id}-beyond` }, rect(null, beyond)));

  const upperCaption = text("", { x: centre, y: 15 });
  const unitLabel = text("cnn-rf-unit-words", { "text-anchor": "start" });
  const upperMap = rect("cnn-rf-map");
  const upperGrid = rect("cnn-rf-grid", { fill: `url(#${id}-units)` });
  const unitMark = rect("cnn-rf-mark cnn-rf-unit");
  const ring = rect("cnn-rf-ring");
  const upper = svgElement("g", {
    class: "cnn-rf-units", tabindex: 0, role: "application", onkeydown: onKey,
  }, upperMap, upperGrid, unitMark, ring);

  const picture = svgElement("image", { ...input, preserveAspectRatio: "none", role: "img" });
  if (Math.max(...size) <= 96) picture.style.imageRendering = "pixelated";
  const surface = rect("cnn-rf-map cnn-rf-input", input);
  const pixelGrid = rect("cnn-rf-grid", {
    ...input, fill: pixel >= 5 ? `url(#${id}-pixels)` : "none",
  });
  const veil = svgElement("path", { class: "cnn-rf-veil cnn-rf-answer", "fill-rule": "evenodd" });
  const padding = svgElement("path", {
    class: "cnn-rf-answer", fill: `url(#${id}-hatch)`, "fill-rule": "evenodd",
  });
  const whole = rect("cnn-rf-whole cnn-rf-answer");
  const branches = svgElement("g", { class: "cnn-rf-answer" });
  const halo = rect("cnn-rf-halo cnn-rf-answer");
  const window = rect("cnn-rf-window cnn-rf-answer");
  const lower = svgElement("g", { class: "cnn-rf-picture" }, surface, picture, pixelGrid, veil,
    rect("cnn-rf-edge", input),
    svgElement("g", { "clip-path": `url(#${id}-beyond)` }, padding, whole), branches, halo, window);

  const funnel = svgElement("polygon", { class: "cnn-rf-funnel cnn-rf-answer" });
  const columnLabel = text("cnn-rf-window-words", { y: beyond.y - 5 });
  const rowLabel = text("cnn-rf-window-words", { y: 15, "text-anchor": "end" });
  const rowLabels = svgElement("g", {},
    text("cnn-rf-window-words", { "text-anchor": "end" }, "rows"), rowLabel);
  const windowWords = svgElement("g", { class: "cnn-rf-answer" }, columnLabel, rowLabels);

  const hatched = svgElement("tspan", { class: "cnn-rf-answer" });
  const lowerCaption = text("", { x: centre, y: bottom + 38 }, `the input: ${times(size)} pixels`);
  lowerCaption.append(hatched);

  const node = svgElement("svg", {
    class: "cnn-rf-stage", viewBox: `0 0 ${WIDTH} ${bottom + 46}`, role: "group",
    "aria-label": "The chosen layer's map, and under it the input with the unit's window",
  }, defs, upper, lower, funnel, numbers(), upperCaption, unitLabel, windowWords,
  lowerCaption);

  // Row and column numbers along the input's right and bottom edges.
  function numbers() {
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((n) => n * pixel >= 34) ?? 1000;
    const steps = (count) => Array.from({ length: Math.ceil(count / every) }, (_, i) => i * every);
    return svgElement("g", { class: "cnn-rf-numbers", "aria-hidden": "true" },
      ...steps(size[1]).map((at) => svgElement("text", {
        x: input.x + (at + 0.5) * pixel, y: bottom + 14, "text-anchor": "middle",
      }, at)),
      ...steps(size[0]).map((at) => svgElement("text", {
        x: input.x + input.width + 5, y: input.y + (at + 0.5) * pixel + 4,
      }, at)));
  }

  // Pressing or dragging on a map calls back with the place, [down, across], each from 0 to 1.
  function listen(target, map, callback) {
    const tell = (event) => {
      const box = map.getBoundingClientRect();
      const down = (event.clientY - box.top) / box.height;
      const across = (event.clientX - box.left) / box.width;
      callback([down, across].map((part) => clamp(part, 0, 1 - 1e-9)));
    };
    target.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      target.setPointerCapture(event.pointerId);
      tell(event);
    });
    target.addEventListener("pointermove", (event) => {
      if (target.hasPointerCapture(event.pointerId)) tell(event);
    });
  }
  listen(upper, upperMap, onUnit);
  listen(lower, surface, onPlace);

  let map = UPPER; // where the chosen layer's map is drawn
  return {
    node,
    setImage(address, words) {
      for (const [name, value] of [["href", address], ["aria-label", words || "the image"]]) {
        if (address) picture.setAttribute(name, value);
        else picture.removeAttribute(name);
      }
      picture.style.display = address ? "" : "none";
      pixelGrid.style.display = address ? "none" : "";
    },
    setLayer(row) {
      map = row.vector ? { ...UPPER, y: UPPER.y + 48, height: 24 } : fit(row.grid, UPPER);
      map.x += centre - (map.x + map.width / 2);
      const cells = row.vector ? [1, Math.min(40, row.shape[0])] : row.grid;
      const cell = { ...map, width: map.width / cells[1], height: map.height / cells[0] };
      for (const part of [upperMap, upperGrid]) setBox(part, map);
      setBox(unitGrid, cell);
      unitGrid.firstChild.setAttribute("d", `M${cell.width} 0H0V${cell.height}`);
      upperGrid.style.display = cell.width >= 5 ? "" : "none";
      setBox(ring, grown(map, 4));
      const name = row.name.length > 26 ? `…${row.name.slice(-25)}` : row.name;
      const units = row.vector ? `${many(row.shape[0], "unit")}, no places`
        : `${times(row.grid)} units`;
      upperCaption.textContent = `${name}: ${units}`;
      upper.setAttribute("aria-label", row.vector
        ? `${row.name}: ${units}`
        : `${row.name}, ${many(row.grid[0], "row")} and ${many(row.grid[1], "column")} of units: `
          + "arrow keys move the unit");
    },
    // `ranges` is the unit's window on the input, `full` the same without a border.
    setUnit(row, unit, ranges, full) {
      const from = frame(unit.map((index) => [index, index]), row.grid, map, 8);
      setBox(unitMark, from);
      unitLabel.textContent = row.vector ? "any unit" : `unit (${unit.join(", ")})`;
      unitLabel.setAttribute("x", map.x + map.width + 8);
      unitLabel.setAttribute("y", from.y + from.height / 2 + 5);
      const nothing = isEmpty(ranges);
      for (const part of [funnel, veil, padding, whole, halo, window, windowWords]) {
        part.style.display = nothing ? "none" : "";
      }
      hatched.textContent = nothing || String(ranges) === String(full) ? "" : "; hatched: padding";
      if (nothing) return;
      const to = frame(ranges, size, input, 4);
      const around = frame(isEmpty(full) ? ranges : full, size, input, 4);
      for (const part of [halo, window]) setBox(part, grown(to, 1.5));
      setBox(whole, around);
      veil.setAttribute("d", outlineOf(input) + outlineOf(to));
      padding.setAttribute("d", outlineOf(around) + outlineOf(common(around, input)));
      funnel.setAttribute("points", [
        from.x, from.y + from.height, from.x + from.width, from.y + from.height,
        to.x + to.width, to.y, to.x, to.y,
      ].map((value) => value.toFixed(1)).join(" "));
      columnLabel.textContent = `window ${times(ranges.map(extent))}, columns ${fromTo(ranges[1])}`;
      columnLabel.setAttribute("x", clamp(to.x + to.width / 2, 132, WIDTH - 132));
      rowLabel.textContent = fromTo(ranges[0]);
      const middle = clamp(to.y + to.height / 2, input.y + 8, bottom - 12);
      rowLabels.setAttribute("transform", `translate(${beyond.x - 4} ${middle})`);
    },
    // Each branch's own window, dashed as its line in the list of branches.
    setBranches(windows) {
      branches.replaceChildren(...windows.flatMap((ranges, which) => {
        if (isEmpty(ranges)) return [];
        const box = grown(frame(ranges, size, input, 6), -1);
        const dashed = { ...box, "stroke-dasharray": dashes(which) };
        return [rect("cnn-rf-under", box), rect("cnn-rf-branch", dashed)];
      }));
    },
  };
}

// --- The branches of a join ---------------------------------------------------------------------

function branchList(network, { onPick }) {
  const heading = element("p", { id: uniqueId("branches"), class: "cnn-rf-heading" });
  const list = element("ol", { "aria-labelledby": heading.id });
  const verdict = element("p");
  const node = element("div", { class: "cnn-rf-branches cnn-rf-answer" }, heading, list, verdict);
  let words = [];
  return {
    node,
    setLayer(layer) {
      const row = network.at(layer);
      node.hidden = row.inputs.length < 2;
      heading.textContent = `The branches that ${row.name} joins`;
      words = row.inputs.map(() => element("span"));
      list.replaceChildren(...row.inputs.map((below, which) => element("li", {},
        svgElement("svg", { class: "cnn-rf-swatch", viewBox: "0 0 44 6", "aria-hidden": "true" },
          svgElement("path", {
            class: "cnn-rf-branch", d: "M0 3H44", "stroke-dasharray": dashes(which),
          })),
        button(network.at(below).name, () => onPick(below)), words[which])));
      verdict.className = row.aligned ? "" : "cnn-rf-warning";
      verdict.textContent = row.aligned
        ? "Aligned: the branches have one step and one centre."
        : "≠ Not aligned: the branches differ in step or in centre, so one unit joins views of "
          + "different places.";
    },
    // `windows`: what the unit sees of the input through each branch alone.
    show(layer, windows) {
      windows.forEach((ranges, which) => {
        words[which].textContent = isEmpty(ranges) ? " sees nothing of the input"
          : ` sees ${rowsAndColumns(ranges)}: ${times(ranges.map(extent))}`
            + stepInWords(network.at(network.at(layer).inputs[which]));
      });
    },
  };
}

// --- The widget ---------------------------------------------------------------------------------

export default {
  render({ model, el }) {
    const network = expand(model.get("rows"), model.get("input_shape"));
    const all = [-1, ...network.rows.keys()];
    const still = all.filter((layer) => layer >= 0 && changesNothing(network.rows[layer]));
    let leaveOut = network.rows.length > 20 && still.length > 0;
    let order = []; // the listed layers, the input first
    let anchor = null; // where the reader pointed, each axis from 0 to 1, kept from layer to layer
    let drawn = null; // the layer that is drawn
    let predicting = true; // where the game is on: the window is still hidden
    let frameRequest = 0;

    const spoken = announcer();
    const layerSlider = slider({
      label: "Layer", min: 0, max: 1, value: 0, onInput: (index) => pick(order[index]),
    });
    const unitSliders = ["Unit: row", "Unit: column"].map((label, axis) => slider({
      label, min: 0, max: 1, value: 0,
      onInput: (index) => {
        const { layer, unit } = current();
        save(layer, unit.with(axis, index));
      },
    }));
    const layers = ladder(network, { onPick: pick });
    const picture = stage(network, { onUnit: pointAt, onPlace: pointAt, onKey: stepUnit });
    const branches = branchList(network, {
      onPick(layer) {
        pick(layer);
        layers.node.focus();
      },
    });
    const reveal = button("", () => {
      predicting = !predicting;
      draw();
    });
    const leaveOutBox = element("input", {
      type: "checkbox", checked: leaveOut,
      onchange() {
        leaveOut = leaveOutBox.checked;
        listLayers();
        draw();
      },
    });
    const summary = element("p", { class: "cnn-rf-summary" });
    const border = element("p", { class: "cnn-rf-answer" });
    const formula = element("div", { class: "cnn-rf-answer" });

    el.classList.add("cnn-widget", "cnn-receptive");
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", "Receptive field explorer");
    el.replaceChildren(
      element("div", { class: "cnn-row" },
        layerSlider.node, ...unitSliders.map((control) => control.node)),
      element("div", { class: "cnn-rf-says" }, summary, reveal, border),
      element("div", { class: "cnn-rf-columns" },
        element("div", { class: "cnn-rf-column" }, picture.node, formula, branches.node),
        element("div", { class: "cnn-rf-column" }, layers.node,
          still.length ? element("label", { class: "cnn-rf-leave-out" }, leaveOutBox,
            ` Leave out ${many(still.length, "layer")} that ${still.length === 1 ? "does" : "do"} `
            + "not change the window") : null)),
      spoken.node,
    );

    // The layer and unit to show. What Python sends may not fit for a moment: it is clamped.
    function current() {
      const layer = clamp(model.get("layer"), -1, network.rows.length - 1);
      const { grid } = network.at(layer);
      return { layer, grid, unit: model.get("unit").map((i, axis) => clamp(i, 0, grid[axis] - 1)) };
    }

    function save(layer, unit) {
      model.set("layer", layer);
      model.set("unit", unit);
      model.save_changes();
    }

    function unitAt(point, grid) {
      return grid.map((count, axis) => Math.floor(point[axis] * count));
    }

    // Another layer: the unit at the same place of the picture.
    function pick(layer) { save(layer, unitAt(anchor, network.at(layer).grid)); }

    function pointAt(point) {
      anchor = point;
      pick(current().layer);
    }

    function stepUnit(event) {
      const { layer, unit, grid } = current();
      const next = gridStep(event.key, unit, grid);
      if (!next) return;
      event.preventDefault();
      save(layer, next);
    }

    function listLayers() {
      const { layer } = current();
      order = leaveOut ? all.filter((number) => number === layer || !still.includes(number)) : all;
      layers.fill(order);
      drawn = null;
    }

    function draw() {
      frameRequest = 0;
      const { layer, unit, grid } = current();
      if (!order.includes(layer)) listLayers();
      if (drawn !== layer) drawLayer(layer);
      drawn = layer;
      if (!anchor || String(unitAt(anchor, grid)) !== String(unit)) {
        anchor = unit.map((index, axis) => (index + 0.5) / grid[axis]);
      }

      const row = network.at(layer);
      const windows = seen(network, layer, unit);
      const ranges = windows.get(-1) ?? null;
      const whole = seen(network, layer, unit, false).get(-1) ?? null;
      const through = row.inputs.length < 2 ? []
        : row.inputs.map((_, which) => seenThrough(network, layer, unit, which));
      unitSliders.forEach((control, axis) => control.set(unit[axis]));
      layers.show(layer, windows);
      picture.setUnit(row, unit, ranges, whole);
      picture.setBranches(through);
      branches.show(layer, through);
      border.textContent = borderSentence(whole, ranges, network.at(-1).grid);

      const hidden = model.get("predict") && predicting;
      el.classList.toggle("cnn-rf-hidden", hidden);
      reveal.hidden = !model.get("predict");
      reveal.textContent = hidden ? "Show the window" : "Hide the window";
      const who = subject(network, layer, unit);
      summary.textContent = hidden
        ? `Predict: which part of the input is seen by ${who[0].toLowerCase()}${who.slice(1)}?`
        : sentence(network, layer, unit, ranges);
      spoken.say(hidden ? summary.textContent : `${summary.textContent} ${border.textContent}`);
    }

    function drawLayer(layer) {
      const row = network.at(layer);
      const index = order.indexOf(layer);
      picture.setLayer(row);
      branches.setLayer(layer);
      layerSlider.bound({ max: order.length - 1, why: title(row) });
      layerSlider.set(index);
      layerSlider.input.setAttribute("aria-valuetext", row.name);
      layerSlider.node.querySelector("output").textContent = `${index} of ${order.length - 1}`;
      unitSliders.forEach((control, axis) => control.bound({
        min: 0, max: row.grid[axis] - 1, why: row.grid[axis] > 1 ? "" : "there is only one",
      }));
      formula.replaceChildren(...growth(network, layer).map(({ text, sum }) => (
        element("p", { class: sum ? "cnn-rf-sum" : null }, text ?? sum))));
    }

    function drawImage() { picture.setImage(model.get("image"), model.get("image_alt")); }

    function drawSoon() { frameRequest ||= requestAnimationFrame(draw); }

    drawImage();
    listLayers();
    draw();
    const undo = [
      watch(model, ["layer", "unit", "predict"], drawSoon),
      watch(model, ["image", "image_alt"], drawImage),
    ];
    return () => {
      cancelAnimationFrame(frameRequest);
      spoken.stop();
      layers.stop();
      for (const stop of undo) stop();
    };
  },
};
