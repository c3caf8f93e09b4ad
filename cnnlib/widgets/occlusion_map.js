// Occlusion, the map: a colour for each place of the cover, painted where the cover's middle was, and
// a legend that says what the colours mean.

import { element, setAttribute, write } from "./kit/dom.js";
import { pointing } from "./kit/focus.js";
import { colourOf, paintPixels, scaleBar, unpackPalettes, writeValue } from "./kit/pixels.js";
import { regions, valueAt } from "./occlusion_sums.js";

const LETTERS = "ABCDEFGHIJKL"; // so many classes of a label map are named in the legend
const PAINTED = 480; // canvas pixels of a map's longer side

const letterOf = (label) => LETTERS[label] ?? "·";

// Whole per cents; a byte cannot tell 0 and 100 from what is near them.
export function perCent(say, share) {
  if (share < 0.005) return say("share.under");
  if (share >= 0.995) return say("share.over");
  return say("share", { percent: Math.floor(100 * share + 0.5) });
}

// {node, show(photograph, scan, shown, words), mark(place)}; `go` gets the point of the network's
// input that a pointer is on.
export function mapPanel(say, { palettes: anchors, labels, layer }, go) {
  const palettes = unpackPalettes(anchors);
  const hues = { texts: labels, pixels: labels.map(colourOf) }; // the last is for the rest
  const caption = element("figcaption");
  const image = element("img", { loading: "lazy", draggable: "false", alt: "", class: "oc-below" });
  const canvas = element("canvas", { role: "img" });
  const mark = element("div", { class: "oc-mark" });
  const stage = element("div", { class: "oc-stage" }, image, canvas, mark);
  const legend = element("div", { class: "oc-legend" });
  let [photograph, scan] = [null, null];
  let point = null; // shows a place in the legend
  pointing(stage, {
    at: (event) => pointOn(stage, event, photograph.size),
    press(at, event) {
      event.preventDefault(); // no dragging of the picture
      go(at);
    },
    drag: go,
  });
  return {
    node: element("figure", { class: "oc-figure" }, caption, stage, legend),
    show(nextPhotograph, nextScan, shown, words) {
      [photograph, scan] = [nextPhotograph, nextScan];
      setAttribute(image, "src", photograph.address);
      stage.style.aspectRatio = `${photograph.size[1]} / ${photograph.size[0]}`;
      const key = shown === "activity" && layer ? "caption.activity.of" : `caption.${shown}`;
      write(caption, say(key, { target: photograph.target, layer }));
      setAttribute(canvas, "aria-label", words);
      if (shown === "labels") paintLabels(canvas, photograph.size, scan, hues.pixels);
      else {
        const { bytes } = scan[shown];
        paintCells(canvas, photograph.size, scan, (cell) => palettes.positive[bytes[cell]]);
      }
      const made = shown === "labels" ? labelLegend(say, scan, hues.texts)
        : heatLegend(say, scan[shown], shown === "probability", palettes);
      legend.replaceChildren(...made.nodes);
      point = made.point;
    },
    mark([row, column]) {
      const { row_edges: rows, column_edges: columns } = scan;
      lay(mark, photograph.size, [rows[row], columns[column]],
        [rows[row + 1] - rows[row], columns[column + 1] - columns[column]]);
      point([row, column]);
    },
  };
}

// The point [y, x] of a picture of height x width pixels that a pointer is on, or beside.
export function pointOn(stage, { clientX, clientY }, [height, width]) {
  const box = stage.getBoundingClientRect();
  return [((clientY - box.top) / box.height) * height, ((clientX - box.left) / box.width) * width];
}

// Lays an element over a part of its stage.
export function lay(node, [height, width], [top, left], [high, wide]) {
  node.style.top = `${(100 * top) / height}%`;
  node.style.left = `${(100 * left) / width}%`;
  node.style.height = `${(100 * high) / height}%`;
  node.style.width = `${(100 * wide) / width}%`;
}

// ---- Pixels.

// Fills each place's cell; returns where the cells begin on the canvas, and end.
function paintCells(canvas, [height, width], scan, colourOfCell) {
  const scale = PAINTED / Math.max(height, width);
  const [high, wide] = [height, width].map((side) => Math.round(scale * side));
  const [ys, xs] = [scan.row_edges, scan.column_edges]
    .map((edges) => edges.map((edge) => Math.round(scale * edge)));
  const pixels = new Uint32Array(high * wide);
  scan.tops.forEach((_, row) => scan.lefts.forEach((__, column) => {
    const colour = colourOfCell(row * scan.lefts.length + column);
    for (let y = ys[row]; y < ys[row + 1]; y += 1) {
      pixels.fill(colour, y * wide + xs[column], y * wide + xs[column + 1]);
    }
  }));
  paintPixels(canvas, [high, wide], pixels);
  return { ys, xs };
}

// Colours, lines where the winner changes, and a letter in each region.
function paintLabels(canvas, size, scan, hues) {
  const [rows, columns] = [scan.tops.length, scan.lefts.length];
  const { bytes } = scan.labels;
  const { ys, xs } = paintCells(canvas, size, scan, (cell) => hues[bytes[cell]] ?? hues.at(-1));
  const pen = canvas.getContext("2d");
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

// ---- Legends: {nodes, point(place)}.

function heatLegend(say, map, isShare, palettes) {
  const { scale, clean } = map;
  const text = (value) => (isShare ? perCent(say, value) : writeValue(scale, value));
  const tick = (value) => (isShare ? say("share", { percent: 100 * value }) : text(value));
  const bar = scaleBar(scale, palettes,
    [scale.low, (scale.low + scale.high) / 2, scale.high].map(tick));
  const here = element("strong");
  bar.note(clean);
  return {
    nodes: [bar.node, element("p", { class: "cnn-help" },
      here, ` · ${say("legend.clean", { value: text(clean) })}`)],
    point(place) {
      const value = valueAt(map, place);
      bar.point(value);
      write(here, say("legend.here", { value: text(value) }));
    },
  };
}

function labelLegend(say, scan, hues) {
  const { names, counts, clean_label: clean, labels: { bytes, shape } } = scan;
  const places = bytes.length;
  const winners = names.map((name, label) => ({ name, label, count: counts[label] }))
    .filter(({ label, count }) => count || label === 0);
  const lines = winners.filter(({ label }) => label < LETTERS.length).map(({ name, label, count }) => {
    const swatch = element("span", { class: "oc-swatch", "aria-hidden": "true" }, letterOf(label));
    swatch.style.background = hues[label] ?? hues.at(-1);
    const note = [say("legend.count", { count, places }),
      ...(label === 0 ? [say("legend.true")] : []), ...(label === clean ? [say("legend.wins")] : [])];
    return { label, node: element("li", {}, swatch, ` ${name} `, element("span", {}, note.join(", "))) };
  });
  const more = winners.length - lines.length;
  return {
    nodes: [element("ul", { class: "oc-names" }, ...lines.map(({ node }) => node),
      more ? element("li", {}, say("legend.more", { count: more })) : null)],
    point([row, column]) {
      const here = bytes[row * shape[1] + column];
      for (const { label, node } of lines) node.classList.toggle("oc-chosen", label === here);
    },
  };
}
