// A widget's state: chosen whole or not at all, drawn once a frame.
//
// choices(model, names, settled) -> {
//   now(), fixed()               the state, and what nobody chooses
//   fromFirst()                  what to choose from the first state to have the present one
//   begin()                      forgets what was, where what nobody chooses has changed
//   choose(changes, from) -> said
//                                settles and sets, from the present state if no other is given;
//                                said: {name: [key, values]} for what was not taken
//   restore(changes)             sets the first state with these changes: a fresh start, with nothing
//                                to undo or to say aloud
//   undo(), reset()              whether anything changed
//   onChange(callback)           callback(now, before), in the next frame, once for all until then
//   redraw()                     the same, where something else than the state has changed
//   stop()
// }
//
// Equal values and echoes of the kernel fire nothing. A state that the kernel or a link sends is
// settled like any other. Moves of one control within half a second are undone together.

import { same } from "./dom.js";

const TOGETHER = 500; // milliseconds
const MOST_UNDO = 200;

export function choices(model, names, settled) {
  const read = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const fixed = () => model.get("fixed");
  const past = [];
  let now, first, drawn;
  let [lastMove, lastTime] = ["", 0];
  let [setting, frame] = [false, 0];
  const callbacks = [];

  function begin() {
    now = settled({}, read(), fixed()).state;
    [first, drawn, lastMove] = [now, now, ""];
    past.length = 0;
  }

  // The values that differ; all of them, where one that is equal would follow another and change.
  function fromFirst() {
    const some = Object.fromEntries(Object.entries(now).filter(([name]) => !same(now[name], first[name])));
    return same(settled(some, first, fixed()).state, now) ? some : now;
  }

  function put(state) {
    if (same(state, now)) return false;
    now = state;
    setting = true;
    for (const name of names) if (!same(model.get(name), now[name])) model.set(name, now[name]);
    setting = false;
    model.save_changes();
    redraw();
    return true;
  }

  function choose(changes, from = now) {
    const { state, said } = settled(changes, from, fixed());
    const before = now;
    if (put(state)) {
      const [move, time] = [Object.keys(changes).join(), performance.now()];
      if (move !== lastMove || time - lastTime > TOGETHER) past.push(before);
      if (past.length > MOST_UNDO) past.shift();
      [lastMove, lastTime] = [move, time];
    }
    return said;
  }

  function restore(changes) {
    if (!put(settled(changes, first, fixed()).state)) return;
    [drawn, lastMove] = [now, ""];
    past.length = 0;
  }

  function redraw() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  function draw() {
    const before = drawn;
    drawn = now;
    for (const callback of callbacks) callback(now, before);
  }

  function adopt() { // what the kernel has set
    if (setting) return;
    const { state } = settled(read(), now, fixed());
    if (same(state, now)) return;
    now = state;
    redraw();
  }

  begin();
  model.on("change", adopt);
  return {
    now: () => now,
    first: () => first,
    fixed,
    fromFirst,
    begin,
    choose,
    restore,
    undo() {
      lastMove = "";
      return past.length > 0 && put(past.pop());
    },
    canUndo: () => past.length > 0,
    reset() {
      const before = now;
      lastMove = "";
      if (!put(first)) return false;
      past.push(before);
      return true;
    },
    onChange(callback) { callbacks.push(callback); },
    redraw,
    draw,
    stop() {
      model.off("change", adopt);
      cancelAnimationFrame(frame);
    },
  };
}
