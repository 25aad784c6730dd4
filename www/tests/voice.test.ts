/** The voice and the sounds: off until asked for. */
import type { Page } from "@playwright/test";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, open, test } from "./page.ts";

/** Writes down what is spoken, and how many sources of sound there are. */
async function listen(page: Page): Promise<() => Promise<{ spoken: string[]; sounds: number }>> {
  await page.addInitScript(() => {
    const heard = { spoken: [] as string[], sounds: 0 };
    Object.assign(window, { heard });
    speechSynthesis.speak = ({ lang, text }: SpeechSynthesisUtterance) => void heard.spoken.push(`${lang}: ${text}`);
    window.AudioContext = class extends AudioContext {
      constructor() {
        super();
        heard.sounds += 1;
      }
    };
  });
  return () => page.evaluate(() => (window as unknown as { heard: { spoken: string[]; sounds: number } }).heard);
}

test("nothing is heard until it is asked for; then guesses are spoken in the page's language, and the pen sounds", async ({
  page,
  site,
}) => {
  const heard = await listen(page);
  // Sentences come no faster than every few seconds: the clock need not be waited for.
  await page.clock.install();
  const pause = () => page.clock.runFor(3000);
  await open(page, site);
  await draw(page, FIGURES.star);
  await guessed(page);
  await pause();
  await expect(page.getByTestId("announcement")).not.toBeEmpty();
  expect(await heard()).toEqual({ spoken: [], sounds: 0 });
  await expect(page.getByTestId("voice")).toHaveAttribute("aria-pressed", "false");

  await page.getByTestId("voice").press("Enter");
  await expect(page.getByTestId("voice")).toHaveAttribute("aria-pressed", "true");
  await page.getByTestId("clear").click();
  await draw(page, FIGURES.umbrella);
  await guessed(page);
  await pause();
  await expect.poll(async () => (await heard()).spoken.at(-1)).toBe("en: Oh, I know: an umbrella!");
  expect((await heard()).sounds).toBe(1);
  await page.reload();
  await page.getByTestId("language-ko").click();
  await page.getByTestId("clear").click();
  await draw(page, FIGURES.star);
  await guessed(page);
  await pause();
  await expect.poll(async () => (await heard()).spoken.at(-1)).toBe("ko: 아, 별이네요!");
  await page.getByTestId("voice").click();
  const before = (await heard()).spoken.length;
  await draw(page, FIGURES.house);
  await guessed(page);
  await pause();
  expect((await heard()).spoken).toHaveLength(before);
});
