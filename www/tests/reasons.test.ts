/** What the network thinks of a drawing that it missed: parts that spoke for it and against it. */
import { drawnPart, partsOf, without } from "../src/parts.ts";
import { FIGURES, type Label } from "./figures.ts";
import { draw, expect, test } from "./page.ts";

test("a drawing's parts are all of it, and neither too many nor too few", () => {
  for (const label of Object.keys(FIGURES) as Label[]) {
    const strokes = FIGURES[label];
    const total = strokes.flat().length;
    const parts = partsOf(strokes);
    expect(parts.length, label).toBeGreaterThan(3);
    expect(parts.length, label).toBeLessThan(26);
    expect(
      parts.flatMap(({ from, to }) => [from, to]),
      label,
    ).toEqual([0, ...parts.slice(1).flatMap(({ from }) => [from, from]), total]);
    for (const part of parts) expect(without(strokes, part).flat()).toHaveLength(total - (part.to - part.from));
  }
  expect(partsOf([])).toEqual([]);
  expect(partsOf([["a"]])).toEqual([{ from: 0, to: 1 }]);
});

test("what is left of a stroke on both sides of a part is two strokes; a part is drawn to where the pen went on", () => {
  const strokes = [[..."abcdef"], [..."gh"]];
  expect(without(strokes, { from: 2, to: 4 })).toEqual([[..."ab"], [..."ef"], [..."gh"]]);
  expect(without(strokes, { from: 0, to: 6 })).toEqual([[..."gh"]]);
  expect(drawnPart(strokes, { from: 2, to: 4 })).toEqual([[..."cde"]]);
  expect(drawnPart(strokes, { from: 4, to: 6 })).toEqual([[..."ef"]]);
  expect(drawnPart(strokes, { from: 6, to: 8 })).toEqual([[..."gh"]]);
});

test("the slip of a missed drawing shows what spoke for the prompt, and for what it was taken for", async ({
  page,
  site,
}) => {
  await page.addInitScript(() => {
    const asked: string[] = [];
    Object.assign(window, { asked });
    window.Worker = class extends Worker {
      override postMessage(message: { method?: string }): void {
        if (message.method !== undefined) asked.push(message.method);
        super.postMessage(message);
      }
    };
  });
  // Guesses come by another method.
  const nReasons = () =>
    page.evaluate(
      () => (window as unknown as { asked: string[] }).asked.filter((method) => method === "probabilities").length,
    );
  await page.goto(`${site.url}#play=violin,star`);
  await page.getByTestId("begin").click();
  await draw(page, FIGURES.umbrella);
  await expect(page.getByTestId("sentence")).toContainText("I see an umbrella");
  await page.getByTestId("skip").click();
  await page.getByTestId("begin").click();
  await draw(page, FIGURES.star);
  await page.getByTestId("slip").first().click();
  const reasons = page.getByTestId("reasons");
  await expect(reasons.locator("figcaption")).toHaveText([
    /^a violin: .* for it, .* against it$/,
    /^an umbrella: \d+ parts? for it, /,
  ]);
  // Without its roof it would be no umbrella.
  expect(await reasons.locator("figure").nth(1).locator("path.for").count()).toBeGreaterThan(0);
  // Nothing that was drawn is left out.
  for (const i of [0, 1])
    expect(await reasons.locator("figure").nth(i).locator("path").count()).toBeGreaterThanOrEqual(
      FIGURES.umbrella.length,
    );
  await page.keyboard.press("Escape");
  const n = await nReasons();
  expect(n).toBeGreaterThan(1);
  await page.getByTestId("slip").nth(1).click();
  await expect(page.getByTestId("slip-dialog")).toContainText("star");
  // They would be asked for when it opens.
  expect(await nReasons()).toBe(n);
  await expect(reasons).toHaveCount(0);
});
