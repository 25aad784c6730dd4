/** axe over every view of the page, in both themes and both languages. */
import axe from "axe-core";
import type { Page } from "@playwright/test";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, open, test } from "./page.ts";

async function check(page: Page): Promise<void> {
  // Colours under way from one to another are no colours yet.
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished.catch(() => undefined))));
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => {
    const { axe: checker } = globalThis as unknown as { axe: typeof axe };
    return checker.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
  });
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.any[0]?.message ?? ""}`).join("; ")}`)).toEqual([]);
}

for (const { colorScheme, locale } of [
  { colorScheme: "light", locale: "en-US" },
  { colorScheme: "dark", locale: "ko-KR" },
] as const) {
  test.describe(`${colorScheme}, ${locale}`, () => {
    test.use({ colorScheme, locale });

    test("axe finds nothing to complain of in any view", async ({ page, site }) => {
      await open(page, site);
      await check(page);
      await page.getByTestId("about").locator("summary").click();
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
    const id = await page.evaluate(() => (document.activeElement as HTMLElement).dataset["testid"] ?? document.activeElement?.tagName ?? "");
    if (id === "BODY") break;
    walked.push(id);
  }
  expect(walked).toEqual([
    "mode-draw", "mode-play", "mode-teach", "language-en", "language-ko", "undo", "clear", "replay", "copy-link", "look", "teach-this",
    "save-svg", "save-png", "save-ndjson", "open", "SUMMARY", "A", "theme-light", "theme-dark", "theme-system",
  ]);
});
