// The lineage laid out. Owns: which attempts are shown, and the place of each. Does not know: pixels, elements. Pure.
//
// A column is a generation, by first parents; a row belongs to a branch: the first child continues its parent's row,
// each further one opens a new row below. Children that lead to the champion come first, then those that lead to the
// front, so that the way to the best is the straight line on top. This takes a time that grows with what is shown, not
// with the run.

import { chain, children, parents } from "./columns.js";

export const MOST_WHOLE = 220;
const MOST_CHILDREN = 40;

/** Numbers on the chains to the champion and to the front: `{best: Set, front: Set}`. */
export function ways(columns, state) {
  const best = new Set(state.champion === null ? [] : chain(columns, state.champion));
  const front = new Set(state.front.flatMap((number) => chain(columns, number)));
  return { best, front };
}

/**
 * Numbers to show: all of a small run; else the ways to the champion, the front and `focus`, with the children of what
 * is `expanded`. `rejected`: whether attempts without a score are shown too (those asked for always are).
 */
export function shown(columns, state, { expanded, focus, rejected }) {
  const { best, front } = ways(columns, state);
  const numbers = new Set([...best, ...front]);
  if (state.seed_attempt !== null) numbers.add(state.seed_attempt);
  const scored = (number) => columns.q[columns.row(number)] !== null && columns.same[columns.row(number)] < 0;
  const all = columns.count <= MOST_WHOLE + 1;
  if (all) for (const number of columns.n) if (rejected || scored(number)) numbers.add(number);
  if (focus !== null && columns.row(focus) !== undefined) {
    for (const number of chain(columns, focus)) numbers.add(number);
    for (const number of parents(columns, focus)) for (const one of chain(columns, number)) numbers.add(one);
  }
  const made = children(columns);
  for (const number of [...expanded, ...(focus === null ? [] : [focus])]) {
    const more = (made.get(number) || []).filter((child) => rejected || scored(child));
    const limit = (expanded.get?.(number) || 1) * MOST_CHILDREN;
    const ranked = more
      .filter((child) => !numbers.has(child))
      .sort((a, b) => Number(scored(b)) - Number(scored(a)) || a - b);
    for (const child of ranked.slice(0, limit)) for (const one of chain(columns, child)) numbers.add(one);
  }
  for (const number of [...numbers]) if (columns.row(number) === undefined) numbers.delete(number);
  return numbers;
}

/**
 * `{nodes, edges, columns, rows}`: a node is `{number, row, column, hidden}` with how many children are not shown; an
 * edge `{from, to, merge, best}` joins numbers.
 */
export function layout(columns, state, numbers, { rejected }) {
  const { best, front } = ways(columns, state);
  const made = children(columns);
  const rank = (number) => (best.has(number) ? 0 : front.has(number) ? 1 : 2);
  const first = (number) => columns.parent[columns.row(number)];
  const kept = (number) => (made.get(number) || []).filter((child) => numbers.has(child) && first(child) === number);
  const counts = (child) => rejected || columns.q[columns.row(child)] !== null;
  const nodes = new Map();
  const edges = [];
  let rows = 0;
  let deepest = 0;
  const roots = [...numbers].filter((number) => !numbers.has(first(number))).sort((a, b) => rank(a) - rank(b) || a - b);
  const stack = roots.reverse().map((number) => ({ number, column: 0, row: null }));
  while (stack.length) {
    const { number, column, row } = stack.pop();
    const level = row ?? rows++;
    deepest = Math.max(deepest, column);
    const below = kept(number).sort((a, b) => rank(a) - rank(b) || Number(made.has(b)) - Number(made.has(a)) || a - b);
    const hidden = (made.get(number) || []).filter((child) => !numbers.has(child) && counts(child)).length;
    nodes.set(number, { number, column, row: level, hidden });
    below.forEach((child) =>
      edges.push({ from: number, to: child, merge: false, best: best.has(number) && best.has(child) }),
    );
    for (const child of below.slice(1).reverse()) stack.push({ number: child, column: column + 1, row: null });
    if (below.length) stack.push({ number: below[0], column: column + 1, row: level });
  }
  for (const number of nodes.keys()) {
    for (const parent of parents(columns, number).slice(1)) {
      if (nodes.has(parent)) edges.push({ from: parent, to: number, merge: true, best: false });
    }
  }
  return { nodes, edges, columns: deepest + 1, rows };
}
