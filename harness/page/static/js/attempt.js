// One attempt. Owns: its page, from what it is to what a model said. Does not know: how a diff or a strip is drawn.

import { get } from "./api.js";
import { chain, children } from "./columns.js";
import { change, program } from "./code.js";
import { fill, h, stranger } from "./dom.js";
import { labelled, role } from "./glyphs.js";
import { attemptLink, changeWords, choice, facts, failure, raw, STAGES } from "./parts.js";
import { cases, conversation, doubts, duels, later } from "./sections.js";
import { ofAttempt } from "./splits.js";
import * as store from "./store.js";
import { oneLine, visible } from "./text.js";
import * as format from "./format.js";

const WIDE = matchMedia("(min-width: 1100px)");

export class AttemptPage {
  constructor(position, number) {
    Object.assign(this, { position, number, split: false, detail: null });
    this.element = h("article.attemptpage", { "aria-busy": "true" }, h("p.loading", {}, "Reading the attempt …"));
    this.#load();
  }

  async #load() {
    try {
      this.detail = await get(`runs/${this.position}/attempts/${this.number}`);
      this.#draw();
    } catch (error) {
      fill(this.element, failure(error), h("p", {}, h("a", { href: `#/r/${this.position}/attempts` }, "All attempts")));
    }
    this.element.removeAttribute("aria-busy");
  }

  /** New attempts change the neighbours, and may change what this one is. */
  update(changes) {
    if (changes === null || !this.detail) return;
    if (changes.has(`rows:${this.position}`) || changes.has(`state:${this.position}`)) this.#head();
  }

  #draw() {
    const one = this.detail;
    const { quality } = store.run(this.position).state;
    this.top = h("header.attempthead", {});
    this.side = h("aside.panel", { "aria-label": "Facts" });
    const sections = [
      this.#change(),
      one.score ? this.#section("cases", "Cases", cases(one.score, quality)) : null,
      this.#section("reply", "The reply", conversation(one)),
      this.#section("duels", "Duels with the champion of the time", duels(one, this.position)),
      this.#section("held-out", "On held-out loads", ofAttempt(one, this.position, quality)),
      this.#section("later", "Later measurements", later(one)),
      this.#program(),
    ];
    fill(this.element, this.top, h("div.attemptgrid", {}, h("div.stack", {}, sections), this.side));
    this.#head();
  }

  #head() {
    const one = this.detail;
    const run = store.run(this.position);
    const row = run.columns.row(this.number);
    const as = row === undefined ? null : role(run.columns, run.state, row);
    const [before, after] = neighbours(run.columns, this.number);
    const go = (to, word, key) =>
      to === null
        ? h("button", { type: "button", disabled: true }, word)
        : h(
            "a.button",
            { href: `#/r/${this.position}/a/${to}`, title: `key: ${key}`, rel: key === "j" ? "next" : "prev" },
            word,
          );
    fill(
      this.top,
      h(
        "div.eyebrow",
        {},
        h("span", {}, `attempt ${one.number}`),
        as ? labelled(as) : null,
        one.was_champion && as !== "champion" ? h("span", {}, "was champion") : null,
        one.search_only ? h("span.rejected", {}, "better on the loads of the search only") : null,
      ),
      h(
        "div.titleline",
        {},
        h("h1", {}, stranger(oneLine(one.name, 120) || "(no name)")),
        h("div.steps", {}, go(before, "← previous", "k"), go(after, "next →", "j")),
      ),
      this.#verdict(one),
      one.description ? h("p.description", { dir: "auto", tabindex: 0 }, flowing(visible(one.description))) : null,
      doubts(one),
    );
    fill(this.side, this.#facts(one, run));
  }

  #verdict(one) {
    if (one.same_as)
      return h(
        "p.verdict",
        {},
        one.verdict_origin || "verdict taken over",
        " · ",
        h("a", { href: `#/r/${this.position}/a/${one.same_as.number}` }, `attempt ${one.same_as.number}`),
      );
    if (one.score) {
      const { quality, quality_low: low, quality_high: high, speedup, runtime_ms: ms } = one.score;
      const name = store.run(this.position).state.quality;
      return h(
        "p.verdict",
        {},
        h("span", {}, `${name} `, h("b", {}, format.quality(quality)), ` ${format.plusMinus(quality, low, high)}`),
        h(
          "span",
          {},
          h("b", {}, format.times(speedup.median)),
          ` ${format.timesRange(speedup.low, speedup.high)} as fast as the reference`,
        ),
        h("span", {}, `${format.milliseconds(ms)} ms`),
        one.change ? h("span", {}, `against its parent: ${changeWords(one.change)}`) : null,
      );
    }
    if (one.outcome === "unjudged") return h("p.verdict", {}, "Imported, and not judged here.");
    return h(
      "div.verdict.failed",
      {},
      h(
        "p",
        {},
        h("b", {}, `Rejected at ${one.outcome}`),
        `: ${oneLine(one.reason, 80)}`,
        h("span.quiet", {}, ` (${STAGES[one.outcome] || ""})`),
      ),
      one.detail ? raw(one.detail, "What the judge said") : null,
    );
  }

  #facts(one, run) {
    const link = (other) =>
      other.number === null
        ? h("span.quiet", {}, other.id.slice(0, 10))
        : attemptLink(run, this.position, other.number, other.name, 28);
    const list = (others) =>
      others.length
        ? h(
            "ul.links",
            {},
            others.map((other) => h("li", {}, link(other))),
          )
        : null;
    const made = (one.children.length ? one.children : children(run.columns).get(one.number) || [])
      .slice(0, 12)
      .map((number) => ({ number, name: run.columns.of(number, "name") ?? "" }));
    const more = one.children.length - made.length;
    const tokens = one.tokens ? `${format.tokens(one.tokens)} tokens` : "";
    const from = one.model && one.model !== one.proposer ? `${one.proposer}, ${one.model}` : one.proposer;
    return facts([
      ["made from", list(one.parents)],
      ["kind", one.kind],
      ["proposed by", stranger(oneLine(from, 60))],
      ["cost", one.usd || one.tokens ? [format.dollars(one.usd), tokens ? `, ${tokens}` : ""] : null],
      ["judged in", format.duration(one.seconds)],
      ["when", format.when(one.when)],
      ["edits matched", one.tiers.length ? one.tiers.join(", ") : null],
      ["shown beside", list(one.inspirations)],
      ["later twins", list(one.twins)],
      ["made from it", made.length ? [list(made), more > 0 ? h("span.quiet", {}, `and ${more} more`) : null] : null],
      ["generation", chain(run.columns, one.number).length - 1],
      ["ticket", one.ticket],
      ["measured on", one.score ? h("span.small", {}, one.score.environment_words) : null],
      ["commit", h("code", { title: one.id }, one.id.slice(0, 12))],
      ["", h("a", { href: `#/r/${this.position}/lineage?focus=${one.number}` }, "show in the lineage")],
    ]);
  }

  #section(id, title, body) {
    return body
      ? h("section.panel", { "aria-label": title, "data-section": id }, h("header", {}, h("h2", {}, title)), body)
      : null;
  }

  #change() {
    const one = this.detail;
    if (one.kind === "seed" || !one.diff_of) return null;
    const body = h("div", {});
    const note = h("span.quiet.small", {});
    let [diff, of] = [one.diff, one.diff_of];
    const draw = () => {
      note.textContent = of.number === null ? "" : `against ${of.number}, ${oneLine(of.name, 40)}`;
      fill(
        body,
        diff
          ? change(diff, this.split, one.program)
          : h(
              "p.quiet",
              {},
              one.outcome === "patch" ? "The reply gave no program." : "The program is its parent's to the byte.",
            ),
      );
    };
    const against = async (which) => {
      try {
        if (which === "parent") [diff, of] = [one.diff, one.diff_of];
        else {
          const state = store.run(this.position).state;
          const answer = await get(`runs/${this.position}/diff`, {
            a: which === "seed" ? state.seed_attempt : state.champion,
            b: one.number,
          });
          [diff, of] = [answer.diff, answer.a];
        }
        draw();
      } catch (error) {
        fill(body, failure(error));
      }
    };
    const look = choice(
      "Layout of the change",
      [
        [false, "one column"],
        [true, "side by side"],
      ],
      this.split,
      (value) => {
        this.split = value;
        draw();
      },
    );
    const other = choice(
      "Compare with",
      [
        ["parent", "parent"],
        ["seed", "seed"],
        ["champion", "champion"],
      ],
      "parent",
      against,
    );
    draw();
    return h(
      "section.panel",
      { "aria-label": "Change", "data-section": "change" },
      h("header", {}, h("h2", {}, "Change"), note, other, WIDE.matches ? look : null),
      body,
    );
  }

  #program() {
    const one = this.detail;
    if (!one.program) return null;
    const body = h("div", {});
    const box = h(
      "details",
      {},
      h("summary", {}, `Program, ${format.count(one.program.split("\n").length, "line")}`),
      body,
    );
    box.addEventListener(
      "toggle",
      () =>
        box.open &&
        !body.firstChild &&
        fill(
          body,
          one.cut.includes("program") ? h("p.quiet", {}, "Cut: too long to show in full.") : null,
          program(one.program),
        ),
      { once: false },
    );
    return h("section.panel", { "aria-label": "Program", "data-section": "program" }, box);
  }

  key(name) {
    const [before, after] = neighbours(store.run(this.position).columns, this.number);
    const to = { j: after, ArrowRight: after, k: before, ArrowLeft: before }[name];
    if (to === undefined) return false;
    if (to !== null) location.hash = `#/r/${this.position}/a/${to}`;
    return true;
  }
}

/** A text without the line ends that only kept it narrow: paragraphs and lists keep theirs. */
function flowing(text) {
  return text.replace(/(\S)\n(?=[^\s\-*•\d])/g, "$1 ");
}

/** The numbers before and after, null at an end. Numbers may have gaps. */
function neighbours(columns, number) {
  const sorted = columns.once("sorted", () => Float64Array.from(columns.n).sort());
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < number) low = middle + 1;
    else high = middle;
  }
  const after = sorted[low] === number ? low + 1 : low;
  return [low > 0 ? sorted[low - 1] : null, after < sorted.length ? sorted[after] : null];
}
