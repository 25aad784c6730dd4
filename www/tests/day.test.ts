/** The six of the day: the same for everybody, a streak, and a result that can be shown to others. */
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { promptsOf } from "../src/game/day.ts";
import { PROMPTS, ROUNDS } from "../src/game/prompts.ts";
import { draw, expect, replaceWorker, test, type Site } from "./page.ts";

const DAY = "2026-11-30";
const SIX = promptsOf(DAY);

/** Stands in for the classifier: a drawing of n lines is the day's nth prompt. */
const PREDICT = `({ offsets }) => [[${JSON.stringify(SIX)}[offsets.length - 1], 0.9]]`;

test.use({ serviceWorkers: "block" });

/** Opens the day's six with a clock that goes only when told to. */
async function openDay(page: Page, site: Site): Promise<void> {
  await replaceWorker(page, PREDICT);
  await page.clock.install({ time: `${DAY}T09:00:00` });
  await page.goto(`${site.url}#day`);
  await expect(page.getByTestId("begin")).toBeEnabled();
  await page.clock.pauseAt(`${DAY}T10:00:00`);
}

/** Draws as many lines as the round asks for, but for the rounds that are missed. */
async function playSix(page: Page, missed: readonly number[] = []): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await page.getByTestId("begin").click();
    await page.clock.runFor(1000 * (round + 1));
    if (missed.includes(round)) {
      await page.getByTestId("skip").click();
    } else {
      const pad = (await page.getByTestId("pad").boundingBox())!;
      for (let i = 0; i <= round; i++)
        await draw(
          page,
          [
            [
              [0, 0],
              [100, 10],
            ],
          ],
          { x: pad.x + 60, y: pad.y + 80 + 30 * i, size: 200 },
        );
    }
    await expect(page.getByTestId("skip")).toBeDisabled();
    await page.clock.runFor(2000);
  }
  await expect(page.getByTestId("score")).toBeVisible();
}

const days = (page: Page) =>
  page.evaluate(
    () => JSON.parse(localStorage.getItem("quickdraw-rnn.days") ?? "{}") as Record<string, { recognised: boolean[] }>,
  );

test("a day has its six for everybody, and weeks go by before a prompt comes again", () => {
  expect(SIX).toEqual(promptsOf(DAY));
  expect(promptsOf("2026-01-01")).toEqual(["whale", "ice cream", "airplane", "leaf", "sun", "eyeglasses"]);
  const perDeal = Math.floor(PROMPTS.length / ROUNDS);
  for (const first of [Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 1) + perDeal * 86_400_000]) {
    const dealt = Array.from({ length: perDeal }, (_, i) =>
      promptsOf(new Date(first + i * 86_400_000).toISOString().slice(0, 10)),
    ).flat();
    expect(dealt.filter((label) => !PROMPTS.includes(label))).toEqual([]);
    expect(new Set(dealt).size).toBe(perDeal * ROUNDS);
  }
});

test("the day's six count once, and days in a row are counted", async ({ page, site }) => {
  await page.addInitScript(() => {
    if (localStorage.getItem("quickdraw-rnn.days") !== null) return;
    const day = { recognised: [true, true, true, true, false, false], seconds: [5, 5, 5, 5, 20, 20] };
    localStorage.setItem(
      "quickdraw-rnn.days",
      JSON.stringify({ "2026-11-28": day, "2026-11-29": day, "2026-11-20": day, nonsense: 1 }),
    );
  });
  await openDay(page, site);
  await expect(page.getByTestId("card")).toContainText("The six of November 30. Drawing 1 of 6");
  await playSix(page, [1]);
  await expect(page.getByTestId("summary")).toContainText("3 days in a row. Your best day: 5 of 6");
  expect((await days(page))[DAY]?.recognised).toEqual([true, false, true, true, true, true]);

  await page.reload();
  await expect(page.getByTestId("card")).toContainText("this round does not count");
  await expect(page.getByTestId("begin")).toBeEnabled();
  await playSix(page);
  expect((await days(page))[DAY]?.recognised).toEqual([true, false, true, true, true, true]);
  // On an empty sheet the next thing to do is another game.
  await page.getByTestId("mode-draw").click();
  await expect(page.getByTestId("play-offer")).toHaveText("Play six rounds");
});

test("a result is shared as a picture and a line that gives nothing away", async ({ page, site, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await openDay(page, site);
  await playSix(page, [0, 5]);
  const download = page.waitForEvent("download");
  await page.getByTestId("share").click();
  const file = await download;
  expect(file.suggestedFilename()).toBe(`inkling-${DAY}.png`);
  const png = await readFile(await file.path());
  expect([png.subarray(1, 4).toString(), png.readUInt32BE(16)]).toEqual(["PNG", 1080]);
  await expect(page.getByTestId("summary-note")).toContainText("The picture is saved");
  const line = await page.evaluate(() => navigator.clipboard.readText());
  expect(line).toMatch(/^Inkling, November 30: ⬜🟥🟥🟥🟥⬜ 4 of 6 recognised, \d+ s in all\nhttp.*#day$/u);
  expect(SIX.filter((label) => line.includes(label))).toEqual([]);
});

test("where the system can share, it gets the picture and the line", async ({ page, site }) => {
  await page.addInitScript(() => {
    Object.assign(navigator, {
      canShare: () => true,
      share: async (data: ShareData) =>
        Object.assign(window, {
          shared: { text: data.text, files: data.files?.map(({ name, type }) => `${name} ${type}`) },
        }),
    });
  });
  await openDay(page, site);
  await playSix(page);
  await page.getByTestId("share").click();
  const shared = () =>
    page.evaluate(() => (window as unknown as { shared?: { text: string; files: string[] } }).shared);
  await expect.poll(async () => (await shared())?.files).toEqual([`inkling-${DAY}.png image/png`]);
  expect((await shared())?.text).toContain("🟥🟥🟥🟥🟥🟥");
});

test("from the day's six to six by chance, and back", async ({ page, site }) => {
  await openDay(page, site);
  await page.getByTestId("card-other").click();
  await expect(page.getByTestId("card")).not.toContainText("November");
  expect(page.url()).toContain("#play");
  await page.getByTestId("card-other").click();
  await expect(page.getByTestId("card")).toContainText("The six of November 30");
});
