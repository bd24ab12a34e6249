// All attempts as a table. Owns: filters, sorting, paging, search. Does not know: which rows pass (see listing.js).

import { get } from "./api.js";
import { fill, h, stranger } from "./dom.js";
import { inline, role } from "./glyphs.js";
import { FILTERS, listed, SORTS } from "./listing.js";
import { choice, failure, outcomeWords } from "./parts.js";
import * as store from "./store.js";
import { oneLine, visible } from "./text.js";
import { tally } from "./columns.js";
import * as format from "./format.js";

const PAGE = 100;
const HEADS = [
  ["n", "#", "num"],
  ["name", "attempt", ""],
  [null, "from", "from"],
  [null, "kind and model", "kind"],
  ["outcome", "outcome", "outcome"],
  ["q", "quality", "num"],
  ["s", "times as fast", "num"],
  ["ms", "ms", "num ms"],
  ["usd", "cost", "num usd"],
  ["t", "after", "num after"],
];

export class Attempts {
  constructor(position, parameters) {
    this.position = position;
    this.search = null;
    this.input = h("input", {
      type: "search",
      placeholder: "Search names, descriptions, reasons, code",
      "aria-label": "Search attempts",
      maxlength: 200,
    });
    this.input.addEventListener("input", () => this.#typed());
    this.filters = h("div.chips", { role: "group", "aria-label": "Filter by outcome" });
    this.where = h("span", {});
    this.said = h("p.small.quiet", { role: "status" });
    this.body = h("div", {});
    this.pages = h("nav.pages", { "aria-label": "Pages" });
    this.element = h(
      "section.attempts",
      {},
      h("div.viewhead", {}, h("h1", {}, "Attempts"), h("div.finder", {}, this.input, this.where)),
      this.filters,
      this.said,
      h("div.panel.flush", {}, this.body),
      this.pages,
    );
    this.navigate(parameters);
  }

  /** Take over what the address says. */
  navigate(parameters) {
    this.outcome = parameters.get("outcome") || "all";
    this.sort = SORTS[parameters.get("sort")] ? parameters.get("sort") : "n";
    this.down = parameters.has("down") ? parameters.get("down") === "1" : null;
    this.page = Math.max(0, Number(parameters.get("page")) || 0);
    const [q, where] = [parameters.get("q") || "", parameters.get("in") === "code" ? "code" : "text"];
    if (this.input.value !== q) this.input.value = q;
    this.in = where;
    fill(
      this.where,
      choice(
        "Search in",
        [
          ["text", "texts"],
          ["code", "code"],
        ],
        where,
        (value) => this.#go({ in: value === "text" ? null : value, page: null }),
      ),
    );
    this.#seek(q, where);
    this.update(null);
  }

  #typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#go({ q: this.input.value.trim() || null, page: null }, true), 180);
  }

  /** Change the address, which then changes the view. */
  #go(changes, replace = false) {
    const query = new URLSearchParams(location.hash.split("?")[1] || "");
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) query.delete(key);
      else query.set(key, value);
    }
    const hash = `#/r/${this.position}/attempts${query.size ? `?${query}` : ""}`;
    if (!replace) {
      location.hash = hash;
      return;
    }
    history.replaceState(null, "", hash);
    this.navigate(query);
  }

  /** Ask the server for hits, page by page where it looks through code. */
  async #seek(q, where) {
    const key = `${where} ${q}`;
    if (this.search?.key === key || (!q && !this.search)) return;
    this.search = q ? { key, hits: new Map(), busy: true, error: null, looked: 0 } : null;
    const mine = this.search;
    let before = null;
    while (mine && mine === this.search && (mine.busy || before !== null)) {
      try {
        const answer = await get(`runs/${this.position}/search`, { q, where, limit: 1000, before });
        for (const hit of answer.hits) if (!mine.hits.has(hit.number)) mine.hits.set(hit.number, hit);
        mine.total = where === "text" ? answer.total : mine.hits.size;
        mine.looked += answer.looked || 0;
        before = where === "code" ? answer.next : null;
      } catch (error) {
        mine.error = error;
        before = null;
      }
      mine.busy = before !== null;
      if (mine === this.search) this.update(null);
    }
  }

  update(changes) {
    if (changes && !changes.has(`rows:${this.position}`) && !changes.has(`state:${this.position}`)) return;
    const run = store.run(this.position);
    const { outcome, sort, down, search } = this;
    const rows = listed(run, { outcome, sort, down, only: search ? new Set(search.hits.keys()) : null });
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    this.page = Math.min(this.page, pages - 1);
    const shown = rows.slice(this.page * PAGE, (this.page + 1) * PAGE);
    this.#chips(run);
    this.#status(run, rows.length);
    const left = this.body.firstChild?.scrollLeft || 0;
    fill(this.body, shown.length ? this.#table(run, shown) : h("p.quiet.pad", {}, "No attempt matches."));
    this.body.firstChild.scrollLeft = left;
    this.#turn(rows.length, pages);
    this.element.dataset.rows = rows.length;
  }

  #chips({ columns, state }) {
    const counts = tally(columns);
    const rejected = [...counts].filter(([name]) => !["scored", "known", "unjudged"].includes(name));
    const sum = rejected.reduce((total, [, value]) => total + value, 0);
    const chips = [
      ["all", "all", columns.count],
      ["front", "front", state.front.length],
      ["scored", "scored", counts.get("scored") || 0],
      ["known", "known programs", counts.get("known") || 0],
      ["rejected", "rejected", sum],
    ].filter(([name, , value]) => value || name === "all" || name === this.outcome);
    for (const [name, value] of rejected.sort(([a], [b]) => (a < b ? -1 : 1))) chips.push([name, `at ${name}`, value]);
    if (counts.get("unjudged")) chips.push(["unjudged", "not judged", counts.get("unjudged")]);
    if (!FILTERS[this.outcome] && !chips.some(([name]) => name === this.outcome))
      chips.push([this.outcome, oneLine(this.outcome, 20), 0]);
    fill(
      this.filters,
      chips.map(([name, word, value]) =>
        h(
          "button.chip",
          {
            type: "button",
            "aria-pressed": name === this.outcome ? "true" : "false",
            on: { click: () => this.#go({ outcome: name === "all" ? null : name, page: null }) },
          },
          word,
          h("span.quiet", {}, ` ${format.grouped(value)}`),
        ),
      ),
    );
  }

  #status({ columns }, found) {
    const { search } = this;
    if (!search)
      return fill(
        this.said,
        found === columns.count ? "" : `${format.grouped(found)} of ${format.grouped(columns.count)}`,
      );
    if (search.error) return fill(this.said, failure(search.error));
    const where = this.in === "code" ? "lines that an attempt added" : "names, descriptions and reasons";
    const cut = search.total > search.hits.size ? `, the first ${format.grouped(search.hits.size)} shown` : "";
    const progress = search.busy ? ` … looked at ${format.grouped(search.looked)} programs` : "";
    return fill(this.said, `${format.count(search.total || 0, "hit")} in ${where}${cut}${progress}`);
  }

  #table(run, rows) {
    const heads = HEADS.map(([key, word, kind]) => {
      const text = key === "q" ? run.state.quality : word;
      const sorted = key === this.sort ? ((this.down ?? SORTS[key].down) ? "descending" : "ascending") : null;
      const arrow = sorted ? h("span", { "aria-hidden": "true" }, sorted === "descending" ? " ↓" : " ↑") : null;
      const button = key
        ? h("button.sort", { type: "button", on: { click: () => this.#sortBy(key) } }, text, arrow)
        : text;
      return h(kind ? `th.${kind.split(" ").join(".")}` : "th", { scope: "col", "aria-sort": sorted }, button);
    });
    const front = new Set(run.state.front);
    return h(
      "div.scrollx",
      { tabindex: 0, role: "region", "aria-label": "Attempts" },
      h(
        "table.plain.list",
        { "aria-label": "Attempts" },
        h("thead", {}, h("tr", {}, heads)),
        h(
          "tbody",
          {},
          Array.from(rows, (row) => this.#row(run, row, front)),
        ),
      ),
    );
  }

  #row({ columns, state }, row, front) {
    const { n, name, q, ql, qh, s, sl, sh, ms, usd, t } = columns;
    const as = role(columns, state, row, front);
    const parents = columns.parent[row] < 0 ? [] : [columns.parent[row], ...(columns.merged.get(row) || [])];
    const hit = this.search?.hits.get(n[row]);
    const title = h(
      "a.attempt",
      { href: `#/r/${this.position}/a/${n[row]}` },
      inline(as),
      stranger(oneLine(name[row], 60) || "(no name)"),
    );
    const scored = q[row] !== null && columns.same[row] < 0;
    return h(
      as === "champion" ? "tr.strong" : "tr",
      {},
      h("td.num.quiet", {}, n[row]),
      h(
        "td.title",
        {},
        title,
        hit && hit.field !== "name" && hit.field !== "number" ? excerpt(hit, this.input.value.trim()) : null,
        scored ? null : h("div.small.onlynarrow", {}, outcomeWords(columns, state, row)),
      ),
      h(
        "td.from",
        {},
        parents.map((parent, at) => [at ? "+" : "", h("a", { href: `#/r/${this.position}/a/${parent}` }, parent)]),
      ),
      h(
        "td.kind",
        {},
        h("span", {}, columns.word(row, "kind")),
        h("span.quiet", {}, " ", stranger(oneLine(columns.word(row, "model") || "", 22))),
      ),
      h(
        "td.outcome",
        {},
        scored
          ? { champion: "champion", front: "on the front", seed: "seed program", below: "below the floor" }[as] ||
              "scored"
          : outcomeWords(columns, state, row),
      ),
      h(
        "td.num.nowrap",
        {},
        q[row] === null
          ? ""
          : [format.quality(q[row]), h("span.quiet", {}, ` ${format.plusMinus(q[row], ql[row], qh[row])}`)],
      ),
      h(
        "td.num.nowrap",
        {},
        s[row] === null
          ? ""
          : [format.times(s[row]), h("span.quiet.range", {}, ` ${format.timesRange(sl[row], sh[row])}`)],
      ),
      h("td.num.ms", {}, ms[row] === null ? "" : format.milliseconds(ms[row])),
      h("td.num.usd", {}, usd[row] ? format.dollars(usd[row]) : ""),
      h("td.num.after.nowrap", {}, format.duration(t[row])),
    );
  }

  #sortBy(key) {
    const now = this.down ?? SORTS[this.sort].down;
    const down = this.sort === key ? !now : SORTS[key].down;
    this.#go({
      sort: key === "n" && down ? null : key,
      down: down === SORTS[key].down ? null : down ? "1" : "0",
      page: null,
    });
  }

  #turn(total, pages) {
    if (pages < 2) return fill(this.pages);
    const [first, last] = [this.page * PAGE + 1, Math.min(total, (this.page + 1) * PAGE)];
    const step = (to, word, key) =>
      h(
        "button",
        {
          type: "button",
          disabled: to < 0 || to >= pages || to === this.page,
          title: key,
          on: { click: () => this.#go({ page: to || null }) },
        },
        word,
      );
    return fill(
      this.pages,
      step(0, "first"),
      step(this.page - 1, "previous", "key: ["),
      h("span", {}, `${format.grouped(first)} to ${format.grouped(last)} of ${format.grouped(total)}`),
      step(this.page + 1, "next", "key: ]"),
      step(pages - 1, "last"),
    );
  }

  /** Keys of this view. */
  key(name) {
    if (name !== "[" && name !== "]") return false;
    const pages = Math.ceil(Number(this.element.dataset.rows) / PAGE);
    const to = this.page + (name === "]" ? 1 : -1);
    if (to >= 0 && to < pages) this.#go({ page: to || null });
    return true;
  }
}

function excerpt({ field, excerpt: text, line }, q) {
  const words = visible(text);
  const at = words.toLowerCase().indexOf(q.toLowerCase());
  const inner =
    at < 0 || !q
      ? [words]
      : [words.slice(0, at), h("mark", {}, words.slice(at, at + q.length)), words.slice(at + q.length)];
  return h(
    "div.excerpt.small",
    {},
    h("span.quiet", {}, line ? `line ${line}: ` : `${field}: `),
    h(field === "code" ? "code" : "span", { dir: "auto" }, inner),
  );
}
