// The picture with a cover to move and to resize, and the map of all covers.

import { perCent, startsOf } from "./ask_pixels.js";
import { button } from "./kit/controls.js";
import { element, setAttribute, uniqueId, write } from "./kit/dom.js";
import { cellAt, pointing } from "./kit/focus.js";
import { paintMap, scaleBar, unpackPalettes } from "./kit/pixels.js";
import { paintPlanes, SIDE } from "./live/planes.js";

export const STRIDES = [4, 64];
export const SIZES = [8, 128];
const STEP = 8; // pixels that an arrow key moves the cover, or makes it larger
const [GRIP, BORDER] = [44, 6]; // CSS pixels: what a finger needs; what is seen around the picture

const percents = (share) => `${(100 * share) / SIDE}%`;

function lay(node, [top, left], [high, wide]) {
  node.style.top = percents(top);
  node.style.left = percents(left);
  node.style.height = percents(high);
  node.style.width = percents(wide);
}

// {node, show(planes, state, alt)}.
export function coverStage({ say, choose, now }) {
  const keysId = uniqueId("keys");
  const canvas = element("canvas", { class: "cnn-pixels", role: "img", width: SIDE, height: SIDE });
  const cover = element("div", { class: "ask-cover" });
  const grip = gripOf({ say, choose, now, at: (event) => at(event) });
  const stage = element("div", {
    class: "ask-stage", role: "application", tabindex: 0, "aria-label": say("stage"),
    "aria-roledescription": say("stage.role"), "aria-describedby": keysId, onkeydown: key,
  }, canvas, cover, grip.node);
  let drawn = null;
  let held = [0, 0]; // where in the cover the pointer holds it

  function key(event) {
    if (event.target !== stage || event.ctrlKey || event.metaKey || event.altKey) return;
    const { size, place, covered } = now();
    const step = event.shiftKey ? 1 : STEP;
    const to = moved(event.key, place, step, SIDE - size);
    if (!to) return;
    event.preventDefault();
    choose(covered ? { place: to } : { covered: true });
  }

  const at = ({ clientX, clientY }) => {
    const box = stage.getBoundingClientRect();
    return [((clientY - box.top) / box.height) * SIDE, ((clientX - box.left) / box.width) * SIDE];
  };
  const go = (point) => {
    const most = SIDE - now().size;
    choose({
      covered: true,
      place: point.map((along, axis) => Math.min(Math.max(Math.round(along - held[axis]), 0), most)),
    });
  };
  function press(point, event) {
    event.preventDefault(); // no dragging of the picture
    stage.focus({ preventScroll: true });
    const { size, place, covered } = now();
    const isOn = covered && point.every((along, axis) => along >= place[axis] && along < place[axis] + size);
    held = point.map((along, axis) => (isOn ? along - place[axis] : size / 2));
    go(point);
  }
  // A finger drags the cover and scrolls the page elsewhere; a tap brings the cover there.
  pointing(cover, { at, press, drag: go, holdsTouch: true });
  pointing(stage, { at: (event) => (event.target === stage ? at(event) : null), press, drag: go });

  return {
    node: element("figure", {}, element("figcaption", {}, say("stage.caption")), stage,
      element("p", { class: "cnn-help", id: keysId }, say("stage.keys"))),
    show(planes, { covered, place, size }, alt) {
      setAttribute(canvas, "aria-label", alt);
      cover.hidden = !covered;
      lay(cover, place, [size, size]);
      grip.show({ covered, place, size });
      if (planes === drawn) return;
      drawn = planes;
      paintPlanes(canvas, planes);
    },
  };
}

// The corner by which the cover is resized; its other corner stays. {node, show(state)}.
function gripOf({ say, choose, now, at }) {
  const node = element("div", {
    class: "ask-grip", role: "slider", tabindex: 0, "aria-label": say("grip"), "aria-valuemin": SIZES[0], onkeydown: key,
  });
  const most = ({ place }) => Math.min(SIZES[1], SIDE - Math.max(...place));
  const resize = (size) => choose({ size: Math.round(Math.min(Math.max(size, SIZES[0]), most(now()))) });
  let held = 0; // how far from the corner the pointer holds it

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 1 : STEP;
    const steps = {
      ArrowRight: step, ArrowDown: step, ArrowLeft: -step, ArrowUp: -step, Home: -Infinity, End: Infinity,
    };
    if (!Object.hasOwn(steps, event.key)) return;
    event.preventDefault();
    resize(now().size + steps[event.key]);
  }

  const wanted = (point) => Math.max(...point.map((along, axis) => along - now().place[axis]));
  pointing(node, {
    at,
    press(point, event) {
      event.preventDefault();
      node.focus({ preventScroll: true });
      held = wanted(point) - now().size;
    },
    drag: (point) => resize(wanted(point) - held),
    holdsTouch: true,
  });
  return {
    node,
    show({ covered, place, size }) {
      node.hidden = !covered;
      // Around the corner, as far as it can be pointed at.
      [node.style.top, node.style.left] = place.map((start) =>
        `min(${percents(start + size)} - 10px, 100% - ${GRIP - BORDER}px)`);
      setAttribute(node, "aria-valuemax", most({ place }));
      setAttribute(node, "aria-valuenow", size);
      setAttribute(node, "aria-valuetext", say("pixels", { value: size }));
    },
  };
}

function moved(key, [top, left], step, most) {
  const clamp = (value) => Math.min(Math.max(value, 0), most);
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (key === "Home") return [top, 0];
  if (key === "End") return [top, most];
  if (!Object.hasOwn(moves, key)) return null;
  const [down, right] = moves[key];
  return [clamp(top + step * down), clamp(left + step * right)];
}

// ---- The map: {node, show(map, state, {ready, target, clean, planes})}. `map` is {starts, size, stride, scores,
// total, on}; `planes` is the uncovered picture.

export function mapPanel({ say, fixed, controls }, { begin, end, point }) {
  const palettes = unpackPalettes(fixed.palettes);
  const stride = controls.slider("stride", {
    label: say("stride"), min: STRIDES[0], max: STRIDES[1], shown: (value) => say("pixels", { value }),
  });
  const press = button("", () => (running ? end() : begin()));
  const bar = element("progress", { "aria-label": say("mapping") });
  const words = element("p", { class: "ask-map-words" });
  const canvas = element("canvas", { class: "cnn-pixels", role: "img" });
  const below = element("canvas", { class: "cnn-pixels ask-below", width: SIDE, height: SIDE, "aria-hidden": "true" });
  const mark = element("div", { class: "ask-mark" });
  const stage = element("div", { class: "ask-stage ask-map" }, below, canvas, mark);
  const scale = scaleBar({ low: 0, high: 1 }, palettes,
    [0, 50, 100].map((percent) => say("share", { percent })));
  const figure = element("figure", { hidden: true }, element("figcaption", {}, say("map.caption")), stage, scale.node);
  let shown = null; // the map that is drawn
  let under = null; // the picture below it
  let running = false;
  pointing(stage, {
    at(event) {
      if (!shown) return null;
      const count = shown.starts.length;
      return cellAt(event, canvas.getBoundingClientRect(), [count, count]);
    },
    press: point,
  });

  return {
    node: element("div", { class: "ask-mapping" }, element("div", { class: "ask-map-tools" }, stride.node, press, bar),
      words, figure),
    show(map, state, { ready, target, clean, planes }) {
      running = Boolean(map?.on);
      shown = map;
      const count = startsOf(state.size, state.stride).length ** 2;
      write(press, running ? say("map.stop") : say("map.begin", { count }));
      press.disabled = !ready && !running;
      bar.hidden = !running;
      figure.hidden = !map;
      if (!map) {
        write(words, say(ready ? "map.none" : "map.unready"));
        return;
      }
      bar.max = map.total;
      bar.value = map.scores.length;
      const shares = map.scores.map((all) => all[target]);
      paint(map, shares, state, planes);
      scale.note(clean?.all?.[target] ?? 0);
      const said = running ? say("map.running", { done: map.scores.length, total: map.total })
        : summary(say, map, shares, fixed.categories[target], clean?.all?.[target] ?? 0);
      write(words, said);
      setAttribute(canvas, "aria-label", said);
    },
  };

  // A cell for each place, where the cover's middle was.
  function paint({ starts, size, stride: step }, shares, { place, covered }, planes) {
    if (planes && planes !== under) paintPlanes(below, planes);
    under = planes;
    const count = starts.length;
    const levels = new Uint8Array(count * count);
    shares.forEach((share, i) => { levels[i] = Math.round(255 * share); });
    paintMap(canvas, [count, count], levels, palettes.positive);
    const first = size / 2 - step / 2;
    lay(canvas, [first, first], [count * step, count * step]);
    mark.hidden = !covered;
    lay(mark, place.map((at) => at + size / 2 - step / 2), [step, step]);
  }
}

function summary(say, { starts, size, total }, shares, name, clean) {
  let [least, most] = [0, 0];
  shares.forEach((share, i) => {
    if (share < shares[least]) least = i;
    if (share > shares[most]) most = i;
  });
  const at = (i) => [starts[Math.floor(i / starts.length)], starts[i % starts.length]];
  return say("map.done", {
    name, total, size,
    least: perCent(say, shares[least]), least_top: at(least)[0], least_left: at(least)[1],
    most: perCent(say, shares[most]), most_top: at(most)[0], most_left: at(most)[1],
    clean: perCent(say, clean),
  });
}
