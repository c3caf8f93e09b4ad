// The one memory in which the kernel works, and the kernel. Addresses are in bytes.

import { KERNEL } from "./kernel.js";

const PAGE = 65536;

export class LiveError extends Error {
  // `code`: see engine.js. One that is "aborted" has the name by which browsers call it.
  constructor(code, message) {
    super(message);
    this.code = code;
    this.name = code === "aborted" ? "AbortError" : "LiveError";
  }
}

// The kernel's code. Where the browser knows relaxed_madd, f32x4.mul, local.get and f32x4.add become local.get,
// relaxed_madd and three times nop.
export function kernelCode() {
  const plain = atob(KERNEL);
  const fused = plain.replace(/\xfd\xe6.(\x20.)\xfd\xe4./gs, "$1\xfd\x85\x02\x01\x01\x01");
  const found = [fused, plain].map((code) => Uint8Array.from(code, (letter) => letter.charCodeAt(0)))
    .find((code) => WebAssembly.validate(code));
  if (!found) throw new LiveError("simd", "this browser has no WebAssembly with SIMD");
  return found;
}

export class Arena {
  constructor(code = kernelCode()) {
    this.memory = new WebAssembly.Memory({ initial: 1 });
    this.end = 16;
    const module = new WebAssembly.Module(code);
    this.kernel = new WebAssembly.Instance(module, { engine: { memory: this.memory } }).exports;
  }

  // The address of room for so many numbers, all 0. 32 bytes stay free behind each: the kernel may read them.
  take(count) {
    const address = this.end;
    this.end += Math.ceil(count / 4) * 16 + 32;
    const missing = Math.ceil((this.end - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) {
      try {
        this.memory.grow(missing);
      } catch {
        throw new LiveError("memory", `no memory for ${Math.round(this.end / 2 ** 20)} MB`);
      }
    }
    return address;
  }

  // Numbers at an address. A view holds until the next take().
  floats(address, count) { return new Float32Array(this.memory.buffer, address, count); }

  ints(address, count) { return new Int32Array(this.memory.buffer, address, count); }

  put(numbers) {
    const address = this.take(numbers.length);
    this.floats(address, numbers.length).set(numbers);
    return address;
  }

  putInts(numbers) {
    const address = this.take(numbers.length);
    this.ints(address, numbers.length).set(numbers);
    return address;
  }
}
