// Both networks: loaded when they are asked for, and asked one drawing at a time.

import { gradCam, highest, packed, SIDE } from "./draw_digit_sums.js";
import { strongest } from "./live/answers.js";
import { codeOf, loaderOf } from "./live/loader.js";
import { prepare } from "./live/prepare.js";

const WIDE = 32; // a side of the networks' input

// A drawing as the input of a network: a Float32Array, (1, 32, 32).
export function inputOf(pixels, preprocessing) {
  const data = new Uint8ClampedArray(4 * pixels.length).fill(255);
  pixels.forEach((ink, i) => data.fill(ink, 4 * i, 4 * i + 3));
  return prepare({ data, width: SIDE, height: SIDE }, preprocessing);
}

// A loader of both networks (live/loader.js) that is asked by ask(request): {pixels, look}. Of several that
// come while one is worked on, the newest is next.
//
// Its status() has `answer`, too, the newest there is: {request, records, milliseconds}, with a record a network
// as answer() of draw_digit_answers.py has it; and `pending`, whether another is to come.
export function livePair({ open, networks, changed }) {
  let [answer, wanted] = [null, null];
  const loader = loaderOf({
    open, keys: networks.map(({ key }) => key), changed, next,
    left() { [answer, wanted] = [null, null]; },
  });

  function next() {
    const [request, mine] = [wanted, loader.get()];
    wanted = null;
    return request && (async (...opened) => {
      const start = performance.now();
      const records = await Promise.all(opened.map((network, i) => recordOf(network, networks[i], request)));
      if (loader.get() === mine) answer = { request, records, milliseconds: performance.now() - start };
    });
  }

  return {
    ...loader,
    status() {
      const status = loader.status();
      return { ...status, answer, pending: status.busy || wanted !== null };
    },
    ask(request) {
      if (!loader.isReady()) return;
      wanted = request;
      loader.kick();
    },
  };
}

async function recordOf(network, { stages, reach, cam }, { pixels, look }) {
  const image = inputOf(pixels, network.preprocessing);
  const hasCodes = network.layers.some(({ name }) => name === "f6");
  const layers = [...new Set([...stages.map(({ layer }) => layer), cam, ...(hasCodes ? ["f6"] : [])])];
  const { scores, maps } = await network.run(image, { layers });
  const found = await lookOf(network, image, { target: strongest(scores), look, cam, map: maps[cam] });
  return {
    scores: Array.from(scores),
    stages: stages.map(({ layer }) => packed(maps[layer], reach ?? highest(maps[layer]), reach !== null)),
    f6: hasCodes ? Array.from(maps.f6) : null,
    look: found && packed(found, highest(found), look !== "grad_cam"),
  };
}

// The winner's map on the input, or null where the engine refuses the rule.
async function lookOf(network, image, { target, look, cam, map }) {
  const rule = look === "deconvnet" ? "deconvnet" : "gradient";
  const layers = look === "grad_cam" ? [cam] : [];
  let back;
  try {
    back = await network.gradient(image, { target, rule, layers });
  } catch (fault) {
    if (codeOf(fault) === "input") return null;
    throw fault;
  }
  if (look !== "grad_cam") return back.image;
  const [, side] = network.layers.find(({ name }) => name === cam).shape;
  return gradCam(map, back.maps[cam], side, WIDE);
}
