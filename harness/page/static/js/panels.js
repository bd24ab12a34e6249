// The small panels of the overview. Owns: verdicts, models, spending, what is under way, the newest attempts.

import { h, stranger } from "./dom.js";
import { tally } from "./columns.js";
import { role } from "./glyphs.js";
import { attemptLink, bar, outcomeWords, roleWord, STAGES, table } from "./parts.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

/** A panel with a heading; `body` is filled by its owner. */
export function panel(title, kind = "", note = "") {
  const body = h("div.body", {});
  const head = h("header", {}, h("h2", {}, title), note ? h("span.quiet.small", {}, note) : null);
  return { element: h(kind ? `section.panel.${kind}` : "section.panel", { "aria-label": title }, head, body), body };
}

/** How attempts came out, by stage: a bar each, which leads to these attempts. */
export function verdicts(position, { columns }) {
  const counts = tally(columns);
  const total = [...counts.values()].reduce((sum, value) => sum + value, 0);
  const order = Object.keys(STAGES).filter((name) => counts.get(name));
  if (!total) return h("p.quiet", {}, "No attempt has come out yet.");
  return h(
    "ul.bars",
    {},
    order.map((name) =>
      h(
        "li",
        {},
        h(
          "a",
          { href: `#/r/${position}/attempts?outcome=${name}`, title: STAGES[name] },
          h(
            "span.word",
            {},
            name === "known"
              ? "known program"
              : name === "scored"
                ? "scored"
                : `rejected: ${name}`.replace("rejected: unjudged", "not judged"),
          ),
          bar(counts.get(name) / total, name === "scored" ? "good" : name === "known" ? "dull" : "bad"),
          h("span.figure", {}, format.grouped(counts.get(name))),
        ),
      ),
    ),
  );
}

/** What each model's proposals came to. `answer` is the server's `verdicts`. */
export function models(position, answer) {
  if (!answer) return h("p.quiet", {}, "Counting …");
  if (!answer.rows.length) return h("p.quiet", {}, "No proposal yet.");
  const rows = answer.rows.map((row) =>
    h(
      "tr",
      {},
      h("td", {}, stranger(oneLine(row.model || "–", 30)), h("span.quiet", {}, ` ${row.kind}`)),
      h("td.num", {}, format.grouped(row.proposals)),
      h("td.num", {}, format.grouped(row.valid)),
      h("td.num", {}, row.better === null ? "–" : format.grouped(row.better)),
      h("td.num", {}, format.dollars(row.usd)),
    ),
  );
  const heads = [["model and kind"], ["proposals", "num"], ["valid", "num"], ["better", "num"], ["cost", "num"]];
  const refusals = answer.refusals
    .slice(0, 4)
    .map((one) =>
      h(
        "li",
        {},
        h("span.figure", {}, `${format.grouped(one.count)} ×`),
        h("span", {}, `${one.stage}: `, stranger(oneLine(one.reason, 40)), " "),
        one.newest_number === null
          ? null
          : h("a.quiet", { href: `#/r/${position}/a/${one.newest_number}` }, `newest: ${one.newest_number}`),
      ),
    );
  return [
    table("Proposals by model and kind", heads, rows),
    refusals.length ? h("h3", {}, "Why proposals were rejected") : null,
    refusals.length ? h("ul.refusals", {}, refusals) : null,
  ];
}

/** Each limit of the budget with what is used of it, and what was spent where there is no limit. */
export function spending({ state, columns }) {
  const { budget, booked } = state;
  const minutes = state.started && state.newest ? (state.newest - state.started) / 60 : 0;
  const plain = (value) => format.grouped(Math.round(value));
  const known = {
    attempts: [state.attempts, plain, "attempts"],
    usd: [booked.usd, format.dollars, "dollars"],
    tokens: [booked.tokens, format.tokens, "tokens"],
    calls: [booked.calls, plain, "model calls"],
    judge_s: [state.judge_s, format.duration, "judging"],
    minutes: [minutes * 60, format.duration, "time"],
    patience: [since(state, columns), plain, "attempts without a better champion"],
  };
  const limit = (key) =>
    budget[key] === undefined || budget[key] === null ? null : key === "minutes" ? budget[key] * 60 : budget[key];
  const rows = Object.entries(known)
    .filter(([key, [used]]) => limit(key) !== null || (used > 0 && key !== "patience" && key !== "attempts"))
    .map(([key, [used, words, name]]) => {
      const most = limit(key);
      const figure = [
        words(used),
        most === null ? h("span.quiet", {}, ", no limit") : h("span.quiet", {}, ` of ${words(most)}`),
      ];
      return h(
        "li",
        {},
        h("span.word", {}, name),
        most === null ? h("span.bar.none", {}) : bar(used / most, used >= most ? "full" : ""),
        h("span.figure", {}, figure),
      );
    });
  if (budget.deadline)
    rows.push(
      h(
        "li",
        {},
        h("span.word", {}, "deadline"),
        h("span.bar.none", {}),
        h("span.figure", {}, oneLine(budget.deadline, 40)),
      ),
    );
  return rows.length ? h("ul.bars.wide", {}, rows) : h("p.quiet", {}, "Nothing spent, and no limit set.");
}

function since(state, columns) {
  const last = state.champions[state.champions.length - 1];
  if (last === undefined || !columns.count) return 0;
  return columns.once("highest", () => columns.n.reduce((high, n) => Math.max(high, n), 0)) - last;
}

const UNDER_WAY = {
  answered: "judged, or next to be",
  calling: "a model is asked",
  asked: "waits for an answer",
  left: "left behind: the next search continues it",
};

/** Open tickets: what is judged, asked and waited for now. */
export function underWay(position, { state }, most = 6) {
  if (!state.tickets.length) {
    return h("p.quiet", {}, state.working ? "Nothing at this moment." : "Nothing: no process works on this run.");
  }
  const order = ["asked", "answered", "calling", "left"];
  const sorted = [...state.tickets].sort(
    (a, b) => order.indexOf(a.state) - order.indexOf(b.state) || a.ticket - b.ticket,
  );
  const rows = sorted.slice(0, most).map((ticket) =>
    h(
      "li",
      {},
      h(`span.dot.${ticket.state === "left" ? "off" : ticket.state === "asked" ? "wait" : "live"}`, {
        "aria-hidden": "true",
      }),
      h("a", { href: `#/r/${position}/tickets/${ticket.ticket}` }, `ticket ${ticket.ticket}`),
      h("span", {}, `${ticket.kind}${ticket.parents.length ? ` of ${ticket.parents.join(" and ")}` : ""}`),
      h(
        "span.quiet",
        {},
        ticket.state === "calling" && ticket.model
          ? ["asking ", stranger(oneLine(ticket.model, 24))]
          : UNDER_WAY[ticket.state],
      ),
    ),
  );
  const more = sorted.length - rows.length;
  return [
    h("ul.underway", {}, rows),
    more > 0 ? h("p.small", {}, h("a", { href: `#/r/${position}/tickets` }, `and ${format.grouped(more)} more`)) : null,
  ];
}

/** The newest attempts, newest first. `fresh`: rows from here on came while the page was open. */
export function newest(position, run, most, fresh) {
  const { columns, state } = run;
  const rows = [];
  for (let row = columns.count - 1; row >= Math.max(0, columns.count - most); row--) {
    const as = role(columns, state, row);
    rows.push(
      h(
        row >= fresh ? "tr.fresh" : "tr",
        {},
        h("td", {}, attemptLink(run, position, columns.n[row], columns.name[row], 30)),
        h("td.role.quiet.small", {}, ["scored", "rejected", "known"].includes(as) ? "" : roleWord(as)),
        h("td.outcome", {}, outcomeWords(columns, state, row)),
      ),
    );
  }
  if (!rows.length) return h("p.quiet", {}, "None yet.");
  return table(
    "The newest attempts",
    [["attempt"], [h("span.offscreen", {}, "standing"), "role"], ["outcome"]],
    rows,
    "table.plain.newest",
  );
}

/** The front as a table, fastest first. */
export function front(position, run) {
  const { columns, state } = run;
  const shown = [...state.front];
  if (state.seed_attempt !== null && !shown.includes(state.seed_attempt)) shown.push(state.seed_attempt);
  const rows = shown
    .map((number) => [number, columns.row(number)])
    .filter(([, row]) => row !== undefined && columns.q[row] !== null)
    .map(([number, row]) => {
      const { q, ql, qh, s, sl, sh, ms } = columns;
      return h(
        number === state.champion ? "tr.strong" : "tr",
        {},
        h("td", {}, attemptLink(run, position, number, columns.name[row], 30)),
        h("td.role.quiet.small", {}, roleWord(role(columns, state, row))),
        h(
          "td.num.nowrap",
          {},
          format.quality(q[row]),
          h("span.quiet", {}, ` ${format.plusMinus(q[row], ql[row], qh[row])}`),
        ),
        h("td.num.nowrap", {}, format.times(s[row]), h("span.quiet", {}, ` ${format.timesRange(sl[row], sh[row])}`)),
        h("td.num.spare", {}, format.milliseconds(ms[row])),
      );
    });
  const heads = [
    ["program"],
    [h("span.offscreen", {}, "standing"), "role"],
    [state.quality, "num"],
    ["times as fast", "num"],
    ["ms", "num.spare"],
  ];
  return rows.length ? table("The front, fastest first", heads, rows) : null;
}
