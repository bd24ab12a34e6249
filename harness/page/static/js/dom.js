// Elements from values. Owns: the only way in which this page makes elements. Does not know: what they show.
//
// Text from models, candidates and other people becomes text nodes, never markup: nothing here parses HTML, and the
// server's policy (`require-trusted-types-for 'script'`) would refuse it anyway.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An HTML element: `h("a.button", {href: "#/"}, "text", child)`. `null`, `undefined` and `false` children are left
 * out.
 */
export function h(tag, attributes = {}, ...children) {
  return build(document.createElement(tag.split(".")[0]), tag, attributes, children);
}

/** An SVG element, in the same way. */
export function s(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag.split(".")[0]), tag, attributes, children);
}

function build(element, tag, attributes, children) {
  const classes = tag.split(".").slice(1);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) set(element, key, value);
  append(element, children);
  return element;
}

function set(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key === "on") {
    for (const [name, listener] of Object.entries(value)) element.addEventListener(name, listener);
  } else if (key === "style") {
    for (const [name, part] of Object.entries(value)) element.style.setProperty(name, part);
  } else if (key === "value" && "value" in element) {
    element.value = value;
  } else {
    element.setAttribute(key, value === true ? "" : String(value));
  }
}

/** Append children: nodes as they are, everything else as text. */
export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/**
 * Replace all that an element holds. Focus goes to what took the place of what had it: a page that changes by itself must
 * not throw a reader who moves by keyboard back to its beginning.
 */
export function fill(element, ...children) {
  const held =
    element.contains(document.activeElement) && element !== document.activeElement ? document.activeElement : null;
  element.replaceChildren();
  append(element, children);
  if (held && !held.isConnected) twin(element, held)?.focus({ preventScroll: true });
  return element;
}

/** The element that says what another said: the same link, or the same word. */
function twin(element, other) {
  const same = (one) =>
    other.hasAttribute("href")
      ? one.getAttribute("href") === other.getAttribute("href")
      : one.textContent === other.textContent;
  return [...element.querySelectorAll(other.localName)].find(same);
}

/** A stranger's text as an element of its own direction, so that marks of direction in it change nothing around it. */
export function stranger(text, tag = "bdi", attributes = {}) {
  return h(tag, { dir: "auto", ...attributes }, text);
}

/** The value of a custom property of the theme, for canvases. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
