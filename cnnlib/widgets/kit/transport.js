// Play, pause, step and scrub through a whole number that is chosen.

import { button, slider } from "./controls.js";
import { element, onStillness, prefersStillness, setAttribute, svgElement, write } from "./dom.js";

const SPEEDS = { "½×": 1600, "1×": 800, "2×": 400, "4×": 200 }; // milliseconds a step

// {node, set(), playing(), pause(), stop()}. The step runs from 0 to last(); it is shown from 1.
// onStep(step, byItself) chooses it, and is called once more with the present step where play comes
// to rest; aloud(step) says a step for the ear. pause() holds still, stop() ends it for good.
export function transport(say, { label = say("kit.transport.step"), last, aloud, onStep, now }) {
  let [timer, speed] = [0, "1×"];
  const back = button(say("kit.transport.back"), () => { stop(); go(now() - 1); });
  const next = button(say("kit.transport.next"), () => { stop(); go(now() + 1); });
  const play = button("", () => (timer ? stop() : start()));
  const faster = button(speed, () => {
    const names = Object.keys(SPEEDS);
    speed = names[(names.indexOf(speed) + 1) % names.length];
    if (timer) { clearInterval(timer); run(); }
    show();
  });
  back.prepend(icon("M11 2 4 8l7 6z"));
  next.append(icon("M5 2l7 6-7 6z"));
  const scrub = slider({
    label, min: 1, max: 1, aloud: (step) => aloud?.(step - 1)
      ?? say("kit.transport.at", { step, count: last() + 1 }),
    onInput: (value) => { stop(); go(value - 1); },
  });
  scrub.node.classList.add("cnn-scrub");
  const still = element("p", { class: "cnn-help" }, say("kit.transport.still"));
  const unwatch = onStillness(() => { stop(); show(); });

  function go(step) {
    if (step >= 0 && step <= last()) onStep(step, timer !== 0);
  }

  function run() {
    timer = setInterval(() => {
      if (now() < last()) go(now() + 1);
      if (now() >= last()) stop();
    }, SPEEDS[speed]);
  }

  function start() {
    if (now() >= last()) go(0);
    run();
    show();
  }

  function stop() {
    if (!timer) return;
    clearInterval(timer);
    timer = 0;
    show();
    onStep(now(), false); // the last step, aloud
  }

  function show() {
    const [step, count] = [now(), last() + 1];
    scrub.bound({ min: 1, max: count, why: say("kit.transport.of", { count }) });
    scrub.set(step + 1);
    // Not `disabled`, which would take the keyboard's focus away at the first and the last step.
    setAttribute(back, "aria-disabled", String(step === 0));
    setAttribute(next, "aria-disabled", String(step === count - 1));
    play.hidden = faster.hidden = prefersStillness();
    still.hidden = !prefersStillness();
    const word = timer ? "pause" : step === count - 1 ? "replay" : "play";
    if (play.dataset.word !== word) {
      play.dataset.word = word;
      play.replaceChildren(icon(timer ? "M3 2h4v12H3zM9 2h4v12H9z" : "M4 2l9 6-9 6z"),
        say(`kit.transport.${word}`));
    }
    write(faster, speed);
    setAttribute(faster, "aria-label", `${say("kit.transport.speed")} ${speed}`);
  }

  show();
  return {
    node: element("div", { class: "cnn-transport" }, back, play, next, faster, scrub.node, still),
    set: show,
    playing: () => timer !== 0,
    pause: stop,
    stop() {
      clearInterval(timer);
      unwatch();
    },
  };
}

export function icon(path) {
  return svgElement("svg", { class: "cnn-icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svgElement("path", { d: path }));
}
