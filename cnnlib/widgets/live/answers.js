// What a network's scores say.

// The softmax of scores: Float64Array.
export function softmax(scores) {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(scores, (score) => Math.exp(score - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

// The number of the largest; of equal ones the first.
export const strongest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

// The `count` largest as [number, share].
export function bestOf(shares, count) {
  const numbers = Array.from(shares.keys()).sort((one, other) => shares[other] - shares[one]);
  return numbers.slice(0, count).map((number) => [number, shares[number]]);
}
