// Scales and ticks. Owns: where a value lies on an axis and which values are labelled. Does not know: drawing. Pure.

/** Round values between `low` and `high`, about `wanted` of them. */
export function linearTicks(low, high, wanted = 6) {
  const span = high - low;
  if (!(span > 0)) return { values: [low], step: Math.abs(low) || 1 };
  const rough = span / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const values = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++) values.push(at * step);
  return { values, step };
}

/** Values of a logarithmic axis: 1, 2, 5 of each decade, or powers of ten where there are many decades. */
export function logTicks(low, high) {
  const decades = Math.log10(high / low);
  const factors = decades > 5 ? [1] : decades > 1.2 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const values = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const factor of factors) {
      const value = Number((factor * 10 ** power).toPrecision(6));
      if (value >= low * 0.9999 && value <= high * 1.0001) values.push(value);
    }
  }
  return values;
}

/** From values to pixels and back; `log` for a logarithmic axis. */
export function scale(low, high, from, to, log = false) {
  const f = log ? Math.log : (value) => value;
  const [a, b] = [f(low), f(high)];
  const factor = (to - from) / (b - a || 1);
  return {
    low,
    high,
    at: (value) => from + (f(value) - a) * factor,
    value: (pixel) => (log ? Math.exp : (x) => x)(a + (pixel - from) / factor),
    holds: (value) => value >= low && value <= high,
  };
}

/** The smallest and largest of values, without copying 100,000 of them onto the stack; null for none. */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || value === undefined || !Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : null;
}

/** A number on an axis, as short as it can be told apart: ticks at `step` apart. */
export function tick(value, step) {
  const digits = Math.min(8, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  return value.toFixed(digits).replace("-", "\u2212");
}
