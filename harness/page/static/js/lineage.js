// The lineage of a run. Owns: its drawing, what is shown on demand, moving in it by keyboard, the way to the best in
// words.

import { get } from "./api.js";
import { chain, children, parents } from "./columns.js";
import { fill, h, s, stranger } from "./dom.js";
import { glyph, inline, ROLES, role } from "./glyphs.js";
import { attemptLink, changeWords, choice, outcomeWords, table } from "./parts.js";
import * as store from "./store.js";
import { oneLine } from "./text.js";
import { layout, MOST_WHOLE, shown } from "./tree.js";
import * as format from "./format.js";

const ROW = 37;
const LEFT = 26;
const BEND = 9;
const MOST_MERGES = 12;

export class Lineage {
  constructor(position, parameters) {
    Object.assign(this, { position, expanded: new Map(), rejected: true, steps: null });
    this.drawing = h("div.scrollx.lineagebox", { tabindex: 0, role: "region", "aria-label": "Lineage" });
    this.note = h("span.quiet.small", {});
    this.way = h("div", {});
    const pick = choice(
      "Rejected attempts",
      [
        [true, "all outcomes"],
        [false, "scored only"],
      ],
      true,
      (value) => {
        this.rejected = value;
        this.update(null);
      },
    );
    this.legend = h("p.legend", {}, this.#legend());
    this.element = h(
      "section.lineage",
      {},
      h("div.viewhead", {}, h("h1", {}, "Lineage")),
      h(
        "section.panel",
        { "aria-label": "Who was made from what" },
        h("header", {}, h("h2", {}, "Who was made from what"), this.note, pick),
        this.drawing,
        this.legend,
      ),
      h(
        "section.panel",
        { "aria-label": "The way to the best" },
        h(
          "header",
          {},
          h("h2", {}, "The way to the best"),
          h("span.quiet.small", {}, "each row is a patch to the program above it"),
        ),
        this.way,
      ),
    );
    this.drawing.addEventListener("keydown", (event) => this.#move(event));
    this.navigate(parameters);
  }

  navigate(parameters) {
    const focus = parameters.get("focus");
    this.focus = focus === null ? null : Number(focus);
    this.update(null);
    requestAnimationFrame(() => this.#toFocus(store.run(this.position).state.champion));
  }

  #legend() {
    const line = (kind, word) =>
      h(
        "span.labelled",
        {},
        s(
          "svg.inline.wide",
          { viewBox: "0 -6 30 12", width: 30, height: 12, "aria-hidden": "true" },
          s(`path.edge.${kind}`, { d: "M1 0H29" }),
        ),
        word,
      );
    return [
      ["champion", "front", "seed", "scored", "below", "known", "rejected"].map((name) =>
        h("span.labelled", {}, inline(name), ROLES[name].word),
      ),
      line("best", "the way to the best"),
      line("merge", "a crossover's other parent"),
    ];
  }

  update(changes) {
    if (changes && !changes.has(`rows:${this.position}`) && !changes.has(`state:${this.position}`)) return;
    const { columns, state } = store.run(this.position);
    const options = { expanded: this.expanded, focus: this.focus, rejected: this.rejected };
    const numbers = shown(columns, state, options);
    this.tree = layout(columns, state, numbers, options);
    const held = this.drawing.contains(document.activeElement) ? document.activeElement.dataset?.number : null;
    const [left, top] = [this.drawing.scrollLeft, this.drawing.scrollTop];
    fill(this.drawing, numbers.size ? this.#draw(columns, state) : h("p.quiet", {}, "No attempt yet."));
    this.drawing.scrollTo(left, top);
    if (held) this.nodes.get(Number(held))?.focus();
    const parts = columns.count - numbers.size;
    this.note.textContent = parts > 0 ? partWords(numbers.size, columns.count) : "";
    this.element.dataset.nodes = numbers.size;
    this.#wayTo(state, columns);
  }

  #draw(columns, state) {
    const { nodes, edges, columns: deep, rows } = this.tree;
    const wide = Math.max(300, this.drawing.clientWidth || 900);
    const step = deep <= 1 ? 170 : Math.min(190, Math.max(deep > 24 ? 34 : 104, (wide - LEFT - 194) / (deep - 1)));
    const x = (column) => LEFT + column * step;
    const y = (row) => 24 + row * ROW;
    const width = x(deep - 1) + 190;
    const svg = s("svg.tree", {
      viewBox: `0 0 ${width} ${y(rows - 1) + 30}`,
      width,
      height: y(rows - 1) + 30,
      role: "group",
      "aria-label": "Lineage: each attempt is a link",
    });
    const at = (number) => [x(nodes.get(number).column), y(nodes.get(number).row)];
    const front = new Set(state.front);
    const best = new Set(state.champion === null ? [] : chain(columns, state.champion));
    const roles = new Map(
      [...nodes.keys()].map((number) => [number, role(columns, state, columns.row(number), front)]),
    );
    const order = (edge) => (edge.best ? 2 : edge.merge ? 1 : 0);
    const many = edges.filter((edge) => edge.merge).length > MOST_MERGES;
    const strong = (number) => best.has(number) || front.has(number) || number === this.focus;
    this.merges = new Map();
    for (const edge of [...edges].sort((a, b) => order(a) - order(b))) {
      const kind = edge.merge ? "merge" : edge.best ? "best" : roles.get(edge.to) === "rejected" ? "lost" : "plain";
      const weak = edge.merge && many && !strong(edge.to) ? ".weak" : "";
      const path = s(`path.edge.${kind}${weak}`, { d: curve(at(edge.from), at(edge.to), edge.merge) });
      if (edge.merge)
        for (const end of [edge.from, edge.to]) this.merges.set(end, [...(this.merges.get(end) || []), path]);
      svg.append(path);
    }
    this.nodes = new Map();
    this.places = new Set([...nodes.values()].map((node) => `${node.row} ${node.column}`));
    for (const node of [...nodes.values()].sort((a, b) => a.row - b.row || a.column - b.column)) {
      svg.append(
        this.#node(columns, node, at(node.number), roles.get(node.number), {
          step,
          width,
          best: best.has(node.number),
        }),
      );
    }
    return svg;
  }

  #node(columns, { number, hidden, column, row }, [x, y], as, { step, width, best }) {
    const name = oneLine(columns.name[columns.row(number)], 60) || "(no name)";
    const merged = columns.merged.get(columns.row(number)) || [];
    const others = merged.length ? `, crossed with ${merged.join(", ")}` : "";
    const last = !this.places.has(`${row} ${column + 1}`);
    const room = last ? width - x - 14 : step - 22;
    const words = Math.floor((room - 14 - String(number).length * 7) / 6.6);
    const text =
      room > 60
        ? `${number} ${oneLine(name, Math.max(3, words))}${last && merged.length ? ` × ${merged.join(", ")}` : ""}`
        : best || last
          ? String(number)
          : "";
    const focused = number === this.focus ? ".focused" : "";
    const link = s(
      `a.node.${as}${best ? ".onway" : ""}${focused}`,
      {
        href: `#/r/${this.position}/a/${number}`,
        "aria-label": `attempt ${number}, ${name}, ${ROLES[as].word}${others}`,
        on: this.#lit(number),
        "data-number": number,
        transform: `translate(${x} ${y})`,
      },
      s("title", {}, `${number} ${name}${others}`),
      s("circle.halo", { r: 11 }),
      glyph(as, as === "champion" ? 7 : 4.8),
      text ? s("text", { x: 12, y: -7 }, text) : null,
    );
    this.nodes.set(number, link);
    const more = hidden
      ? s(
          "a.more",
          {
            href: "#",
            role: "button",
            "aria-label": `show ${hidden} more made from attempt ${number}`,
            transform: `translate(${x + 10} ${y + 15})`,
            on: { click: (event) => this.#expand(event, number) },
          },
          s("text", {}, `+${format.grouped(hidden)}`),
        )
      : null;
    return more ? s("g", {}, link, more) : link;
  }

  /** A crossover's lines stand out while one of its ends is pointed at. */
  #lit(number) {
    const mark = (on) => () => (this.merges.get(number) || []).forEach((path) => path.classList.toggle("lit", on));
    return { pointerenter: mark(true), pointerleave: mark(false), focus: mark(true), blur: mark(false) };
  }

  #expand(event, number) {
    event.preventDefault();
    this.expanded.set(number, (this.expanded.get(number) || 0) + 1);
    this.update(null);
    this.nodes.get(number)?.focus();
  }

  /** Arrows move along the tree: left to the parent, right to the first child, up and down to the neighbours. */
  #move(event) {
    const number = Number(document.activeElement?.dataset?.number);
    const node = this.tree.nodes.get(number);
    if (!node || !["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const { columns } = store.run(this.position);
    const all = [...this.tree.nodes.values()];
    const target = {
      ArrowLeft: () => parents(columns, number).find((one) => this.nodes.has(one)),
      ArrowRight: () =>
        (children(columns).get(number) || [])
          .filter((one) => this.nodes.has(one))
          .sort((a, b) => this.tree.nodes.get(a).row - this.tree.nodes.get(b).row)[0],
      ArrowUp: () =>
        nearest(
          all.filter((one) => one.row < node.row),
          node,
        ),
      ArrowDown: () =>
        nearest(
          all.filter((one) => one.row > node.row),
          node,
        ),
    }[event.key]();
    const link = this.nodes.get(target);
    link?.focus();
    link?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Scroll the drawing to the attempt asked for, or to the champion, whose way may be longer than the window. */
  #toFocus(champion) {
    const node = this.tree.nodes.get(this.focus ?? champion);
    const link = node && this.nodes.get(node.number);
    if (!link) return;
    const [box, at] = [this.drawing.getBoundingClientRect(), link.getBoundingClientRect()];
    const seen = at.left >= box.left && at.right <= box.right && at.top >= box.top && at.bottom <= box.bottom;
    if (seen && this.focus === null) return;
    this.drawing.scrollLeft += at.left - box.left - box.width * 0.7;
    this.drawing.scrollTop += at.top - box.top - box.height * 0.4;
  }

  /** The chain to the champion, with what each patch bought as the server words it. */
  async #wayTo(state, columns) {
    if (state.champion === null) return fill(this.way, h("p.quiet", {}, "Nothing is scored yet."));
    if (this.stepsOf !== state.champion) {
      this.stepsOf = state.champion;
      this.steps = null;
      get(`runs/${this.position}/way/${state.champion}`)
        .then((answer) => {
          this.steps = new Map(answer.steps.map((step) => [step.number, step]));
          this.update(null);
        })
        .catch(() => (this.steps = null));
    }
    const run = store.run(this.position);
    const rows = chain(columns, state.champion).map((number) => {
      const row = columns.row(number);
      const merged = columns.merged.get(row) || [];
      return h(
        number === state.champion ? "tr.strong" : "tr",
        {},
        h("td", {}, attemptLink(run, this.position, number, columns.name[row], 44)),
        h("td.role", {}, columns.word(row, "kind"), merged.length ? ` with ${merged.join(", ")}` : ""),
        h("td.role", {}, stranger(oneLine(columns.word(row, "model") || "", 24))),
        h("td", {}, changeWords(this.steps?.get(number)?.change || "")),
        h("td.num.nowrap", {}, outcomeWords(columns, state, row)[0]),
        h(
          "td.num.nowrap",
          {},
          format.times(columns.s[row]),
          h("span.quiet", {}, ` ${format.timesRange(columns.sl[row], columns.sh[row])}`),
        ),
      );
    });
    return fill(
      this.way,
      table(
        "The way to the best",
        [
          ["attempt"],
          ["kind", "role"],
          ["model", "role"],
          ["against its parent"],
          [state.quality, "num"],
          ["times as fast", "num"],
        ],
        rows,
      ),
    );
  }
}

/** Down along the parent, then across: nothing else stands below a parent before its last child. */
function curve([x1, y1], [x2, y2], merge) {
  if (y1 === y2) return `M${x1} ${y1}H${x2}`;
  if (merge) return `M${x1} ${y1}C${x1 + 30} ${(y1 + y2) / 2} ${x2 - 30} ${(y1 + y2) / 2} ${x2} ${y2}`;
  return `M${x1} ${y1}V${y2 - BEND}Q${x1} ${y2} ${x1 + BEND} ${y2}H${x2}`;
}

function nearest(nodes, { row, column }) {
  const far = (one) => 100 * Math.abs(one.row - row) + Math.abs(one.column - column);
  return nodes.reduce((best, one) => (best === null || far(one) < far(best) ? one : best), null)?.number;
}

/** That not all attempts are shown, and which are. */
function partWords(some, all) {
  const which =
    all > MOST_WHOLE
      ? "the ways to the champion and the front; “+n” shows what else was made from a program"
      : "those with a score";
  return `${format.grouped(some)} of ${format.grouped(all)} attempts: ${which}`;
}
