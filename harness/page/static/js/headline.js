// The first sentences of the overview. Owns: what a newcomer is told about a run in words. Does not know: plots.

import { get } from "./api.js";
import { fill, h, stranger } from "./dom.js";
import { facts } from "./parts.js";
import { inline } from "./glyphs.js";
import { short } from "./splits.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

export class Headline {
  constructor(position) {
    this.position = position;
    this.against = null;
    this.element = h("section.headline", { "aria-label": "The run in short" });
  }

  update(run) {
    const { state, columns } = run;
    const row = state.champion === null ? undefined : columns.row(state.champion);
    if (state.champion !== null && row === undefined) return; // it is told of before its row has come
    this.#compare(state);
    const heldOut = short(state);
    fill(
      this.element,
      h(
        "p.eyebrow",
        {},
        dot(state),
        `${standing(state)}`,
        h("span.path", {}, stranger(oneLine(state.path, 80))),
        state.task,
      ),
      h("h1", {}, row === undefined ? this.#none(state) : this.#leader(run, row)),
      row === undefined ? null : h("p.lede", {}, this.#second(run, row)),
      heldOut === null ? null : h("p.lede.heldout", {}, heldOut),
      this.#facts(run),
      state.problem ? h("p.notice", { role: "alert" }, state.problem) : null,
      state.damage.length ? h("p.notice", {}, `Damage: ${oneLine(state.damage.join("; "), 400)}`) : null,
    );
  }

  #none(state) {
    return state.attempts
      ? `Nothing is scored yet, after ${format.count(state.attempts, "attempt")}.`
      : "The search has just begun.";
  }

  #leader({ state, columns }, row) {
    const name = h("a", { href: `#/r/${this.position}/a/${state.champion}` }, stranger(oneLine(columns.name[row], 60)));
    if (state.champion === state.seed_attempt)
      return state.attempts
        ? ["The seed program ", name, " still leads, after ", format.count(state.attempts, "attempt"), "."]
        : ["The seed program ", name, " is judged, and no attempt has come out yet."];
    const { times = null, points = null } = this.against || {};
    const speed = times === null ? null : [h("em", {}, format.times(times)), " as fast"];
    const gain = points === null ? null : [h("em", {}, `${format.points(points)} points`), ` of ${state.quality}`];
    if (speed && gain) return [name, " leads: ", speed, " and ", gain, " against the seed program."];
    if (speed) return [name, " leads: ", speed, " as the seed program."];
    if (gain) return [name, " leads: ", gain, " against the seed program."];
    return [name, " leads, after ", format.count(state.attempts, "attempt"), "."];
  }

  #second({ state, columns }, row) {
    const [q, s] = [columns.q[row], columns.s[row]];
    const parts = [
      `${capital(state.quality)} `,
      h("b", {}, format.quality(q)),
      ` ${format.plusMinus(q, columns.ql[row], columns.qh[row])}`,
      state.ceiling === null ? "" : ` of at most ${format.quality(state.ceiling)}`,
      "; ",
      h("b", {}, format.times(s)),
      ` ${format.timesRange(columns.sl[row], columns.sh[row])} as fast as the reference `,
      stranger(oneLine(state.reference.name, 40)),
      `, ${format.milliseconds(columns.ms[row])} ms a call. `,
      h("span.quiet", {}, "Ranges are 95\u00a0%\u00a0intervals."),
    ];
    return parts;
  }

  #facts({ state }) {
    const { budget, booked } = state;
    const of = (key, words) =>
      budget[key] === undefined || budget[key] === null ? "" : h("span.quiet", {}, ` of ${words(budget[key])}`);
    const time = state.started && state.newest ? format.duration(state.newest - state.started) : null;
    return facts(
      [
        ["attempts", format.grouped(state.attempts), of("attempts", format.grouped)],
        ["scored", format.grouped(state.scored)],
        ["on the front", state.front.length],
        ["spent", format.dollars(booked.usd), of("usd", format.dollars)],
        ["from first to newest", time],
        ["judging", format.duration(state.judge_s)],
        ["wanted", oneLine(state.objective, 90)],
      ],
      "dl.factstrip",
    );
  }

  /** Ask once for each pair of champion and seed program what is certain between the two. */
  async #compare(state) {
    const { champion, seed_attempt: seed } = state;
    if (champion === null || seed === null || champion === seed || this.asked === champion) return;
    this.asked = champion;
    try {
      this.against = await get(`runs/${this.position}/diff`, { a: seed, b: champion });
    } catch {
      this.against = null;
      return;
    }
    this.onchange?.();
  }
}

/** Whether anybody works on a run, in words. */
export function standing(state) {
  if (state.reading)
    return `being read: ${format.grouped(state.reading.read)} of ${format.grouped(state.reading.of)} attempts`;
  if (state.working && state.stop_asked) return "stopping";
  if (state.working) return "running";
  const limit = state.budget.attempts;
  if (limit && state.attempts >= limit) return "ended: all attempts made";
  return state.attempts ? "not running now" : "not begun";
}

function dot(state) {
  return h(`span.dot.${state.working ? "live" : "off"}`, { "aria-hidden": "true" });
}

export function legend(state) {
  const shown = ["champion", "front", "seed", "scored", "below", "reference"].filter(
    (name) => name !== "below" || state.floor !== null,
  );
  if (state.marks.length) shown.push("policy");
  const words = {
    champion: "champion",
    front: "front: no program beats it on both",
    seed: "seed program",
    scored: "scored",
    below: "below the floor",
    reference: "reference",
    policy: "other program, from --marks",
  };
  return h(
    "p.legend",
    {},
    shown.map((name) => h("span.labelled", {}, inline(name), words[name])),
  );
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
