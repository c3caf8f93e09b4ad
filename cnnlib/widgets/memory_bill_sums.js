// What a network takes in memory: the twin of `bill` in memory_bill_sums.py, and of `settled` and
// `write_bytes` in memory_bill.py.

import { Settling } from "./kit/settling.js";

const COPIES = { inference: 1, momentum: 3, adam: 4 };
const GB = 10 ** 9;

export function settled(changes, present, { networks, uses, cards, bars, most }) {
  const s = new Settling(changes, present);
  s.oneOf("network", networks.map(({ name }) => name));
  s.oneOf("use", uses);
  s.oneOf("bits", [32, 16]);
  s.whole("batch", 1, most);
  s.oneOf("card", cards);
  s.oneOf("bars", bars);
  return s.done();
}

export function bill(lines, { batch, bits, use, card }) {
  const [size, copies, trains] = [bits / 8, COPIES[use], use !== "inference"];
  const sum = (of) => lines.reduce((all, line) => all + of(line), 0);
  const maps = (line, count) => (trains ? count * line.kept * size + line.fixed
    : count * line.live * size);
  const marks = (line, count) => (trains ? count * line.marks : 0);
  const parameters = sum((line) => line.parameters) * size;
  const fixed = copies * parameters + sum((line) => maps(line, 0));
  const each = sum((line) => maps(line, 1) - maps(line, 0) + marks(line, 1));
  return {
    parameters,
    gradients: trains ? parameters : 0,
    state: trains ? (copies - 2) * parameters : 0,
    maps: sum((line) => maps(line, batch)),
    marks: sum((line) => marks(line, batch)),
    total: fixed + batch * each,
    largest: Math.max(0, Math.floor((card * GB - fixed) / each)),
    lines: lines.map((line) => [
      copies * line.parameters * size, maps(line, batch) + marks(line, batch)]),
  };
}

// "61.0 MB": GB from 10^9 bytes on, MB from 10^5 on, kB below, 0 for none.
export function writeBytes(say, bytes) {
  if (bytes === 0) return "0";
  if (bytes >= 1e9) return say("bytes.gb", { number: (bytes / 1e9).toFixed(2) });
  if (bytes >= 1e5) return say("bytes.mb", { number: (bytes / 1e6).toFixed(1) });
  return say("bytes.kb", { number: (bytes / 1e3).toFixed(1) });
}

// A count in few letters: 905, 1.7k, 102.8M, 1.85G.
export function writeCount(count) {
  if (count >= 1e9) return `${(count / 1e9).toFixed(2)}G`;
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)}M`;
  return count >= 1e4 ? `${(count / 1e3).toFixed(0)}k` : String(count);
}
