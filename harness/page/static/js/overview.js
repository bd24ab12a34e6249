// The overview of a run. Owns: which panels stand where, and when each is drawn anew.

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { Headline, legend } from "./headline.js";
import * as panels from "./panels.js";
import { describe, modelOfRun } from "./pareto.js";
import { choice } from "./parts.js";
import { Progress } from "./progress.js";
import { Scatter } from "./scatter.js";
import * as splits from "./splits.js";
import * as store from "./store.js";
import { onTheme } from "./theme.js";

const NEWEST = 9;
const PAUSE_MS = 2500;

export class Overview {
  constructor(position) {
    const run = store.run(position);
    Object.assign(this, { position, fresh: run.columns.count, seen: run.columns.count, asked: 0 });
    this.headline = new Headline(position);
    this.headline.onchange = () => this.headline.update(store.run(position));
    this.plot = new Scatter({
      label: `${run.state.quality} against speed-up`,
      describe: (point) => describe(store.run(position), point),
      open: (point) => (location.hash = `#/r/${position}/a/${point.number}`),
    });
    this.progress = new Progress({ quality: run.state.quality, height: 150 });
    this.parts = {
      front: panels.panel("The front", "front", "fastest first, with the seed program"),
      splits: panels.panel("On held-out loads", "splits", "the best program against the seed program"),
      newest: panels.panel("Newest attempts", "latest"),
      verdicts: panels.panel("How attempts came out", "verdicts"),
      models: panels.panel("Proposals by model", "models"),
      spending: panels.panel("Spent", "spending"),
      now: panels.panel("Now", "now"),
    };
    this.element = h("div.overview", {}, this.headline.element, this.#grid());
    onTheme(this.plot.element, () => this.plot.draw());
  }

  #grid() {
    const { front, now, newest, models, verdicts, spending } = this.parts;
    const held = this.parts.splits.element;
    const column = (kind, ...parts) => h(`div.column${kind}`, {}, parts);
    return h(
      "div.grid",
      {},
      column(".two-thirds", this.#paretoPanel(), held, front.element),
      column(".third", this.progress.element, now.element, verdicts.element, spending.element),
      column("", newest.element),
      column("", models.element),
    );
  }

  #paretoPanel() {
    this.windowSwitch = h("span", {});
    this.legend = h("div", {});
    this.outside = h("span.quiet.small", {});
    const note = h(
      "span.quiet.small",
      { title: "Double-click to see all again." },
      `Up: more ${store.run(this.position).state.quality}. Right: faster. Drag to zoom, click to open.`,
    );
    const head = h("header", {}, h("h2", {}, "All scored programs"), note, this.windowSwitch);
    this.plot.onzoom = () => this.#windows();
    return h(
      "section.panel.pareto",
      { "aria-label": "All scored programs" },
      head,
      this.plot.element,
      h("div.under", {}, this.legend, this.outside),
    );
  }

  /** Draw all that a change concerns. */
  update(changes) {
    const run = store.run(this.position);
    if (run.columns.count > this.seen) this.fresh = this.seen;
    const rows = changes === null || changes.has(`rows:${this.position}`);
    if (!rows && !changes.has(`state:${this.position}`)) return;
    this.headline.update(run);
    this.plot.update(modelOfRun(run, this.position, this.fresh));
    this.#windows();
    fill(this.legend, legend(run.state));
    this.progress.update([{ ...run, position: this.position }]);
    fill(this.parts.front.body, panels.front(this.position, run));
    const held = splits.best(this.position, run);
    this.parts.splits.element.hidden = held === null;
    fill(this.parts.splits.body, held);
    fill(this.parts.newest.body, panels.newest(this.position, run, NEWEST, this.fresh));
    this.seen = run.columns.count;
    fill(this.parts.verdicts.body, panels.verdicts(this.position, run));
    fill(this.parts.spending.body, panels.spending(run));
    fill(this.parts.now.body, panels.underWay(this.position, run));
    if (changes === null) fill(this.parts.models.body, panels.models(this.position, null));
    if (rows) this.#countModels();
  }

  #windows() {
    const options = [
      ["near", "near the front"],
      ["all", "all"],
    ];
    const chosen = this.plot.zoom ? "zoom" : this.plot.whole ? "all" : "near";
    const pick = (value) => {
      this.plot.show(value === "all");
      this.#windows();
    };
    fill(this.windowSwitch, this.plot.differs ? choice("Window of the plot", options, chosen, pick) : null);
    const { outside } = this.plot;
    this.outside.textContent = outside ? `${outside} outside this window` : "";
  }

  /** What the models' proposals came to is counted by the server: at most every few seconds. */
  async #countModels() {
    if (this.counting) return;
    this.counting = true;
    await new Promise((resolve) => setTimeout(resolve, this.asked ? PAUSE_MS : 0));
    this.counting = false;
    if (!this.element.isConnected) return;
    this.asked++;
    try {
      fill(this.parts.models.body, panels.models(this.position, await get(`runs/${this.position}/verdicts`)));
    } catch (error) {
      fill(this.parts.models.body, h("p.quiet", {}, error.message));
    }
  }
}
