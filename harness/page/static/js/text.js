// Strangers' text made safe to look at. Owns: what becomes of characters that cannot be seen or that reorder a line.
// Does not know: elements. Pure.
//
// A program whose comment holds U+202E reads in another order than Python runs it. Here such characters are spelled
// out.

const REORDERING = /[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]/gu;

const spelled = (character) => `[U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;

/** A text of many lines: tabs and line ends stay, whatever else cannot be seen is spelled out. */
export function visible(text) {
  return String(text).replace(/\r\n/g, "\n").replace(REORDERING, spelled).replace(CONTROLS, spelled);
}

/** A name on one line of at most `limit` characters. */
export function oneLine(text, limit = 80) {
  const line = String(text)
    .slice(0, 4 * limit)
    .replace(REORDERING, "")
    .replace(CONTROLS, " ")
    .replace(/\s+/g, " ")
    .trim();
  const characters = Array.from(line);
  return characters.length > limit
    ? `${characters
        .slice(0, limit - 1)
        .join("")
        .trimEnd()}…`
    : line;
}
