// What follows from the first answers of two networks to the same photographs, and a median.
//
// The twin of two_networks_sums.py.

import { Settling } from "./kit/settling.js";

export const GUESSES = ["none", "first", "second"];

// The twin of TwoNetworks.settled.
export function settled(changes, present, fixed) {
  const s = new Settling(changes, present);
  const keys = fixed.networks.map(({ key }) => key);
  const first = s.oneOf("first", keys);
  if (first === present.second && !s.asks("second")) s.take("second", present.first);
  else s.oneOf("second", keys.filter((key) => key !== first));
  s.whole("photograph", 0, fixed.photographs.length - 1);
  const asked = { faster: ["first", "second"], surer: ["first", "second", "photograph"] };
  for (const [guess, names] of Object.entries(asked)) {
    const isOver = names.some((name) => s.state[name] !== present[name]) && !s.asks(guess);
    if (isOver) s.take(guess, "none");
    else s.oneOf(guess, GUESSES);
  }
  return s.done();
}

// A side is {classes, answers}: a list of names, and [name, share] for every photograph.
export function tally(sides, labels) {
  const found = {
    photographs: labels.length, same: 0, labelled: 0, both: 0, one: [0, 0], neither: 0, surer: 0, fair: [0, 0],
    fair_labelled: 0, sides: sides.map((side) => ofSide(side, labels)),
  };
  labels.forEach((label, number) => {
    const answers = sides.map((side) => side.answers[number]);
    if (answers[0][0] === answers[1][0]) found.same += 1;
    if (label === null) return;
    const right = answers.map(([name]) => name === label);
    const isFair = sides.every(({ classes }) => classes.includes(label));
    found.labelled += 1;
    if (isFair) found.fair_labelled += 1;
    if (right[0] && right[1]) found.both += 1;
    else if (!right[0] && !right[1]) found.neither += 1;
    else {
      const winner = right.indexOf(true);
      found.one[winner] += 1;
      if (isFair) found.fair[winner] += 1;
      if (answers[winner][1] > answers[1 - winner][1]) found.surer += 1;
    }
  });
  return found;
}

function ofSide({ classes, answers }, labels) {
  const shares = { when_right: [], when_wrong: [], when_foreign: [] };
  answers.forEach(([name, share], number) => {
    const label = labels[number];
    if (label === null) return;
    if (!classes.includes(label)) shares.when_foreign.push(share);
    else shares[name === label ? "when_right" : "when_wrong"].push(share);
  });
  const mean = (all) => (all.length ? all.reduce((a, b) => a + b, 0) / all.length : null);
  return {
    right: shares.when_right.length,
    known: shares.when_right.length + shares.when_wrong.length,
    when_right: mean(shares.when_right),
    when_wrong: mean(shares.when_wrong),
    when_foreign: mean(shares.when_foreign),
  };
}

// How often a fair coin parts `one + other` throws so unevenly, or more.
export function signTest(one, other) {
  const throws = one + other;
  let [ways, tail] = [1, 0]; // ways: throws over heads
  for (let heads = 0; heads <= Math.min(one, other); heads += 1) {
    tail += ways;
    ways = (ways * (throws - heads)) / (heads + 1);
  }
  return Math.min(1, (2 * tail) / 2 ** throws);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}
