// A head as a file: written, and read again with care, for files are written by strangers.

import { isName } from "./new_head_sums.js";

export const FORMAT = "cnn-new-head 1";
export const LARGEST_FILE = 1e6; // bytes

// `head`: {weight: [row a class], bias}; `facts`: {network, layer, names, pictures, penalty}.
export function headText(head, facts) {
  return `${JSON.stringify({
    format: FORMAT, ...facts, weight: head.weight.map((row) => Array.from(row)), bias: Array.from(head.bias),
  })}\n`;
}

// {names, pictures, head}, or null for what is no head for this layer.
export function readHead(text, { network, layer, wide }) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (found?.format !== FORMAT || found.network !== network || found.layer !== layer) return null;
  const { names, weight, bias } = found;
  if (!Array.isArray(names) || names.length < 2 || names.length > 3 || !names.every(isName)) return null;
  const isRow = (row, length) => Array.isArray(row) && row.length === length && row.every(Number.isFinite);
  if (!isRow(bias, names.length) || !Array.isArray(weight) || weight.length !== names.length) return null;
  if (!weight.every((row) => isRow(row, wide))) return null;
  return {
    names,
    pictures: Number.isInteger(found.pictures) && found.pictures > 0 ? found.pictures : 0,
    head: { weight: weight.map((row) => Float64Array.from(row)), bias: Float64Array.from(bias) },
  };
}
