// The bar on top. Owns: the choice of a run, the views, search, actions. Does not know: what a view shows.

import { fill, h, stranger } from "./dom.js";
import { advise, help, stop } from "./dialogs.js";
import * as store from "./store.js";
import { oneLine } from "./text.js";
import { theme, toggleTheme } from "./theme.js";

const VIEWS = [
  ["", "Overview"],
  ["lineage", "Lineage"],
  ["attempts", "Attempts"],
  ["tickets", "Tickets"],
];

export class Top {
  constructor(element) {
    this.element = element;
    this.search = h("input", {
      type: "search",
      placeholder: "Search",
      "aria-label": "Search attempts",
      maxlength: 200,
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.search.blur();
    });
    this.box = h("form.search", { role: "search" }, this.search, h("kbd", { "aria-hidden": "true" }, "/"));
    this.box.addEventListener("submit", (event) => {
      event.preventDefault();
      const q = this.search.value.trim();
      location.hash = `#/r/${this.position}/attempts${q ? `?${new URLSearchParams({ q })}` : ""}`;
      this.search.value = "";
      this.search.blur();
      this.box.classList.remove("open");
    });
    this.pick = h("span.runpick", {});
    this.nav = h("nav", { "aria-label": "Views" });
    this.tools = h("div.tools", {});
    const mark = h(
      "a.mark",
      { href: "#/", "aria-label": "packsmith: the overview" },
      h("img", { src: "/static/favicon.svg", alt: "" }),
      h("span", {}, "packsmith"),
    );
    fill(element, h("div.topbar", {}, mark, this.pick, this.nav, this.box, this.tools));
  }

  /** Draw for the view in the address: `view` is its word, `position` the run. */
  update(position, view) {
    Object.assign(this, { position, view });
    const runs = store.all();
    const run = runs[position];
    this.#runs(runs);
    const asked = run ? run.state.tickets.filter((ticket) => ticket.answerable).length : 0;
    const links = VIEWS.map(([path, word]) =>
      h(
        "a",
        { href: `#/r/${position}${path ? `/${path}` : ""}`, "aria-current": view === path ? "page" : null },
        word,
        path === "tickets" && asked ? h("span.badge", { title: "waiting for an answer" }, asked) : null,
      ),
    );
    if (runs.length > 1)
      links.push(h("a", { href: "#/compare", "aria-current": view === "compare" ? "page" : null }, "Compare"));
    fill(this.nav, links);
    this.#buttons(run);
  }

  #runs(runs) {
    const key = `${this.position} ${runs.map(({ state }) => state.name).join("\n")}`;
    if (key === this.key) return;
    this.key = key;
    if (runs.length < 2) {
      fill(this.pick, runs.length ? stranger(oneLine(runs[0].state.name, 40), "bdi", { class: "quiet clip" }) : null);
      return;
    }
    const select = h(
      "select",
      { "aria-label": "Run" },
      runs.map(({ state }, at) => h("option", { value: at, selected: at === this.position }, oneLine(state.name, 40))),
    );
    select.addEventListener("change", () => {
      const view = ["lineage", "attempts", "tickets"].includes(this.view) ? `/${this.view}` : "";
      location.hash = `#/r/${select.value}${view}`;
    });
    fill(this.pick, select);
  }

  #buttons(run) {
    const { working = 0, stop_asked: stopping = false } = run?.state || {};
    const key = [theme(), store.connected(), store.about.readonly, working > 0, stopping, this.position].join(" ");
    if (key === this.drawn) return;
    this.drawn = key;
    const { position } = this;
    const may = run && !store.about.readonly;
    const button = (word, label, act, kind = "button.icon") =>
      h(kind, { type: "button", "aria-label": label, title: label, on: { click: act } }, word);
    fill(
      this.tools,
      store.connected() ? null : h("span.offline.small", { role: "status" }, "not connected, trying again"),
      may ? button("Advise", "Add a sentence to all later prompts", () => advise(position), "button") : null,
      may && run.state.working && !run.state.stop_asked
        ? button("Stop", "Stop the search", () => stop(position), "button.danger")
        : null,
      button("⌕", "Search (key: /)", () => this.find(), "button.icon.opensearch"),
      button(theme() === "dark" ? "☀" : "☾", theme() === "dark" ? "Light (key: d)" : "Dark (key: d)", () =>
        this.toggle(),
      ),
      button("?", "Keys and words (key: ?)", () => help(position)),
    );
  }

  toggle() {
    toggleTheme();
    this.update(this.position, this.view);
  }

  find() {
    this.box.classList.add("open");
    this.search.focus();
    this.search.select();
  }
}
