/** Every view of the page, in both themes, both languages and three sizes: axe, what does not fit, letters that do not come with the page. */
import axe from "axe-core";
import type { Page } from "@playwright/test";
import { encodeRace } from "../src/game/race.ts";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, ink, open, test } from "./page.ts";

/** Typefaces of the machine that letters are drawn with, where the page's own have none. */
async function foreignFonts(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  await session.send("DOM.enable");
  await session.send("CSS.enable");
  const { nodes } = await session.send("DOM.getFlattenedDocument", { depth: -1, pierce: true });
  const withText = new Set(nodes.filter(({ nodeType }) => nodeType === 3).map(({ parentId }) => parentId));
  const found = new Set<string>();
  for (const { nodeId, nodeName } of nodes) {
    if (!withText.has(nodeId)) continue;
    const { fonts } = await session.send("CSS.getPlatformFontsForNode", { nodeId });
    for (const { familyName, isCustomFont } of fonts) if (!isCustomFont) found.add(`${familyName} in ${nodeName}`);
  }
  await session.detach();
  return [...found];
}

async function check(page: Page): Promise<void> {
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  expect(await foreignFonts(page)).toEqual([]);
  // Colours in a transition are not the final ones.
  await page.evaluate(() =>
    Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined))),
  );
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => {
    const { axe: checker } = globalThis as unknown as { axe: typeof axe };
    return checker.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
  });
  expect(
    violations.map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`,
    ),
  ).toEqual([]);
}

for (const { colorScheme, locale, viewport } of [
  { colorScheme: "light", locale: "en-US", viewport: { width: 1280, height: 800 } },
  { colorScheme: "dark", locale: "ko-KR", viewport: { width: 820, height: 1180 } },
  { colorScheme: "light", locale: "ko-KR", viewport: { width: 390, height: 844 } },
  { colorScheme: "dark", locale: "en-US", viewport: { width: 360, height: 640 } },
] as const) {
  test.describe(`${colorScheme}, ${locale}, ${viewport.width} pixels`, () => {
    test.use({ colorScheme, locale, viewport });

    test("axe finds nothing to complain of in any view; everything fits, in the page's own typefaces", async ({
      page,
      site,
    }) => {
      await open(page, site);
      await check(page);
      await page.getByTestId("about").locator("summary").click();
      await page.getByTestId("embed").locator("summary").click();
      await page.evaluate(() => scrollTo(0, 0));
      await draw(page, FIGURES.house);
      await guessed(page);
      await page.getByTestId("look").click();
      await expect(page.getByTestId("stages").locator("li")).not.toHaveCount(0);
      await check(page);

      await page.getByTestId("teach-this").click();
      await check(page);
      await page.getByTestId("lesson-name").fill("hut");
      await page.keyboard.press("Enter");
      await check(page);
      await page.getByTestId("keep-it").click();
      await page.getByTestId("lesson-done").click();
      await expect(page.getByTestId("taught-item")).toHaveCount(1);
      await check(page);

      await page.goto(`${site.url}#play=cat,star`);
      await expect(page.getByTestId("begin")).toBeEnabled();
      await check(page);
      await page.getByTestId("begin").click();
      await draw(page, FIGURES.zigzag);
      await check(page);
      await page.getByTestId("skip").click();
      await page.getByTestId("begin").click();
      await draw(page, FIGURES.star);
      await expect(page.getByTestId("summary")).toBeVisible();
      await check(page);
      await page.getByTestId("slip").first().click();
      await expect(page.getByTestId("slip-dialog")).toBeVisible();
      await check(page);
    });

    test("nor in the book, the six of the day and a race", async ({ page, site }) => {
      // Hundreds of places are many to look at.
      test.slow();
      const book = ["cat", "star"].map((word) =>
        JSON.stringify({
          word,
          recognized: true,
          timestamp: "",
          probability: 0.9,
          drawing: [
            [
              [0, 9],
              [0, 9],
            ],
          ],
        }),
      );
      await page.addInitScript((text) => localStorage.setItem("quickdraw-rnn.book", text), book.join("\n"));
      await page.goto(`${site.url}#book`);
      await expect(page.getByTestId("place")).toHaveCount(345);
      // All is written anew once the model is there.
      await expect(page.getByTestId("model")).not.toBeEmpty();
      await check(page);

      await page.goto(`${site.url}#day`);
      await expect(page.getByTestId("begin")).toBeEnabled();
      await check(page);

      const strokes = FIGURES.star.map((stroke) => stroke.map(([x, y], i) => ({ x, y, width: 3, timeMs: 10 * i })));
      const drawn = {
        beganMs: 0,
        strokes,
        recognised: true,
        seconds: 3,
        predictions: [{ label: "star", probability: 0.9 }],
      };
      await page.goto(
        `${site.url}#race=${await encodeRace([
          { ...drawn, label: "star" },
          { ...drawn, label: "cat", recognised: false },
        ])}`,
      );
      await expect(page.getByTestId("begin")).toBeEnabled();
      await page.getByTestId("begin").click();
      await expect(page.getByTestId("ghost")).toBeVisible();
      await check(page);
      await page.getByTestId("skip").click();
      await page.getByTestId("begin").click();
      await page.getByTestId("skip").click();
      await expect(page.getByTestId("rival")).toHaveCount(2);
      await check(page);
    });
  });
}

test("the page can be walked through by keyboard, in the order in which it is read", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.line);
  await guessed(page);
  // Where the mouse was last, Tab would go on from.
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
  const walked: string[] = [];
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press("Tab");
    const id = await page.evaluate(
      () => (document.activeElement as HTMLElement).dataset["testid"] ?? document.activeElement?.tagName ?? "",
    );
    if (id === "BODY") break;
    walked.push(id);
  }
  expect(walked).toEqual([
    "mode-draw",
    "mode-play",
    "mode-teach",
    "mode-book",
    "language-en",
    "language-ko",
    "undo",
    "clear",
    "replay",
    "copy-link",
    "look",
    "teach-this",
    "save-svg",
    "save-png",
    "save-ndjson",
    "open",
    "SUMMARY",
    "SUMMARY",
    "A",
    "theme-light",
    "theme-dark",
    "theme-system",
    "voice",
  ]);
});

test.describe("where motion is not wanted", () => {
  test.use({ contextOptions: { reducedMotion: "reduce" } });

  test("nothing moves, and a replay shows whole strokes", async ({ page, site }) => {
    const still = () => page.evaluate(() => document.getAnimations().length);
    await open(page, site);
    await draw(page, [FIGURES.envelope[0]!]);
    const one = await ink(page);
    await draw(page, [FIGURES.envelope[1]!]);
    const whole = await ink(page);
    await guessed(page);
    expect(await still()).toBe(0);
    await page.getByTestId("replay").click();
    await expect.poll(() => ink(page)).toEqual(one);
    await expect.poll(() => ink(page)).toEqual(whole);
    await page.goto(`${site.url}#play=star`);
    await expect(page.getByTestId("begin")).toBeEnabled();
    expect(await still()).toBe(0);
    await page.getByTestId("begin").click();
    await draw(page, FIGURES.star);
    await expect(page.getByTestId("stamp")).toBeVisible();
    expect(await still()).toBe(0);
  });
});
