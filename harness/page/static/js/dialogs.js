// What opens over the page. Owns: the keys, advice, stopping. Each closes with Escape, and focus goes back.

import { post } from "./api.js";
import { fill, h } from "./dom.js";
import { failure, say } from "./parts.js";
import * as store from "./store.js";

export const KEYS = [
  ["o", "overview"],
  ["l", "lineage"],
  ["a", "attempts"],
  ["w", "open tickets (what is waited for)"],
  ["c", "runs side by side"],
  ["b", "the champion's page"],
  ["/", "search"],
  ["j  k", "next, previous attempt; also → ←"],
  ["]  [", "next, previous page of the list"],
  ["← ↑ → ↓", "in the lineage: parent, neighbours, first child"],
  ["drag", "in the plots: zoom; a double click goes back"],
  ["d", "light or dark"],
  ["?", "this list"],
  ["Esc", "close"],
];

const WORDS = [
  ["times as fast", "run time of the reference divided by the program's, measured in pairs on the same inputs."],
  ["front", "the programs that no other beats on both numbers."],
  ["floor", "the lowest quality that may become champion or stand on the front."],
  ["known program", "the same program as an earlier attempt; it takes over that verdict."],
  ["duel", "champion and challenger, measured side by side before the title changes."],
];

function open(title, ...content) {
  const heading = h(
    "h2",
    { id: "dialog-title", tabindex: -1, autofocus: !content.some((part) => part?.tagName === "FORM") },
    title,
  );
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

const pairs = (rows, term) =>
  h(
    "dl.keys",
    {},
    rows.map(([first, second]) => [h("dt", {}, term(first)), h("dd", {}, second)]),
  );

/** What the quality of a run is, in a clause. */
function meaning({ quality, quality_words: words }) {
  return words ? words.replace(`${quality}: `, "") : "what the task measures; higher is better";
}

/** The keys and the words of the page. */
export function help(position) {
  if (document.querySelector("dialog[open]")) return;
  const keys = pairs(KEYS, (names) => names.split("  ").map((name) => [h("kbd", {}, name), " "]));
  const close = h("button", { type: "button" }, "Close");
  const state = store.run(position)?.state;
  const words = state ? [[state.quality, meaning(state)], ...WORDS] : WORDS;
  const dialog = open(
    "Keys",
    keys,
    h("h2", {}, "Words"),
    pairs(words, (word) => word),
    h("div.buttons", {}, close),
  );
  close.addEventListener("click", () => dialog.close());
}

/** Ask for a sentence that all later prompts carry. */
export function advise(position) {
  const { state } = store.run(position);
  const text = h("textarea", {
    rows: 4,
    maxlength: 4000,
    required: true,
    "aria-label": "Advice",
    placeholder: "Balance is good enough: look for speed.",
  });
  const failed = h("div", {});
  const given = state.advice.length
    ? [
        h("p", {}, "Given so far:"),
        h(
          "ul.small",
          {},
          state.advice.map((line) => h("li", { dir: "auto" }, line)),
        ),
      ]
    : null;
  const send = h("button.primary", { type: "submit" }, "Advise");
  const cancel = h("button", { type: "button" }, "Cancel");
  const form = h("form", {}, text, failed, h("div.buttons", {}, cancel, send));
  const dialog = open(
    "Advise the search",
    h("p", {}, "A sentence that stands in every prompt from now on. It stays in the run."),
    given,
    form,
  );
  cancel.addEventListener("click", () => dialog.close());
  submit(form, send, failed, async () => {
    const { number } = await post(`runs/${position}/advise`, { text: text.value });
    dialog.close();
    say(`Advice ${number} stands in all later prompts.`);
  });
}

/** Ask once more, then ask the search to stop. */
export function stop(position) {
  const { state } = store.run(position);
  const failed = h("div", {});
  const send = h("button.danger", { type: "submit" }, "Stop the search");
  const cancel = h("button", { type: "button", autofocus: true }, "Go on searching");
  const form = h("form", {}, failed, h("div.buttons", {}, cancel, send));
  const first = state.tickets.length ? " What is under way is finished first." : "";
  const dialog = open(
    "Stop this search?",
    h("p", {}, `Nothing is lost: the same command goes on later.${first}`),
    form,
  );
  cancel.addEventListener("click", () => dialog.close());
  submit(form, send, failed, async () => {
    await post(`runs/${position}/stop`, {});
    dialog.close();
    say("The search was asked to stop.");
  });
}

function submit(form, button, failed, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      fill(failed, failure(error));
    }
    button.disabled = false;
  });
}
