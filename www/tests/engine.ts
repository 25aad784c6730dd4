/** A test's page in Firefox or WebKit: the same hands for both, from real input events. */
import { expect, test as base } from "@playwright/test";
import {
  ADVICE,
  isInstalled,
  startEngine,
  type Engine,
  type EngineName,
  type PointerType,
} from "../../.ci/engines.mjs";
import { byHand, type Figure } from "./figures.ts";
import { serve, type Site } from "./page.ts";

const name = process.env["ENGINE"] as EngineName;
if (!(name in ADVICE)) throw new Error(`ENGINE is one of ${Object.keys(ADVICE).join(", ")}`);

export const test = base.extend<{ site: Site; conduct: undefined }, { engine: Engine }>({
  engine: [
    async ({}, use) => {
      const engine = await startEngine(name);
      await use(engine);
      await engine.close();
    },
    { scope: "worker", timeout: 60_000 },
  ],
  // A port of its own: no test sees what another has left in the browser.
  site: async ({}, use) => {
    const site = await serve();
    await use(site);
    await site.close();
  },
  conduct: [
    async ({ engine }, use) => {
      await use(undefined);
      expect(await engine.errors()).toEqual([]);
    },
    { auto: true },
  ],
});
test.skip(!isInstalled(name), ADVICE[name]);

export { expect };

const byTestId = (id: string) => `[data-testid="${id}"]`;

/** Opens a view of the page and waits until the classifier is loaded. */
export async function open(engine: Engine, site: Site, view = ""): Promise<void> {
  await engine.goto(`${site.url}${view}`);
  await ready(engine);
}

export async function ready(engine: Engine): Promise<void> {
  await expect.poll(() => text(engine, "model")).not.toBe("");
}

/** Waits until everything is there that the page needs without a network. */
export async function installed(engine: Engine): Promise<void> {
  await engine.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
}

export function text(engine: Engine, id: string): Promise<string> {
  return engine.evaluate((selector) => document.querySelector(selector)?.textContent ?? "", byTestId(id));
}

export function attribute(engine: Engine, id: string, name: string): Promise<string | null> {
  return engine.evaluate(
    (selector, name) => document.querySelector(selector)?.getAttribute(name) ?? null,
    byTestId(id),
    name,
  );
}

/** Where an element is in the window, as soon as it is there, is seen and takes a pointer. */
async function box(engine: Engine, id: string): Promise<{ x: number; y: number; width: number; height: number }> {
  let found: { x: number; y: number; width: number; height: number } | undefined;
  await expect
    .poll(
      async () => {
        found = await engine.evaluate((selector) => {
          const element = document.querySelector<HTMLButtonElement>(selector);
          element?.scrollIntoView({ block: "nearest", behavior: "instant" });
          if (!element || element.disabled) return undefined;
          const { x, y, width, height } = element.getBoundingClientRect();
          const hit = document.elementFromPoint(x + width / 2, y + height / 2);
          return hit !== null && element.contains(hit) ? { x, y, width, height } : undefined;
        }, byTestId(id));
        return found !== undefined && found !== null;
      },
      { message: `${id} takes a pointer` },
    )
    .toBe(true);
  return found!;
}

export async function click(engine: Engine, id: string): Promise<void> {
  const { x, y, width, height } = await box(engine, id);
  await engine.pointer("mouse", [[x + width / 2, y + height / 2], "down", "up"]);
}

/** Draws a figure into the middle of the pad, or its beginning with the pointer still down. */
export async function draw(
  engine: Engine,
  figure: Figure,
  type: PointerType = "mouse",
  { lifts = true } = {},
): Promise<void> {
  const pad = await box(engine, "pad");
  const size = Math.min(pad.width, pad.height) * 0.7;
  const [left, top] = [pad.x + (pad.width - size) / 2, pad.y + (pad.height - size) / 2];
  const place = ([x, y]: readonly [number, number]) => [left + (x * size) / 100, top + (y * size) / 100] as const;
  for (const stroke of byHand(figure)) {
    const [first, ...others] = stroke.map(place);
    await engine.pointer(type, [first!, "down", ...others, ...(lifts ? (["up"] as const) : [])]);
  }
}

/** The best guess, as soon as it is for the whole drawing. */
export async function best(engine: Engine): Promise<string | undefined> {
  return (await attribute(engine, "guesses", "aria-busy")) === "false" ? (await labels(engine))[0] : undefined;
}

/** The labels in the list of guesses, best first. */
export function labels(engine: Engine): Promise<string[]> {
  return engine.evaluate(
    (selector) =>
      [...document.querySelectorAll<HTMLElement>(`${selector} li`)].map(({ dataset }) => dataset["label"] ?? ""),
    byTestId("guesses"),
  );
}

/** How many pixels of the pad carry ink. */
export function ink(engine: Engine): Promise<number> {
  return engine.evaluate(async (selector) => {
    // The pad paints once a frame.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const canvas = document.querySelector<HTMLCanvasElement>(selector)!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value >= 128).length;
  }, byTestId("pad"));
}

/** How many pixels of an element are as red as the seal, in what the window shows. */
export async function red(engine: Engine, id: string): Promise<number> {
  await box(engine, id);
  const screenshot = (await engine.screenshot()).toString("base64");
  return engine.evaluate(
    async (selector, screenshot) => {
      const bytes = Uint8Array.from(atob(screenshot), (letter) => letter.charCodeAt(0));
      const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const scale = picture.width / innerWidth;
      const { x, y, width, height } = document.querySelector(selector)!.getBoundingClientRect();
      const canvas = document.createElement("canvas");
      canvas.width = picture.width;
      canvas.height = picture.height;
      const context = canvas.getContext("2d")!;
      context.drawImage(picture, 0, 0);
      const { data } = context.getImageData(x * scale, y * scale, width * scale, height * scale);
      let found = 0;
      for (let i = 0; i < data.length; i += 4)
        if (data[i]! - data[i + 1]! > 60 && data[i]! - data[i + 2]! > 60) found++;
      return found;
    },
    byTestId(id),
    screenshot,
  );
}
