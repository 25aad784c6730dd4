/** Races: a link that carries a round, and a ghost to draw against. */
import { deflateRawSync } from "node:zlib";
import type { Page } from "@playwright/test";
import type { Outcome } from "../src/game/game.ts";
import { decodeRace, drawnUntil, encodeRace, isQuicker } from "../src/game/race.ts";
import { FIGURES, hasty, type Label } from "./figures.ts";
import { draw, expect, test } from "./page.ts";

function outcome(label: Label, seconds: number, recognised: boolean, guess: string = label): Outcome {
  const n = FIGURES[label].flat().length;
  let i = 0;
  const strokes = FIGURES[label].map((stroke) =>
    stroke.map(([x, y]) => ({ x, y, width: 3, timeMs: 5000 + (1000 * seconds * i++) / n })),
  );
  return { label, beganMs: 5000, strokes, recognised, seconds, predictions: [{ label: guess, probability: 0.9 }] };
}

/** A text like those of `encodeRace`, of anything. */
const packed = (value: unknown) => `1${deflateRawSync(JSON.stringify(value)).toString("base64url")}`;

test("a round goes into a link and comes out as it was", async () => {
  const round = [outcome("cat", 8, true), outcome("star", 20, false, "snowflake"), outcome("house", 4.25, true)];
  const text = (await encodeRace(round))!;
  expect(text).toMatch(/^[\w-]+$/);
  expect(text.length).toBeLessThan(2000);
  const back = (await decodeRace(text))!;
  expect(back.map(({ label, recognised, seconds, guess }) => [label, recognised, seconds, guess])).toEqual([
    ["cat", true, 8, "cat"],
    ["star", false, 20, "snowflake"],
    ["house", true, 4.25, "house"],
  ]);
  expect(back.map(({ strokes }) => strokes.length)).toEqual(
    ["cat", "star", "house"].map((label) => FIGURES[label as Label].length),
  );
  // The ghost draws as long as the friend did.
  const [cat] = back;
  expect(drawnUntil(cat!, 0).flat()).toHaveLength(1);
  const half = drawnUntil(cat!, 4).flat().length / cat!.strokes.flat().length;
  expect(half).toBeGreaterThan(0.35);
  expect(half).toBeLessThan(0.65);
  expect(drawnUntil(cat!, 8)).toEqual(cat!.strokes);
});

test("text that holds no race is refused, whatever it is", async () => {
  const line = [0, 100, 1, 2, 3, 4];
  const fine = ["cat", 1, 500, "cat", [line]];
  expect(await decodeRace(packed([fine]))).toHaveLength(1);
  const texts = [
    "",
    "1",
    "2AAAA",
    "1%%%",
    "1AAAA",
    packed("x"),
    packed([]),
    packed([1]),
    packed(Array(7).fill(fine)),
    packed([["no such thing", ...fine.slice(1)]]),
    packed([["constructor", ...fine.slice(1)]]),
    packed([["cat", 1, -1, "cat", [line]]]),
    packed([["cat", 1, 1e9, "cat", [line]]]),
    packed([["cat", 1, 500, "nothing known", [line]]]),
    packed([["cat", 1, 500, "cat", [[0, 1]]]]),
    packed([["cat", 1, 500, "cat", [[0, 1, 2]]]]),
    packed([["cat", 1, 500, "cat", [[0, 1, 2, 1e6]]]]),
    packed([["cat", 1, 500, "cat", [[0, 1, 2, null]]]]),
    packed([["cat", 1, 500, "cat", "x"]]),
    packed([["cat", 1, 500, "cat", [[0, 1, ...Array(9000).fill(1)]]]]),
    // Few characters that are many bytes.
    packed([["cat", 1, 500, "cat", "x".repeat(5e6)]]),
    `1${"A".repeat(100_000)}`,
  ];
  for (const text of texts) expect(await decodeRace(text), text.slice(0, 80)).toBeUndefined();
});

test("who was recognised sooner is quicker, and who was not never is", () => {
  const at = (seconds: number, recognised = true) => ({ seconds, recognised });
  expect([
    isQuicker(at(3), at(4)),
    isQuicker(at(4), at(3)),
    isQuicker(at(3), at(3)),
    isQuicker(at(9), at(2, false)),
    isQuicker(at(2, false), at(9)),
  ]).toEqual([true, false, false, true, false]);
});

/** Plays a round, and stops the clock's hands meanwhile. */
async function round(page: Page, label: Label, seconds: number): Promise<void> {
  await page.getByTestId("begin").click();
  await page.clock.runFor(1000 * seconds);
  await draw(page, hasty(FIGURES[label]));
  await expect(page.getByTestId("stamp")).toHaveText(label);
  await page.clock.runFor(2000);
}

test("a friend opens the link, draws beside the ghost, and sees both drawings and who was quicker", async ({
  page,
  site,
  context,
}) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.clock.install({ time: "2026-01-01T00:00:00" });
  await page.goto(`${site.url}#play=star,umbrella`);
  await expect(page.getByTestId("begin")).toBeEnabled();
  await page.clock.pauseAt("2026-01-01T01:00:00");
  await round(page, "star", 8);
  await round(page, "umbrella", 3);
  await page.getByTestId("challenge").click();
  await expect(page.getByTestId("summary-note")).toContainText("races against your drawings");
  const link = await page.evaluate(() => navigator.clipboard.readText());
  expect(link).toContain("#race=1");

  await page.goto(link);
  await expect(page.getByTestId("card")).toContainText("A race against a friend.");
  await expect(page.getByTestId("begin")).toBeEnabled();
  await page.getByTestId("begin").click();
  const ghost = page.getByTestId("ghost");
  await expect(ghost).toBeVisible();
  await page.clock.runFor(2000);
  await draw(page, hasty(FIGURES.star));
  await expect(page.getByTestId("stamp")).toHaveText("star");
  await page.clock.runFor(2000);
  await expect(ghost).toBeHidden();
  await page.getByTestId("begin").click();
  await page.clock.runFor(10_000);
  await expect(ghost.locator("path")).toHaveCount(FIGURES.umbrella.length);
  await expect(ghost).toHaveClass(/recognised/);
  await page.getByTestId("skip").click();
  await page.clock.runFor(2000);
  await expect(page.getByTestId("summary")).toContainText("A tie! You were quicker once, your friend once.");
  const rivals = page.getByTestId("rival");
  await expect(rivals).toHaveCount(2);
  await expect(rivals.first()).toContainText(/your friend: after [89] s/);
  await expect(rivals.last()).toHaveClass(/won/);
  await expect(rivals.last().locator("path")).toHaveCount(FIGURES.umbrella.length);
});

test("a link to a race that cannot be read is said so, and leads to the sheet", async ({ page, site }) => {
  await page.goto(`${site.url}#race=1nonsense`);
  await expect(page.getByTestId("note")).toHaveText("This link holds no race that I can read.");
  await expect(page.getByTestId("pad")).toBeVisible();
});
