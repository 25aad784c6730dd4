/** The pictures of the page in docs/, one for each of SHOTS: `npm run screenshots --workspace www`. */
import { fileURLToPath } from "node:url";
import { FIGURES, type Label } from "./figures.ts";
import { draw, guessed, middleOfPad, open, test } from "./page.ts";

const FOLDER = fileURLToPath(new URL(process.env["SCREENSHOTS"] ?? "../../docs/", import.meta.url));

interface Shot {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
  readonly locale: "en-US" | "ko-KR";
  readonly figure?: Label;
}

const SHOTS: readonly Shot[] = [
  { name: "page-desktop", width: 1440, height: 900, scheme: "light", locale: "en-US", figure: "cat" },
  { name: "page-desktop-dark-ko", width: 1440, height: 900, scheme: "dark", locale: "ko-KR", figure: "sailboat" },
  { name: "page-desktop-ko", width: 1440, height: 900, scheme: "light", locale: "ko-KR", figure: "cat" },
  { name: "page-tablet", width: 820, height: 1180, scheme: "light", locale: "en-US", figure: "flower" },
  { name: "page-tablet-dark-ko", width: 820, height: 1180, scheme: "dark", locale: "ko-KR", figure: "snowman" },
  { name: "page-phone", width: 390, height: 844, scheme: "light", locale: "en-US", figure: "mushroom" },
  { name: "page-phone-ko", width: 390, height: 844, scheme: "light", locale: "ko-KR", figure: "umbrella" },
  { name: "page-phone-dark", width: 390, height: 844, scheme: "dark", locale: "en-US", figure: "house" },
  { name: "page-phone-empty", width: 390, height: 844, scheme: "light", locale: "en-US" },
  { name: "page-landscape", width: 844, height: 390, scheme: "light", locale: "en-US", figure: "fish" },
];

for (const shot of SHOTS) {
  test.describe(shot.name, () => {
    test.use({ viewport: { width: shot.width, height: shot.height }, colorScheme: shot.scheme, locale: shot.locale, serviceWorkers: "block" });

    test("is taken", async ({ page, site }) => {
      await open(page, site);
      if (shot.figure) {
        await draw(page, FIGURES[shot.figure], await middleOfPad(page, 0.74));
        await guessed(page);
      }
      await page.evaluate(() => document.fonts.ready);
      await page.mouse.move(1, 1);
      await page.screenshot({ path: `${FOLDER}${shot.name}.png`, animations: "disabled" });
    });
  });
}
