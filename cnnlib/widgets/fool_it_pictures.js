// Where the photograph comes from: the page, or a file of the reader's.

import { planesOf, SIDE } from "./fool_it_sums.js";
import { button } from "./kit/controls.js";
import { element, write } from "./kit/dom.js";
import { decoded } from "./kit/pixels.js";
import { prepare } from "./live/engine.js";

const MOST = 512; // pixels of a side, above which the browser makes a picture smaller first
const HOW = {
  channel_order: "RGB", height: SIDE, width: SIDE, mean: [0, 0, 0], std: [1, 1, 1], fit: "crop", resize: 256,
};

// {node, current(state), worked(), isOwn()}. current() gives {id, planes, best} of the picture in sight, or
// null while it comes; `best`, what the network says of it, is null for a reader's own. `came` is called when
// a picture has come.
export function picturesOf({ say, fixed, controls, spoken }, came) {
  const kept = new Map(); // address -> planes, null while they come
  const listed = fixed.photographs.map(() => null);
  let own = null; // the reader's {id, planes, best, number: the photograph in whose place it stands}
  let count = 0;
  const note = element("p", { class: "fi-note" }, say("private"));
  const trouble = element("p", { class: "fi-failed", role: "alert" });
  const file = element("input", { type: "file", accept: "image/*", hidden: true, onchange: read });
  const photograph = controls.dropdown("photograph", {
    label: say("photograph"), options: fixed.photographs.map(({ title }, number) => [number, title]),
  });
  const back = button(say("back"), () => {
    leave();
    choose.focus();
    came();
  });
  // A browser opens the dialogue only for a reader, and warns where a script asks for it.
  const choose = button(say("file"), () => {
    if (navigator.userActivation?.isActive !== false) file.click();
  });
  back.hidden = true;

  function leave() {
    own = null;
    back.hidden = true;
    write(note, say("private"));
  }

  async function read() {
    const [chosen] = file.files;
    file.value = ""; // the same file may be chosen again
    if (!chosen) return;
    write(trouble, "");
    count += 1;
    const mine = count;
    let planes = null;
    try {
      planes = await planesFrom(chosen);
    } catch {
      if (mine === count) write(trouble, say("unreadable", { name: chosen.name }));
    }
    if (!planes || mine !== count) return;
    own = { id: `own ${count}`, planes, best: null, number: null };
    back.hidden = false;
    write(note, say("own", { name: chosen.name }));
    spoken.say(say("own", { name: chosen.name }));
    came();
  }

  function planesAt(address) {
    if (!kept.has(address)) {
      kept.set(address, null);
      fetchPlanes(address);
    }
    return kept.get(address);
  }

  async function fetchPlanes(address) {
    const picture = await decoded(address);
    if (!picture) return;
    const canvas = element("canvas", { width: SIDE, height: SIDE });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(picture, 0, 0);
    kept.set(address, planesOf(pen.getImageData(0, 0, SIDE, SIDE)));
    came();
  }

  fixed.photographs.forEach(({ address }) => planesAt(address)); // so that a choice is drawn at once
  return {
    node: element("div", { class: "fi-pictures" },
      element("div", { class: "fi-row" }, photograph.node, choose, back, file), trouble, note),
    current({ photograph: number }) {
      if (own) {
        own.number ??= number;
        if (own.number === number) return own;
        leave(); // another photograph has been chosen
      }
      const planes = planesAt(fixed.photographs[number].address);
      if (planes) listed[number] ??= { id: number, planes, best: fixed.photographs[number].best };
      return listed[number];
    },
    worked: () => planesAt(fixed.worked.address),
    isOwn: () => own !== null,
  };
}

// The middle square of a picture, in whole greys, as the network would cut it.
async function planesFrom(source) {
  const picture = await createImageBitmap(source, { imageOrientation: "from-image" });
  const side = Math.min(picture.width, picture.height);
  const corner = [(picture.width - side) / 2, (picture.height - side) / 2].map(Math.floor);
  const smaller = side > MOST ? { resizeWidth: MOST, resizeHeight: MOST, resizeQuality: "high" } : {};
  const square = await createImageBitmap(picture, ...corner, side, side, smaller);
  picture.close();
  return prepare(square, HOW).map(Math.round);
}
