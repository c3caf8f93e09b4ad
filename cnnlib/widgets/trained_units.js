// Inside a trained network: a channel's map on a photograph, what its unit saw, its strongest patches.
//
// The choice is the model's (`photograph, layer, channel, unit`); the unit [] stands for the one
// that answers most. Hovering looks at another unit without choosing it. A layer's maps for one
// photograph are one picture, channel below channel; it loads when it is looked at, and then the
// levels are read from it. A channel's patches and their projections are one picture, too.

import { seenBy } from "./geometry.js";
import {
  frame, inputPanel, isVector, mapsPanel, numberInWords, pickOne, scaleOf, unpackPalettes, valueOf,
  windowInWords,
} from "./maps.js";
import { announcer, button, element, gridStep, uniqueId, watch } from "./page.js";

const NTH = ["1st", "2nd", "3rd"];

export default {
  render({ model, el }) {
    el.classList.add("cnn-widget", "cnn-map-viewer", "cnn-trained-units");
    const [network, rows, layers] = ["network", "rows", "layers"].map((name) => model.get(name));
    const [addresses, titles] = [model.get("photographs"), model.get("titles")];
    const palettes = unpackPalettes(model.get("palettes"));
    const size = rows[0].in_sizes[0];
    const spoken = announcer();
    const photographs = new Map(); // number -> promise of the picture
    const sheets = new Map(); // address -> promise of the levels
    let hovered = null; // {channel, unit}, or null; channels are counted among the shown ones
    let levels = null; // of the layer and the photograph that are chosen, once they have come
    let asked = {}; // the layer's entry, the photograph and the channel that are on screen or coming
    let untold = false; // whether a choice waits to be spoken
    let alive = true;

    const images = pickOne("radio", "Photograph", titles.map((title, number) => ({
      label: title,
      content: [element("img", { src: addresses[number], alt: "", class: "cnn-thumbnail" })],
      choose: () => save({ photograph: number, unit: [] }),
    })));
    const tabs = pickOne("tab", `Layer of ${network}`, layers.map((entry) => ({
      content: [element("strong", {}, entry.name), element("span", {}, shapeInWords(entry))],
      choose: () => save({
        layer: entry.row, channel: entry.channels[Math.min(chosen().channel, entry.channels.length - 1)],
        unit: [],
      }),
    })));
    const input = inputPanel(size);
    const grid = mapsPanel(palettes, legend, {
      hover(place) { hovered = place; drawUnit(); },
      pin(place) {
        hovered = null;
        save({ channel: shown().channels[place.channel], unit: place.unit });
      },
    });
    const patches = patchesPanel(model.get("searched"));
    const words = element("p", { class: "cnn-words" });
    const strongest = button("Go to the unit that answers most", () => save({ unit: [] }));
    const panel = element("div", { role: "tabpanel", id: uniqueId("layer"), class: "cnn-panel" },
      element("div", { class: "cnn-seen" }, input.node, words),
      element("div", { class: "cnn-maps" }, grid.node, strongest, patches.node));
    tabs.control(panel);
    el.append(images.node, tabs.node, panel, spoken.node);

    function shown() {
      return layers.find((entry) => entry.row === model.get("layer"));
    }

    // The chosen unit, kept inside the layer: the traits of one choice change one by one.
    function chosen() {
      const entry = shown();
      const channel = Math.max(0, entry.channels.indexOf(model.get("channel")));
      const most = entry.strongest[model.get("photograph")][channel];
      const unit = model.get("unit");
      const exists = unit.length === 2 && unit.every((index, axis) => index < entry.shape[1 + axis]);
      return { channel, unit: exists ? unit : most };
    }

    function save(choice) {
      untold = true;
      for (const [name, value] of Object.entries(choice)) model.set(name, value);
      model.save_changes();
      drawUnit();
    }

    function draw() {
      const entry = shown();
      const photograph = model.get("photograph");
      const { channel } = chosen();
      if (asked.entry !== entry) {
        tabs.set(layers.indexOf(entry));
        grid.build(entry);
      }
      if (asked.photograph !== photograph) {
        images.set(photograph);
        showPhotograph(photograph);
      }
      if (asked.entry !== entry || asked.photograph !== photograph) showMaps(entry, photograph);
      if (asked.entry !== entry || asked.channel !== channel) patches.show(entry, channel);
      asked = { entry, photograph, channel };
      drawUnit();
    }

    async function showPhotograph(number) {
      if (!photographs.has(number)) photographs.set(number, loaded(addresses[number]));
      const picture = await photographs.get(number);
      if (!alive || model.get("photograph") !== number) return;
      input.paint((canvas) => {
        [canvas.height, canvas.width] = size;
        if (picture) canvas.getContext("2d").drawImage(picture, 0, 0, size[1], size[0]);
      }, titles[number]);
      drawUnit();
    }

    async function showMaps(entry, photograph) {
      levels = null;
      grid.node.setAttribute("aria-busy", "true");
      const address = entry.sheets[photograph];
      if (!sheets.has(address)) sheets.set(address, loaded(address).then((p) => p && levelsIn(p)));
      const found = await sheets.get(address);
      if (!alive || shown() !== entry || model.get("photograph") !== photograph) return;
      grid.node.removeAttribute("aria-busy");
      levels = found ?? new Uint8Array(0);
      if (found) grid.paint(levels);
      drawUnit();
    }

    function drawUnit() {
      const place = hovered ?? chosen();
      grid.mark(place);
      input.mark(seenBy(rows, shown().row, place.unit).get(-1));
      words.replaceChildren(...sentences(place).map((text) => element("span", {}, text)));
      if (untold && levels) {
        untold = false;
        spoken.say(sentences(chosen()).join(" "));
      }
    }

    function sentences({ channel, unit }) {
      const entry = shown();
      const where = isVector(entry) ? "" : `, row ${unit[0]}, column ${unit[1]}`;
      const most = entry.strongest[model.get("photograph")][channel];
      const best = !isVector(entry) && most.every((index, axis) => index === unit[axis]);
      const value = valueAt(entry, channel, unit);
      const note = !best || value === null ? "" : value === 0 && !entry.signed
        ? ", as everywhere on this photograph" : ", the largest here";
      return [
        `${entry.name}, channel ${entry.channels[channel]}${where}: `
          + `${answerInWords(entry, channel, value)}${note}.`,
        `It saw ${windowInWords(seenBy(rows, entry.row, unit).get(-1), size)}.`,
      ];
    }

    function valueAt({ signed, limits, shape: [, height, width] }, channel, [y, x]) {
      if (!levels?.length) return null;
      const level = levels[(channel * height + y) * width + x];
      return valueOf({ signed, limit: limits[channel] }, level);
    }

    function answerInWords({ signed, limits }, channel, value) {
      if (!levels) return "…";
      if (value === null) return "its map could not be loaded";
      return value === 0 ? "0" : numberInWords(value, { signed, limit: limits[channel] });
    }

    function legend({ signed }) {
      const ticks = signed ? ["below 0 (blue)", "0 (dark)", "above 0 (orange)"]
        : ["0 (dark)", "the channel’s largest (bright)"];
      return [
        scaleOf(palettes, signed, ticks),
        element("span", { class: "cnn-help" },
          "Each channel on a scale of its own, the same for all photographs."),
      ];
    }

    const unwatch = watch(model, ["photograph", "layer", "channel", "unit"], draw);
    const follow = new ResizeObserver(() => { // the marks stand where the canvases stand
      input.fit(panel.clientWidth);
      drawUnit();
    });
    follow.observe(panel);
    draw();
    return () => {
      alive = false;
      unwatch();
      follow.disconnect();
      spoken.stop();
    };
  },
};

// ---- Pictures that come when they are asked for.

// The picture, decoded; null where it cannot be had.
async function loaded(address) {
  const picture = new Image();
  picture.src = address;
  try {
    await picture.decode();
    return picture;
  } catch {
    return null;
  }
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

function shapeInWords({ of, shape: [, height, width] }) {
  return height === 1 && width === 1 ? `${of}` : `${of} × ${height} × ${width}`;
}

// ---- A channel's strongest patches, and beside each its projection: the left and the right half of
// one picture. One tab stop; the arrow keys go from patch to patch.

function patchesPanel(searched) {
  const title = element("p", { class: "cnn-below-title" });
  const note = element("p", { class: "cnn-words cnn-patch-words" });
  const list = element("div", { role: "radiogroup", class: "cnn-patches", onkeydown: step });
  const halves = ["Strongest patches", "Projected to pixels"].map((caption, number) => {
    const picture = element("img", { alt: "", class: number ? "cnn-right" : "cnn-left" });
    const sheet = element("div", { class: "cnn-sheet" }, element("div", { class: "cnn-half" }, picture));
    const node = element("figure", { class: "cnn-figure" },
      element("figcaption", {}, caption), sheet);
    return { node, sheet, picture };
  });
  halves[0].sheet.append(list);
  halves[1].picture.alt = "What of each patch the channel answers to, in grey and colour";
  let entry = null;
  let from = [];
  let frames = [];
  let nodes = [];
  let kept = 0; // the patch that was chosen last

  function inWords(number) {
    const [strength, source] = from[number];
    const nth = NTH[number] ?? `${number + 1}th`;
    return `${nth}: ${String(strength).replace("-", "−")}, in “${source}”.`;
  }

  function mark(number) {
    const { across } = entry;
    const [y, x] = [Math.floor(number / across), number % across];
    for (const outline of frames) outline.set([[y, y], [x, x]]);
    note.textContent = inWords(number);
  }

  function choose(number) {
    kept = number;
    nodes.forEach((node, other) => {
      node.setAttribute("aria-checked", String(other === number));
      node.tabIndex = other === number ? 0 : -1;
    });
    mark(number);
  }

  function step(event) {
    const { across } = entry;
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
    show(next, channel) {
      entry = next;
      const { across } = entry;
      const patches = entry.patches[channel];
      from = patches.from;
      const sources = new Set(from.map(([, source]) => source));
      const name = `channel ${entry.channels[channel]} of ${entry.name}`;
      title.textContent = `What ${name} answers to most, in ${searched}`;
      list.setAttribute("aria-label", `Strongest patches of ${name}, from ${sources.size} pictures`);
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
