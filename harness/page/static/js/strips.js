// Raw samples as a strip of dots. Owns: the pairs of one case, times and quality, with the interval that they give.

import { fill, h, s } from "./dom.js";
import { extent, linearTicks, logTicks, scale, tick } from "./scale.js";
import * as format from "./format.js";

const HEIGHT = 74;
const MOST = 800;

/** A case's strips: how many times as fast in each pair, and how much better its answer was. */
export function strips(one, quality) {
  const { candidate_us: mine, reference_us: theirs, candidate_quality: own, reference_quality: other } = one.samples;
  const ratios = mine.map((us, at) => theirs[at] / us).filter((value) => Number.isFinite(value) && value > 0);
  const gains = own.map((value, at) => 100 * (value - other[at])).filter(Number.isFinite);
  return [
    ratios.length
      ? strip({
          values: ratios,
          band: whole(one.speedup),
          level: 1,
          log: true,
          title: "times as fast as the reference, each pair",
          words: (v) => `${Number(v.toPrecision(3))}×`,
        })
      : null,
    gains.length
      ? strip({
          values: gains,
          band: hundredths(whole(one.gain)),
          level: 0,
          log: false,
          title: `${quality} less the reference's, in hundredths, each pair`,
          words: null,
        })
      : null,
  ];
}

/** An interval, null where the server has no finite one. */
function whole(interval) {
  return interval && [interval.median, interval.low, interval.high].every(Number.isFinite) ? interval : null;
}

function hundredths(gain) {
  return gain ? { median: 100 * gain.median, low: 100 * gain.low, high: 100 * gain.high } : null;
}

function strip({ values, band, level, log, title, words }) {
  const caption = h("figcaption.small.quiet", {}, title);
  if (values.every((value) => value === level))
    return h(
      "figure.stripbox",
      {},
      caption,
      h("p.small", {}, `equal in each of ${format.count(values.length, "pair")}`),
    );
  const figures = band
    ? `, mean ${band.median.toPrecision(4)}, 95 % interval ${band.low.toPrecision(4)} to ${band.high.toPrecision(4)}`
    : "";
  const svg = s("svg.strip", {
    height: HEIGHT,
    role: "img",
    "aria-label": `${title}: ${format.count(values.length, "pair")}${figures}`,
  });
  const box = h("figure.stripbox", {}, caption, svg);
  new ResizeObserver(() => draw(svg, box.clientWidth, { values, band, level, log, words })).observe(box);
  return box;
}

function draw(svg, width, { values, band, level, log, words }) {
  if (!width) return;
  fill(svg);
  svg.setAttribute("width", width);
  const shown = values.length > MOST ? values.filter((_, at) => at % Math.ceil(values.length / MOST) === 0) : values;
  const [low, high] = extent([...values, level, ...(band ? [band.low, band.high] : [])]);
  const pad = log ? (high / low) ** 0.05 : (high - low) * 0.05;
  const x = log ? scale(low / pad, high * pad, 8, width - 8, true) : scale(low - pad, high + pad, 8, width - 8);
  if (band)
    svg.append(
      s("rect.band", { x: x.at(band.low), y: 6, width: Math.max(1, x.at(band.high) - x.at(band.low)), height: 42 }),
    );
  svg.append(s("line.level", { x1: x.at(level), x2: x.at(level), y1: 4, y2: 50 }));
  shown.forEach((value, at) =>
    svg.append(s("circle", { cx: x.at(value).toFixed(1), cy: (13 + ((at * 0.618034) % 1) * 28).toFixed(1), r: 2.6 })),
  );
  if (band) svg.append(s("line.mean", { x1: x.at(band.median), x2: x.at(band.median), y1: 3, y2: 51 }));
  const linear = linearTicks(x.low, x.high, width / 75);
  let last = -Infinity;
  for (const value of log ? fineTicks(x.low, x.high, width / 75) : linear.values) {
    if (x.at(value) - last < 50 || x.at(value) < 18 || x.at(value) > width - 18) continue;
    last = x.at(value);
    svg.append(
      s("text", { x: last, y: HEIGHT - 8, "text-anchor": "middle" }, words ? words(value) : tick(value, linear.step)),
    );
  }
}

/** Ticks of a logarithmic axis that may be so short that no round decade lies in it. */
function fineTicks(low, high, wanted) {
  const ticks = logTicks(low, high);
  return ticks.length >= 3 ? ticks : linearTicks(low, high, wanted).values;
}
