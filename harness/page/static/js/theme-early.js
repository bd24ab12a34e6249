// Owns: the theme before anything is drawn, so that a dark page does not flash white. A plain script: it must not wait.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("packsmith.theme");
  } catch {
    // storage is off: the system's theme holds
  }
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.documentElement.dataset.theme = chosen === "light" || chosen === "dark" ? chosen : system;
}
