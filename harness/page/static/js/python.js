// Python text in colours. Owns: which parts of a line are comments, strings, keywords and numbers. Does not know:
// whether it is valid Python: any text at all comes out with the same characters. Pure.

const KEYWORDS = new Set(
  (
    "False None True and as assert async await break class continue def del elif else except finally for from global " +
    "if import in is lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);
const TOKEN = new RegExp(
  [
    /(#.*)/,
    /([rbfuRBFU]{0,2}(?:"""|'''))/,
    /([rbfuRBFU]{0,2}(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?))/,
    /(\d[\w.]*)/,
    /([^\W\d]\w*)/,
    /(\s+|.)/,
  ]
    .map((part) => part.source)
    .join("|"),
  "gu",
);
const LONGEST = 2000;

/** The quotes in which each line begins, "" outside of a string that goes over lines. */
export function quotesBefore(lines) {
  const found = [];
  coloured(lines, "", (open) => found.push(open));
  return found;
}

/**
 * Lines as lists of `[class, text]`; a class of "" is plain. A string may go over lines; `open` are the quotes in which
 * the first line begins, and `before` is told those of each line.
 */
export function coloured(lines, open = "", before = () => {}) {
  return lines.map((line) => {
    before(open);
    const parts = [];
    const push = (kind, text) => {
      const last = parts[parts.length - 1];
      if (last && last[0] === kind) last[1] += text;
      else if (text) parts.push([kind, text]);
    };
    if (line.length > LONGEST) return [["", line]];
    let rest = line;
    while (rest) {
      if (open) {
        const end = rest.indexOf(open);
        push("str", end < 0 ? rest : rest.slice(0, end + 3));
        rest = end < 0 ? "" : rest.slice(end + 3);
        if (end >= 0) open = "";
        continue;
      }
      TOKEN.lastIndex = 0;
      const match = TOKEN.exec(rest);
      const [text, comment, triple, string, number, word] = match;
      if (triple) open = text.slice(-3);
      push(comment ? "com" : triple || string ? "str" : number ? "num" : word && KEYWORDS.has(word) ? "kw" : "", text);
      rest = rest.slice(text.length);
    }
    return parts;
  });
}
