// A polite live region.

import { element } from "./dom.js";

const QUIET = 250; // milliseconds

// {node, say(text), stop()}: say speaks once things have been still for a moment, the last text only.
export function announcer() {
  const node = element("div", { class: "cnn-spoken", role: "status", "aria-live": "polite" });
  let timer = 0;
  return {
    node,
    say(text) {
      clearTimeout(timer);
      timer = setTimeout(() => { node.textContent = text; }, QUIET);
    },
    stop() { clearTimeout(timer); },
  };
}
