/** The book: what was recognised of the visitor's own drawings, kept, searched, saved, and never shortened. */
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { encodeDrawing } from "../src/keep/link.ts";
import { FIGURES, hasty } from "./figures.ts";
import { draw, expect, guessed, open, test, type Site } from "./page.ts";

const places = (page: Page) => page.getByTestId("place");
const place = (page: Page, label: string) => page.locator(`[data-testid="place"][data-label="${label}"]`);
const filled = (page: Page) => page.locator('[data-testid="place"].filled');

async function openBook(page: Page, site: Site): Promise<void> {
  await page.goto(`${site.url}#book`);
  await expect(page.getByTestId("book-title")).toBeFocused();
}

const line = (word: string, probability: number) =>
  JSON.stringify({
    word,
    recognized: true,
    timestamp: "",
    probability,
    drawing: [
      [
        [0, 9],
        [0, 9],
      ],
    ],
  });
const kept = (page: Page) => page.evaluate(() => localStorage.getItem("quickdraw-rnn.book") ?? "");
const keep = (page: Page, ...lines: string[]) =>
  page.addInitScript((text) => {
    if (localStorage.getItem("quickdraw-rnn.book") === null) localStorage.setItem("quickdraw-rnn.book", text);
  }, lines.join("\n"));

test("what is recognised gets its place, drawn freely or in a game, and is there on the next visit", async ({
  page,
  site,
}) => {
  await open(page, site);
  await draw(page, FIGURES.star);
  await expect(page.getByTestId("note")).toHaveText("New in your book: a star.");
  await page.goto(`${site.url}#play=umbrella`);
  await page.getByTestId("begin").click();
  await draw(page, hasty(FIGURES.umbrella));
  await expect(page.getByTestId("summary")).toBeVisible();
  await page.reload();
  await openBook(page, site);
  await expect(page.getByTestId("book-title")).toHaveText(/Your book: \d+ of 345/);
  await expect(places(page)).toHaveCount(345);
  for (const label of ["star", "umbrella"]) await expect(place(page, label).locator("path").first()).toBeAttached();
  // The drawing goes back to the sheet.
  await place(page, "star").getByRole("button").click();
  await guessed(page);
  await expect(page.getByTestId("guesses").locator("li").first()).toHaveAttribute("data-label", "star");
});

test("only the visitor's own drawings are kept: none from a link", async ({ page, site }) => {
  const strokes = FIGURES.star.map((stroke) => stroke.map(([x, y]) => ({ x, y })));
  await page.goto(`${site.url}#drawing=${encodeDrawing(strokes)}`);
  await guessed(page);
  await expect(page.getByTestId("sentence")).toContainText("Oh, I know");
  expect(await kept(page)).toBe("");
});

test("the better drawing stays", async ({ page, site }) => {
  await keep(page, line("star", 0.01), line("house", 1));
  await open(page, site);
  await draw(page, FIGURES.star);
  await expect.poll(async () => (await kept(page)).includes('"probability":0.01')).toBe(false);
  expect(await kept(page)).toContain(line("house", 1));
  await expect(page.getByTestId("note")).toBeEmpty();
});

test("an empty place asks to be filled; the book can be searched in both languages, by keyboard", async ({
  page,
  site,
}) => {
  await keep(page, line("cat", 0.9));
  await openBook(page, site);
  await expect(page.getByTestId("book-title")).toHaveText("Your book: 1 of 345");
  await expect(filled(page)).toHaveCount(1);
  await page.keyboard.press("Tab");
  await expect(page.getByTestId("book-fill")).toBeFocused();
  await page.keyboard.press("Tab");
  await page.keyboard.type("hous");
  await expect(page.getByTestId("book-note")).toHaveText("3 places");
  await page.getByTestId("book-search").fill("고양이");
  await expect(page.getByTestId("book-note")).toHaveText("1 place");
  await expect(place(page, "cat")).toBeVisible();
  await page.getByTestId("book-search").fill("zzz");
  await expect(page.getByTestId("book-note")).toHaveText("Nothing is called so.");
  await page.getByTestId("book-search").fill("lighthouse");
  await page.getByTestId("language-ko").click();
  await expect(page.getByTestId("book-title")).toHaveText("내 도감: 345가지 중 1가지");
  await expect(place(page, "lighthouse")).toHaveText("등대 (빈자리)");
  await place(page, "lighthouse").getByRole("link").press("Enter");
  await expect(page.getByTestId("card-task")).toHaveText("등대");
});

test("the book is saved and read back as ndjson; what cannot be read is counted, and what is kept stays", async ({
  page,
  site,
}) => {
  const strange = ['{"word":"of a later version","strokes":"AAAA"}', line("no such thing", 0.9), '{"word":"cat"'];
  await keep(page, ...strange, line("cat", 0.9));
  await openBook(page, site);
  await page.getByTestId("book-file").setInputFiles({
    name: "b.ndjson",
    mimeType: "",
    buffer: Buffer.from([line("star", 0.8), line("cat", 0.5), "{"].join("\n")),
  });
  await expect(page.getByTestId("book-note")).toHaveText(
    "2 drawings were in the file. I could not read 1 of its lines.",
  );
  await expect(filled(page)).toHaveCount(2);
  const download = page.waitForEvent("download");
  await page.getByTestId("book-save").click();
  const file = await download;
  const lines = (await readFile(await file.path(), "utf8")).trim().split("\n");
  expect(file.suggestedFilename()).toBe("my-book.ndjson");
  expect([...lines].sort()).toEqual([...strange, line("cat", 0.9), line("star", 0.8)].sort());
  expect((await kept(page)).trim().split("\n").sort()).toEqual([...lines].sort());
  await page.getByTestId("book-file").setInputFiles({ name: "b.ndjson", mimeType: "", buffer: Buffer.from("hello") });
  await expect(page.getByTestId("book-note")).toContainText("holds no page of a book");
});

test("the browser is asked to keep the book, and what it says is told", async ({ page, site }) => {
  await keep(page, line("cat", 0.9));
  await page.addInitScript(() => {
    let asked = 0;
    Object.assign(window, { asked: () => asked });
    StorageManager.prototype.persisted = async () => false;
    StorageManager.prototype.persist = async () => {
      asked += 1;
      return false;
    };
  });
  await openBook(page, site);
  await expect(page.getByTestId("book-note")).toContainText("may clear your book");
  expect(await page.evaluate(() => (window as unknown as { asked: () => number }).asked())).toBe(1);
});
