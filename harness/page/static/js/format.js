// Numbers, times and money in words. Owns: how figures read. Does not know: where they come from. Pure.

const MINUS = "\u2212";
const THIN = "\u2009";

/** A quality such as `.9057`, four digits. */
export function quality(value) {
  return value === null || value === undefined ? "–" : value.toFixed(4).replace("-", MINUS);
}

/** The larger half-width of an interval round a value: `±.0003`; "" where there is none. */
export function plusMinus(value, low, high, digits = 4) {
  if (low === null || high === null || low === undefined || high === undefined) return "";
  return `±${Math.max(value - low, high - value)
    .toFixed(digits)
    .replace(/^0/, "")}`;
}

/** How many times as fast, three significant digits: `73.5×`. */
export function times(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return `${grouped(Math.round(value))}×`;
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3;
  return `${value.toFixed(digits)}×`;
}

/** An interval of a ratio: `[71.0, 76.2]`. */
export function timesRange(low, high) {
  return low === null || low === undefined ? "" : `[${times(low).slice(0, -1)}, ${times(high).slice(0, -1)}]`;
}

/** Hundredths of quality with a sign: `+0.12`. */
export function points(value) {
  if (value === null || value === undefined) return "–";
  return `${value < 0 ? MINUS : "+"}${Math.abs(value).toFixed(2)}`;
}

/** A whole number in groups of three: `10 000`. */
export function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** A count with its noun: `1 attempt`, `18 attempts`. */
export function count(value, noun, plural = `${noun}s`) {
  return `${grouped(value)} ${value === 1 ? noun : plural}`;
}

/** Dollars: `$0.42`, `$0.0031`, `$12.30`. */
export function dollars(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "$0";
  return value < 0.01 ? `$${value.toPrecision(2)}` : `$${value.toFixed(2)}`;
}

/** Tokens: `812`, `15.9k`, `2.31M`. */
export function tokens(value) {
  if (value < 1000) return String(value);
  return value < 1e6 ? `${(value / 1000).toPrecision(3)}k` : `${(value / 1e6).toPrecision(3)}M`;
}

/** Milliseconds, three significant digits. */
export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return value >= 100 ? grouped(Math.round(value)) : value >= 1 ? value.toPrecision(3) : value.toPrecision(2);
}

/** A length of time: `0.8 s`, `42 s`, `12 min`, `3 h 20 min`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A Unix time as the reader's clock shows it. */
export function when(seconds) {
  if (!seconds) return "–";
  const date = new Date(seconds * 1000);
  const part = (value) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${part(date.getMonth() + 1)}-${part(date.getDate())}`;
  return `${day} ${part(date.getHours())}:${part(date.getMinutes())}:${part(date.getSeconds())}`;
}
