// Open tickets, and answering one. Owns: the list, the prompt of a ticket, the form. Does not know: how it is judged.

import { get, post } from "./api.js";
import { program } from "./code.js";
import { fill, h, stranger } from "./dom.js";
import { underWay } from "./panels.js";
import { choice, failure, raw } from "./parts.js";
import * as store from "./store.js";
import { oneLine } from "./text.js";
import * as format from "./format.js";

const EXAMPLE = `<NAME>
short_name
</NAME>
<DESCRIPTION>
What it changes, and why.
</DESCRIPTION>
<DIFF>
<<<<<<< SEARCH
lines of the program
=======
lines that replace them
>>>>>>> REPLACE
</DIFF>`;

/** The list of open tickets. */
export class Tickets {
  constructor(position) {
    this.position = position;
    this.list = h("div", {});
    this.element = h(
      "section.tickets",
      {},
      h("div.viewhead", {}, h("h1", {}, "Open tickets")),
      h(
        "p.lede",
        {},
        "What is asked for, answered or judged, and is no attempt yet. ",
        "A ticket that waits for an answer can be answered here.",
      ),
      h("div.panel", {}, this.list),
    );
    this.update(null);
  }

  update(changes) {
    if (changes && !changes.has(`state:${this.position}`)) return;
    fill(this.list, underWay(this.position, store.run(this.position), 1000));
  }
}

/** One ticket: what was asked, and where the answer goes. */
export class TicketPage {
  constructor(position, number) {
    Object.assign(this, { position, number, whole: false });
    this.job = h("div", { role: "status", "aria-live": "polite" });
    this.element = h("section.ticket", {}, h("p.loading", {}, "Reading the ticket …"));
    this.#load();
  }

  async #load() {
    try {
      this.ticket = await get(`runs/${this.position}/tickets/${this.number}`);
    } catch (error) {
      fill(this.element, failure(error), h("p", {}, h("a", { href: `#/r/${this.position}/tickets` }, "Open tickets")));
      return;
    }
    const { ticket } = this;
    fill(
      this.element,
      h("div.viewhead", {}, h("h1", {}, `Ticket ${ticket.ticket}`)),
      h(
        "p.lede",
        {},
        `A ${ticket.kind} of `,
        this.#parents(),
        ticket.model ? [", asked of ", stranger(oneLine(ticket.model, 40))] : "",
        ticket.bound_usd ? `, at most ${format.dollars(ticket.bound_usd)}` : "",
        ".",
      ),
      this.job,
      ticket.answerable && !store.about.readonly
        ? this.#form()
        : h(
            "p.notice",
            {},
            store.about.readonly ? "This page is read-only." : "This ticket is not waiting for an answer from here.",
          ),
      ticket.turns.length
        ? h(
            "section.panel",
            {},
            h("header", {}, h("h2", {}, "Answered so far")),
            ticket.turns.map((turn) => [
              raw(turn.text, "An answer"),
              turn.refusal ? raw(turn.refusal, "What was said of it") : null,
            ]),
          )
        : null,
      h(
        "section.panel",
        { "aria-label": "The prompt" },
        h(
          "header",
          {},
          h("h2", {}, "The prompt"),
          h("button", { type: "button", on: { click: (event) => copy(event.target, ticket.prompt) } }, "copy"),
        ),
        ticket.messages.map(({ role, text }) => [h("h3", {}, role), raw(text, `The prompt, ${role}`)]),
      ),
      h(
        "section.panel",
        { "aria-label": "The program it applies to" },
        h("details", {}, h("summary", {}, "The program that the answer applies to"), program(ticket.program)),
      ),
    );
    this.#say(ticket.job);
  }

  #parents() {
    const { columns } = store.run(this.position);
    const link = (number) =>
      h(
        "a",
        { href: `#/r/${this.position}/a/${number}` },
        `${number} `,
        stranger(oneLine(columns.of(number, "name") ?? "", 60)),
      );
    return this.ticket.parents.map((number, at) => [at ? " and " : "", link(number)]);
  }

  #form() {
    this.text = h("textarea", {
      rows: 14,
      spellcheck: false,
      class: "mono",
      "aria-label": "The answer",
      required: true,
    });
    this.who = h("input", {
      type: "text",
      maxlength: 100,
      placeholder: "who answers (optional)",
      "aria-label": "Who answers",
    });
    this.name = h("input", {
      type: "text",
      maxlength: 100,
      placeholder: "name of the change",
      "aria-label": "Name of the change",
    });
    this.button = h("button.primary", { type: "submit" }, "Send and judge");
    this.hint = h("p.small.quiet", {});
    this.failed = h("div", {});
    const pick = choice(
      "Kind of answer",
      [
        [false, "a patch"],
        [true, "the whole program"],
      ],
      false,
      (whole) => this.#kind(whole),
    );
    const form = h(
      "form.panel.answer",
      { "aria-label": "Answer" },
      h("header", {}, h("h2", {}, "Answer"), h("span.grow", {}), pick),
      this.hint,
      this.text,
      this.failed,
      h("div.buttons", {}, this.name, this.who, this.button),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#kind(false);
    return form;
  }

  #kind(whole) {
    this.whole = whole;
    this.name.hidden = !whole;
    this.hint.textContent = whole
      ? "The program below, edited: it is judged as a whole."
      : "A name, a description, and SEARCH/REPLACE blocks, as the prompt asks for.";
    this.text.placeholder = whole ? "" : EXAMPLE;
    if (whole && !this.text.value) this.text.value = this.ticket.program;
    else if (!whole && this.text.value === this.ticket.program) this.text.value = "";
  }

  async #send() {
    const answer = this.whole
      ? { program: this.text.value, name: this.name.value, description: "" }
      : { reply: this.text.value };
    if (this.who.value.trim()) answer.model = this.who.value.trim();
    this.button.disabled = true;
    fill(this.failed);
    try {
      this.#say(await post(`runs/${this.position}/tickets/${this.number}/answer`, answer));
    } catch (error) {
      fill(this.failed, failure(error));
      this.button.disabled = false;
    }
  }

  update(changes) {
    if (changes?.has(`job:${this.position}`)) this.#say(store.run(this.position).job.get(this.number));
  }

  #say(job) {
    if (!job || job.ticket !== this.number) return;
    this.element.dataset.job = job.state;
    if (job.state === "judging")
      fill(
        this.job,
        h(
          "p.notice",
          {},
          h("span.dot.live", { "aria-hidden": "true" }),
          " The answer is being judged. You may leave this page.",
        ),
      );
    else if (job.state === "done") {
      fill(
        this.job,
        h(
          "p.notice.done",
          {},
          h("a", { href: `#/r/${this.position}/a/${job.number}` }, `Attempt ${job.number}`),
          `: ${oneLine(job.words || job.outcome, 300)}`,
        ),
      );
      this.element.querySelector("form")?.remove();
    } else {
      fill(
        this.job,
        h(
          "div.notice",
          { role: "alert" },
          h("p", {}, "The answer was not accepted; the ticket is still open."),
          raw(job.words, "Why"),
        ),
      );
      if (this.button) this.button.disabled = false;
    }
  }
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
  } catch {
    button.textContent = "not allowed here";
  }
}
