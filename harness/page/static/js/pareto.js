// From the columns of runs to what the Pareto plot draws. Owns: which programs are drawn, named and described.
// Does not know: pixels.

import { isBelow } from "./columns.js";
import { h, stranger } from "./dom.js";
import { ROLES, role } from "./glyphs.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

/** The marks of runs, by position: a letter, a class for its line, a colour. Told apart by letter and line as well. */
export const STYLES = [
  { letter: "A", style: "run-a", colour: "--blue-fill" },
  { letter: "B", style: "run-b", colour: "--orange-fill" },
  { letter: "C", style: "run-c", colour: "--green-fill" },
  { letter: "D", style: "run-d", colour: "--purple-fill" },
  { letter: "E", style: "run-e", colour: "--sky-fill" },
];

export const styleOf = (position) => STYLES[position % STYLES.length];

function point({ n, q, ql, qh, s, sl, sh }, run, row, faint = false, colour = "--dot") {
  return {
    run,
    row,
    number: n[row],
    q: q[row],
    ql: ql[row],
    qh: qh[row],
    s: s[row],
    sl: sl[row],
    sh: sh[row],
    faint,
    colour,
  };
}

/** The model of one run's plot; rows from `fresh` on have just come. */
export function modelOfRun({ state, columns }, position, fresh = Infinity) {
  const series = seriesOf({ state, columns }, position, true);
  const lines = [];
  if (state.ceiling !== null)
    lines.push({ axis: "q", at: state.ceiling, text: `ceiling ${format.quality(state.ceiling)}`, style: "ceiling" });
  if (state.floor !== null) lines.push({ axis: "q", at: state.floor, text: "floor", style: "floor" });
  lines.push({ axis: "s", at: 1, text: `reference: ${oneLine(state.reference.name, 30)}`, style: "reference" });
  const points = pointsOf({ state, columns }, position);
  return { points, series: [series], lines, quality: state.quality, arrived: points.filter((one) => one.row >= fresh) };
}

/** The model of several runs in one plot: each with its front and champion in its own style. */
export function modelOfRuns(runs, positions) {
  const points = positions.flatMap((at) => pointsOf(runs[at], at, styleOf(at).colour));
  const series = positions.map((at) => ({ ...seriesOf(runs[at], at, false), style: styleOf(at).style }));
  const names = new Set(positions.map((at) => runs[at].state.reference.name));
  const text = names.size === 1 ? `reference: ${oneLine([...names][0], 30)}` : "each run's reference";
  const lines = [{ axis: "s", at: 1, text, style: "reference" }];
  return { points, series, lines, quality: runs[positions[0]]?.state.quality || "quality" };
}

function pointsOf({ state, columns }, position, colour) {
  const named = new Set([...state.front, state.champion, state.seed_attempt]);
  const points = [];
  for (let row = 0; row < columns.count; row++) {
    if (columns.q[row] === null || columns.same[row] >= 0 || !(columns.s[row] > 0)) continue;
    points.push(point(columns, position, row, named.has(columns.n[row]) || isBelow(columns, state, row), colour));
  }
  return points;
}

function seriesOf({ state, columns }, position, alone) {
  const rowOf = (number) => (number === null ? undefined : columns.row(number));
  const held = (number) => rowOf(number) !== undefined && columns.s[rowOf(number)] > 0;
  const at = (number) => point(columns, position, rowOf(number));
  const front = state.front.filter(held);
  const named = [];
  const add = (number, as, text) => {
    if (!held(number)) return;
    const aria = `attempt ${number}, ${oneLine(columns.name[rowOf(number)], 60)}, ${ROLES[as].word}`;
    named.push({ point: at(number), role: as, text, href: `#/r/${position}/a/${number}`, aria });
  };
  const letter = alone ? "" : `${styleOf(position).letter} · `;
  if (state.seed_attempt !== null && state.seed_attempt !== state.champion)
    add(state.seed_attempt, "seed", alone ? "seed program" : "");
  for (const number of front) {
    if (number !== state.champion && number !== state.seed_attempt) add(number, "front", "");
  }
  if (state.champion !== null)
    add(state.champion, "champion", `${letter}${oneLine(nameOf(columns, state.champion), 26)}`);
  const { reference, marks } = state;
  if (alone && reference.quality !== null) {
    named.push({ point: { q: reference.quality, s: 1 }, role: "reference", text: "" });
  }
  for (const mark of alone ? marks : []) {
    const where = {
      q: mark.quality,
      ql: mark.quality_low,
      qh: mark.quality_high,
      s: mark.speedup,
      sl: mark.speedup_low,
      sh: mark.speedup_high,
    };
    named.push({
      point: where,
      role: "policy",
      text: `${oneLine(mark.name, 24)}${mark.comparable ? "" : " (not comparable)"}`,
    });
  }
  return { run: position, front: front.map(at), named };
}

function nameOf(columns, number) {
  const row = columns.row(number);
  return row === undefined ? "" : columns.name[row];
}

/** The tooltip of a point. */
export function describe({ state, columns }, { row }) {
  const word = ROLES[role(columns, state, row)].word;
  const { n, name, q, ql, qh, s, sl, sh, ms } = columns;
  return [
    h("strong", {}, `${n[row]} `, stranger(oneLine(name[row], 60))),
    h("span.quiet", {}, word),
    h("span", {}, `${state.quality} ${format.quality(q[row])} ${format.plusMinus(q[row], ql[row], qh[row])}`),
    h("span", {}, `${format.times(s[row])} ${format.timesRange(sl[row], sh[row])}, ${format.milliseconds(ms[row])} ms`),
  ];
}
