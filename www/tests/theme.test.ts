/** Light and dark: the system's choice, or the visitor's. */
import { FIGURES, hasty } from "./figures.ts";
import { draw, expect, open, test } from "./page.ts";
import type { Page } from "@playwright/test";

/** How bright the desk is, 0..255. */
const brightness = (page: Page) =>
  page.evaluate(() => Number(/\d+/.exec(getComputedStyle(document.documentElement).backgroundColor)?.[0]));
/** How bright the ink on the sheet is. */
const inkBrightness = (page: Page) =>
  page.getByTestId("pad").evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return data[data.findIndex((value, k) => k % 4 === 3 && value === 255) - 3]!;
  });

for (const [system, chosen] of [
  ["light", "dark"],
  ["dark", "light"],
] as const) {
  test.describe(`where the system is ${system}`, () => {
    test.use({ colorScheme: system });

    test(`${chosen} is chosen, seen at once, remembered, and given up again`, async ({ page, site }) => {
      const isDark = { light: false, dark: true };
      await open(page, site);
      await draw(page, hasty(FIGURES.line));
      expect((await brightness(page)) < 100).toBe(isDark[system]);
      await expect(page.getByTestId("theme-system")).toHaveAttribute("aria-pressed", "true");

      await page.getByTestId(`theme-${chosen}`).click();
      expect((await brightness(page)) < 100).toBe(isDark[chosen]);
      expect((await inkBrightness(page)) < 100).toBe(isDark[system]);
      await expect(page.getByTestId(`theme-${chosen}`)).toHaveAttribute("aria-pressed", "true");
      const colour = await page.locator('meta[name="theme-color"]').getAttribute("content");
      expect(colour).toBe(isDark[chosen] ? "#17181b" : "#e7dfcd");

      // On the next visit it is there before the page's own code runs.
      await page.route(/assets.index.*js$/, (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
      await page.goto("about:blank");
      await page.goto(site.url);
      expect((await brightness(page)) < 100).toBe(isDark[chosen]);
      await page.unroute(/assets.index.*js$/);

      await page.reload();
      await page.emulateMedia({ colorScheme: chosen });
      await page.emulateMedia({ colorScheme: system });
      expect((await brightness(page)) < 100).toBe(isDark[chosen]);
      await page.getByTestId("theme-system").click();
      expect((await brightness(page)) < 100).toBe(isDark[system]);
      await page.emulateMedia({ colorScheme: chosen });
      await expect.poll(async () => (await brightness(page)) < 100).toBe(isDark[chosen]);
    });
  });
}
