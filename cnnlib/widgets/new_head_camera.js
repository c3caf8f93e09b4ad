// The camera: what it sees is read again and again, one picture at a time, and can be kept.

import { bars } from "./kit/bars.js";
import { button } from "./kit/controls.js";
import { element, write } from "./kit/dom.js";

// {node, show(state), stop()}. look(bitmap) promises shares, or null; `add(take, kind)` keeps a frame.
export function cameraPanel({ say, look, rows, add, most }) {
  const screen = element("video", { playsinline: true, muted: true, "aria-label": say("camera.picture") });
  const trouble = element("p", { class: "nh-trouble", role: "alert" });
  const answers = bars(say("camera.answers"), most);
  const takers = Array.from({ length: most }, (_, kind) =>
    button("", () => add(() => createImageBitmap(screen), kind)));
  const box = element("div", { class: "nh-camera", hidden: true }, screen,
    element("div", {}, answers.node, element("div", { class: "nh-buttons" }, ...takers)));
  const press = button(say("camera"), () => (stream ? end() : begin()));
  press.hidden = !navigator.mediaDevices?.getUserMedia;
  let stream = null;
  let ended = false;

  async function begin() {
    write(trouble, "");
    let opened;
    try {
      opened = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    } catch {
      write(trouble, say("camera.refused"));
      return;
    }
    if (ended || stream) {
      opened.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = opened;
    screen.srcObject = stream;
    box.hidden = false;
    write(press, say("camera.stop"));
    try {
      await screen.play();
    } catch {
      end();
      return;
    }
    see();
  }

  // One picture after the other, at most one a frame, until the camera ends.
  async function see() {
    if (!stream) return;
    if (screen.readyState >= 2) {
      const shares = await look(await createImageBitmap(screen));
      if (shares && stream) answers.show(rows(shares));
    }
    requestAnimationFrame(see);
  }

  function end() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    box.hidden = true;
    write(press, say("camera"));
  }

  return {
    press,
    node: element("div", {}, trouble, box),
    show({ names, ready }) {
      press.disabled = !ready;
      if (!ready && stream) end();
      takers.forEach((taker, kind) => {
        taker.hidden = kind >= names.length;
        write(taker, say("camera.keep", { name: names[kind] ?? "" }));
      });
    },
    stop() {
      ended = true;
      end();
    },
  };
}
