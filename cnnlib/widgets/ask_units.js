// Ask units: the maps of a layer, a unit in them, and signals sent back from it and from a class.

import { mapsToPointAt, panel } from "./ask_units_panels.js";
import { gradCam, paintColours, paintHeat } from "./ask_units_sums.js";
import { readRows, seenBy } from "./geometry.js";
import { element, setAttribute, write } from "./kit/dom.js";
import { frame, unpackPalettes } from "./kit/pixels.js";
import { Settling } from "./kit/settling.js";
import { teach } from "./kit/teach.js";
import { decimal, span } from "./kit/words.js";
import { bestOf, softmax } from "./live/answers.js";
import { openerOf } from "./live/home.js";
import { followingLoader, startLine } from "./live/loader.js";
import { pictureChooser } from "./live/pictures.js";
import { inputFor, paintInput, SIDE } from "./live/planes.js";

const NAMES = ["network", "photograph", "layer", "channel", "position", "rule", "target"];
const RULES = ["deconvnet", "guided", "gradient"];

export default teach({ stem: "ask_units", names: NAMES, settled, view });

// The twin of AskUnits.settled.
function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  const networkOf = (key) => fixed.networks.find((one) => one.key === key);
  const network = networkOf(s.oneOf("network", fixed.networks.map(({ key }) => key)));
  s.whole("photograph", 0, fixed.photographs.length - 1);
  const { out_shape: [, channels, ...grid] } = network.rows[s.whole("layer", 0, network.layers - 1)];
  s.whole("channel", 0, channels - 1);
  s.place("position", grid);
  s.oneOf("rule", RULES);
  const isForeign = network.dataset !== networkOf(present.network).dataset;
  if (isForeign && !s.asks("target")) s.take("target", -1); // a number is another class there
  else s.whole("target", -1, fixed.lists[network.dataset].length - 1);
  return s.done();
}

function view(tools) {
  const { el, say, fixed, controls, now, redraw, spoken } = tools;
  const palettes = unpackPalettes(fixed.palettes);
  const networks = new Map(fixed.networks.map((one) => [one.key, {
    ...one, rows: readRows(one.rows), classes: fixed.lists[one.dataset], side: one.how.height,
    listed: {
      layer: one.rows.slice(0, one.layers).map(({ name }, number) => [number, name]),
      target: [[-1, say("target.first")], ...fixed.lists[one.dataset].map((name, number) => [number, name])],
    },
  }]));
  const chosen = () => networks.get(now().network);
  const shapeOf = (layer) => chosen().rows[layer].out_shape.slice(1);
  const asked = questions(chosen, now, shapeOf);
  let untold = false;
  const pictures = pictureChooser(tools, () => {
    untold = loader.isReady();
    redraw();
  });
  const loader = followingLoader({
    open: openerOf(tools), changed: redraw, next: asked.next,
    idle() {
      if (untold) spoken.say(sentence(now()));
      untold = false;
    },
  });
  const values = { kilobytes: 0 };
  const start = startLine(say, loader, values);
  const panels = Object.fromEntries(["picture", "way", "saliency", "guided", "cam"].map((name) =>
    [name, panel(say(`panel.${name}`))]));
  const outline = frame([SIDE, SIDE]);
  panels.picture.stage.append(outline.node);
  const atlas = mapsToPointAt(tools, shapeOf);
  const words = element("p", { class: "ask-words" });
  const watched = element("p", { class: "cnn-help" });
  const dropdown = (name) => controls.dropdown(name, {
    label: say(name), options: chosen().listed[name],
    follow: (control, { network }) => control.list(networks.get(network).listed[name]),
  }).node;

  function draw(state) {
    const { key, bytes, how, side, rows, classes } = chosen();
    loader.follow([key]);
    values.kilobytes = Math.round(bytes / 1000);
    const picture = pictures.current(state);
    asked.follow(state, picture);
    panels.picture.show(picture && `${key} ${picture.id}`, (canvas) => paintInput(canvas, picture.planes, how),
      pictures.isOwn() ? say("live.own.alt") : fixed.photographs[state.photograph].alt);
    outline.resize([side, side]);
    outline.set(seenBy(rows, state.layer, state.position).get(-1));
    atlas.show(state, asked.map(), rows[state.layer].name);
    panels.way.show(asked.way(), (canvas) => paintColours(canvas, asked.way().image, side, how.channel_order), say("panel.way"));
    const seen = asked.seen();
    for (const name of ["saliency", "guided", "cam"]) {
      panels[name].show(seen, (canvas) => paintHeat(canvas, seen[name], [side, side], palettes),
        say("panel.words", { name: say(`panel.${name}`), target: classes[seen?.target ?? 0] }));
    }
    write(watched, seen ? say(state.target < 0 ? "watched.first" : "watched", { target: classes[seen.target] })
      : say("watched.unknown"));
    write(words, sentence(state));
    start.show();
    loader.kick();
    setAttribute(el, "aria-busy", loader.isAtWork() ? "true" : null);
  }

  function sentence({ layer, channel, position: [row, column] }) {
    const { rows } = chosen();
    const [high, wide] = seenBy(rows, layer, [row, column]).get(-1);
    const at = {
      layer: rows[layer].name, channel, row, column,
      rows: span(say, "row", high), columns: span(say, "column", wide),
    };
    const value = asked.value();
    if (value === null) return say(loader.isReady() ? "asking" : "unit.unasked", at);
    const told = say("unit", { ...at, value: decimal(value, 2) });
    const way = asked.way();
    return way?.image.every((number) => number === 0) ? `${told} ${say("unit.silent")}` : told;
  }

  return {
    node: element("div", { class: "ask-body" },
      element("div", { class: "cnn-row" },
        controls.dropdown("network", {
          label: say("network"), options: fixed.networks.map(({ key, title }) => [key, title]),
        }).node),
      pictures.node, start.node,
      element("div", { class: "cnn-row" },
        dropdown("layer"),
        controls.radios("rule", { label: say("rule"), options: RULES.map((rule) => [rule, say(`rule.${rule}`)]) }).node,
        dropdown("target")),
      words,
      element("div", { class: "au-panels" }, panels.picture.node, atlas.one, panels.way.node),
      atlas.all, watched,
      element("div", { class: "au-panels" }, panels.saliency.node, panels.guided.node, panels.cam.node)),
    draw,
    words(state) {
      untold = loader.isReady();
      return untold ? "" : sentence(state);
    },
    stop() {
      loader.stop();
      pictures.stop();
    },
  };
}

// What has been asked of the network, and what comes next.
function questions(chosen, now, shapeOf) {
  const keys = { map: "", way: "", seen: "" };
  const found = { map: null, way: null, seen: null };
  let planes = null;
  let first = 0; // the class that wins
  const name = () => chosen().rows[now().layer].name;
  const targetNow = () => (now().target < 0 ? first : now().target);

  function renew(what, key) {
    if (keys[what] === key) return;
    keys[what] = key;
    found[what] = null;
  }

  // Keeps what `ask` finds, unless something else has been asked for meanwhile.
  const job = (what, ask) => {
    const key = keys[what];
    return async (network) => {
      const answer = await ask(network);
      if (keys[what] === key) found[what] = answer;
    };
  };

  return {
    follow({ network, layer, channel, position, rule, target }, given) {
      planes = given?.planes ?? null;
      const id = [network, given?.id ?? ""];
      renew("map", JSON.stringify([id, layer]));
      renew("way", JSON.stringify([id, layer, channel, position, rule]));
      renew("seen", JSON.stringify([id, layer, target]));
    },
    map: () => found.map?.map ?? null,
    way: () => found.way,
    seen: () => found.seen,
    value() {
      const { layer, channel, position: [row, column] } = now();
      const [, height, width] = shapeOf(layer);
      return found.map ? found.map.map[(channel * height + row) * width + column] : null;
    },
    next() {
      if (!planes) return null;
      const { how, side } = chosen();
      const [asked, layer, shape] = [planes, name(), shapeOf(now().layer)];
      if (!found.map) {
        return job("map", async (network) => {
          const { scores, maps } = await network.run(inputFor(asked, how), { layers: [layer] });
          [[first]] = bestOf(softmax(scores), 1);
          return { map: maps[layer] };
        });
      }
      if (!found.way) {
        const { channel, position, rule } = now();
        return job("way", (network) =>
          network.gradient(inputFor(asked, how), { layer, channel, position, rule }));
      }
      if (found.seen) return null;
      const [target, { map }] = [targetNow(), found.map];
      return job("seen", async (network) => {
        const input = inputFor(asked, how);
        const plain = await network.gradient(input, { target, layers: [layer] });
        const guided = await network.gradient(input, { target, rule: "guided" });
        return {
          target, saliency: plain.image, guided: guided.image,
          cam: gradCam(map, plain.maps[layer], shape, side),
        };
      });
    },
  };
}
