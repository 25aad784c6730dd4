// Runs before anything is painted, so that no page flashes up in the wrong light: the theme chosen here before, else the system's.
// From then on src/theme.ts is in charge.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("quickdraw-rnn.theme");
  } catch {
    // Storage is closed: nothing was chosen.
  }
  const isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
})();
