// Light and dark. Owns: the choice, where it is kept, and who is told. Does not know: colours (see css/base.css), nor
// what is shown first (see theme-early.js).

const KEY = "packsmith.theme";
const listeners = new Map();

/** "light" or "dark", whichever is shown now. */
export function theme() {
  return document.documentElement.dataset.theme;
}

/** Call `listener` after each change, as long as `element` is on the page: canvases have to be drawn anew. */
export function onTheme(element, listener) {
  listeners.set(element, listener);
}

/** Change to the other one, and keep that. */
export function toggleTheme() {
  const next = theme() === "dark" ? "light" : "dark";
  kept((storage) => storage.setItem(KEY, next));
  show(next);
}

function show(next) {
  document.documentElement.dataset.theme = next;
  for (const [element, listener] of [...listeners]) {
    if (element.isConnected) listener();
    else listeners.delete(element);
  }
}

/** Something done with the browser's storage, null where that is switched off. */
function kept(act) {
  try {
    return act(localStorage);
  } catch {
    return null;
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
  if (!kept((storage) => storage.getItem(KEY))) show(event.matches ? "dark" : "light");
});

/** Whether the reader wants no movement. */
export function still() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
