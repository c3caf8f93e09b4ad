// Where a picture comes from: the photographs of the page, a file of the reader's, the camera.

import { planesOf, SIDE } from "./ask_pixels.js";
import { button } from "./kit/controls.js";
import { element, setAttribute, write } from "./kit/dom.js";
import { decoded } from "./kit/pixels.js";
import { prepare } from "./live/prepare.js";

const MOST = 512; // pixels of a side, above which the browser makes a picture smaller first
const HOW = {
  channel_order: "RGB", height: SIDE, width: SIDE, mean: [0, 0, 0], std: [1, 1, 1], fit: "crop", resize: 256,
};

// {node, current(state), stop()}. current() gives {id, planes} of the picture that is shown, or null while
// it comes; `came()` is called when it is there.
export function pictureChooser({ say, fixed, controls, spoken }, came) {
  const kept = new Map(); // photograph's number -> {id, planes}, as they come
  let own = null; // the reader's {id, planes, number: the photograph that it stands for}
  let count = 0;
  const note = element("p", { class: "ask-note" }, say("private"));
  const trouble = element("p", { class: "ask-trouble", role: "alert" });
  const file = element("input", { type: "file", accept: "image/*", hidden: true, onchange: read });
  const choose = button(say("file"), () => {
    if (navigator.userActivation?.isActive !== false) file.click(); // else the browser refuses
  });
  const back = button(say("back"), () => {
    own = null;
    back.hidden = true;
    write(note, say("private"));
    choose.focus();
    came();
  });
  back.hidden = true;
  const camera = cameraOf(say, { take, trouble: (key) => write(trouble, key ? say(key) : "") });
  const photographs = controls.dropdown("photograph", {
    label: say("photograph"), options: fixed.photographs.map(({ title }, number) => [number, title]),
  });

  async function read() {
    const [chosen] = file.files;
    file.value = ""; // the same file may be chosen again
    if (chosen) await take(chosen, chosen.name);
  }

  // A Blob, or what a canvas can draw.
  async function take(source, name) {
    write(trouble, "");
    count += 1;
    const mine = count;
    let planes;
    try {
      planes = await planesFrom(source);
    } catch {
      if (mine === count) write(trouble, say("unreadable", { name }));
      return;
    }
    if (mine !== count) return;
    own = { id: `own ${count}`, planes, number: null };
    back.hidden = false;
    write(note, say("own", { name }));
    spoken.say(say("own", { name }));
    came();
  }

  // All photographs at the start, so that another one is there as soon as it is chosen.
  async function fetchPhotographs() {
    setAttribute(node, "aria-busy", "true");
    await Promise.all(fixed.photographs.map((_, number) => fetchPhotograph(number)));
    setAttribute(node, "aria-busy", null);
    came();
  }

  async function fetchPhotograph(number) {
    const picture = await decoded(fixed.photographs[number].address);
    if (!picture) return;
    const canvas = element("canvas", { width: SIDE, height: SIDE });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(picture, 0, 0);
    kept.set(number, { id: `photograph ${number}`, planes: planesOf(pen.getImageData(0, 0, SIDE, SIDE)) });
  }

  const node = element("div", { class: "ask-pictures" },
    element("div", { class: "cnn-row" }, photographs.node,
      element("div", { class: "ask-own" }, choose, camera.button, back, file)),
    camera.node, trouble, note);
  fetchPhotographs();
  return {
    node,
    current({ photograph }) {
      if (own) {
        own.number ??= photograph;
        if (own.number === photograph) return own;
        own = null; // another photograph has been chosen
        back.hidden = true;
        write(note, say("private"));
      }
      return kept.get(photograph) ?? null;
    },
    isOwn: () => own !== null,
    stop: camera.stop,
  };
}

// The middle square of a picture, as cnnlib.weights.Preprocessing cuts it: planes of whole numbers.
export async function planesFrom(source) {
  const whole = await createImageBitmap(source, { imageOrientation: "from-image" });
  const side = Math.min(whole.width, whole.height);
  const corner = [(whole.width - side) / 2, (whole.height - side) / 2].map(Math.floor);
  const smaller = side > MOST ? { resizeWidth: MOST, resizeHeight: MOST, resizeQuality: "high" } : {};
  const square = await createImageBitmap(whole, ...corner, side, side, smaller);
  whole.close();
  return prepare(square, HOW).map(Math.round);
}

function cameraOf(say, { take, trouble }) {
  const screen = element("video", { playsinline: true, muted: true, "aria-label": say("camera.picture") });
  const node = element("div", { class: "ask-camera", hidden: true }, screen,
    button(say("camera.take"), () => take(screen, say("camera.name")).then(end)));
  const press = button(say("camera"), () => (stream ? end() : begin()));
  let stream = null;
  let ended = false;

  async function begin() {
    trouble(null);
    try {
      const opened = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
      if (ended) {
        opened.getTracks().forEach((track) => track.stop());
        return;
      }
      stream = opened;
      screen.srcObject = stream;
      await screen.play();
    } catch {
      end();
      trouble("camera.refused");
      return;
    }
    node.hidden = false;
    write(press, say("camera.stop"));
  }

  function end() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    node.hidden = true;
    write(press, say("camera"));
  }

  press.hidden = !navigator.mediaDevices?.getUserMedia;
  return {
    node,
    button: press,
    stop() {
      ended = true;
      end();
    },
  };
}
