// The page. Owns: addresses, which view is shown, keys, and how often a view is drawn anew.
//
// Addresses: #/r/0 overview, #/r/0/lineage, #/r/0/attempts, #/r/0/a/17, #/r/0/tickets, #/r/0/tickets/21, #/compare.

import { AttemptPage } from "./attempt.js";
import { Attempts } from "./attempts.js";
import { Compare } from "./compare.js";
import { help } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { Lineage } from "./lineage.js";
import { Overview } from "./overview.js";
import { failure } from "./parts.js";
import * as store from "./store.js";
import { oneLine } from "./text.js";
import { TicketPage, Tickets } from "./tickets.js";
import { Top } from "./top.js";

const top = new Top(document.getElementById("top"));
const main = document.getElementById("main");
let shown = { key: null, view: null };

/** What an address asks for. */
function address() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean);
  const parameters = new URLSearchParams(query);
  if (parts[0] === "compare") return { view: "compare", position: shown.position ?? 0, parameters };
  const position = parts[0] === "r" ? Number(parts[1]) : 0;
  const [view = "", item = null] = parts[0] === "r" ? parts.slice(2) : [];
  return { view, item: item === null ? null : Number(item), position, parameters };
}

function make({ view, item, position, parameters }) {
  if (view === "compare") return new Compare(parameters);
  if (view === "lineage") return new Lineage(position, parameters);
  if (view === "attempts") return new Attempts(position, parameters);
  if (view === "a" && Number.isInteger(item)) return new AttemptPage(position, item);
  if (view === "tickets") return Number.isInteger(item) ? new TicketPage(position, item) : new Tickets(position);
  if (view === "") return new Overview(position);
  return null;
}

async function route() {
  const asked = address();
  const { view, item, position, parameters } = asked;
  const run = store.run(position);
  const key = `${view} ${item} ${view === "compare" ? "" : position}`;
  if (!run)
    return fill(main, h("p.notice", {}, `There is no run ${position} here. `, h("a", { href: "#/" }, "The first run")));
  await store.ready(position);
  if (address().view !== view || address().position !== position || address().item !== item) return undefined;
  top.update(position, view);
  document.title = title(run, view, item);
  if (key === shown.key && shown.view?.navigate) return shown.view.navigate(parameters);
  if (key === shown.key) return undefined;
  const began = performance.now();
  const made = make(asked);
  const moved = shown.key !== null;
  shown = { key, view: made, position };
  fill(
    main,
    made ? made.element : h("p.notice", {}, "This address leads nowhere. ", h("a", { href: "#/" }, "Overview")),
  );
  made?.update?.(null);
  main.dataset.view = view || "overview";
  main.dataset.ms = (performance.now() - began).toFixed(0);
  if (moved) {
    window.scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  return undefined;
}

function title({ state }, view, item) {
  const what =
    {
      "": "",
      a: `attempt ${item}, `,
      tickets: "tickets, ",
      lineage: "lineage, ",
      attempts: "attempts, ",
      compare: "runs side by side, ",
    }[view] ?? "";
  return `${what}${oneLine(state.name, 40)} · packsmith`;
}

// A view is drawn anew at once, then not for a second, and for longer where drawing takes long: at most a thirtieth of
// the time goes into it, so that a large run that grows fast stays usable, and a search beside it keeps its cores. What
// nobody sees is not drawn.
const PAUSE_MS = 1000;
const MOST_PAUSE_MS = 10000;
const SHARE = 30;
let pending = null;
let notBefore = 0;

let held = false;

for (const [name, down] of Object.entries({ pointerdown: true, pointerup: false, pointercancel: false })) {
  window.addEventListener(name, () => (held = down), true);
}

function draw() {
  if (!pending || document.hidden) return; // see "visibilitychange"
  if (held) {
    setTimeout(draw, 120); // what is being clicked must not be replaced between press and release
    return;
  }
  const began = performance.now();
  const changes = pending;
  pending = null;
  const { position, view } = address();
  top.update(position, view);
  shown.view?.update?.(changes);
  // What the browser does after this, until the picture is on the screen, counts as well.
  requestAnimationFrame(() => setTimeout(() => rest(performance.now() - began)));
  rest(performance.now() - began);
}

function rest(took) {
  notBefore = performance.now() + Math.min(MOST_PAUSE_MS, Math.max(PAUSE_MS, SHARE * took));
}

function changed(changes) {
  if (pending) {
    for (const change of changes) pending.add(change);
    return;
  }
  pending = changes;
  setTimeout(draw, Math.max(0, notBefore - performance.now()));
}

const GO = { o: "", l: "/lineage", a: "/attempts", w: "/tickets" };

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest?.("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const { position } = address();
  const champion = store.run(position)?.state.champion;
  const act = {
    "?": () => help(position),
    "/": () => top.find(),
    d: () => top.toggle(),
    c: () => (location.hash = "#/compare"),
    b: () => champion !== null && champion !== undefined && (location.hash = `#/r/${position}/a/${champion}`),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  } else if (event.key in GO) location.hash = `#/r/${position}${GO[event.key]}`;
  else if (shown.view?.key?.(event.key)) event.preventDefault();
}

try {
  await store.begin(address().position);
  store.listen(changed);
  window.addEventListener("hashchange", route);
  window.addEventListener("keydown", pressed);
  document.addEventListener("visibilitychange", draw);
  await route();
  document.documentElement.dataset.ready = "yes";
} catch (error) {
  fill(main, failure(error), h("p", {}, h("a", { href: "/" }, "Try again")));
}
