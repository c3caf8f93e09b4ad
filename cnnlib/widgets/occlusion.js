// Occlusion: a cover on a photograph, and what the network says with the cover at that place.
//
// The cover's place is the model's ([top, left], in pixels of the network's input). Without a kernel
// it stands on the scan's grid; with one (`live`) anywhere, and `answer` follows from Python, or an
// `error` in it.

import { announcer, button, choice, element, gridStep, uniqueId, unpack, watch } from "./page.js";

const MAPS = {
  probability: "True class", activity: "Strongest map", labels: "Class that wins",
};
const LETTERS = "ABCDEFGHIJKL"; // so many classes of a label map are named in the legend
const ROWS = 5; // of a list of classes: the best, and the true class where it is not among them
const PAINTED = 480; // canvas pixels of a map's longer side

export default {
  render({ model, el }) {
    el.classList.add("cnn-widget", "cnn-occlusion");
    const photographs = model.get("photographs").map((entry) => ({
      ...entry, scans: entry.scans.map(unpackScan),
    }));
    const colours = { ...model.get("colours") };
    colours.levels = Array.from({ length: 256 }, (_, level) => heat(colours.heat, level / 255));
    const spoken = announcer();
    let onScreen = {}; // the photograph, scan and kind of map that are drawn
    let untold = false; // whether the reader has moved on and Python's answer is still to come

    const photographPicker = choice({
      label: "Photograph",
      options: photographs.map(({ title }, number) => [number, title]),
      value: model.get("photograph"),
      onChange: (value) => move({ photograph: Number(value), occluder: model.get("occluder") }),
    });
    const occluderBox = element("div");
    let occluderPicker = null; // of the photograph on screen
    const mapButtons = Object.entries(MAPS).map(([name, text]) =>
      [name, button(text, () => save({ shown: name }), { pressed: false })]);
    const picture = picturePanel({ step, go });
    const map = mapPanel(colours, { go });
    const now = listPanel("Covered here");
    const clean = listPanel("Nothing covered");
    const words = element("p", { class: "cnn-words" });
    const refusal = element("p", { class: "cnn-refusal", role: "alert" });
    const credit = element("p", { class: "cnn-help" });
    el.append(
      element("div", { class: "cnn-row cnn-choosers" }, photographPicker.node, occluderBox,
        element("div", { class: "cnn-control", role: "group", "aria-label": "Map" },
          element("span", { class: "cnn-picker-name", "aria-hidden": "true" }, "Map"),
          element("div", { class: "cnn-maps" }, ...mapButtons.map(([, node]) => node)))),
      element("div", { class: "cnn-panel" }, picture.node, map.node,
        element("div", { class: "cnn-lists" }, words, refusal, now.node, clean.node)),
      credit, spoken.node);

    function chosen() {
      const photograph = photographs[model.get("photograph")];
      const last = photograph.scans.length - 1;
      return { photograph, scan: photograph.scans[Math.min(model.get("occluder"), last)] };
    }

    // The place as the model has it; without a kernel, the nearest one of the grid.
    function place() {
      return model.get("live") ? model.get("place") : nearestPlace(model.get("place"), chosen().scan);
    }

    function move({ photograph, occluder }) {
      const before = chosen();
      const scans = photographs[photograph].scans;
      const number = Math.min(occluder, scans.length - 1);
      const scan = scans[number];
      const size = photographs[photograph].size;
      const corner = place().map((start, axis) => { // the cover's middle stays where it is
        const middle = (start + before.scan.size[axis] / 2) / before.photograph.size[axis];
        return Math.round(middle * size[axis] - scan.size[axis] / 2);
      });
      save({
        photograph, occluder: number, place: nearestPlace(corner, scan),
        shown: scan[model.get("shown")] ? model.get("shown") : "probability",
      });
    }

    function go(corner) {
      const { photograph, scan } = chosen();
      save({ place: allowed(corner, photograph, scan, model.get("live")) });
    }

    // Arrow keys go from place to place of the grid; with Shift, where a kernel is, pixel by pixel.
    function step({ key, shiftKey }) {
      const { photograph, scan } = chosen();
      if (shiftKey && model.get("live")) {
        const next = gridStep(key, place(), photograph.size);
        return next && save({ place: allowed(next, photograph, scan, true) });
      }
      const grid = [scan.tops.length, scan.lefts.length];
      const next = gridStep(key, indexOf(place(), scan), grid);
      return next && save({ place: [scan.tops[next[0]], scan.lefts[next[1]]] });
    }

    function save(values) {
      for (const [name, value] of Object.entries(values)) model.set(name, value);
      model.save_changes();
      untold = model.get("live") && !answerHere();
      spoken.say(sentence());
    }

    function draw() {
      const { photograph, scan } = chosen();
      const shown = scan[model.get("shown")] ? model.get("shown") : "probability";
      if (onScreen.photograph !== photograph || onScreen.scan !== scan) {
        photographPicker.set(String(model.get("photograph")));
        if (onScreen.photograph !== photograph) {
          occluderPicker = pickerOf(photograph);
          occluderBox.replaceChildren(occluderPicker.node);
        }
        occluderPicker.set(String(photograph.scans.indexOf(scan)));
        picture.show(photograph, scan, model.get("live"));
        clean.show(cleanShares(scan), photograph.target);
        credit.textContent = photograph.credit;
      }
      if (onScreen.scan !== scan || onScreen.shown !== shown) {
        for (const [name, node] of mapButtons) {
          node.setAttribute("aria-pressed", String(name === shown));
          node.disabled = !scan[name];
        }
        map.show(photograph, scan, shown, model.get("layer"));
      }
      onScreen = { photograph, scan, shown };
      drawPlace();
    }

    function drawPlace() {
      const { photograph, scan } = chosen();
      const corner = place();
      picture.cover(corner);
      map.mark(indexOf(corner, scan));
      now.show(sharesHere(), photograph.target);
      words.textContent = sentence();
      const error = answerHere()?.error;
      refusal.textContent = error ? `No answer from respond for this place. ${error}` : "";
      if (untold && exact()) {
        untold = false;
        spoken.say(sentence());
      }
    }

    function pickerOf({ scans, size }) {
      return choice({
        label: "Cover",
        options: scans.map(({ size: [height, width] }, number) => [number,
          `${height} × ${width} pixels, ${perCent(height * width / (size[0] * size[1]))}`]),
        value: 0,
        onChange: (value) => move({ photograph: model.get("photograph"), occluder: Number(value) }),
      });
    }

    // What Python answered for this very place, or null.
    function answerHere() {
      const answer = model.get("answer");
      const matches = model.get("live") && answer.photograph === model.get("photograph")
        && answer.occluder === model.get("occluder")
        && answer.place.every((start, axis) => start === place()[axis]);
      return matches ? answer : null;
    }

    // The network's answer for it, or null.
    function exact() {
      const answer = answerHere();
      return answer?.best ? answer : null;
    }

    function sharesHere() {
      const { photograph, scan } = chosen();
      const answer = exact();
      if (answer) return withTarget(answer.best, photograph.target, answer.target);
      const at = indexOf(place(), scan);
      return withTarget(bestAt(scan, at), photograph.target, valueAt(scan.probability, at));
    }

    function sentence() {
      const { photograph, scan } = chosen();
      const answer = exact();
      const corner = place();
      const at = indexOf(corner, scan);
      const [rows, columns] = corner.map((start, axis) =>
        `${start} to ${Math.min(start + scan.size[axis], photograph.size[axis]) - 1}`);
      const share = answer ? answer.target : valueAt(scan.probability, at);
      const said = answer ? answer.best[0][0] : labelAt(scan, at);
      const measured = answer || nearestPlace(corner, scan).every((s, axis) => s === corner[axis])
        ? "" : " (at the nearest place measured)";
      const parts = [
        `Cover over rows ${rows}, columns ${columns}${measured}:`,
        `the network says ${said};`,
        `${photograph.target} ${perCent(share)}, uncovered ${perCent(scan.probability.clean)}.`,
      ];
      if (onScreen.shown === "activity") {
        const { activity } = scan;
        parts.push(`Activity ${inWords(valueAt(activity, at), activity)},`
          + ` uncovered ${inWords(activity.clean, activity)}.`);
      }
      return parts.join(" ");
    }

    const unwatch = watch(
      model, ["photograph", "occluder", "shown", "place", "answer"], draw);
    draw();
    return () => {
      unwatch();
      spoken.stop();
    };
  },
};

// ---- The numbers.

function unpackScan(scan) {
  const map = (packed) => packed && { ...packed, ...unpack(packed.levels) };
  return {
    ...scan,
    probability: map(scan.probability),
    activity: map(scan.activity),
    labels: unpack(scan.labels),
    best: scan.best && {
      ...unpack(scan.best.levels), range: [0, 1], classes: unpack(scan.best.classes).bytes,
    },
  };
}

// What a byte stands for: occlusion.py's _values().
export function valueOf({ range: [low, high] }, level) {
  return low + (level / 255) * (high - low);
}

function valueAt(map, [row, column]) {
  return valueOf(map, map.bytes[row * map.shape[1] + column]);
}

function labelAt({ names, labels: { bytes, shape } }, [row, column]) {
  return names[bytes[row * shape[1] + column]];
}

// [name, share] of the best classes at a place, as far as they are known.
function bestAt({ names, best }, [row, column]) {
  if (!best) return [];
  const [, columns, count] = best.shape;
  const start = (row * columns + column) * count;
  return Array.from({ length: count }, (_, rank) =>
    [names[best.classes[start + rank]], valueOf(best, best.bytes[start + rank])]);
}

function cleanShares({ names, clean_best: best, probability }) {
  const known = (best ?? []).map(([number, share]) => [names[number], share]);
  return withTarget(known, names[0], probability.clean);
}

// The true class is always in the list, with the share that its own map has.
function withTarget(best, target, share) {
  if (!best.some(([name]) => name === target)) return [...best, [target, share]];
  return best.map(([name, own]) => [name, name === target ? share : own]);
}

export function perCent(share) {
  if (share < 0.005) return "under 1 %"; // a byte cannot tell 0 and 100 from what is near them
  if (share >= 0.995) return "over 99 %";
  return `${Math.round(100 * share)} %`;
}

// A number with as many decimals as one step of its map's scale is worth.
function inWords(value, { range: [low, high] }) {
  const step = (high - low) / 255 || 1;
  const digits = Math.max(0, Math.min(8, Math.ceil(-Math.log10(step))));
  return value.toFixed(digits).replace("-", "−");
}

// ---- Places.

function nearest(starts, wanted) {
  return starts.reduce((best, start, index) =>
    (Math.abs(start - wanted) < Math.abs(starts[best] - wanted) ? index : best), 0);
}

function indexOf([top, left], { tops, lefts }) {
  return [nearest(tops, top), nearest(lefts, left)];
}

function nearestPlace(corner, scan) {
  const [row, column] = indexOf(corner, scan);
  return [scan.tops[row], scan.lefts[column]];
}

// Where the cover may stand: on the grid, or with a kernel anywhere that the grid reaches.
function allowed(corner, { size }, scan, live) {
  if (!live) return nearestPlace(corner, scan);
  return corner.map((start, axis) => {
    const last = Math.max((axis ? scan.lefts : scan.tops).at(-1), size[axis] - scan.size[axis]);
    return Math.max(0, Math.min(last, Math.round(start)));
  });
}

// ---- The photograph with the cover.

function picturePanel({ step, go }) {
  const keysId = uniqueId("keys");
  const image = element("img", { loading: "lazy", draggable: "false" });
  const cover = element("div", { class: "cnn-cover" });
  const stage = element("div", {
    class: "cnn-stage cnn-photograph", role: "application", tabindex: 0,
    "aria-roledescription": "cover on a photograph", "aria-describedby": keysId,
    onkeydown: (event) => { if (step(event)) event.preventDefault(); },
  }, image, cover);
  const keys = element("p", { class: "cnn-help", id: keysId });
  let photograph = null;
  let scan = null;
  let corner = [0, 0];
  const drag = dragging(stage, {
    // A finger drags the cover and scrolls the page elsewhere; a tap brings the cover there.
    grabs: (event) => event.pointerType !== "touch" || event.target === cover,
    offset([y, x]) {
      const inside = [y, x].every((at, axis) =>
        at >= corner[axis] && at < corner[axis] + scan.size[axis]);
      return inside ? [y - corner[0], x - corner[1]] : scan.size.map((length) => length / 2);
    },
    size: () => photograph.size,
    go,
  });
  return {
    node: element("figure", { class: "cnn-figure" },
      element("figcaption", {}, "The photograph, covered"), stage, keys),
    show(nextPhotograph, nextScan, live) {
      photograph = nextPhotograph;
      scan = nextScan;
      drag.stop();
      if (image.getAttribute("src") !== photograph.address) image.src = photograph.address;
      image.alt = photograph.alt;
      stage.setAttribute("aria-label", `${photograph.title}, with a cover to move`);
      stage.style.aspectRatio = `${photograph.size[1]} / ${photograph.size[0]}`;
      cover.style.background = `rgb(${scan.fill.join(",")})`;
      keys.textContent = `Drag the cover, click or tap where it is to go, or use the arrow keys${
        live ? "; with Shift they go pixel by pixel" : ""}.`;
    },
    cover(next) {
      corner = next;
      const [height, width] = photograph.size;
      cover.style.top = `${(100 * corner[0]) / height}%`;
      cover.style.left = `${(100 * corner[1]) / width}%`;
      cover.style.height = `${(100 * scan.size[0]) / height}%`;
      cover.style.width = `${(100 * scan.size[1]) / width}%`;
    },
  };
}

// Drag on a stage, or click it: `go` gets the corner that the cover is to have.
function dragging(stage, { grabs, offset, size, go }) {
  let held = null; // where in the cover the pointer holds it
  let wasDragged = false;
  const at = ({ clientX, clientY }) => {
    const box = stage.getBoundingClientRect();
    const [height, width] = size();
    const [y, x] = [(clientY - box.top) / box.height, (clientX - box.left) / box.width];
    return [y * height, x * width];
  };
  const moveTo = (event) => go(at(event).map((along, axis) => Math.round(along - held[axis])));
  const release = () => { held = null; };
  stage.addEventListener("pointerdown", (event) => {
    wasDragged = false;
    if (event.button !== 0 || !grabs(event)) return;
    event.preventDefault(); // no selection of text, no dragging of the picture
    stage.focus({ preventScroll: true });
    held = offset(at(event));
    wasDragged = true;
    stage.setPointerCapture(event.pointerId);
    moveTo(event);
  });
  stage.addEventListener("pointermove", (event) => { if (held) moveTo(event); });
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("click", (event) => { // a tap beside the cover
    if (wasDragged || event.detail === 0) return;
    held = offset(at(event));
    moveTo(event);
    release();
  });
  return { stop: release };
}

// ---- The map.

function mapPanel(colours, { go }) {
  const caption = element("figcaption");
  const image = element("img", { loading: "lazy", draggable: "false", alt: "", class: "cnn-below" });
  const canvas = element("canvas", { role: "img" });
  const mark = element("div", { class: "cnn-mark" });
  const stage = element("div", { class: "cnn-stage" }, image, canvas, mark);
  const legend = element("div", { class: "cnn-legend" });
  let photograph = null;
  let scan = null;
  let pointers = null; // on a heat map's scale: the place's value
  dragging(stage, {
    grabs: (event) => event.pointerType !== "touch",
    offset: () => scan.size.map((length) => length / 2),
    size: () => photograph.size,
    go,
  });
  return {
    node: element("figure", { class: "cnn-figure" }, caption, stage, legend),
    show(nextPhotograph, nextScan, shown, layer) {
      photograph = nextPhotograph;
      scan = nextScan;
      if (image.getAttribute("src") !== photograph.address) image.src = photograph.address;
      stage.style.aspectRatio = `${photograph.size[1]} / ${photograph.size[0]}`;
      caption.textContent = {
        probability: `Probability of ${photograph.target}, by the cover’s place`,
        activity: `Activity of ${layer ? `${layer}’s` : "a layer’s"} strongest map`,
        labels: "The class that wins, by the cover’s place",
      }[shown];
      canvas.setAttribute("aria-label", scan.words[shown]);
      if (shown === "labels") paintLabels(canvas, photograph.size, scan, colours);
      else paintHeat(canvas, photograph.size, scan, scan[shown], colours.levels);
      const made = shown === "labels" ? labelLegend(scan, colours)
        : heatLegend(scan[shown], shown === "probability", colours.heat);
      legend.replaceChildren(...made.nodes);
      pointers = made.point;
    },
    mark([row, column]) {
      const { row_edges: rows, column_edges: columns } = scan;
      const [height, width] = photograph.size;
      mark.style.top = `${(100 * rows[row]) / height}%`;
      mark.style.left = `${(100 * columns[column]) / width}%`;
      mark.style.height = `${(100 * (rows[row + 1] - rows[row])) / height}%`;
      mark.style.width = `${(100 * (columns[column + 1] - columns[column])) / width}%`;
      pointers?.([row, column]);
    },
  };
}

// Fill each place's cell; returns the drawing context and where the cells lie on the canvas.
function paintCells(canvas, [height, width], scan, colourAt) {
  const scale = PAINTED / Math.max(height, width);
  canvas.height = Math.round(scale * height);
  canvas.width = Math.round(scale * width);
  const pen = canvas.getContext("2d");
  const [ys, xs] = [scan.row_edges, scan.column_edges]
    .map((edges) => edges.map((edge) => Math.round(scale * edge)));
  scan.tops.forEach((_, row) => scan.lefts.forEach((__, column) => {
    pen.fillStyle = colourAt(row, column);
    pen.fillRect(xs[column], ys[row], xs[column + 1] - xs[column], ys[row + 1] - ys[row]);
  }));
  return { pen, ys, xs };
}

function paintHeat(canvas, size, scan, map, levels) {
  const columns = scan.lefts.length;
  paintCells(canvas, size, scan, (row, column) => levels[map.bytes[row * columns + column]]);
}

// The colour a share of the way along the anchors.
function heat(anchors, share) {
  const along = share * (anchors.length - 1);
  const from = Math.min(Math.floor(along), anchors.length - 2);
  const part = along - from;
  const mixed = [1, 3, 5].map((i) => {
    const [a, b] = [anchors[from], anchors[from + 1]].map((text) => parseInt(text.slice(i, i + 2), 16));
    return Math.round(a + part * (b - a));
  });
  return `rgb(${mixed.join(",")})`;
}

// Colours, lines where the winner changes, and a letter in each region.
function paintLabels(canvas, size, scan, { labels: hues, others }) {
  const [rows, columns] = [scan.tops.length, scan.lefts.length];
  const { bytes } = scan.labels;
  const { pen, ys, xs } = paintCells(canvas, size, scan, (row, column) =>
    hues[bytes[row * columns + column]] ?? others);
  pen.fillStyle = "#000";
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const own = bytes[row * columns + column];
      const [y, x, high, wide] = [ys[row], xs[column], ys[row + 1] - ys[row], xs[column + 1] - xs[column]];
      if (column && bytes[row * columns + column - 1] !== own) pen.fillRect(x - 1, y, 2, high);
      if (row && bytes[(row - 1) * columns + column] !== own) pen.fillRect(x, y - 1, wide, 2);
    }
  }
  const height = Math.max(14, Math.min(26, ys[1] - ys[0] - 4));
  pen.font = `700 ${height}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = height / 4;
  pen.lineJoin = "round";
  pen.strokeStyle = "#fff";
  for (const { label, row, column } of regions(bytes, rows, columns)) {
    const [x, y] = [(xs[column] + xs[column + 1]) / 2, (ys[row] + ys[row + 1]) / 2];
    pen.strokeText(letterOf(label), x, y);
    pen.fillText(letterOf(label), x, y);
  }
}

function letterOf(label) {
  return LETTERS[label] ?? "·";
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
        const inside = r >= 0 && c >= 0 && r < rows && c < columns;
        if (inside && !seen[cell] && bytes[cell] === bytes[start]) {
          seen[cell] = 1;
          cells.push(cell);
        }
      }
    }
    const places = cells.map((cell) => [Math.floor(cell / columns), cell % columns]);
    const [y, x] = [0, 1].map((axis) => places.reduce((sum, p) => sum + p[axis], 0) / places.length);
    const distance = ([row, column]) => (row - y) ** 2 + (column - x) ** 2;
    const [row, column] = places.reduce((a, b) => (distance(b) < distance(a) ? b : a));
    found.push({ label: bytes[start], row, column, size: cells.length });
  }
  return found;
}

function heatLegend(map, isShare, anchors) {
  const { range: [low, high], clean } = map;
  const along = (value) => (high > low ? (100 * (value - low)) / (high - low) : 0);
  const text = (value) => (isShare ? perCent(value) : inWords(value, map));
  const tick = (value) => (isShare ? `${100 * value} %` : inWords(value, map));
  const strip = element("div", { class: "cnn-strip" });
  strip.style.background = `linear-gradient(to right, ${anchors.join(", ")})`;
  const [here, whole] = ["cnn-here", "cnn-clean"].map((name) => element("span", { class: name }));
  whole.style.left = `${along(clean)}%`;
  const said = element("strong");
  const nodes = [
    element("div", { class: "cnn-scale" }, strip, here, whole),
    element("div", { class: "cnn-ticks" }, ...[low, (low + high) / 2, high]
      .map((value) => element("span", {}, tick(value)))),
    element("p", { class: "cnn-help" }, "▼ here: ", said, ` · ▲ uncovered: ${text(clean)}`),
  ];
  return {
    nodes,
    point(at) {
      const value = valueAt(map, at);
      here.style.left = `${along(value)}%`;
      said.textContent = text(value);
    },
  };
}

function labelLegend(scan, { labels: hues, others }) {
  const { names, counts, clean_label: clean } = scan;
  const total = scan.tops.length * scan.lefts.length;
  const winners = names.map((name, label) => ({ name, label, count: counts[label] }))
    .filter(({ label, count }) => count || label === 0);
  const lines = winners.filter(({ label }) => label < LETTERS.length).map(({ name, label, count }) => {
    const swatch = element("span", { class: "cnn-swatch", "aria-hidden": "true" }, letterOf(label));
    swatch.style.background = hues[label] ?? others;
    const note = [`${count} of ${total}`, label === 0 ? "true class" : "",
      label === clean ? "wins uncovered" : ""].filter(Boolean).join(", ");
    return { label, node: element("li", {}, swatch, ` ${name} `, element("span", {}, note)) };
  });
  const more = winners.length - lines.length;
  const rest = more ? element("li", {}, `· ${more} more`) : null;
  const { bytes, shape } = scan.labels;
  return {
    nodes: [element("ul", { class: "cnn-names" }, ...lines.map(({ node }) => node), rest)],
    point([row, column]) {
      const here = bytes[row * shape[1] + column];
      for (const { label, node } of lines) node.classList.toggle("cnn-chosen", label === here);
    },
  };
}

// ---- The best classes as bars.

function listPanel(title) {
  const id = uniqueId("list");
  const lines = Array.from({ length: ROWS }, () => {
    const name = element("span");
    const number = element("span", { class: "cnn-number" });
    const bar = element("div", { class: "cnn-bar" });
    return { node: element("li", {}, name, " ", number, bar), name, number, bar };
  });
  return {
    node: element("div", {}, element("p", { class: "cnn-list-title", id }, title),
      element("ul", { class: "cnn-bars", "aria-labelledby": id }, ...lines.map(({ node }) => node))),
    show(shares, target) {
      lines.forEach(({ node, name, number, bar }, rank) => {
        const [text, share] = shares[rank] ?? ["", 0];
        name.textContent = text === target ? `${text} (true)` : text;
        number.textContent = text ? perCent(share) : "";
        bar.style.width = `${100 * share}%`;
        node.classList.toggle("cnn-true", text === target);
        node.style.visibility = text ? "" : "hidden";
      });
    },
  };
}
