// Gets a file over the web, and tells how far it has come.

import { LiveError } from "./arena.js";

// An ArrayBuffer. onProgress({loaded}), in bytes. With `fresh` the browser's cache is not asked, only filled.
export async function fetched(address, { onProgress = () => {}, signal = null, fresh = false } = {}) {
  const parts = [];
  let loaded = 0;
  const failed = (why) =>
    new LiveError(signal?.aborted ? "aborted" : "network", `${address} could not be loaded: ${why}`);
  try {
    const response = await fetch(address, { signal, cache: fresh ? "reload" : "default" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      loaded += value.length;
      onProgress({ loaded });
    }
  } catch (error) {
    throw failed(loaded ? `${error.message} (after ${loaded} bytes)` : error.message);
  }
  return new Blob(parts).arrayBuffer();
}
