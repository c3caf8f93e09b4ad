// Where a reader's picture comes from: the photographs of the page, a file, the camera.

import { button } from "../kit/controls.js";
import { element, setAttribute, write } from "../kit/dom.js";
import { cutOf, planesAt } from "./planes.js";

// A button that opens the reader's files: {press, input}. A browser lets only a press of the reader's own do that.
// take(files) is called for those that are chosen.
export function fileButton(text, options, take) {
  const input = element("input", {
    type: "file", hidden: true, ...options,
    onchange() {
      const files = [...input.files];
      input.value = ""; // the same file may be chosen again
      if (files.length) take(files);
    },
  });
  return { input, press: button(text, () => { if (navigator.userActivation?.isActive ?? true) input.click(); }) };
}

// Files may be dropped on a node: take(files).
export function dropping(node, take) {
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const over = (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    node.classList.add("live-over");
  };
  node.addEventListener("dragenter", over);
  node.addEventListener("dragover", over);
  node.addEventListener("dragleave", () => node.classList.remove("live-over"));
  node.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    node.classList.remove("live-over");
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

const REFUSALS = { NotAllowedError: "refused", NotFoundError: "none" };

// The reader's camera: {press, node, screen, isOn(), end(), stop()}. `node` holds the screen, a <video>, and
// `children`, while it is on. `trouble` gets a sentence, or "" where there is nothing to say; `begun` is called when
// there is something to see.
export function cameraOf(say, { children = [], trouble, begun = () => {} }) {
  const screen = element("video", { playsinline: true, muted: true, "aria-label": say("live.camera.picture") });
  const node = element("div", { class: "live-camera", hidden: true }, screen, ...children);
  const press = button(say("live.camera"), () => (stream ? end() : begin()));
  press.hidden = !navigator.mediaDevices?.getUserMedia;
  let stream = null;
  let asked = false;
  let ended = false;

  async function begin() {
    if (asked) return;
    asked = true;
    setAttribute(press, "aria-busy", "true");
    trouble("");
    let opened = null;
    try {
      opened = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
      stream = opened;
      if (ended) end();
      else await show();
    } catch (fault) {
      const stopped = opened && !stream; // by the reader, before there was something to see
      end();
      if (!ended && !stopped) trouble(say(`live.camera.${REFUSALS[fault.name] ?? "failed"}`));
    }
    asked = false;
    setAttribute(press, "aria-busy", null);
  }

  async function show() {
    screen.srcObject = stream;
    node.hidden = false;
    write(press, say("live.camera.stop"));
    await screen.play();
    begun();
  }

  function end() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    node.hidden = true;
    write(press, say("live.camera"));
  }

  return {
    press,
    node,
    screen,
    isOn: () => stream !== null,
    end,
    stop() {
      ended = true;
      end();
    },
  };
}

// {node, current(state), isOwn(), stop()}. current() gives {id, planes, best} of the picture that is shown, or null
// while it comes; `best`, what came with the page of the network's answers, is null for a reader's own. `came()` is
// called when a picture is there.
export function pictureChooser({ say, fixed, controls, spoken }, came) {
  const kept = new Map(); // photograph's number -> {id, planes, best}, or null on its way
  let own = null; // the reader's {id, planes, best, number: the photograph that it stands for}
  let [count, waiting] = [0, 0]; // of the reader's pictures; of the photographs on their way
  let wanted = null; // the number of the photograph that was asked for last
  const note = element("p", { class: "live-note" }, say("live.private"));
  const trouble = element("p", { class: "live-trouble", role: "alert" });
  const file = fileButton(say("live.file"), { accept: "image/*" }, takeFile);
  const back = button(say("live.back"), () => {
    leave();
    file.press.focus();
    came();
  });
  back.hidden = true;
  const camera = cameraOf(say, {
    trouble: (words) => write(trouble, words),
    children: [button(say("live.camera.take"), takeSeen)],
  });
  const photographs = controls.dropdown("photograph", {
    label: say("live.photograph"), options: fixed.photographs.map(({ title }, number) => [number, title]),
  });

  function takeFile([chosen]) {
    take(chosen, chosen.name);
  }

  async function takeSeen() {
    await take(camera.screen, say("live.camera.name"));
    camera.end();
    camera.press.focus();
  }

  function leave() {
    own = null;
    back.hidden = true;
    write(note, say("live.private"));
  }

  // A Blob, or what a canvas can draw.
  async function take(source, name) {
    write(trouble, "");
    count += 1;
    const mine = count;
    let planes = null;
    try {
      planes = await cutOf(source);
    } catch {
      if (mine === count) write(trouble, say("live.unreadable", { name }));
    }
    if (!planes || mine !== count) return;
    own = { id: `own ${count}`, planes, best: null, number: null };
    back.hidden = false;
    write(note, say("live.own", { name }));
    spoken.say(say("live.own", { name }));
    came();
  }

  async function fetchPhotograph(number) {
    if (kept.has(number)) return;
    const { address, best } = fixed.photographs[number];
    kept.set(number, null);
    waiting += 1;
    setAttribute(node, "aria-busy", "true");
    const planes = await planesAt(address);
    if (planes) kept.set(number, { id: `photograph ${number}`, planes, best });
    else kept.delete(number); // it is tried again when it is drawn again
    waiting -= 1;
    if (waiting === 0) setAttribute(node, "aria-busy", null);
    if (number !== wanted) return;
    write(trouble, planes ? "" : say("live.photograph.failed"));
    if (planes) came();
  }

  // A hand at the list wants another one: they come now, so that it is there as soon as it is chosen.
  for (const event of ["focusin", "pointerenter"]) {
    photographs.node.addEventListener(event, () => fixed.photographs.forEach((_one, number) => fetchPhotograph(number)));
  }

  const node = element("div", { class: "live-pictures" },
    element("div", { class: "cnn-row" }, photographs.node,
      element("div", { class: "live-own" }, file.press, camera.press, back, file.input)),
    camera.node, trouble, note);
  dropping(node, takeFile);
  return {
    node,
    current({ photograph }) {
      if (own) {
        own.number ??= photograph;
        if (own.number === photograph) return own;
        leave(); // another photograph has been chosen
      }
      wanted = photograph;
      fetchPhotograph(photograph);
      return kept.get(photograph) ?? null;
    },
    isOwn: () => own !== null,
    stop: camera.stop,
  };
}
