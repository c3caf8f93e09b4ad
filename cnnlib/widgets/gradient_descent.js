// Gradient descent walked on a map: settings, the map with its path, the loss curve, and what the
// path is called. The sums are those of gradient_descent_sums.js, the drawings stand in
// gradient_descent_picture.js.

import { slider } from "./kit/controls.js";
import { element, same, setAttribute, write } from "./kit/dom.js";
import { cellAt, gridStep, pointing } from "./kit/focus.js";
import { teach } from "./kit/teach.js";
import { transport } from "./kit/transport.js";
import { decimal, fixedPoint } from "./kit/words.js";
import { curvePlot, mapPicture } from "./gradient_descent_picture.js";
import {
  follow, MOMENTA, NOISES, OPTIMISERS, placeWeights, PLACES, RATES, report, SEEDS, settled, slopes,
  STARTS, STEPS,
} from "./gradient_descent_sums.js";

const NAMES = ["surface", "start", "optimiser", "rate", "momentum", "noise", "seed", "step"];

export default teach({ stem: "gradient_descent", names: NAMES, settled, view });

function view({ el, say, fixed, controls, choose, now, spoken }) {
  const { heights } = fixed;
  let path; // of the state that is drawn
  let told;
  let [width, drawn] = [640, null];
  const settings = settingsPanel(say, fixed, controls, choose);
  const map = mapPicture(say);
  const curve = curvePlot(say);
  const steps = controls.own("step", say("step"), transport(say, {
    label: say("step"),
    last: () => STEPS,
    aloud: (step) => say("step.aloud", { step, last: STEPS }),
    now: () => now().step,
    onStep(step, byItself) {
      const before = now();
      choose({ step });
      if (!byItself && now() === before) spoken.say(where(before));
    },
  }));
  const stage = element("div", {
    class: "gd-stage", role: "application", tabindex: 0,
    onkeydown(event) {
      const start = gridStep(event.key, now().start, [PLACES, PLACES]);
      if (!start || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      choose({ start });
    },
  }, map.node);
  pointing(stage, {
    at: (event) => cellAt(event, map.plate.getBoundingClientRect(), [PLACES, PLACES]),
    press: (start) => { steps.pause(); choose({ start }); },
    drag: (start) => choose({ start }),
  });
  controls.own("start", say("start"), { node: stage });
  const about = element("p", { class: "gd-about" });
  const chart = element("figure", {}, element("figcaption", {}, say("map.title")), stage,
    element("p", { class: "cnn-help" }, say("map.lines"), " ", say("keys")));
  const at = element("p", { class: "gd-at" });
  const verdict = element("p", { class: "gd-verdict" });

  // What is said of the last point that is shown.
  function where({ surface, step }) {
    const last = Math.min(step, path.points.length - 1);
    const [first, second] = path.points[last];
    const values = { step: last, first: decimal(first, 2), second: decimal(second, 2) };
    const [slope1, slope2] = last < path.losses.length ? slopes(surface, first, second, heights) : [];
    const words = last < path.losses.length
      ? say("at", { ...values, loss: decimal(path.losses[last], 3), slope1: decimal(slope1, 2), slope2: decimal(slope2, 2) })
      : say("at.left", values);
    return path.end && step > last ? `${words} ${say("over", { last })}` : words;
  }

  function verdictWords() {
    const { kind, arrived, left, turns, bends, zigzag } = told;
    const share = fixedPoint(100 * left, left < 0.1 ? 1 : 0);
    const words = say(`verdict.${kind}`, { step: path.points.length - 1, arrived, share });
    return zigzag ? `${words} ${say("verdict.zigzag", { turns, bends })}` : words;
  }

  return {
    node: element("div", { class: "gd-body" }, settings.node, about,
      element("div", { class: "gd-panel" }, chart,
        element("div", { class: "gd-side" }, verdict, curve.node, at, legend(say))),
      steps.node),
    prepare(state) {
      path = follow(state, heights);
      told = report(path, state, heights);
    },
    fit(place) {
      width = Math.max(280, place - 28);
      el.classList.toggle("gd-phone", width < 560);
    },
    draw(state) {
      steps.set();
      settings.draw(state);
      if (same([state, width], drawn)) return;
      drawn = [state, width];
      const side = Math.max(240, width < 560 ? width : Math.min(430, width * 0.5));
      const [first, second] = placeWeights(state.start).map((value) => decimal(value, 1));
      setAttribute(stage, "aria-label", say("map", { first, second }));
      chart.style.width = `${side}px`;
      map.show(state, path, heights, side);
      curve.show(state, path, heights, width < 560 ? width : width - side - 24);
      write(about, say(`about.${state.surface}`, { title: fixed.title, size: heights?.length ?? 0 }));
      write(at, where(state));
      write(verdict, verdictWords());
    },
    words(state, before) {
      if (same({ ...before, step: state.step }, state)) return steps.playing() ? "" : where(state);
      return verdictWords();
    },
    stop() { steps.stop(); },
  };
}

function settingsPanel(say, { surfaces }, controls, choose) {
  const surface = controls.radios("surface", {
    label: say("surface"),
    options: surfaces.map((name) => [name, say(`surface.${name}`)]),
    choose: (name) => ({ surface: name, start: STARTS[name] }),
  });
  const optimiser = controls.radios("optimiser", {
    label: say("optimiser"), options: OPTIMISERS.map((name) => [name, say(`optimiser.${name}`)]),
  });
  const along = (name, values) => {
    const control = slider({
      label: say(name), min: 0, max: values.length - 1,
      shown: (index) => decimal(values[index], 3), aloud: (index) => decimal(values[index], 3),
      onInput: (index) => choose({ [name]: values[index] }),
    });
    const set = (value) => control.set(values.indexOf(value));
    return controls.own(name, say(name), { node: control.node, set });
  };
  const sliders = [along("rate", RATES), along("momentum", MOMENTA), along("noise", NOISES)];
  const seed = controls.slider("seed", { label: say("seed"), min: SEEDS[0], max: SEEDS[1] });
  return {
    node: element("div", { class: "gd-settings" }, surface.node, optimiser.node,
      element("div", { class: "gd-sliders" }, ...sliders.map(({ node }) => node), seed.node)),
    draw({ noise }) { seed.node.classList.toggle("gd-idle", noise === 0); },
  };
}

function legend(say) {
  return element("ul", { class: "gd-legend" }, ...["start", "now", "low"].map((name) =>
    element("li", {}, element("span", { class: `gd-key gd-key-${name}`, "aria-hidden": "true" }),
      say(`legend.${name}`))));
}
