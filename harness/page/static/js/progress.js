// The champion over attempts, minutes or dollars. Owns: its steps, the switch between the three, both curves.
// Does not know: drawing (see curve.js).

import { h } from "./dom.js";
import { spent } from "./columns.js";
import { Curve } from "./curve.js";
import { styleOf } from "./pareto.js";
import { choice } from "./parts.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

const ACROSS = [
  ["attempts", "attempts"],
  ["minutes", "minutes"],
  ["dollars", "dollars"],
];

export class Progress {
  /** `height` of each of the two curves, in pixels. */
  constructor({ quality, height }) {
    this.across = "attempts";
    this.speed = new Curve({ title: "Speed-up of the champion over the reference", log: true, height });
    this.quality = new Curve({ title: `${capital(quality)} of the champion`, height });
    this.runs = [];
    const pick = choice("Across", ACROSS, this.across, (value) => {
      this.across = value;
      this.update(this.runs);
    });
    const head = h("header", {}, h("h2", {}, "The champion over time"), h("span.grow", {}), pick);
    this.element = h(
      "section.panel.progress",
      { "aria-label": "The champion over time" },
      head,
      this.speed.element,
      this.quality.element,
    );
  }

  /** `runs`: `{state, columns, position}`, one line for each. */
  update(runs) {
    this.runs = runs;
    const alone = runs.length === 1;
    const lines = (key) =>
      runs.map((run) => ({
        label: alone ? run.state.name : styleOf(run.position).letter,
        colour: alone ? "--blue-fill" : styleOf(run.position).colour,
        dash: alone ? 0 : run.position % 5,
        steps: steps(run, this.across, key),
        end: end(run, this.across),
      }));
    const whole = this.across === "attempts";
    this.speed.update({ whole, lines: lines("s"), level: { at: 1, text: "reference" } });
    this.quality.update({ whole, lines: lines("q"), level: null });
  }
}

function steps({ state, columns }, across, key) {
  const sums = spent(columns);
  return state.champions
    .map((number) => columns.row(number))
    .filter((row) => row !== undefined && columns[key][row] !== null)
    .map((row) => {
      const [y, low, high] = [columns[key][row], columns[`${key}l`][row], columns[`${key}h`][row]];
      const figure =
        key === "s"
          ? `${format.times(y)} ${format.timesRange(low, high)}`
          : `${format.quality(y)} ${format.plusMinus(y, low, high)}`;
      const x = { attempts: columns.n[row], minutes: columns.t[row] / 60, dollars: sums[row] }[across];
      return { x, y, low, high, text: `${figure}, ${columns.n[row]} ${oneLine(columns.name[row], 22)}` };
    });
}

function end({ state, columns }, across) {
  const last = columns.count - 1;
  if (last < 0) return 0;
  if (across === "attempts") return columns.once("highest", () => columns.n.reduce((high, n) => Math.max(high, n), 0));
  if (across === "minutes") return (state.newest - state.started) / 60;
  return spent(columns)[last];
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
