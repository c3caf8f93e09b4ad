// Activations: what each makes of a number, and its slope there. `kinks`: where the slope jumps.

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// The error function, after W. J. Cody (1969) by way of its series: exact to 1e-7, which float32 is not.
function erf(x) {
  const a = Math.abs(x);
  if (a > 4) return Math.sign(x);
  if (a < 2) { // the series around 0
    let [term, sum] = [a, a];
    for (let n = 1; n < 40; n += 1) {
      term *= -(a * a) / n;
      sum += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let tail = 0; // the continued fraction of what is missing to 1
  for (let n = 40; n > 0; n -= 1) tail = n / 2 / (a + tail);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (a + tail) / Math.sqrt(Math.PI));
}

const normal = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const below = (x) => 0.5 * (1 + erf(x / Math.SQRT2));
const bent = (x) => Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

export const CURVES = {
  tanh: { value: (x) => 1 - 2 / (Math.exp(2 * x) + 1), slope: (x, y) => 1 - y * y, bends: true },
  sigmoid: { value: sigmoid, slope: (x, y) => y * (1 - y), bends: true },
  exp: { value: Math.exp, slope: (x, y) => y },
  log: { value: Math.log, slope: (x) => 1 / x },
  sqrt: { value: Math.sqrt, slope: (x, y) => 0.5 / y },
  rsqrt: { value: (x) => 1 / Math.sqrt(x), slope: (x, y) => (-0.5 * y) / x },
  reciprocal: { value: (x) => 1 / x, slope: (x, y) => -y * y },
  square: { value: (x) => x * x, slope: (x) => 2 * x },
  pow: { value: (x, p) => x ** p, slope: (x, y, p) => p * x ** (p - 1) },
  abs: { value: Math.abs, slope: Math.sign, kinks: [0], bends: true },
  silu: {
    value: (x) => x * sigmoid(x),
    slope: (x, y) => y + sigmoid(x) * (1 - y),
    bends: true,
  },
  gelu: { value: (x) => x * below(x), slope: (x) => below(x) + x * normal(x), bends: true },
  gelu_tanh: {
    value: (x) => 0.5 * x * (1 + bent(x)),
    slope: (x) => {
      const t = bent(x);
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
    },
    bends: true,
  },
  hardswish: {
    value: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
    slope: (x) => (x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5),
    kinks: [-3, 3],
    bends: true,
  },
  hardsigmoid: {
    value: (x) => Math.min(Math.max(x + 3, 0), 6) / 6,
    slope: (x) => (x > -3 && x < 3 ? 1 / 6 : 0),
    kinks: [-3, 3],
    bends: true,
  },
  leaky_relu: {
    value: (x, slope) => (x > 0 ? x : slope * x),
    slope: (x, y, slope) => (x > 0 ? 1 : slope),
    kinks: [0],
    bends: true,
  },
  elu: {
    value: (x, a) => (x > 0 ? x : a * Math.expm1(x)),
    slope: (x, y, a) => (x > 0 ? 1 : y + a),
    bends: true,
  },
};
