// Signal and gradient: settings, three charts over the layers, and what becomes of both, in sentences.
// The sums are those of signal_gradient_sums.js, the charts stand in signal_gradient_picture.js.

import { button, slider } from "./kit/controls.js";
import { element, same, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { fixedPoint, decimal } from "./kit/words.js";
import { layersPicture, legend } from "./signal_gradient_picture.js";
import { DEPTHS, MARKS, report, run, SEEDS, settled, written } from "./signal_gradient_sums.js";

const NAMES = ["activation", "start", "variance", "normalisation", "skip", "width", "depth", "seed", "layer"];
const percent = (share) => fixedPoint(100 * share, 0);

export default teach({ stem: "signal_gradient", names: NAMES, settled, view });

function view({ el, say, fixed, controls, choose }) {
  let net = null; // what the sums below are of
  let layers;
  let told;
  let width = 640;
  const settings = settingsPanel(say, fixed, controls, choose);
  const picture = layersPicture(say, (layer) => choose({ layer }));
  const look = controls.slider("layer", {
    label: say("layer"), min: 0, max: DEPTHS[1],
    follow: (control, { depth }) => control.bound({ max: depth }),
  });
  const at = element("p", { class: "sg-at" });
  const verdict = element("p", { class: "sg-verdict" });
  const rest = element("p", { class: "sg-rest" });

  function looked({ layer }) {
    const between = layers.between[layer];
    return say(layer ? "at" : "at.input", {
      layer,
      size: written(layers.sizes[layer]),
      between: between === null ? say("at.nought") : written(between),
      gradient: written(layers.gradients[layer]),
      flat: layer ? percent(layers.flat[layer - 1]) : "",
      dead: layer ? percent(layers.dead[layer - 1]) : "",
    });
  }

  return {
    node: element("div", { class: "sg-body" }, settings.node, verdict, picture.node, legend(say),
      element("div", { class: "cnn-row sg-look" }, look.node, at), rest,
      element("p", { class: "cnn-help" }, say("definition"))),
    prepare(state) {
      const asked = { ...state, layer: 0 }; // which layer is told changes no sum
      if (same(asked, net)) return;
      net = asked;
      layers = run(state);
      told = report(state, layers);
    },
    fit(place) {
      width = Math.max(280, place - 28);
      el.classList.toggle("sg-phone", width < 560);
    },
    draw(state) {
      settings.draw(state);
      picture.show(state, layers, told, width);
      write(verdict, `${forwards(say, state, told)} ${backwards(say, state, told)}`);
      write(rest, others(say, state, told));
      write(at, looked(state));
    },
    words(state, before) {
      if (same({ ...before, layer: state.layer }, state)) return looked(state);
      return `${forwards(say, state, told)} ${backwards(say, state, told)}`;
    },
  };
}

function settingsPanel(say, { options: { variance: variances, ...options } }, controls, choose) {
  const textOf = (name, one) => (name === "width" ? String(one) : say(`${name}.${one}`));
  const switches = ["activation", "normalisation", "skip", "width", "start"].map((name) =>
    controls.radios(name, { label: say(name), options: options[name].map((one) => [one, textOf(name, one)]) }));
  const steps = slider({
    label: say("variance"), min: 0, max: variances.length - 1,
    shown: (index) => decimal(variances[index], 2), aloud: (index) => decimal(variances[index], 2),
    onInput: (index) => choose({ variance: variances[index], start: "fan_in" }),
  });
  const marks = Object.entries(MARKS).map(([name, variance]) => [variance, button(say(`mark.${name}`),
    () => choose({ variance, start: "fan_in" }), { pressed: false })]);
  const variance = controls.own("variance", say("variance"), {
    node: element("div", { class: "cnn-row sg-variance" }, steps.node, ...marks.map(([, node]) => node)),
    set: (value) => steps.set(variances.indexOf(value)),
  });
  const sliders = [
    controls.slider("depth", { label: say("depth"), min: DEPTHS[0], max: DEPTHS[1] }),
    controls.slider("seed", { label: say("seed"), min: SEEDS[0], max: SEEDS[1] }),
  ];
  return {
    node: element("div", { class: "sg-settings" }, ...switches.map(({ node }) => node), variance.node,
      ...sliders.map(({ node }) => node)),
    draw(state) {
      variance.node.classList.toggle("sg-idle", state.start === "fixed");
      for (const [value, node] of marks) {
        node.setAttribute("aria-pressed", String(state.start === "fan_in" && state.variance === value));
      }
    },
  };
}

// ---- In words.

function forwards(say, { depth }, { signal, forwards: share, lost }) {
  if (share === null) return say("signal.lost", { layer: lost });
  return say(`signal.${signal}`, { share: written(share), factor: written(share ** (1 / depth)) });
}

function backwards(say, { depth }, { gradient, backwards: share }) {
  return say(`gradient.${gradient}`, { share: written(share), factor: written(share ** (1 / depth)) });
}

function others(say, { activation }, { predicted, flat, dead }) {
  const words = predicted === null ? [] : [say("formula", { factor: written(predicted) })];
  if (activation !== "linear") {
    words.push(say(activation === "relu" ? "closed" : "saturated", { flat: percent(flat), dead: percent(dead) }));
  }
  return words.join(" ");
}
