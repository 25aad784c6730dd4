/** The game, played with real pointer events. */
import { PROMPTS, ROUNDS } from "../src/game/prompts.ts";
import { KOREAN } from "../src/language/korean.ts";
import { KOREAN_NAMES } from "../src/language/korean-names.ts";
import { FIGURES, hasty, type Label } from "./figures.ts";
import {
  muteWorker,
  draw,
  expect,
  guessed,
  guesses,
  hide,
  ink,
  labels,
  middleOfPad,
  replaceWorker,
  test,
  type Site,
} from "./page.ts";
import type { Page } from "@playwright/test";

/** Opens a game with these prompts, as a challenge's link does, and waits until it can begin. */
async function challenge(page: Page, site: Site, ...prompts: string[]): Promise<void> {
  await page.goto(`${site.url}#play=${prompts.map(encodeURIComponent).join(",")}`);
  await expect(page.getByTestId("begin")).toBeEnabled();
}

/** Plays a round in which the model is expected to be sure of the drawing. */
async function recogniseRound(page: Page, label: Label): Promise<void> {
  await page.getByTestId("begin").click();
  await draw(page, hasty(FIGURES[label]));
  await expect(page.getByTestId("stamp")).toHaveText(label);
}

const slips = (page: Page) => page.getByTestId("slip");

test("every prompt is a category, asked for once in a game", () => {
  expect(PROMPTS.filter((label) => !(label in KOREAN_NAMES))).toEqual([]);
  expect(new Set(PROMPTS).size).toBe(PROMPTS.length);
});

test("a whole game: five recognised, one skipped, a summary with all that was drawn and guessed", async ({
  page,
  site,
}) => {
  const prompts: Label[] = ["star", "stairs", "hourglass", "ice cream", "umbrella"];
  // The clock goes only when told to: a slow machine has the same 20 seconds.
  await page.clock.install({ time: "2026-01-01T00:00:00" });
  await challenge(page, site, ...prompts, "The Eiffel Tower");
  await page.clock.pauseAt("2026-01-01T01:00:00");
  for (const [i, label] of prompts.entries()) {
    await expect(page.getByTestId("card-task")).toContainText(label);
    await expect(page.getByTestId("round")).toContainText(`Drawing ${i + 1} of 6`);
    await recogniseRound(page, label);
    await expect(page.getByTestId("sentence")).toContainText("Oh, I know");
    await page.clock.runFor(2000);
  }
  await expect(page.getByTestId("card-task")).toHaveText("the Eiffel Tower");
  await page.getByTestId("begin").click();
  await draw(page, hasty(FIGURES.square));
  await expect(page.getByTestId("sentence")).toContainText("I see a square");
  await page.getByTestId("skip").click();
  await expect(page.getByTestId("sentence")).toHaveText("I took it for a square.");
  await page.clock.runFor(2000);

  await expect(page.getByTestId("score")).toHaveText("I recognised 5 of your 6 drawings.");
  await expect(page.getByTestId("score")).toBeFocused();
  await expect(slips(page)).toHaveCount(6);
  expect(
    await slips(page).evaluateAll((items) => items.map((item) => item.querySelectorAll("path").length > 0)),
  ).toEqual(Array(6).fill(true));
  await expect(slips(page).nth(0)).toContainText(/after \d+ s/);
  await expect(slips(page).nth(5)).toContainText("I saw a square");

  await slips(page).nth(5).click();
  const slip = page.getByTestId("slip-dialog");
  await expect(slip).toContainText("The Eiffel Tower");
  await expect(slip.locator("li").first()).toHaveAttribute("data-label", "square");
  await expect(slip.getByTestId("similar")).not.toBeEmpty();
  await page.keyboard.press("Escape");
  await expect(slip).toBeHidden();

  // The summary is spoken in the other language, too.
  await page.getByTestId("language-ko").click();
  await expect(page.getByTestId("score")).toHaveText("그림 6장 가운데 5장을 알아봤어요.");
  await expect(slips(page).nth(0)).toContainText("별");

  await page.getByTestId("again").click();
  await expect(page.getByTestId("card-task")).toBeVisible();
  await expect(page.getByTestId("summary")).toBeHidden();
});

test("a drawing of the game can be looked into; free drawing keeps its own sheet", async ({ page, site }) => {
  await page.goto(site.url);
  await draw(page, hasty(FIGURES.line));
  await guessed(page);
  const mine = await ink(page);
  await page.getByTestId("mode-play").click();
  await expect(page.getByTestId("begin")).toBeFocused();
  await page.getByTestId("mode-draw").click();
  expect(await ink(page)).toEqual(mine);

  await challenge(page, site, "star");
  await recogniseRound(page, "star");
  await expect(page.getByTestId("score")).toHaveText("I recognised your drawing!");
  await slips(page).first().click();
  await page.getByTestId("slip-look").click();
  await expect(page.getByTestId("stages").locator("li")).toHaveText(/star/);
  expect((await labels(page))[0]).toBe("star");
  await page.getByTestId("undo").click();
  expect(await ink(page)).toEqual(mine);
});

test("a round that one leaves goes on where it was, after a reload, too; or six others are begun", async ({
  page,
  site,
}) => {
  await page.goto(`${site.url}#play`);
  await expect(page.getByTestId("begin")).toBeEnabled();
  const prompts: (string | null)[] = [];
  for (let i = 0; i < 2; i++) {
    prompts.push(await page.getByTestId("card-task").textContent());
    await page.getByTestId("begin").click();
    await draw(page, hasty(FIGURES.zigzag));
    await page.getByTestId("skip").click();
    await expect(page.getByTestId("card")).toBeVisible();
  }
  await expect(page.getByTestId("round")).toContainText("Drawing 3 of 6");
  const third = await page.getByTestId("card-task").textContent();
  await page.getByTestId("mode-draw").click();
  await page.getByTestId("mode-play").click();
  await expect(page.getByTestId("round")).toContainText("Drawing 3 of 6");
  await expect(page.getByTestId("card-task")).toHaveText(third!);
  await page.reload();
  await expect(page.getByTestId("begin")).toBeEnabled();
  await expect(page.getByTestId("round")).toContainText("Drawing 3 of 6");
  await expect(page.getByTestId("card-task")).toHaveText(third!);
  // What was drawn before is told in the end.
  for (let i = 2; i < 6; i++) {
    await page.getByTestId("begin").click();
    await page.getByTestId("skip").click();
  }
  await expect(slips(page)).toHaveCount(6);
  expect(
    await slips(page).evaluateAll((items) => items.map((item) => item.querySelectorAll("path").length > 0)),
  ).toEqual([true, true, false, false, false, false]);

  // A round that is over does not come again, and another link is another round.
  await page.reload();
  await expect(page.getByTestId("round")).toContainText("Drawing 1 of 6");
  await expect(page.getByTestId("begin")).toBeEnabled();
  await page.getByTestId("begin").click();
  await page.getByTestId("skip").click();
  await expect(page.getByTestId("round")).toContainText("Drawing 2 of 6");
  await challenge(page, site, "cat", "dog");
  await expect(page.getByTestId("round")).toContainText("Drawing 1 of 2");
  await page.getByTestId("mode-play").click();
  await expect(page.getByTestId("round")).toContainText("Drawing 2 of 6");
  await page.getByTestId("card-other").click();
  await expect(page.getByTestId("round")).toContainText("Drawing 1 of 6");
});

test("the time is up: a stroke in progress still counts, and the pad takes no more ink", async ({ page, site }) => {
  await page.clock.install({ time: "2026-01-01T00:00:00" });
  await challenge(page, site, "The Eiffel Tower", "cat");
  await page.clock.pauseAt("2026-01-01T01:00:00");
  /** How many pixels of the sheet carry ink after the next frames, which the clock has to let go by. */
  const inkNow = async () => {
    await page.clock.runFor(50);
    return page.getByTestId("pad").evaluate((element) => {
      const canvas = element as HTMLCanvasElement;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 === 3 && value >= 128).length;
    });
  };
  await page.getByTestId("begin").click();
  await expect(page.getByTestId("seconds")).toHaveText("20");
  await draw(page, hasty(FIGURES.square));
  const { x, y, size } = await middleOfPad(page);
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + size, y + size, { steps: 5 });
  await page.clock.runFor(19_500);
  await expect(page.getByTestId("seconds")).toHaveText("1");
  await expect(page.getByTestId("skip")).toBeEnabled();
  await page.clock.runFor(600);
  await expect(page.getByTestId("sentence")).toHaveText(/^I took it for|^I was not sure/);
  const before = await inkNow();
  await page.mouse.move(x, y + size, { steps: 5 });
  await page.mouse.up();
  expect(before).toBeGreaterThan(0);
  expect(await inkNow()).toBe(before);
  await expect(page.getByTestId("undo")).toBeDisabled();
  await page.clock.runFor(2000);
  await expect(page.getByTestId("card-task")).toHaveText("a cat");
  expect(await inkNow()).toBe(0);
});

test("the clock stands still while the tab is hidden", async ({ page, site }) => {
  await page.clock.install();
  await challenge(page, site, "cat");
  await page.getByTestId("begin").click();
  await draw(page, hasty([FIGURES.cat[0]!]));
  await page.clock.runFor(5000);
  await hide(page, true);
  const seconds = Number(await page.getByTestId("seconds").textContent());
  expect(seconds).toBeLessThanOrEqual(16);
  await page.clock.runFor(60_000);
  await hide(page, false);
  await page.clock.runFor(200);
  expect(Number(await page.getByTestId("seconds").textContent())).toBeGreaterThanOrEqual(seconds - 1);
  // The drawing goes on where it was.
  await draw(page, hasty(FIGURES.cat.slice(1)));
  await expect(page.getByTestId("stamp")).toHaveText("cat");
});

test("a game by keyboard: the button that begins has the focus, and undo and clear work as ever", async ({
  page,
  site,
}) => {
  await challenge(page, site, "cat", "dog");
  await expect(page.getByTestId("begin")).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("card")).toBeHidden();
  await draw(page, hasty(FIGURES.line));
  await page.keyboard.press("Delete");
  expect((await ink(page)).pixels).toBe(0);
  await page.keyboard.press("Control+z");
  expect((await ink(page)).pixels).toBeGreaterThan(0);
  await page.keyboard.press("Control+z");
  expect((await ink(page)).pixels).toBe(0);
  await page.keyboard.press("Control+Shift+z");
  expect((await ink(page)).pixels).toBeGreaterThan(0);
  await expect(guesses(page).first()).toHaveAttribute("data-label", "line");
});

test("a link to a game that names no categories leads to a game of six", async ({ page, site }) => {
  await page.goto(`${site.url}#play=%E0%A4%A,nonsense`);
  await expect(page.getByTestId("begin")).toBeEnabled();
  await expect(page.getByTestId("round")).toContainText(`Drawing 1 of ${ROUNDS}`);
});

test.describe("with a worker that says how probable the star is", () => {
  test.use({ serviceWorkers: "block" });

  test("a drawing is recognised from the model's threshold on, also in the middle of a stroke, and not below", async ({
    page,
    site,
  }) => {
    const predict = "({ offsets }) => [['star', [0.89, 0.9, 0.999][offsets.length - 1]], ['sun', 0.001]]";
    await replaceWorker(page, predict, { threshold: 0.95, penDownThreshold: 0.9 });
    await challenge(page, site, "star");
    await page.getByTestId("begin").click();
    await draw(page, hasty(FIGURES.line));
    await expect(guesses(page)).toContainText(["89%", "<1%"]);
    // What is hardly possible gets no touch of the brush.
    const covered = () =>
      guesses(page).evaluateAll((items) =>
        items.map(
          (item) =>
            item.querySelector(".fill")!.getBoundingClientRect().right -
            item.querySelector(".bar")!.getBoundingClientRect().left,
        ),
      );
    await expect.poll(async () => (await covered()).map((pixels) => pixels > 0.5)).toEqual([true, false]);
    await expect(page.getByTestId("sentence")).toHaveText("I see a star…");
    await expect(page.getByTestId("stamp")).toBeHidden();
    await draw(page, hasty(FIGURES.line));
    await expect(page.getByTestId("stamp")).toHaveText("star");
    // Nothing is certain: it is not called so either.
    await page.goto(`${site.url}#draw`);
    for (let i = 0; i < 3; i++) await draw(page, hasty(FIGURES.line));
    await expect(guesses(page).first()).toContainText(">99%");
  });
});

test.describe("in a Korean browser", () => {
  test.use({ locale: "ko-KR", serviceWorkers: "block" });

  test("the game is played in Korean, and goes on when the worker has crashed", async ({ page, site }) => {
    await challenge(page, site, "star");
    await expect(page.getByTestId("card-task")).toHaveText("별");
    await expect(page.getByTestId("begin")).toHaveText(KOREAN.begin);
    await page.getByTestId("begin").click();
    await muteWorker(page, true);
    await draw(page, hasty(FIGURES.star));
    await expect(page.getByTestId("sentence")).toHaveText("아, 별이네요!");
    await expect(page.getByTestId("score")).toHaveText("그림을 알아봤어요!");
  });
});
