/** The look inside, and what is said about the model. */
import { readFileSync } from "node:fs";
import { ENGLISH } from "../src/language/english.ts";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, labels, open, test } from "./page.ts";

const model = JSON.parse(readFileSync(new URL("../../wasm/model/model.json", import.meta.url), "utf8")) as {
  labels: string[];
  figures: { test: { n: number; balanced_top1: number; balanced_top3: number; balanced_top5: number } };
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

test("a look inside: the chart, every stroke, what is read, what is mixed up, how long it took", async ({
  page,
  site,
}) => {
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
  // Every line is named with where it ends, and no two look alike.
  const legend = page.getByTestId("legend").locator("li");
  await expect(legend.first()).toContainText(best!);
  const looks = await inside.evaluate((inside) => {
    const look = (path: Element) => `${getComputedStyle(path).stroke} ${getComputedStyle(path).strokeDasharray}`;
    return {
      lines: [...inside.querySelectorAll(".chart .line")].map(look),
      samples: [...inside.querySelectorAll(".legend .line")].map(look),
    };
  });
  expect(looks.lines.length).toBeGreaterThan(3);
  expect([...looks.lines].sort()).toEqual([...looks.samples].sort());
  expect(new Set(looks.samples.map((look) => look.replace(/^.*\) /, ""))).size).toBeGreaterThanOrEqual(
    looks.samples.length - 1,
  );
  expect(new Set(looks.samples).size).toBe(looks.samples.length);
  const boxes = await legend.evaluateAll((items) =>
    items.map((item) => item.getBoundingClientRect().toJSON() as DOMRect),
  );
  for (const [i, one] of boxes.entries()) {
    for (const other of boxes.slice(i + 1))
      expect(one.bottom <= other.top || one.right <= other.left, JSON.stringify([one, other])).toBe(true);
  }
  const sight = page.getByTestId("sight");
  const points = await sight
    .locator("figcaption")
    .evaluateAll((all) => all.map((each) => Number(/(\d+) points/.exec(each.textContent ?? "")?.[1])));
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

test.describe("on a wide screen", () => {
  test.use({ viewport: { width: 1920, height: 1080 } });

  test("the reading begins with the sheet, and both columns of the look inside are filled", async ({ page, site }) => {
    await open(page, site);
    await draw(page, FIGURES.house);
    await guessed(page);
    const box = async (selector: string) => (await page.locator(selector).boundingBox())!;
    expect((await box("#sentence")).y - (await box("#sheet")).y).toBeLessThan(80);
    await page.getByTestId("look").click();
    await expect(page.getByTestId("confusions")).not.toBeEmpty();
    await expect(page.getByTestId("stages").locator("li")).toHaveCount(FIGURES.house.length);
    const heightOf = (column: string) =>
      page
        .locator(column)
        .evaluate(
          (each) =>
            each.lastElementChild!.getBoundingClientRect().bottom - each.firstElementChild!.getBoundingClientRect().top,
        );
    const [main, side] = [await heightOf(".inside-main"), await heightOf(".inside-side")];
    expect(Math.min(main, side) / Math.max(main, side)).toBeGreaterThan(0.6);
  });
});

test("the page says what the model learnt from, how good it is and where it fails", async ({ page, site, context }) => {
  await open(page, site);
  const about = page.getByTestId("about");
  await about.locator("summary").click();
  await expect(about).toContainText("Quick, Draw!");
  await expect(about).toContainText(new Intl.NumberFormat("en").format(model.figures.test.n));
  for (const share of [
    model.figures.test.balanced_top1,
    model.figures.test.balanced_top3,
    model.figures.test.balanced_top5,
  ]) {
    await expect(about).toContainText(`${Number((100 * share).toFixed(1))}%`);
  }
  await expect(about).toContainText("always answers");
  await expect(page.getByTestId("attribution")).toContainText("CC BY 4.0");
  const read = async (name: string) => {
    const link = page.getByTestId(name).locator("a").first();
    const response = await context.request.get(new URL((await link.getAttribute("href")) ?? "", site.url).href);
    expect(response.ok()).toBe(true);
    return response.text();
  };
  expect(await read("about")).toContain("# Model card");
  expect(await read("embed")).toContain("Classifier.load()");

  // The package's API is beside the page, too, made from its comments.
  await page.getByTestId("embed").locator("summary").click();
  await page.getByRole("link", { name: ENGLISH.embedApi }).click();
  await expect(page).toHaveURL(`${site.url}api/index.html`);
  await page.locator(".site-menu").getByRole("link", { name: "quickdraw-rnn/worker" }).click();
  await page.locator(".col-content").getByRole("link", { name: "createWorkerClassifier" }).first().click();
  await expect(page.getByRole("heading", { level: 1 })).toContainText("createWorkerClassifier");
  await expect(page.locator(".tsd-signature")).toContainText("Promise<WorkerClassifier>");
});
