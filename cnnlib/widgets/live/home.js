// Opens a network where the widget is: on a page over the web, on a page from disk, in a notebook.
//
//     const open = openerOf({ load, site, kernel });
//     const network = await open("lenet5", { onProgress, signal });
//
// It gives what openNetwork of engine.js gives. `size(key)` says how many bytes it would load.

import { LiveError, openNetwork } from "./engine.js";
import { fetched } from "./fetching.js";

export function openerOf({ load, site, kernel }) {
  if (site) return (key, options) => openNetwork(site(`live/${key}.safetensors`), options);
  return async (key, options = {}) => {
    const files = load ? await fromDisk(load, key) : await fromKernel(kernel, key, options.signal);
    options.onProgress?.({ loaded: files.entry.bytes, total: files.entry.bytes });
    try {
      return await openNetwork(`${key}.safetensors`, { ...options, files });
    } finally {
      URL.revokeObjectURL(files.worker);
    }
  };
}

// Gets a file of data as the widget's home has it: get(name, {onProgress, signal}) gives an ArrayBuffer.
export function dataOf({ load, site, kernel }) {
  if (site) return dataFromSite(site);
  return async (name, { signal, onProgress }) => {
    const buffer = load ? await dataFromDisk(load, name) : await dataFromKernel(kernel, name, signal);
    onProgress?.({ loaded: buffer.byteLength });
    return buffer;
  };
}

// Who asks again has got a copy that was of no use; it may lie in the browser's cache.
function dataFromSite(site) {
  const asked = new Set();
  return (name, options) => {
    const fresh = asked.has(name);
    asked.add(name);
    return fetched(site(`live/${name}.gz`), { ...options, fresh });
  };
}

async function dataFromDisk(load, name) {
  try {
    await load(`live/${name}.gz.js`);
  } catch (error) {
    throw new LiveError("network", error.message);
  }
  return Uint8Array.from(atob(globalThis.cnnData[name]), (letter) => letter.charCodeAt(0)).buffer;
}

async function dataFromKernel(kernel, name, signal) {
  const { file, worker } = await fromKernel(kernel, name, signal);
  URL.revokeObjectURL(worker); // data come without one
  return file;
}

const scriptAddress = (text) => URL.createObjectURL(new Blob([text], { type: "text/javascript" }));

async function fromDisk(load, key) {
  try {
    await Promise.all([load("live/from_disk.js"), load(`live/${key}.safetensors.js`)]);
  } catch (error) {
    throw new LiveError("network", error.message);
  }
  const { entry, file } = globalThis.cnnNetworks[key];
  const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
  return { worker: scriptAddress(globalThis.cnnWorker), entry: { key, ...entry }, file: bytes.buffer };
}

// In a notebook Python sends the file: see cnnlib/widgets/live_widget.py.
function fromKernel(kernel, key, signal) {
  return new Promise((done, failed) => {
    const undo = kernel.on("sent", () => {
      const { entry, worker } = kernel.get("sent") ?? {};
      if (entry?.key !== key) return;
      undo();
      const { buffer, byteOffset, byteLength } = kernel.get("sent_file");
      done({ worker: scriptAddress(worker), entry, file: buffer.slice(byteOffset, byteOffset + byteLength) });
    });
    signal?.addEventListener("abort", () => {
      undo();
      failed(new LiveError("aborted", "the network is not wanted any more"));
    }, { once: true });
    kernel.ask("wanted", "");
    kernel.ask("wanted", key);
  });
}
