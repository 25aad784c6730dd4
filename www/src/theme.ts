/** Light or dark: as the visitor chose, else as the system says. public/theme.js does so before the first paint. */
import { recall, remember } from "./storage";

export type Theme = "system" | "light" | "dark";

const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export function chosenTheme(): Theme {
  const chosen = recall("theme");
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export function chooseTheme(theme: Theme): void {
  remember("theme", theme);
  applyTheme();
}

export function applyTheme(): void {
  const chosen = chosenTheme();
  document.documentElement.dataset["theme"] = chosen === "system" ? (systemIsDark.matches ? "dark" : "light") : chosen;
  // The bars of browsers and of installed apps take the desk's colour.
  const desk = getComputedStyle(document.documentElement).getPropertyValue("--desk").trim();
  document.querySelector('meta[name="theme-color"]')?.setAttribute("content", desk);
}

/** Follows the system where nothing else was chosen. */
export function followSystem(onChange: () => void): void {
  systemIsDark.addEventListener("change", () => {
    applyTheme();
    onChange();
  });
}
