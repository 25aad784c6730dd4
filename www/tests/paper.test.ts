/** What one sees of paper and letters: fibres that are felt rather than seen, and Korean on red that can be read. */
import type { Locator, Page } from "@playwright/test";
import { FIGURES, hasty } from "./figures.ts";
import { draw, expect, open, replaceWorker, test } from "./page.ts";

/** By how much each pixel of an element on the screen differs from a colour, at most of red, green and blue. */
async function differences(
  page: Page,
  element: Locator,
  colour: readonly number[],
): Promise<{ width: number; height: number; values: Uint8Array }> {
  const png = (await element.screenshot({ animations: "disabled" })).toString("base64");
  const found = await page.evaluate(
    async ({ png, colour }) => {
      const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const { width, height } = bitmap;
      const context = new OffscreenCanvas(width, height).getContext("2d")!;
      context.drawImage(bitmap, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      let values = "";
      for (let i = 0; i < data.length; i += 4)
        values += String.fromCharCode(
          Math.max(...colour.map((value, channel) => Math.abs(data[i + channel]! - value))),
        );
      return { width, height, values: btoa(values) };
    },
    { png, colour },
  );
  return { ...found, values: Uint8Array.from(Buffer.from(found.values, "base64")) };
}

const colourOf = (element: Locator) =>
  element.evaluate((element) => getComputedStyle(element).backgroundColor.match(/\d+/g)!.slice(0, 3).map(Number));

/** How much the sheet differs from its paper, where nothing else is: neither its edges nor the tools. */
async function paper(page: Page): Promise<{ values: Uint8Array; width: number; height: number }> {
  await page.locator("#idea").evaluate((idea) => idea.setAttribute("hidden", ""));
  const sheet = page.locator("#sheet");
  const all = await differences(page, sheet, await colourOf(sheet));
  const [edge, foot] = [30, 90];
  const [width, height] = [all.width - 2 * edge, all.height - edge - foot];
  const values = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const from = (y + edge) * all.width + edge;
    values.set(all.values.subarray(from, from + width), y * width);
  }
  return { values, width, height };
}

test("paper has fibres that are felt rather than seen, and does not repeat itself on a sheet", async ({
  page,
  site,
}) => {
  await open(page, site);
  const { values, width, height } = await paper(page);
  const share = values.filter((value) => value > 2).length / values.length;
  expect(share).toBeGreaterThan(0.002);
  expect(share).toBeLessThan(0.05);
  // Dust and scratches are darker than this.
  expect(values.reduce((most, each) => Math.max(most, each), 0)).toBeLessThan(40);
  // Of a pattern that repeats itself, the sheet moved along by it is the same.
  const isFibre = (x: number, y: number) => values[y * width + x]! > 2;
  for (const step of [100, 150, 200, 240, 256, 300, 320, 400, 500, 512]) {
    for (const [dx, dy] of [
      [step, 0],
      [0, step],
    ] as const) {
      let [both, one] = [0, 0];
      for (let y = 0; y + dy < height; y++) {
        for (let x = 0; x + dx < width; x++) {
          if (!isFibre(x, y)) continue;
          one += 1;
          if (isFibre(x + dx, y + dy)) both += 1;
        }
      }
      if (one > 100) expect(both / one, `moved by ${dx}, ${dy}`).toBeLessThan(0.5);
    }
  }
});

test.describe("in the dark", () => {
  test.use({ colorScheme: "dark" });

  test("the sheet is plain: light fibres on dark paper would be scratches", async ({ page, site }) => {
    await open(page, site);
    expect((await paper(page)).values.filter((value) => value > 2)).toHaveLength(0);
  });
});

for (const colorScheme of ["light", "dark"] as const) {
  test.describe(`in Korean, ${colorScheme}`, () => {
    test.use({ locale: "ko-KR", colorScheme, viewport: { width: 390, height: 844 } });

    test("what is written on red, or in red, is bold: the Korean typeface is thin", async ({ page, site }) => {
      await replaceWorker(page, "() => [['star', 0.9], ['sun', 0.1]]");
      /** Korean text on red or in red that has the typeface's own weight. */
      const thin = () =>
        page.evaluate(() => {
          const seal = getComputedStyle(document.querySelector(".seal-button")!).backgroundColor;
          const found: string[] = [];
          for (const element of document.querySelectorAll<HTMLElement>("body *")) {
            const own = [...element.childNodes].some(
              (node) => node.nodeType === Node.TEXT_NODE && /[가-힣]/.test(node.textContent ?? ""),
            );
            const { backgroundColor, color, fontWeight } = getComputedStyle(element);
            if (own && (backgroundColor === seal || color === seal) && Number(fontWeight) < 600)
              found.push(`${element.className}: ${element.textContent}`);
          }
          return found;
        });
      await page.goto(`${site.url}#play=star`);
      const button = page.getByTestId("begin");
      await expect(button).toBeEnabled();
      await page.evaluate(() => document.fonts.ready);
      // The browser thickens the letters itself: there is ink to be seen of it.
      const red = await colourOf(button);
      const letters = async () => (await differences(page, button, red)).values.reduce((sum, each) => sum + each, 0);
      const bold = await letters();
      await button.evaluate((button) => (button.style.fontWeight = "400"));
      expect(bold).toBeGreaterThan(1.1 * (await letters()));
      expect(await thin()).toEqual([expect.stringContaining("시작")]);
      await button.evaluate((button) => (button.style.fontWeight = ""));
      await expect.poll(thin).toEqual([]);

      await button.click();
      await draw(page, hasty(FIGURES.star));
      await expect(page.getByTestId("stamp")).toHaveText("별");
      await expect.poll(thin).toEqual([]);
      await expect(page.getByTestId("slip")).toBeVisible();
      await expect.poll(thin).toEqual([]);
      await page.getByTestId("mode-draw").click();
      await draw(page, hasty(FIGURES.star));
      await page.getByTestId("look").click();
      // What the mouse is over is red for another reason.
      await page.mouse.move(1, 1);
      await expect(page.getByTestId("legend")).toContainText("별");
      await expect.poll(thin).toEqual([]);
    });
  });
}
