// Several runs side by side. Owns: which runs are laid over each other, and the table beside. Does not know: drawing.

import { fill, h, s, stranger } from "./dom.js";
import { describe, modelOfRuns, styleOf } from "./pareto.js";
import { table } from "./parts.js";
import { Progress } from "./progress.js";
import { Scatter } from "./scatter.js";
import { standing } from "./headline.js";
import * as store from "./store.js";
import { onTheme } from "./theme.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

export class Compare {
  constructor(parameters) {
    this.plot = new Scatter({
      label: "quality against speed-up of several runs",
      describe: (point) => [
        h("span.quiet", {}, `${styleOf(point.run).letter} · ${oneLine(store.run(point.run).state.name, 30)}`),
        describe(store.run(point.run), point),
      ],
      open: (point) => (location.hash = `#/r/${point.run}/a/${point.number}`),
    });
    this.progress = new Progress({ quality: "quality", height: 170 });
    this.picker = h("div", {});
    this.apart = h("div", {});
    const note = h("span.quiet.small", {}, "Each run's front and champion, with its letter and its kind of line.");
    this.element = h(
      "section.compare",
      {},
      h("div.viewhead", {}, h("h1", {}, "Runs side by side")),
      h("div.panel", {}, this.picker),
      this.apart,
      h(
        "div.grid",
        {},
        h(
          "div.column.two-thirds",
          {},
          h(
            "section.panel.pareto",
            { "aria-label": "All scored programs" },
            h("header", {}, h("h2", {}, "All scored programs"), note),
            this.plot.element,
          ),
        ),
        h("div.column.third", {}, this.progress.element),
      ),
    );
    onTheme(this.plot.element, () => this.plot.draw());
    this.navigate(parameters);
  }

  navigate(parameters) {
    const asked = (parameters.get("runs") || "").split(",").filter(Boolean).map(Number);
    const every = store.all().map((_, at) => at);
    this.chosen = asked.length ? every.filter((at) => asked.includes(at)) : every.slice(0, 5);
    Promise.all(this.chosen.map(store.ready)).then(() => this.update(null));
  }

  update(changes) {
    if (changes && ![...changes].some((change) => change.startsWith("rows") || change.startsWith("state"))) return;
    const runs = store.all();
    this.#table(runs);
    fill(
      this.apart,
      unlike(this.chosen.map((at) => runs[at].state)).map((text) => h("p.notice", {}, text)),
    );
    if (!this.chosen.length) return;
    this.plot.update(modelOfRuns(runs, this.chosen));
    this.progress.update(this.chosen.map((at) => ({ ...runs[at], position: at })));
  }

  #table(runs) {
    const rows = runs.map(({ state, columns }, at) => {
      const row = state.champion === null ? undefined : columns.row(state.champion);
      const { letter, style } = styleOf(at);
      const tick = h("input", {
        type: "checkbox",
        checked: this.chosen.includes(at),
        "aria-label": `show run ${letter}, ${oneLine(state.name, 40)}`,
        on: { change: (event) => this.#toggle(at, event.target.checked) },
      });
      const line = s(
        "svg.inline.wide",
        { viewBox: "0 -6 30 12", width: 30, height: 12, "aria-hidden": "true" },
        s("g", { class: `series ${style}` }, s("path.frontline", { d: "M1 0H29" })),
      );
      const figures =
        row === undefined
          ? ["", "", ""]
          : [
              h("a", { href: `#/r/${at}/a/${state.champion}` }, stranger(oneLine(columns.name[row], 30))),
              [
                format.quality(columns.q[row]),
                h("span.quiet", {}, ` ${format.plusMinus(columns.q[row], columns.ql[row], columns.qh[row])}`),
              ],
              [
                format.times(columns.s[row]),
                h("span.quiet", {}, ` ${format.timesRange(columns.sl[row], columns.sh[row])}`),
              ],
            ];
      return h(
        "tr",
        {},
        h("td.nowrap", {}, tick, " ", h("b", {}, letter), " ", line),
        h("td", {}, h("a", { href: `#/r/${at}` }, stranger(oneLine(state.name, 40)))),
        h("td", {}, standing(state)),
        h("td.num", {}, format.grouped(state.attempts)),
        h("td.num", {}, format.dollars(state.booked.usd)),
        h("td", {}, figures[0]),
        h("td.num.nowrap", {}, figures[1]),
        h("td.num.nowrap", {}, figures[2]),
      );
    });
    const heads = [
      ["show"],
      ["run"],
      ["state"],
      ["attempts", "num"],
      ["spent", "num"],
      ["champion"],
      ["its quality", "num"],
      ["times as fast", "num"],
    ];
    fill(this.picker, table("Runs", heads, rows));
  }

  #toggle(at, on) {
    const chosen = on ? [...this.chosen, at].sort((a, b) => a - b) : this.chosen.filter((one) => one !== at);
    location.hash = chosen.length ? `#/compare?runs=${chosen.join(",")}` : "#/compare?runs=-1";
  }
}

/** Why the figures of runs may not be laid over each other. */
function unlike(states) {
  const differ = (of) => new Set(states.map(of)).size > 1;
  const found = [];
  if (differ((state) => state.task))
    found.push("These runs solve different tasks: their figures have nothing to do with each other.");
  if (differ((state) => state.reference.name))
    found.push("These runs measure against different references: their speed-ups are not comparable.");
  if (differ((state) => state.device))
    found.push("These runs were judged on different devices: their speed-ups are not comparable.");
  if (differ((state) => state.ceiling))
    found.push("The ceilings differ, so the cases do: compare qualities with care.");
  return found;
}
