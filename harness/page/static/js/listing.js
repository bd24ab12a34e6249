// Which rows of a run a list shows, and in which order. Owns: filters and sorting. Does not know: elements. Pure.

/**
 * How a list may be sorted: by key, the value of a row, null last; `down` is the direction that a first click gives.
 */
export const SORTS = {
  n: { of: (columns, row) => columns.n[row], down: true },
  name: { of: (columns, row) => columns.name[row].toLowerCase(), down: false },
  outcome: { of: (columns, row) => columns.outcome[row], down: false },
  q: { of: (columns, row) => columns.q[row], down: true },
  s: { of: (columns, row) => columns.s[row], down: true },
  ms: { of: (columns, row) => columns.ms[row], down: false },
  usd: { of: (columns, row) => columns.usd[row], down: true },
  t: { of: (columns, row) => columns.t[row], down: true },
};

/** Filters by name: which rows of a run they keep. */
export const FILTERS = {
  all: () => true,
  front: (columns, row, { front }) => front.has(columns.n[row]),
  scored: (columns, row) => columns.q[row] !== null && columns.same[row] < 0,
  known: (columns, row) => columns.same[row] >= 0,
  rejected: (columns, row) =>
    columns.q[row] === null && columns.same[row] < 0 && columns.word(row, "outcome") !== "unjudged",
};

/** The filter of a name: one of `FILTERS`, or an outcome such as `patch`. */
export function filterOf(name) {
  return FILTERS[name] || ((columns, row) => columns.same[row] < 0 && columns.word(row, "outcome") === name);
}

/** Rows that pass, sorted. `only` is a set of numbers, or null for all. */
export function listed({ columns, state }, { outcome = "all", sort = "n", down = null, only = null }) {
  const keep = filterOf(outcome);
  const context = { front: new Set(state.front) };
  const rows = [];
  for (let row = 0; row < columns.count; row++) {
    if ((only === null || only.has(columns.n[row])) && keep(columns, row, context)) rows.push(row);
  }
  const rule = SORTS[sort] || SORTS.n;
  return sorted(rows, columns, rule.of, (down ?? rule.down) ? -1 : 1);
}

/** Rows by a value, null last, the newer of two equal ones first. */
function sorted(rows, columns, of, sign) {
  const values = [];
  for (const row of rows) values[row] = of(columns, row);
  const text = rows.length > 0 && typeof values[rows[0]] === "string";
  const keys = text
    ? values
    : Float64Array.from(values, (value) => (value === null || value === undefined ? Infinity : sign * value));
  const { n } = columns;
  const compare = text
    ? (a, b) => (keys[a] < keys[b] ? -sign : keys[a] > keys[b] ? sign : n[b] - n[a])
    : (a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : n[b] - n[a]);
  return Uint32Array.from(rows).sort(compare);
}
