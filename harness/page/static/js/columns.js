// All attempts of a run as columns. Owns: appending blocks, looking a number up, sums and children derived from them.
// Does not know: the server, elements. Pure.
//
// A row is an attempt in the order in which the server read it; `n[row]` is its number. Columns as the server sends
// them (see harness/page/README.md): parent, merged, kind, outcome, reason, model, q ql qh, s sl sh, ms, usd, tok,
// sec, t, same, name.

export const COLUMNS = "n parent kind outcome reason model q ql qh s sl sh ms usd tok sec t same name".split(" ");

export class Columns {
  constructor() {
    this.epoch = "";
    this.words = { kinds: [], outcomes: [], reasons: [], models: [] };
    this.merged = new Map();
    this.rows = new Map();
    this.version = 0;
    this.derived = new Map();
    for (const name of COLUMNS) this[name] = [];
  }

  get count() {
    return this.n.length;
  }

  /** Append what the server sent; false if it does not follow what is here, and all has to be asked for again. */
  take(answer) {
    if (this.count && answer.epoch !== this.epoch) return false;
    if (answer.from !== this.count) return answer.from < this.count && answer.count <= this.count;
    this.epoch = answer.epoch;
    this.words = answer.words;
    for (const block of answer.blocks) this.#append(block);
    this.version++;
    this.derived.clear();
    return true;
  }

  #append(block) {
    const first = this.count;
    for (const name of COLUMNS) {
      const [mine, more] = [this[name], block[name]];
      for (let at = 0; at < more.length; at++) mine.push(more[at]);
    }
    for (const [at, numbers] of Object.entries(block.merged || {})) this.merged.set(first + Number(at), numbers);
    for (let row = first; row < this.count; row++) this.rows.set(this.n[row], row);
  }

  /** The row of an attempt, undefined for one that is not here. */
  row(number) {
    return this.rows.get(number);
  }

  /** A column's value of an attempt, null for one that is not here. */
  of(number, column) {
    const row = this.rows.get(number);
    return row === undefined ? null : this[column][row];
  }

  /** What a code column says of a row: `word(3, "outcome")`. */
  word(row, column) {
    return this.words[`${column}s`][this[column][row]];
  }

  isScored(row) {
    return this.q[row] !== null;
  }

  /** Something computed from all rows, kept until rows are added. */
  once(name, make) {
    if (!this.derived.has(name)) this.derived.set(name, make(this));
    return this.derived.get(name);
  }
}

/** Whether a scored row's whole interval lies below the floor; columns have six digits. */
export function isBelow(columns, state, row) {
  return state.floor !== null && columns.qh[row] !== null && columns.qh[row] + 1e-6 < state.floor;
}

/** The numbers of the attempts made from each attempt, crossovers under all of their parents. */
export function children(columns) {
  return columns.once("children", () => {
    const made = new Map();
    const add = (parent, number) => {
      if (parent < 0) return;
      if (made.has(parent)) made.get(parent).push(number);
      else made.set(parent, [number]);
    };
    for (let row = 0; row < columns.count; row++) {
      add(columns.parent[row], columns.n[row]);
      for (const parent of columns.merged.get(row) || []) add(parent, columns.n[row]);
    }
    return made;
  });
}

/** All parents of an attempt, the one that its patch applies to first. */
export function parents(columns, number) {
  const row = columns.row(number);
  if (row === undefined || columns.parent[row] < 0) return [];
  return [columns.parent[row], ...(columns.merged.get(row) || [])];
}

/** The chain of first parents from the beginning to an attempt. */
export function chain(columns, number) {
  const found = [];
  const seen = new Set();
  while (number >= 0 && columns.row(number) !== undefined && !seen.has(number)) {
    seen.add(number);
    found.push(number);
    number = columns.parent[columns.row(number)];
  }
  return found.reverse();
}

/** Dollars booked up to each row, in the order of rows. */
export function spent(columns) {
  return columns.once("spent", () => {
    let sum = 0;
    return columns.usd.map((usd) => (sum += usd || 0));
  });
}

/** How many rows have each outcome word, twins apart. */
export function tally(columns) {
  return columns.once("tally", () => {
    const counts = new Map();
    for (let row = 0; row < columns.count; row++) {
      if (columns.word(row, "kind") === "seed") continue;
      const word = columns.same[row] >= 0 ? "known" : columns.word(row, "outcome");
      counts.set(word, (counts.get(word) || 0) + 1);
    }
    return counts;
  });
}
