// Small parts that several views share. Owns: switches, bars, lists of facts, verdicts in words, messages.

import { h, stranger } from "./dom.js";
import { inline, ROLES, role } from "./glyphs.js";
import { oneLine, visible } from "./text.js";
import { still } from "./theme.js";
import * as format from "./format.js";

/** A row of buttons of which one is pressed. `options` are `[value, word]`. */
export function choice(label, options, chosen, choose) {
  const buttons = options.map(([value, word]) =>
    h(
      "button",
      { type: "button", "aria-pressed": value === chosen ? "true" : "false", on: { click: () => press(value) } },
      word,
    ),
  );
  function press(value) {
    buttons.forEach((button, at) => button.setAttribute("aria-pressed", options[at][0] === value ? "true" : "false"));
    choose(value);
  }
  return h("div.switch", { role: "group", "aria-label": label }, buttons);
}

/** Facts as a list of terms: `[term, value, ...]`; rows without a value are left out. */
export function facts(rows, tag = "dl.facts") {
  return h(
    tag,
    {},
    rows
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([term, ...value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}

/** A bar of a share between 0 and 1; its figure stands beside it, so that it is hidden from readers of the screen. */
export function bar(share, style = "") {
  const inner = h("span", { style: { width: `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%` } });
  return h(style ? `span.bar.${style}` : "span.bar", { "aria-hidden": "true" }, inner);
}

/** A table with a header: `columns` are `[heading, class]`. */
export function table(label, columns, rows, tag = "table.plain") {
  const head = h(
    "tr",
    {},
    columns.map(([heading, kind]) => h(kind ? `th.${kind}` : "th", { scope: "col" }, heading)),
  );
  return h("div.scrollx", {}, h(tag, { "aria-label": label }, h("thead", {}, head), h("tbody", {}, rows)));
}

/** How many times as fast, with its interval. */
export function ratio(interval) {
  return interval
    ? [format.times(interval.median), h("span.quiet", {}, ` ${format.timesRange(interval.low, interval.high)}`)]
    : "–";
}

/** A difference of qualities in points, with its interval. */
export function pointsRange(interval) {
  if (!interval) return "–";
  const [middle, low, high] = [interval.median, interval.low, interval.high].map((value) => format.points(100 * value));
  return [middle, h("span.quiet", {}, ` [${low}, ${high}]`)];
}

/** An attempt as a link with its mark: `◆ 17 zigzag_start`. */
export function attemptLink(run, position, number, name, limit = 40) {
  const row = run.columns.row(number);
  const mark = row === undefined ? null : inline(role(run.columns, run.state, row));
  return h(
    "a.attempt",
    { href: `#/r/${position}/a/${number}` },
    mark,
    h("span.number", {}, number),
    stranger(oneLine(name ?? "", limit) || "(no name)"),
  );
}

export const STAGES = {
  scored: "valid and measured",
  known: "the same program as an earlier attempt",
  patch: "the reply could not be applied",
  screen: "not accepted as Python, or by the list of imports",
  load: "failed while it was loaded",
  run: "failed, or took too long, while it ran",
  validate: "gave an invalid answer",
  measure: "its times could not be believed",
  unjudged: "imported, and not judged",
};

/** What came of a row, in a few words: its figures, or why it was rejected. */
export function outcomeWords(columns, state, row) {
  if (columns.same[row] >= 0) return [`same program as ${columns.same[row]}`];
  if (columns.q[row] !== null) {
    return [
      h(
        "span.nowrap",
        {},
        format.quality(columns.q[row]),
        h("span.quiet", {}, ` ${format.plusMinus(columns.q[row], columns.ql[row], columns.qh[row])}`),
      ),
      h("span.nowrap", {}, format.times(columns.s[row])),
    ];
  }
  const outcome = columns.word(row, "outcome");
  const reason = columns.word(row, "reason");
  return [
    h(
      "span.rejected",
      {},
      outcome === "unjudged" ? "not judged" : `rejected at ${outcome}${reason ? `: ${oneLine(reason, 50)}` : ""}`,
    ),
  ];
}

/** What was bought, as the server words it (`+0.16, 2.1x faster`), with the unit of the first figure. */
export function changeWords(text) {
  return text
    .replace(/^([+-])([\d.]+)/, (_, sign, figure) => `${sign === "-" ? "\u2212" : "+"}${figure} points`)
    .replace(/(\d)x\b/g, "$1×");
}

/** The word for a role, for readers of the screen and tooltips. */
export function roleWord(name) {
  return ROLES[name].word;
}

/** A long text as it came, with nothing in it obeyed. */
export function raw(text, label) {
  return h("pre.raw", { tabindex: 0, "aria-label": label, dir: "auto" }, visible(text));
}

/** Say something for a few seconds. */
export function say(text) {
  const line = h("p", {}, text);
  document.getElementById("said").append(line);
  setTimeout(() => line.remove(), still() ? 8000 : 5000);
}

/** What went wrong, where it stays until the view changes. */
export function failure(error) {
  return h("p.notice", { role: "alert" }, error.message || String(error));
}
