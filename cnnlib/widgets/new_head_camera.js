// The camera: what it sees is read again and again, one picture at a time, and can be kept.

import { bars } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, write } from "./kit/dom.js";
import { cameraOf } from "./live/pictures.js";

// {node, press, show(state), stop()}. look(bitmap) promises shares, or null; `add(take, kind)` keeps a frame.
export function cameraPanel({ say, look, rows, add, most }) {
  const trouble = element("p", { class: "live-trouble", role: "alert" });
  const answers = bars(say("camera.answers"), most);
  const takers = Array.from({ length: most }, (_, kind) =>
    button("", () => add(() => createImageBitmap(camera.screen), kind)));
  const camera = cameraOf(say, {
    children: [element("div", {}, answers.node, element("div", { class: "nh-buttons" }, ...takers))],
    trouble: (words) => write(trouble, words),
    begun: see,
  });

  // One picture after the other, at most one a frame, until the camera ends.
  async function see() {
    if (!camera.isOn()) return;
    if (camera.screen.readyState >= 2) {
      const shares = await look(await createImageBitmap(camera.screen));
      if (shares && camera.isOn()) answers.show(rows(shares));
    }
    requestAnimationFrame(see);
  }

  return {
    press: camera.press,
    node: element("div", {}, trouble, camera.node),
    show({ names, ready }) {
      camera.press.disabled = !ready;
      if (!ready && camera.isOn()) camera.end();
      takers.forEach((taker, kind) => {
        taker.hidden = kind >= names.length;
        write(taker, say("camera.keep", { name: names[kind] ?? "" }));
      });
    },
    stop: camera.stop,
  };
}
