// Pictures of a layer: the chosen map, all of them as a sheet, and panels for signals.

import { paintAtlas, paintOne } from "./ask_units_sums.js";
import { element, setAttribute, write } from "./kit/dom.js";
import { cellAt, gridStep, pointing } from "./kit/focus.js";
import { unpackPalettes } from "./kit/pixels.js";
import { SIDE } from "./live/planes.js";

// {node, stage, show(what, paint, alt)}: a canvas that is painted where `what` is another.
export function panel(title) {
  const canvas = element("canvas", { class: "cnn-pixels", role: "img", width: SIDE, height: SIDE });
  const stage = element("div", { class: "ask-stage" }, canvas);
  let drawn = null;
  return {
    stage,
    node: element("figure", {}, element("figcaption", {}, title), stage),
    show(what, paint, alt) {
      setAttribute(canvas, "aria-label", alt);
      if (what === drawn) return;
      drawn = what;
      if (what) paint(canvas);
      else canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    },
  };
}

// {one, all, show(state, map, name)}: the chosen map, and all maps of the layer, each to point at.
export function mapsToPointAt({ say, fixed, choose, now }, shapeOf) {
  const palettes = unpackPalettes(fixed.palettes);
  const one = element("canvas", { class: "cnn-pixels", "aria-hidden": "true" });
  const all = element("canvas", { class: "cnn-pixels", "aria-hidden": "true" });
  const [mark, cell] = [element("div", { class: "au-mark" }), element("div", { class: "au-mark" })];
  let drawn = [];
  const box = (label, key, ...children) => element("div", {
    class: "ask-stage au-maps", role: "application", tabindex: 0, "aria-label": label,
    onkeydown(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const changes = key(event.key, now());
      if (!changes) return;
      event.preventDefault();
      choose(changes);
    },
  }, ...children);
  const across = (channels) => Math.ceil(Math.sqrt(channels));
  const [allBox, oneBox] = [
    box(say("maps.all"), (key, { layer, channel }) => {
      const [channels] = shapeOf(layer);
      const wide = across(channels);
      const to = gridStep(key, [Math.floor(channel / wide), channel % wide], [Math.ceil(channels / wide), wide]);
      return to && { channel: Math.min(to[0] * wide + to[1], channels - 1) };
    }, all, mark),
    box(say("maps.one"), (key, { layer, position }) => {
      const to = gridStep(key, position, shapeOf(layer).slice(1));
      return to && { position: to };
    }, one, cell),
  ];
  pointing(oneBox, {
    at: (event) => cellAt(event, oneBox.getBoundingClientRect(), shapeOf(now().layer).slice(1)),
    press: (position) => choose({ position }), drag: (position) => choose({ position }),
  });
  pointing(allBox, {
    at(event) {
      const [channels] = shapeOf(now().layer);
      const wide = across(channels);
      const at = cellAt(event, allBox.getBoundingClientRect(), [wide, wide]);
      return at && at[0] * wide + at[1] < channels ? at[0] * wide + at[1] : null;
    },
    press: (channel) => choose({ channel }),
  });
  const lay = (node, [top, left], count) => {
    Object.assign(node.style, {
      top: `${100 * top / count[0]}%`, left: `${100 * left / count[1]}%`,
      height: `${100 / count[0]}%`, width: `${100 / count[1]}%`,
    });
  };
  const caption = element("figcaption");
  return {
    one: element("figure", {}, element("figcaption", {}, say("panel.one")), oneBox),
    all: element("figure", {}, caption, allBox),
    show({ layer, channel, position }, map, name) {
      const [channels, height, width] = shapeOf(layer);
      const wide = across(channels);
      write(caption, say("panel.all", { channels, layer: name }));
      lay(mark, [Math.floor(channel / wide), channel % wide], [wide, wide]);
      lay(cell, position, [height, width]);
      if (drawn[0] === map && drawn[1] === channel) return;
      if (drawn[0] !== map) paintAtlas(all, map, [channels, height, width], wide, palettes);
      drawn = [map, channel];
      paintOne(one, map, [height, width], channel, palettes);
    },
  };
}
