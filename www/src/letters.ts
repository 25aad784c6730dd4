/**
 * The Korean letters. They come in some ninety small files, of which a browser loads those that it shows; an English page
 * shows one word. Who reads Korean gets all that the page may say, and keeps it for when there is no network.
 */
import "@fontsource/gowun-batang/400.css";

const FAMILY = "Gowun Batang";

/** Loads the letters of `texts`, through the service worker, which keeps them. */
export async function keepLetters(texts: string): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  if (!serviceWorker.controller)
    await new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  await document.fonts.load(`1em "${FAMILY}"`, texts);
  // What was loaded before there was a service worker is asked for once more, and comes from the browser's cache.
  const loaded = performance
    .getEntriesByType("resource")
    .map(({ name }) => name)
    .filter((name) => /gowun-batang.*\.woff2$/.test(name));
  await Promise.all(loaded.map((url) => fetch(url)));
}
