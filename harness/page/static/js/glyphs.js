// Marks that tell programs apart without colour. Owns: which shape and word stands for which kind of attempt.

import { isBelow } from "./columns.js";
import { h, s } from "./dom.js";

/** SVG paths round the origin, for a mark of radius `r`. */
export const SHAPES = {
  disc: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  diamond: (r) => `M0 ${-1.25 * r}L${1.25 * r} 0L0 ${1.25 * r}L${-1.25 * r} 0z`,
  square: (r) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  triangle: (r) => `M0 ${-1.2 * r}L${1.15 * r} ${0.85 * r}H${-1.15 * r}z`,
  plus: (r) => `M${-r} 0H${r}M0 ${-r}V${r}`,
  cross: (r) => `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`,
  star: (r) => {
    const corners = Array.from({ length: 10 }, (_, at) => {
      const [radius, angle] = [at % 2 ? 0.6 * r : 1.5 * r, (Math.PI * at) / 5 - Math.PI / 2];
      return `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
    });
    return `M${corners.join("L")}z`;
  },
};

/** Kinds of attempts as a person sees them: shape, whether it is filled, the class that colours it, the word. */
export const ROLES = {
  champion: { shape: "star", word: "champion" },
  front: { shape: "diamond", word: "on the front" },
  seed: { shape: "square", word: "seed program" },
  scored: { shape: "disc", word: "scored" },
  below: { shape: "disc", word: "below the floor" },
  known: { shape: "disc", word: "known program" },
  unjudged: { shape: "disc", word: "not judged" },
  rejected: { shape: "cross", word: "rejected" },
  reference: { shape: "plus", word: "reference" },
  policy: { shape: "triangle", word: "other program" },
};

/** The role of a row: the strongest that holds. */
export function role(columns, state, row, front = null) {
  const number = columns.n[row];
  if (number === state.champion) return "champion";
  if ((front || new Set(state.front)).has(number)) return "front";
  if (number === state.seed_attempt) return "seed";
  if (columns.same[row] >= 0) return "known";
  if (columns.q[row] !== null) return isBelow(columns, state, row) ? "below" : "scored";
  return columns.word(row, "outcome") === "unjudged" ? "unjudged" : "rejected";
}

/** A mark inside an SVG. */
export function glyph(name, r, attributes = {}) {
  return s(`path.glyph.${name}`, { d: SHAPES[ROLES[name].shape](r), ...attributes });
}

/** A mark in a line of text, hidden from readers of the screen: the word stands beside it. */
export function inline(name) {
  return s("svg.inline", { viewBox: "-8 -8 16 16", width: 14, height: 14, "aria-hidden": "true" }, glyph(name, 4.6));
}

/** A mark with its word. */
export function labelled(name, word = ROLES[name].word) {
  return h("span.labelled", {}, inline(name), word);
}
