// A unified diff as rows. Owns: its reading, and which words of a changed line differ. Does not know: elements. Pure.

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/;
const MOST_WORDS = 400;
const LIKE = 0.4;

/**
 * Rows `{kind, old, now, text, marks}` of a unified diff of one file: `kind` is "same", "gone", "come" or "gap"; `old`
 * and `now` are line numbers or null; `marks` are the parts of the text that differ from the line it replaces, `[from,
 * to]`.
 */
export function rows(diff) {
  const found = [];
  let old = 0;
  let now = 0;
  let inside = false;
  for (const line of diff.replace(/\n$/, "").split("\n")) {
    const hunk = HUNK.exec(line);
    if (hunk) {
      [old, now] = [Number(hunk[1]), Number(hunk[2])];
      found.push({ kind: "gap", old: null, now: null, text: hunk[3].trim(), marks: [], at: old });
      inside = true;
    } else if (inside && line.startsWith("+")) {
      found.push({ kind: "come", old: null, now: now++, text: line.slice(1), marks: [] });
    } else if (inside && line.startsWith("-")) {
      found.push({ kind: "gone", old: old++, now: null, text: line.slice(1), marks: [] });
    } else if (inside && !line.startsWith("\\")) {
      found.push({ kind: "same", old: old++, now: now++, text: line.slice(1), marks: [] });
    }
  }
  for (const [gone, come] of blocks(found)) {
    gone.slice(0, come.length).forEach((row, at) => mark(row, come[at]));
  }
  return found;
}

/** Each run of removed lines with the run of added lines that follows it. */
function* blocks(found) {
  let at = 0;
  while (at < found.length) {
    const gone = run(found, at, "gone");
    const come = run(found, at + gone.length, "come");
    if (gone.length && come.length) yield [gone, come];
    at += gone.length + come.length || 1;
  }
}

function run(found, from, kind) {
  let to = from;
  while (to < found.length && found[to].kind === kind) to++;
  return found.slice(from, to);
}

function mark(gone, come) {
  const [before, after] = [words(gone.text), words(come.text)];
  if (before.length > MOST_WORDS || after.length > MOST_WORDS) return;
  const kept = common(before, after);
  const alike = letters([...kept.keys()].map((at) => before[at]));
  if (alike < LIKE * Math.max(letters(before), letters(after))) return; // another line altogether: marks would be noise
  gone.marks = ranges(before, (index) => !kept.has(index));
  const values = new Set(kept.values());
  come.marks = ranges(after, (index) => !values.has(index));
}

const letters = (parts) => parts.reduce((sum, part) => sum + part.trim().length, 0);

const words = (text) => text.match(/\w+|\s+|./gu) || [];

/** The longest common subsequence: indices in `first` to indices in `second`. */
function common(first, second) {
  const [n, m] = [first.length, second.length];
  const length = Array.from({ length: n + 1 }, () => new Uint16Array(m + 1));
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      length[i][j] = first[i] === second[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const kept = new Map();
  for (let i = 0, j = 0; i < n && j < m;) {
    if (first[i] === second[j]) kept.set(i++, j++);
    else if (length[i + 1][j] >= length[i][j + 1]) i++;
    else j++;
  }
  return kept;
}

function ranges(parts, differs) {
  const found = [];
  let at = 0;
  parts.forEach((part, index) => {
    const last = found[found.length - 1];
    if (differs(index)) {
      if (last && last[1] === at) last[1] = at + part.length;
      else found.push([at, at + part.length]);
    }
    at += part.length;
  });
  return found;
}

/** Rows side by side: `[left, right]`, null where a side has nothing. */
export function sideBySide(found) {
  const pairs = [];
  let at = 0;
  while (at < found.length) {
    const gone = run(found, at, "gone");
    const come = run(found, at + gone.length, "come");
    if (gone.length + come.length === 0) {
      pairs.push([found[at], found[at]]);
      at++;
      continue;
    }
    for (let i = 0; i < Math.max(gone.length, come.length); i++) pairs.push([gone[i] || null, come[i] || null]);
    at += gone.length + come.length;
  }
  return pairs;
}
