// Inside a trained network: a channel's map on a photograph, what its unit saw, its strongest patches.
//
// The choice is the state's (`photograph, layer, channel, unit`); the unit [] stands for the one
// that answers most. Hovering looks at another unit without choosing it. A layer's maps for one
// photograph are one picture, channel below channel; it loads when it is looked at, and then the
// levels are read from it. A channel's patches and their projections are one picture, too.

import { readRows, seenBy } from "./geometry.js";
import { button } from "./kit/controls.js";
import { element, same, setAttribute, uniqueId, write } from "./kit/dom.js";
import { gridStep } from "./kit/focus.js";
import { decoded, frame, scaleBar, unpackPalettes, valueOf, writeValue } from "./kit/pixels.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { signed } from "./kit/words.js";
import { channelOf, inputPanel, isVector, mapsPanel, windowInWords } from "./maps.js";

export default teach({
  stem: "trained_units", names: ["photograph", "layer", "channel", "unit"], settled, view,
});

// The twin of TrainedUnits.settled.
function settled(changes, present, { layers, titles }) {
  const s = new Settling(changes, present);
  const entryOf = (layer) => layers.find(({ row }) => row === layer);
  const photograph = s.whole("photograph", 0, titles.length - 1);
  const layer = s.oneOf("layer", layers.map(({ row }) => row));
  const { channels, shape: [, ...size] } = entryOf(layer);
  if (layer !== present.layer) {
    const place = entryOf(present.layer).channels.indexOf(present.channel);
    s.take("channel", channels[Math.min(place, channels.length - 1)]);
  }
  s.oneOf("channel", channels);
  const another = layer !== present.layer || photograph !== present.photograph;
  const unit = another && !s.asks("unit") ? [] : s.wanted("unit");
  if (isPlace(unit)) s.place("unit", size);
  else {
    s.take("unit", []);
    if (!same(unit, [])) s.refuse("unit", "unit.expected", { sizes: size.join(" × ") });
  }
  return s.done();
}

const isPlace = (unit) => Array.isArray(unit) && unit.length === 2 && unit.every(Number.isInteger);

function view({ say, fixed, controls, choose, now, spoken, redraw }) {
  const { network, layers, photographs, titles, searched } = fixed;
  const rows = readRows(fixed.rows);
  const palettes = unpackPalettes(fixed.palettes);
  const size = rows[0].in_sizes[0];
  const found = new Map(); // address -> what has been read from it; undefined until it has come
  let looked = null; // the place under the pointer, {channel, unit}, or null
  let levels; // of the chosen maps: undefined until they have come, null where they cannot be had
  let painted = {}; // the entry, the channel, the photograph and the levels that are on screen
  let untold = false; // whether a choice waits for its levels to be spoken
  let alive = true;

  const images = controls.picks("photograph", {
    label: say("photograph"),
    options: titles.map((title, value) => ({
      value,
      label: title,
      content: [element("img", { src: photographs[value], alt: "", class: "cnn-thumbnail" })],
    })),
  });
  const tabs = controls.picks("layer", {
    role: "tab",
    label: say("layer", { network }),
    options: layers.map((entry) => ({
      value: entry.row,
      content: [element("strong", {}, entry.name), element("span", {}, shapeInWords(entry))],
    })),
  });
  const input = inputPanel(say, size);
  const grid = mapsPanel(say, {
    chosen: () => chosen(now()),
    hover(place) { looked = place; redraw(); },
    pin({ channel, unit }) {
      looked = null;
      choose({ channel: shown(now()).channels[channel], unit });
    },
  });
  const patches = patchesPanel(say, searched);
  const words = element("p", { class: "cnn-words" });
  const strongest = button(say("strongest"), () => choose({ unit: [] }));
  const panel = element("div", { role: "tabpanel", id: uniqueId("layer"), class: "cnn-panel" },
    element("div", { class: "cnn-seen" }, input.node, words),
    element("div", { class: "cnn-maps" }, grid.node, strongest, patches.node));
  tabs.control(panel);

  const shown = ({ layer }) => layers.find(({ row }) => row === layer);

  // The chosen place; channels are counted among the shown ones.
  function chosen(state) {
    const entry = shown(state);
    const channel = entry.channels.indexOf(state.channel);
    return { channel, unit: state.unit.length ? state.unit : entry.strongest[state.photograph][channel] };
  }

  // What read(picture) makes of the picture at an address; null where the picture cannot be had. It is
  // undefined until the picture has come, and then everything is drawn again.
  function loaded(address, read) {
    if (!found.has(address)) {
      found.set(address, undefined);
      bring(address, read);
    }
    return found.get(address);
  }

  async function bring(address, read) {
    const picture = await decoded(address);
    found.set(address, picture && read(picture));
    if (alive) redraw();
  }

  function draw(state) {
    const { channel, photograph } = state;
    const entry = shown(state);
    const picture = loaded(photographs[photograph], (itself) => itself);
    levels = loaded(entry.sheets[photograph], levelsIn);
    const isNew = painted.entry !== entry;
    if (isNew) {
      looked = null;
      grid.build(entry, legend(say, entry, palettes));
    }
    if (isNew || painted.channel !== channel) patches.show(entry, chosen(state).channel);
    if (levels && (isNew || painted.levels !== levels)) {
      grid.paint(levels, palettes[entry.signed ? "signed" : "positive"]);
    }
    setAttribute(grid.node, "aria-busy", levels === undefined ? "true" : null);
    if (picture !== undefined && painted.photograph !== photograph) {
      input.paint((canvas) => paintPhotograph(canvas, picture, size), titles[photograph]);
      painted.photograph = photograph;
    }
    painted = { ...painted, entry, channel, levels };
    const place = looked ?? chosen(state);
    grid.mark(place);
    input.mark(seenBy(rows, entry.row, place.unit).get(-1));
    words.replaceChildren(...sentences(state, place).map((text) => element("span", {}, text)));
    if (untold && levels !== undefined) {
      untold = false;
      spoken.say(tell(state));
    }
  }

  const tell = (state) => sentences(state, chosen(state)).join(" ");

  function sentences(state, { channel, unit }) {
    const entry = shown(state);
    const [row, column] = unit;
    const isBest = !isVector(entry) && same(unit, entry.strongest[state.photograph][channel]);
    return [
      say(isVector(entry) ? "unit.vector" : "unit.map", {
        name: entry.name, channel: entry.channels[channel], row, column,
        value: answerInWords(entry, channel, unit, isBest),
      }),
      say("saw", { window: windowInWords(say, seenBy(rows, entry.row, unit).get(-1), size) }),
    ];
  }

  function answerInWords(entry, channel, [y, x], isBest) {
    if (levels === undefined) return "…";
    if (levels === null) return say("value.missing");
    const [scale, [, high, wide]] = [entry.scales[channel], entry.shape];
    const number = valueOf(scale, channelOf(levels, [high, wide], channel)[y * wide + x]);
    const value = number === 0 ? "0" : writeValue(scale, number);
    if (!isBest) return value;
    return say(number === 0 && !entry.signed ? "value.everywhere" : "value.largest", { value });
  }

  return {
    node: element("div", { class: "cnn-map-viewer" }, images.node, tabs.node, panel),
    draw,
    words(state) {
      untold = levels === undefined;
      return untold ? "" : tell(state);
    },
    fit() { input.fit(panel.clientWidth); },
    stop() { alive = false; },
  };
}

// ---- Pictures that come when they are asked for.

function paintPhotograph(canvas, picture, [height, width]) {
  [canvas.height, canvas.width] = [height, width];
  if (picture) canvas.getContext("2d").drawImage(picture, 0, 0, width, height);
}

// The bytes of a grey picture: line after line, so that those of a channel stand together.
function levelsIn(picture) {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [picture.naturalHeight, picture.naturalWidth];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]);
}

function shapeInWords(entry) {
  const [, height, width] = entry.shape;
  return isVector(entry) ? `${entry.of}` : `${entry.of} × ${height} × ${width}`;
}

function legend(say, entry, palettes) {
  const scale = { low: entry.signed ? -1 : 0, high: 1, signed: entry.signed };
  const ticks = entry.signed ? ["scale.below", "scale.zero", "scale.above"]
    : ["scale.zero", "scale.largest"];
  return [
    scaleBar(scale, palettes, ticks.map((key) => say(key))).node,
    element("span", { class: "cnn-help" }, say("scale.help")),
  ];
}

// ---- A channel's strongest patches, and beside each its projection: the left and the right half of
// one picture. One tab stop; the arrow keys go from patch to patch.

function patchesPanel(say, searched) {
  const title = element("p", { class: "cnn-below-title" });
  const note = element("p", { class: "cnn-words cnn-patch-words" });
  const list = element("div", { role: "radiogroup", class: "cnn-patches", onkeydown: step });
  const halves = ["patches", "projections"].map((key, number) => {
    const picture = element("img", { alt: "", class: number ? "cnn-right" : "cnn-left" });
    const sheet = element("div", { class: "cnn-sheet" },
      element("div", { class: "cnn-half" }, picture));
    const node = element("figure", { class: "cnn-figure" },
      element("figcaption", {}, say(key)), sheet);
    return { node, sheet, picture };
  });
  halves[0].sheet.append(list);
  halves[1].picture.alt = say("projections.alt");
  let across = 1;
  let from = [];
  let frames = [];
  let nodes = [];
  let kept = 0; // the patch that was chosen last

  function inWords(number) {
    const [strength, source] = from[number];
    return say(`patch.${number < 3 ? number + 1 : "more"}`,
      { number: number + 1, strength: signed(String(strength)), source });
  }

  function mark(number) {
    const [y, x] = [Math.floor(number / across), number % across];
    for (const outline of frames) outline.set([[y, y], [x, x]]);
    write(note, inWords(number));
  }

  function choose(number) {
    kept = number;
    nodes.forEach((node, other) => {
      setAttribute(node, "aria-checked", String(other === number));
      node.tabIndex = other === number ? 0 : -1;
    });
    mark(number);
  }

  function step(event) {
    const here = [Math.floor(kept / across), kept % across];
    const next = gridStep(event.key, here, [Math.ceil(from.length / across), across]);
    if (!next) return;
    event.preventDefault();
    const number = Math.min(next[0] * across + next[1], from.length - 1);
    choose(number);
    nodes[number].focus();
  }

  return {
    node: element("div", { class: "cnn-strongest" }, title,
      element("div", { class: "cnn-halves" }, ...halves.map(({ node }) => node)), note),
    show(entry, place) {
      const patches = entry.patches[place];
      const values = { channel: entry.channels[place], name: entry.name };
      ({ across } = entry);
      ({ from } = patches);
      const sources = new Set(from.map(([, source]) => source));
      write(title, say("patches.title", { ...values, searched }));
      setAttribute(list, "aria-label", say("patches.list", { ...values, count: sources.size }));
      list.style.gridTemplateColumns = `repeat(${across}, 1fr)`;
      list.style.gridTemplateRows = `repeat(${across}, 1fr)`;
      nodes = from.map((_, number) => element("button", {
        type: "button", role: "radio", class: "cnn-patch", "aria-label": inWords(number),
        onclick: () => choose(number),
        onpointerenter: () => mark(number),
        onpointerleave: () => mark(kept),
      }));
      list.replaceChildren(...nodes);
      for (const { node } of frames) node.remove();
      frames = halves.map(({ sheet, picture }) => {
        picture.src = patches.sheet;
        const outline = frame([across, across]);
        sheet.append(outline.node);
        return outline;
      });
      choose(0);
    },
  };
}
