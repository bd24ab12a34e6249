// Programs and changes on the page. Owns: the look of code, with line numbers. Does not know: where it comes from.

import { h } from "./dom.js";
import { coloured, quotesBefore } from "./python.js";
import { visible } from "./text.js";
import { rows, sideBySide } from "./unified.js";

const MOST_COLOURED = 6000;

/** A program with line numbers. */
export function program(source) {
  const lines = visible(source).replace(/\n$/, "").split("\n");
  const parts = lines.length <= MOST_COLOURED ? coloured(lines) : lines.map((line) => [["", line]]);
  const body = parts.map((line, at) => row(["num", at + 1], h("td.code", {}, spans(line))));
  return scrolled(h("table.code", { "aria-label": "program" }, h("tbody", {}, body)));
}

/**
 * A unified diff; `split` puts the old text beside the new. `source` is the new program, which a hunk begins within.
 */
export function change(diff, split, source) {
  const found = rows(visible(diff));
  if (found.length === 0) return h("p.quiet", {}, "No line differs.");
  const colours = hunkColours(found, quotesBefore(visible(source).split("\n")));
  const cells = (row) => marked(colours.get(row) || [["", row.text]], row.marks, row.kind);
  const body = split ? splitRows(found, cells) : unifiedRows(found, cells);
  const label = split ? "change, old beside new" : "change";
  return scrolled(h(split ? "table.code.split" : "table.code", { "aria-label": label }, h("tbody", {}, body)));
}

/** The coloured parts of each row. A hunk may begin inside a string: the old text in the same one as the new. */
function hunkColours(found, quotes) {
  const colours = new Map();
  let hunk = [];
  const end = () => {
    const first = hunk.find((row) => row.now !== null);
    const open = first ? quotes[first.now - 1] || "" : "";
    for (const side of ["old", "now"]) {
      const own = hunk.filter((row) => row[side] !== null);
      coloured(
        own.map((row) => row.text),
        open,
      ).forEach((parts, at) => colours.set(own[at], parts));
    }
    hunk = [];
  };
  for (const row of found) row.kind === "gap" ? end() : hunk.push(row);
  end();
  return colours;
}

function unifiedRows(found, cells) {
  return found.map((line) => {
    if (line.kind === "gap") return gap(line, 4);
    const sign = { same: " ", gone: "−", come: "+" }[line.kind];
    return h(
      `tr.${line.kind}`,
      {},
      number(line.old),
      number(line.now),
      h("td.sign", {}, sign),
      h("td.code", {}, cells(line)),
    );
  });
}

function splitRows(found, cells) {
  return sideBySide(found).map(([left, right]) => {
    if (left?.kind === "gap") return gap(left, 4);
    const half = (line, side) => [
      number(line ? line[side] : null, line?.kind),
      h(`td.code.${line ? line.kind : "none"}`, {}, line ? cells(line) : ""),
    ];
    return h("tr", {}, half(left, "old"), half(right, "now"));
  });
}

function gap(line, columns) {
  return h(
    "tr.gap",
    {},
    h("td", { colspan: columns }, line.text ? `line ${line.at}, in ${line.text}` : `line ${line.at}`),
  );
}

function number(value, kind = "") {
  return h(kind ? `td.num.${kind}` : "td.num", {}, value === null ? "" : value);
}

function row([, value], ...cells) {
  return h("tr", {}, number(value), ...cells);
}

function spans(parts) {
  return parts.map(([kind, text]) => (kind ? h(`span.${kind}`, {}, text) : text));
}

/** Coloured parts cut where a mark begins or ends. */
function marked(parts, marks, kind) {
  if (marks.length === 0) return spans(parts);
  const tag = kind === "gone" ? "del" : "ins";
  const made = [];
  let at = 0;
  for (const [name, text] of parts) {
    let from = 0;
    const cut = (to, inside) => {
      if (to <= from) return;
      const piece = spans([[name, text.slice(from, to)]]);
      made.push(inside ? h(tag, {}, piece) : piece);
      from = to;
    };
    for (const [low, high] of marks) {
      cut(Math.min(text.length, low - at), false);
      if (high > at + from && low < at + text.length) cut(Math.min(text.length, high - at), true);
    }
    cut(text.length, false);
    at += text.length;
  }
  return made;
}

function scrolled(table) {
  return h(
    "div.codebox",
    { tabindex: 0, role: "region", "aria-label": `${table.getAttribute("aria-label")}, line by line` },
    table,
  );
}
