/** Lessons: categories of the visitor's own, from a few drawings with real pointer events. */
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { Classifier } from "quickdraw-rnn";
import { CustomClasses } from "quickdraw-rnn/custom-classes";
import { FIGURES, hasty, line, oval, type Figure } from "./figures.ts";
import { muteWorker, draw, expect, guessed, guesses, ink, labels, open, test, type Site } from "./page.ts";

/** Two things that the model does not know, as different hands would draw them. */
const dumbbells = (i: number): Figure => [
  oval(20 + i, 50, 14 + i),
  oval(80 - i, 50 + i, 14 + i),
  line([35 + 2 * i, 48], [42, 30 - 3 * i], [50, 66 + 2 * i], [58, 32 + i], [65 - i, 50]),
];
const flags = (i: number): Figure => [
  line([12 + i, 96], [12, 6]),
  line([12, 8], [60 + 4 * i, 8 + i], [60 + 4 * i, 36], [12, 38 + i]),
  line([20, 14 + i], [54 + 3 * i, 32], [54 + 3 * i, 13], [20, 32 + i]),
];

async function enter(page: Page, site: Site): Promise<void> {
  await page.goto(`${site.url}#teach`);
  await expect(page.getByTestId("lesson-card")).toBeVisible();
  await expect(page.getByTestId("model")).not.toBeEmpty();
}

async function teach(page: Page, name: string, figures: readonly Figure[]): Promise<void> {
  await page.getByTestId("lesson-name").fill(name);
  await page.getByTestId("lesson-begin").click();
  for (const figure of figures) {
    await draw(page, hasty(figure));
    await page.getByTestId("keep-it").click();
  }
  await page.getByTestId("lesson-done").click();
}

async function drawFreely(page: Page, figure: Figure): Promise<void> {
  await page.getByTestId("mode-draw").click();
  if (await page.getByTestId("clear").isEnabled()) await page.getByTestId("clear").click();
  await draw(page, hasty(figure));
}

const taught = (page: Page) => page.getByTestId("taught-item");
const taughtLabels = (page: Page) =>
  taught(page).evaluateAll((items) => items.map((item) => (item as HTMLElement).dataset["label"]));

async function savedFile(page: Page): Promise<{ name: string; text: string }> {
  const download = page.waitForEvent("download");
  await page.getByTestId("taught-save").click();
  const file = await download;
  return { name: file.suggestedFilename(), text: await readFile(await file.path(), "utf8") };
}

test("two categories are taught, recognised, kept over a reload, saved, forgotten, and read back", async ({
  page,
  site,
}) => {
  await enter(page, site);
  await expect(page.getByTestId("lesson-name")).toBeFocused();
  await page.getByTestId("lesson-name").fill("wobbly dumbbell");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("sentence")).toHaveText("Show me “wobbly dumbbell”.");
  await expect(page.getByTestId("keep-it")).toBeDisabled();
  for (const i of [0, 1, 2]) {
    await draw(page, hasty(dumbbells(i)));
    // A click and the Enter key do the same.
    if (i === 0) await page.keyboard.press("Enter");
    else await page.getByTestId("keep-it").click();
    await expect(page.getByTestId("lesson-round")).toContainText(i < 2 ? `${i + 1} of 3 drawings` : "3 drawings");
    expect((await ink(page)).pixels).toBe(0);
  }
  await page.getByTestId("lesson-done").click();
  await teach(page, "우리 깃발", [0, 1, 2].map(flags));
  expect(await taughtLabels(page)).toEqual(["wobbly dumbbell", "우리 깃발"]);
  await expect(taught(page).first()).toContainText("3 drawings");
  expect(await taught(page).first().locator("svg").count()).toBe(3);

  await drawFreely(page, dumbbells(3));
  await guessed(page);
  await expect(guesses(page).first()).toHaveAttribute("data-label", "wobbly dumbbell");
  await expect(guesses(page).first()).toHaveClass("own");
  await expect(page.getByTestId("sentence")).toContainText("“wobbly dumbbell”");
  await drawFreely(page, flags(3));
  await expect(guesses(page).first()).toHaveAttribute("data-label", "우리 깃발");
  // The model's own categories stay what they are.
  await drawFreely(page, FIGURES.star);
  await guessed(page);
  expect((await labels(page))[0]).toBe("star");

  await page.reload();
  await drawFreely(page, dumbbells(3));
  await expect(guesses(page).first()).toHaveAttribute("data-label", "wobbly dumbbell");
  await page.getByTestId("look").click();
  await expect(page.getByTestId("confusions")).toContainText("You taught me this one");

  await page.getByTestId("mode-teach").click();
  const { name, text } = await savedFile(page);
  expect(name).toBe("my-categories.json");
  for (const i of [1, 2]) {
    await page.getByTestId("forget").first().click();
    await expect(taught(page)).toHaveCount(2 - i);
  }
  await drawFreely(page, dumbbells(3));
  await expect(page.getByTestId("guesses").locator('[data-label="wobbly dumbbell"]')).toHaveCount(0);
  await page.reload();
  await page.getByTestId("mode-teach").click();
  await expect(page.getByTestId("lesson-card")).toBeVisible();
  await expect(taught(page)).toHaveCount(0);

  await page
    .getByTestId("taught-file")
    .setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
  await expect(page.getByTestId("taught-note")).toHaveText("Learnt 2 categories from the file.");
  expect(await taughtLabels(page)).toEqual(["wobbly dumbbell", "우리 깃발"]);
  // The same once more changes nothing.
  await page
    .getByTestId("taught-file")
    .setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
  await expect(page.getByTestId("taught-note")).toContainText("Learnt");
  expect(JSON.parse((await savedFile(page)).text)).toEqual(JSON.parse(text));
  await drawFreely(page, dumbbells(3));
  await expect(guesses(page).first()).toHaveAttribute("data-label", "wobbly dumbbell");

  // The package reads the file, and recognises what the page recognised.
  const custom = await CustomClasses.fromJSON(text, await Classifier.load());
  const strokes = dumbbells(3).map((stroke) => stroke.map(([x, y]) => ({ x, y })));
  expect((await custom.classify(strokes))[0]).toMatchObject({ label: "wobbly dumbbell", isCustom: true });
});

test("what was forgotten by mistake comes back; more drawings can be shown; guesses may be among custom classes alone", async ({
  page,
  site,
}) => {
  await enter(page, site);
  await teach(page, "dumbbell thing", [dumbbells(0)]);
  await teach(page, "cat", [flags(0)]);
  await page.getByTestId("forget").first().click();
  await expect(page.getByTestId("taught-note")).toHaveText("“dumbbell thing” is forgotten.");
  await expect(page.getByTestId("taught-undo")).toBeFocused();
  await page.keyboard.press("Enter");
  expect(await taughtLabels(page)).toEqual(["dumbbell thing", "cat"]);

  await page.getByTestId("more").first().click();
  await expect(page.getByTestId("lesson-task")).toHaveText("dumbbell thing");
  await draw(page, hasty(dumbbells(1)));
  await page.getByTestId("keep-it").click();
  await page.getByTestId("lesson-done").click();
  await expect(taught(page).first()).toContainText("2 drawings");

  await page.getByTestId("among-own").click();
  await drawFreely(page, dumbbells(2));
  await expect(guesses(page)).toHaveCount(2);
  expect(await labels(page)).toEqual(["dumbbell thing", "cat"]);
  // The game asks for the model's categories, whatever was taught.
  await page.goto(`${site.url}#play=star`);
  await page.getByTestId("begin").click();
  await draw(page, hasty(FIGURES.star));
  await expect(page.getByTestId("stamp")).toHaveText("star");
});

test("the drawing on the sheet can be the first example; a name that the model knows is its category", async ({
  page,
  site,
}) => {
  await open(page, site);
  await draw(page, hasty(flags(0)));
  await page.getByTestId("teach-this").click();
  await page.getByTestId("language-ko").click();
  await page.getByTestId("lesson-name").fill("고양이");
  await page.getByTestId("lesson-begin").click();
  expect((await ink(page)).pixels).toBeGreaterThan(0);
  await page.getByTestId("keep-it").click();
  await page.getByTestId("lesson-done").click();
  expect(await taughtLabels(page)).toEqual(["cat"]);
  await expect(taught(page)).toContainText("고양이");
  await expect(taught(page)).toContainText("그림 1장");
  // The drawing is still on the sheet of free drawing.
  await page.getByTestId("taught-try").click();
  expect((await ink(page)).pixels).toBeGreaterThan(0);
});

test("files that hold no categories are refused with a word, and change nothing", async ({ page, site }) => {
  await enter(page, site);
  const texts = [
    "",
    "null",
    "[]",
    '{"classes":[{"label":"x"}]}',
    '{"classes":[{"label":"x","drawings":[[[[1,2],[3]]]]}]}',
    '{"classes":[{"label":" ","drawings":[[[[1],[3]]]]}]}',
    '{"classes":[{"label":"x","drawings":[[[[1],[300]]]]}]}',
  ];
  for (const text of texts) {
    await page
      .getByTestId("taught-file")
      .setInputFiles({ name: "a.json", mimeType: "application/json", buffer: Buffer.from(text) });
    await expect(page.getByTestId("taught-note"), text).toContainText("holds no categories");
    await page.getByTestId("mode-draw").click();
    await page.getByTestId("mode-teach").click();
    await expect(page.getByTestId("taught-note")).toBeEmpty();
    await expect(taught(page)).toHaveCount(0);
  }
});

test("with a full disk a lesson is remembered as long as the page is open, and the page says so", async ({
  page,
  site,
}) => {
  await page.addInitScript(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
    };
  });
  await enter(page, site);
  await teach(page, "pennant", [flags(0)]);
  await expect(page.getByTestId("taught-note")).toContainText("until the page is closed");
  await drawFreely(page, flags(1));
  await expect(guesses(page).first()).toHaveAttribute("data-label", "pennant");
});

test("a lesson survives a crash of the worker, and another window learns it too", async ({ page, site, context }) => {
  const other = await context.newPage();
  await open(other, site);
  await page.bringToFront();
  await enter(page, site);
  await teach(page, "pennant", [flags(0)]);
  await muteWorker(page, true);
  const replacement = page.waitForEvent("worker");
  await teach(page, "dumbbell thing", [dumbbells(0)]);
  await replacement;
  await expect.poll(() => taughtLabels(page)).toEqual(["pennant", "dumbbell thing"]);
  await drawFreely(page, dumbbells(1));
  await expect(guesses(page).first()).toHaveAttribute("data-label", "dumbbell thing");
  await other.bringToFront();
  await draw(other, hasty(dumbbells(1)));
  await expect(guesses(other).first()).toHaveAttribute("data-label", "dumbbell thing");
});

test("lessons are given and remembered without network and server", async ({ page, site, context }) => {
  await open(page, site);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await site.close();
  await context.setOffline(true);
  await page.reload();
  await page.getByTestId("mode-teach").click();
  await teach(page, "pennant", [flags(0)]);
  await page.reload();
  await drawFreely(page, flags(1));
  await expect(guesses(page).first()).toHaveAttribute("data-label", "pennant");
});

test("what is kept is never shortened: lines that cannot be read stay, and so do more drawings than are learnt", async ({
  page,
  site,
}) => {
  const line = (word: string, i: number) =>
    JSON.stringify({
      word,
      drawing: [
        [
          [0, 200, 100 + (i % 100)],
          [i % 200, Math.floor(i / 200), 255],
        ],
      ],
    });
  const strange = [
    '{"word":"of a later version","strokes":"AAAA"}',
    line("x".repeat(41), 0),
    '{"word":"cut off","drawing":[[[1,2',
  ];
  const known = Array.from({ length: 1003 }, (_, i) => line("pennant", i));
  await page.addInitScript(
    (text) => {
      if (localStorage.getItem("quickdraw-rnn.categories") === null)
        localStorage.setItem("quickdraw-rnn.categories", text);
    },
    [...strange.slice(0, 2), ...known, ...strange.slice(2)].join("\n"),
  );
  await enter(page, site);
  await expect(taught(page)).toContainText("1,003 drawings");
  await expect(page.getByTestId("taught-note")).toContainText("newest");
  await teach(page, "dumbbell thing", [dumbbells(0)]);
  await expect.poll(() => taughtLabels(page)).toEqual(["pennant", "dumbbell thing"]);
  const kept = (await page.evaluate(() => localStorage.getItem("quickdraw-rnn.categories")))!.split("\n");
  expect(kept.filter((each) => strange.includes(each)).sort()).toEqual([...strange].sort());
  expect(kept.filter((each) => JSON.stringify(each).includes("pennant"))).toHaveLength(1003);
});

test("of a file whose drawings cannot all be read, it is said how many", async ({ page, site }) => {
  await enter(page, site);
  const text = '{"classes":[{"label":"x","drawings":[[[[1,2],[3,4]]],[[[1],[300]]],"none"]}]}';
  await page
    .getByTestId("taught-file")
    .setInputFiles({ name: "a.json", mimeType: "application/json", buffer: Buffer.from(text) });
  await expect(page.getByTestId("taught-note")).toHaveText(
    "Learnt 1 category from the file. I could not read 2 of its drawings.",
  );
});
