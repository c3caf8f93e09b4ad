// Reads a safetensors file: its tensors as Float32Array, and the texts in its heading.

import { LiveError } from "./arena.js";

const damaged = (why) => new LiveError("damaged", `the file of weights is damaged: ${why}`);

// {metadata, tensors}: name -> text, name -> Float32Array. `buffer`: an ArrayBuffer.
export function readSafetensors(buffer) {
  if (buffer.byteLength < 8) throw damaged("it is too short");
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (8 + length > buffer.byteLength) throw damaged("its heading is cut");
  let heading;
  try {
    heading = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  } catch {
    throw damaged("its heading is no JSON");
  }
  const { __metadata__: metadata = {}, ...entries } = heading;
  const tensors = new Map();
  for (const [name, { dtype, data_offsets: [start, end] }] of Object.entries(entries)) {
    if (8 + length + end > buffer.byteLength) throw damaged(`${name} is cut`);
    tensors.set(name, numbersOf(buffer.slice(8 + length + start, 8 + length + end), dtype, name));
  }
  return { metadata, tensors };
}

function numbersOf(bytes, dtype, name) {
  if (dtype === "F32") return new Float32Array(bytes);
  if (dtype === "F16") return fromHalves(new Uint16Array(bytes));
  if (dtype === "I64") return Float32Array.from(new BigInt64Array(bytes), Number);
  throw damaged(`${name} is of type ${dtype}`);
}

// Numbers of 16 bits: a sign, five bits of exponent, ten of fraction.
function fromHalves(halves) {
  const out = new Float32Array(halves.length);
  const bits = new Uint32Array(out.buffer);
  for (let i = 0; i < halves.length; i += 1) {
    const half = halves[i];
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 31;
    const fraction = half & 0x3ff;
    if (exponent === 0) out[i] = (sign ? -1 : 1) * fraction * 2 ** -24;
    else if (exponent === 31) bits[i] = sign | 0x7f800000 | (fraction << 13);
    else bits[i] = sign | ((exponent + 112) << 23) | (fraction << 13);
  }
  return out;
}
