// Runs a trained network in the page, in a worker of its own.
//
//     const network = await openNetwork(address, { onProgress, signal });
//     const { scores, maps } = await network.run(image, { layers: ["conv1"] });
//     const back = await network.gradient(image, { target: 3, rule: "guided" });
//     network.close();
//
// `address` is that of a network's file; networks.json beside it says its size and its hash. `onProgress` is
// called with {loaded, total}, in bytes. An image is a Float32Array, (C, H, W), that prepare() makes from
// a picture. A promise that fails has an error whose `code` says why:
//
//     simd      the browser lacks WebAssembly with SIMD      network   the file could not be had
//     memory    there is no memory for it                    damaged   the file is not what it should be
//     plan      the engine does not know a step of it        input     what was asked for does not fit
//     aborted   a newer request has come, or it was closed   broken    a fault of the engine
//
// A network works on one request at a time: a newer one ends an older one, whose error is "aborted".

import { kernelCode, LiveError } from "./arena.js";

export { LiveError } from "./arena.js";
export { prepare } from "./prepare.js";

// `files`: where a page cannot load by address (from disk, in a notebook), {worker, entry, file}: the
// worker's address, the network's entry in networks.json, its bytes.
export async function openNetwork(address, { onProgress = () => {}, signal = null, files = null } = {}) {
  refuseAborted(signal);
  kernelCode(); // says at once if it cannot run
  const full = files ? address : new URL(address, document.baseURI).href;
  const entry = files?.entry ?? await entryOf(full, signal);
  const worker = files ? new Worker(files.worker) : new Worker(new URL("worker.js", full), { type: "module" });
  const client = clientOf(worker);
  const stop = () => client.close();
  signal?.addEventListener("abort", stop);
  try {
    const { sha256, bytes } = entry;
    const opened = await client.ask({ kind: "open", address: full, sha256, bytes, file: files?.file }, onProgress);
    return { key: entry.key, ...opened, ...methodsOf(client) };
  } catch (error) {
    client.close();
    refuseAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function refuseAborted(signal) {
  if (signal?.aborted) throw new LiveError("aborted", "the network is not wanted any more");
}

function methodsOf(client) {
  return {
    // {scores, maps, milliseconds}; maps: layer's name -> Float32Array, (C, H, W). What the last run has made and
    // the image has not changed is kept; with `whole`, as for a time, it is made anew.
    run: (image, { layers = [], whole = false } = {}) => client.ask({ kind: "run", image, layers, whole }),

    // What of the picture made a score (`target`, its number) or a unit of a layer: {image, maps, scores,
    // value}. `layer` "" is the output. Without `channel` the strongest unit is taken, without `position`,
    // (row, column), the channel's strongest. `rule`: "gradient", "deconvnet" or "guided", as in
    // cnnlib.inside. `maps`: the signal on the way, at `layers`. With `logarithm` the signal of a target is
    // that of its probability's logarithm, the softmax behind the scores; `value` stays its score.
    gradient: (image, { target, logarithm = false, layer, channel, position, rule = "gradient", layers = [] } = {}) =>
      client.ask({ kind: "gradient", image, target, logarithm, layer, channel, position, rule, layers }),

    // An ImageBitmap or ImageData as this network's input. An ImageBitmap is used up.
    prepare: (picture) => client.ask({ kind: "prepare", picture }, undefined, picture?.data ? [] : [picture]),

    // Training (see training.js): begin(how), then step(images, labels) gives {loss, right}.
    train: {
      begin: (how) => client.ask({ kind: "train", how }),
      step: (images, labels) => client.ask({ kind: "step", images, labels }),
      change: (how) => client.ask({ kind: "rates", how }),
      weights: () => client.ask({ kind: "weights" }),
      setWeights: (weights) => client.ask({ kind: "setWeights", weights }),
    },

    // A course of digits (see course.js): take(file, about) of digits.gz, begin({weights or parameters,
    // how}), then teach({batch, steps, until, time, how}) and examine({count}). One at a time.
    course: {
      take: (file, about) => client.ask({ kind: "digits", file, about }),
      begin: (what) => client.ask({ kind: "course", ...what }),
      teach: (what) => client.ask({ kind: "teach", what }),
      examine: (what) => client.ask({ kind: "examine", what }),
    },

    close: () => client.close(),
  };
}

async function entryOf(full, signal) {
  const list = new URL("networks.json", full);
  let entries;
  try {
    const response = await fetch(list, { signal, cache: "no-cache" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    entries = await response.json();
  } catch (error) {
    refuseAborted(signal);
    throw new LiveError("network", `${list} could not be loaded: ${error.message}`);
  }
  for (const [key, entry] of Object.entries(entries)) {
    if (new URL(entry.address, list).href === full) return { key, ...entry };
  }
  throw new LiveError("network", `${list} lists no ${full}`);
}

// Questions to a worker, each answered by a promise.
function clientOf(worker) {
  const open = new Map(); // number of a question -> {done, failed, onProgress}
  let count = 0;
  let closed = false;

  const endAll = (error) => {
    for (const { failed } of open.values()) failed(error);
    open.clear();
  };
  worker.addEventListener("message", ({ data: { id, answer, error, progress } }) => {
    const question = open.get(id);
    if (!question) return;
    if (progress) {
      question.onProgress(progress);
      return;
    }
    open.delete(id);
    if (error) question.failed(new LiveError(error.code, error.message));
    else question.done(answer);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    endAll(new LiveError("network", `the engine could not be loaded: ${event.message ?? "no such file"}`));
  });

  return {
    ask(question, onProgress = () => {}, transfer = []) {
      if (closed) return Promise.reject(new LiveError("aborted", "the network is closed"));
      count += 1;
      const id = count;
      return new Promise((done, failed) => {
        try {
          worker.postMessage({ id, ...question }, transfer);
          open.set(id, { done, failed, onProgress });
        } catch (error) { // such as an ImageBitmap that has been used up, an <img> or a canvas
          failed(new LiveError("input", `${question.kind}: ${error.message}`));
        }
      });
    },

    close() {
      closed = true;
      worker.terminate();
      endAll(new LiveError("aborted", "the network is closed"));
    },
  };
}
