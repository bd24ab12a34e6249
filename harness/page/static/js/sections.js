// The longer parts of an attempt's page. Owns: cases, the conversation with a model, duels, later measurements.

import { h, stranger } from "./dom.js";
import { pointsRange, ratio, raw, table } from "./parts.js";
import { strips } from "./strips.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

/** The score, case by case, with the raw samples. */
export function cases(score, quality) {
  const extra = score.columns;
  const heads = [
    ["case"],
    [quality, "num"],
    ["ceiling", "num"],
    ...extra.map(({ heading }) => [heading, "num"]),
    ["ms", "num"],
    ["reference, ms", "num"],
    ["times as fast", "num"],
  ];
  const figure = (value) => (typeof value === "number" ? Number(value.toPrecision(4)) : "–");
  const row = (one, name, kind = "tr") =>
    h(
      kind,
      {},
      h("td", {}, name),
      h(
        "td.num.nowrap",
        {},
        format.quality(one.quality),
        h("span.quiet", {}, ` ${format.plusMinus(one.quality, one.quality_low, one.quality_high)}`),
      ),
      h("td.num", {}, format.quality(one.ceiling)),
      extra.map(({ key }) => h("td.num", {}, figure(one.metrics[key]))),
      h("td.num", {}, format.milliseconds(one.runtime_ms)),
      h("td.num", {}, one.reference_ms === undefined ? "" : format.milliseconds(one.reference_ms)),
      h("td.num.nowrap", {}, ratio(one.speedup)),
    );
  const rows = score.cases.map((one) => row(one, oneLine(one.name, 40)));
  if (score.cases.length > 1) rows.push(row(score, "all", "tr.strong"));
  return [
    table("Scores by case", heads, rows),
    score.decided ? h("p.small.quiet", {}, `Measuring ended early: ${oneLine(score.decided, 200)}`) : null,
    score.cases.map((one) =>
      h(
        "div.casestrips",
        {},
        score.cases.length > 1 ? h("h3", {}, oneLine(one.name, 40)) : null,
        h("div.strips", {}, strips(one, quality)),
      ),
    ),
  ];
}

/** What was sent and what was answered, turn by turn. */
export function conversation(one) {
  if (one.kind === "seed") return null;
  if (!one.turns.length) return one.reply ? [note(one), raw(one.reply, "The reply")] : null;
  return [
    note(one),
    one.turns.map((turn, at) => [
      h(
        "p.turn.small",
        {},
        h("b", {}, one.turns.length > 1 ? `Turn ${at + 1}: ` : "", stranger(oneLine(turn.model || one.proposer, 40))),
        h(
          "span.quiet",
          {},
          ` ${format.tokens(turn.input_tokens)} tokens in, ${format.tokens(turn.output_tokens)} out, `,
          `${format.dollars(turn.usd)}, ${format.duration(turn.seconds)}`,
        ),
        turn.finish === "stop" ? null : h("span", {}, ` ended: ${turn.finish}`),
        turn.tries > 1 ? h("span", {}, `, ${format.count(turn.tries, "try", "tries")}`) : null,
        turn.note ? h("span", {}, ` ${oneLine(turn.note, 200)}`) : null,
      ),
      turn.text ? raw(turn.text, `Turn ${at + 1}`) : h("p.quiet", {}, "No text came."),
      turn.refusal
        ? h("div.refusal", {}, h("h3", {}, "Refused, and sent back with"), raw(turn.refusal, "What the model was told"))
        : null,
    ]),
  ];
}

function note(one) {
  return one.cut.includes("reply") ? h("p.quiet", {}, "Cut: too long to show in full.") : null;
}

/** Paired re-evaluations against the champion of the time. */
export function duels(one, position) {
  if (!one.duels.length) return null;
  const rows = one.duels.map((duel) =>
    h(
      "tr",
      {},
      h("td", {}, duel.against === null ? "–" : h("a", { href: `#/r/${position}/a/${duel.against}` }, duel.against)),
      h("td", {}, duel.failure ? oneLine(duel.failure, 200) : duel.comparison || ""),
      h("td.num.nowrap", {}, ratio(duel.speedup)),
      h("td.num.nowrap", {}, pointsRange(duel.gain)),
      h("td.small.spare", {}, oneLine(duel.words, 160)),
    ),
  );
  return table(
    "Duels",
    [["against"], ["result"], ["times as fast", "num"], ["points", "num"], ["in words", "spare"]],
    rows,
  );
}

/** What later measurements of the same program found. */
export function later(one) {
  if (one.measurements.length < 2) return null;
  const rows = one.measurements.map((measured) =>
    h(
      "tr",
      {},
      h("td.nowrap", {}, format.when(measured.when)),
      h("td", {}, oneLine(measured.measured, 60)),
      h(
        "td.num.nowrap",
        {},
        measured.quality === null
          ? `${measured.outcome}: ${oneLine(measured.reason, 40)}`
          : [
              format.quality(measured.quality),
              h(
                "span.quiet",
                {},
                ` ${format.plusMinus(measured.quality, measured.quality_low, measured.quality_high)}`,
              ),
            ],
      ),
      h("td.num.nowrap", {}, ratio(measured.speedup)),
      h(
        "td.small",
        {},
        measured.differs.length ? `elsewhere: ${oneLine(measured.differs.join("; "), 160)}` : "same conditions",
      ),
    ),
  );
  const pooled = one.joint.map((joint) =>
    h(
      "p.small",
      {},
      `${format.count(joint.measurements, "measurement")} together, ${format.count(joint.rounds, "round")}: `,
      ratio(joint.speedup),
      joint.apart ? "; they disagree" : "",
    ),
  );
  return [
    table("Measurements", [["when"], ["measured"], ["quality", "num"], ["times as fast", "num"], ["where"]], rows),
    pooled,
  ];
}

/** What a reader should know before trusting the page: warnings, claims of others, texts that were cut. */
export function doubts(one) {
  const lines = [...one.warnings, one.notes_damaged || ""].filter(Boolean).map((warning) => oneLine(warning, 300));
  if (one.claimed) {
    const scores = Object.entries(one.claimed.scores).map(
      ([name, value]) => `${oneLine(name, 40)} ${Number(value.toPrecision(6))}`,
    );
    lines.push(
      `${oneLine(one.claimed.framework, 40)} claims ${scores.join(", ") || "nothing"}; nothing is decided by it.`,
    );
  }
  return lines.length
    ? h(
        "ul.doubts.small",
        { "aria-label": "Warnings" },
        lines.map((line) => h("li", { dir: "auto" }, line)),
      )
    : null;
}
