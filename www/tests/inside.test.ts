/** The look inside, and what is said about the model. */
import { readFileSync } from "node:fs";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, labels, open, test } from "./page.ts";

const model = JSON.parse(readFileSync(new URL("../../wasm/model/model.json", import.meta.url), "utf8")) as {
  labels: string[];
  figures: { test: { n: number } };
};

test("the confusions are of this model's categories", () => {
  const { labels: known, confusions } = JSON.parse(
    readFileSync(new URL("../src/inside/confusions.json", import.meta.url), "utf8"),
  ) as { labels: string[]; confusions: [number, number][][] };
  expect(known).toEqual(model.labels);
  expect(confusions).toHaveLength(known.length);
  for (const [i, row] of confusions.entries()) {
    for (const [other, percent] of row) {
      expect(known[other]).toBeDefined();
      expect(other).not.toBe(i);
      expect(percent).toBeGreaterThan(0);
    }
  }
});

test("a look inside: the chart, every stroke, what is read, what is mixed up, how long it took", async ({ page, site }) => {
  await open(page, site);
  await expect(page.getByTestId("look")).toBeDisabled();
  await draw(page, FIGURES.house);
  await guessed(page);
  const [best] = await labels(page);
  await page.getByTestId("look").click();
  const inside = page.getByTestId("inside");
  await expect(inside).toBeFocused();
  const stages = page.getByTestId("stages").locator("li");
  await expect(stages).toHaveCount(FIGURES.house.length);
  await expect(stages.last()).toContainText(best!);
  const chart = inside.getByRole("img");
  await expect(chart).toHaveAttribute("aria-label", new RegExp(`over 4 strokes; in the end ${best}`));
  await expect(chart).toContainText(best!);
  const sight = page.getByTestId("sight");
  const points = await sight.locator("figcaption").evaluateAll((all) => all.map((each) => Number(/(\d+) points/.exec(each.textContent ?? "")?.[1])));
  expect(points[0]).toBeGreaterThan(points[1]!);
  expect(await sight.locator("svg").nth(1).locator("circle").count()).toBe(points[1]);
  await expect(page.getByTestId("timing")).toContainText(/A guess takes \d+ ms/);
  await expect(page.getByTestId("confusions")).not.toBeEmpty();

  // It follows the drawing and the language.
  await page.getByTestId("undo").click();
  await expect(stages).toHaveCount(FIGURES.house.length - 1);
  await page.getByTestId("language-ko").click();
  await expect(inside).toContainText("한 획 한 획");
  await expect(stages.first()).toContainText("1획");
  await page.getByTestId("look").click();
  await expect(inside).toBeHidden();
});

test("the page says what the model learnt from, how good it is and where it fails", async ({ page, site, context }) => {
  await open(page, site);
  const about = page.getByTestId("about");
  await about.locator("summary").click();
  await expect(about).toContainText("Quick, Draw!");
  await expect(about).toContainText(new Intl.NumberFormat("en").format(model.figures.test.n));
  await expect(about).toContainText("always answers");
  await expect(page.getByTestId("attribution")).toContainText("CC BY 4.0");
  const read = async (name: string) => {
    const link = page.getByTestId(name).locator("a");
    const response = await context.request.get(new URL((await link.getAttribute("href")) ?? "", site.url).href);
    expect(response.ok()).toBe(true);
    return response.text();
  };
  expect(await read("about")).toContain("# Model card");
  expect(await read("embed")).toContain("Classifier.load()");
});
