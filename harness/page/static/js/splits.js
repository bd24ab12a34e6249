// Held-out loads. Owns: the table of splits, what a gap between them says, and how an attempt did on the gate. Does not
// know: how loads are held out, when they are measured.

import { h } from "./dom.js";
import { attemptLink, pointsRange, ratio, table } from "./parts.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

const LOADS = { search: "steers", gate: "confirms a new best", final: "measured once" };
const LISTED = 6;

/** What held-out loads say of the best program; null in a run that holds none out. */
export function best(position, run) {
  const { state } = run;
  const found = state.splits;
  if (!found) return null;
  return [
    found.measured.length ? measured(found.measured, state.quality, "best") : h("p", {}, waiting(position, state)),
    listed(position, run, "Better on the loads of the search only:", found.search_only),
    listed(position, run, "On held-out loads not told in time:", found.untold),
  ];
}

/** The same in a sentence; null where the best program was not measured on held-out loads. */
export function short({ splits: found }) {
  const held = found ? found.measured.filter((one) => one.split !== "search") : [];
  if (!held.length) return null;
  const words = held.map((one) => {
    const gain = one.gain ? `${format.points(100 * one.gain.median)} points, ` : "";
    return `${gain}${format.times(one.speedup.median)} as fast (${one.split})`;
  });
  const over = held.filter((one) => one.overfits).map((one) => one.split);
  return [
    `Against the seed program on loads held out from the search: ${words.join("; ")}. `,
    over.length ? h("b.rejected", {}, `Overfitting on ${over.join(" and ")}.`) : "No overfitting seen.",
  ];
}

function waiting(position, state) {
  const { champion, seed_attempt: seed } = state;
  if (champion === null || champion === seed) return "Nothing to tell yet: the seed program is the best.";
  return [
    "The best program was surely no worse than the one before it ",
    h("a", { href: `#/r/${position}/a/${champion}` }, "on the gate"),
    ". The end of the search measures it against the seed program on each split.",
  ];
}

/** A program against the seed program on each split that was measured, and what the gaps say. */
function measured(rows, quality, program) {
  const heads = [
    ["loads"],
    [`${quality}, seed`, "num.spare"],
    [program, "num.spare"],
    ["gain, points", "num"],
    ["times as fast", "num"],
    ["gap to search", "num"],
  ];
  const row = (one) =>
    h(
      "tr",
      {},
      h("td", {}, one.split, h("span.quiet.small.spare", {}, ` ${LOADS[one.split] || ""}`)),
      h("td.num.spare", {}, format.quality(one.seed_quality)),
      h("td.num.spare", {}, format.quality(one.quality)),
      h("td.num.nowrap", {}, pointsRange(one.gain)),
      h("td.num.nowrap", {}, ratio(one.speedup)),
      h("td.num.nowrap", {}, one.split === "search" ? "" : pointsRange(one.gap)),
    );
  return [table("Best against seed program by split", heads, rows.map(row)), verdict(rows)];
}

/** Whether a gap is overfitting, as `harness.readings.splits` has it. */
function verdict(rows) {
  const over = rows.filter((one) => one.overfits).map((one) => one.split);
  const open = rows.filter((one) => one.gap && !one.overfits).map((one) => one.split);
  const words = [];
  if (over.length)
    words.push(
      h(
        "p.notice.overfitting",
        {},
        h("b", {}, "Overfitting"),
        ` on ${over.join(" and ")}: it gains surely less there than on the loads of the search, by over a quarter.`,
      ),
    );
  if (open.length) words.push(h("p.small.quiet", {}, `No overfitting seen on ${open.join(" and ")}.`));
  return words;
}

function listed(position, run, words, { count, newest }) {
  if (!count) return null;
  const shown = newest.slice(-LISTED);
  const links = shown.map((number) =>
    h("li", {}, attemptLink(run, position, number, run.columns.of(number, "name") ?? "", 30)),
  );
  const more = count - shown.length;
  return [
    h("h3", {}, words),
    h("ul.links", {}, links),
    more > 0 ? h("p.small.quiet", {}, `and ${format.grouped(more)} before`) : null,
  ];
}

/** How an attempt did on held-out loads; null for one that was not measured there. */
export function ofAttempt(one, position, quality) {
  if (!one.gates.length && !one.splits.length) return null;
  return [
    standing(one),
    one.gates.length ? gates(one.gates, position) : null,
    one.splits.length ? h("h3", {}, "Against the seed program") : null,
    one.splits.length ? measured(one.splits, quality, "this program") : null,
  ];
}

function standing(one) {
  if (one.search_only)
    return h("p.notice", {}, "Better on the loads of the search only: on the gate it is worse, so it is not the best.");
  if (one.untold) return h("p.notice", {}, "On the gate it was not told in time whether it is worse.");
  if (one.champion || one.was_champion)
    return h("p", {}, "On the gate it was surely no worse than the best program of the time.");
  return null;
}

function gates(found, position) {
  const rows = found.map((gate) =>
    h(
      "tr",
      {},
      h("td", {}, gate.against === null ? "–" : h("a", { href: `#/r/${position}/a/${gate.against}` }, gate.against)),
      gate.speedup
        ? [h("td.num.nowrap", {}, ratio(gate.speedup)), h("td.num.nowrap", {}, pointsRange(gate.gain))]
        : h("td", { colspan: 2, dir: "auto" }, oneLine(gate.words, 300)),
    ),
  );
  return table("Measured on the gate", [["against"], ["times as fast", "num"], ["points", "num"]], rows);
}
