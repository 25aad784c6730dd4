/** The pictures of the page in docs/, and the one for previews of links: one for each of SHOTS, `npm run screenshots --workspace www`. */
import { fileURLToPath } from "node:url";
import type { Page } from "@playwright/test";
import { byHand, FIGURES, type Figure, type Label } from "./figures.ts";
import { draw, expect, guessed, guesses, middleOfPad, open, openBook, test, type Site } from "./page.ts";

const FOLDER = fileURLToPath(new URL(process.env["SCREENSHOTS"] ?? "../../docs/", import.meta.url));
const PUBLIC = fileURLToPath(new URL("../public/", import.meta.url));

type View = "draw" | "inside" | "summary" | "teach" | "book";

interface Shot {
  readonly name: string;
  readonly size: keyof typeof SIZES;
  readonly scheme: "light" | "dark";
  readonly locale: "en-US" | "ko-KR";
  /** Default: the drawing and its guesses. */
  readonly view?: View;
  readonly figure?: Label;
}

const SIZES = {
  desktop: { width: 1440, height: 900 },
  preview: { width: 1200, height: 630 },
  tablet: { width: 820, height: 1180 },
  phone: { width: 390, height: 844 },
} as const;

const SHOTS: readonly Shot[] = [
  { name: "page-desktop", size: "desktop", scheme: "light", locale: "en-US", figure: "cat" },
  { name: "page-desktop-ko", size: "desktop", scheme: "light", locale: "ko-KR", figure: "cat" },
  { name: "preview", size: "preview", scheme: "light", locale: "en-US", figure: "cat" },
  { name: "page-inside", size: "desktop", scheme: "light", locale: "en-US", view: "inside", figure: "house" },
  { name: "page-teach", size: "desktop", scheme: "light", locale: "en-US", view: "teach" },
  { name: "page-book", size: "desktop", scheme: "light", locale: "en-US", view: "book" },
  { name: "game-summary", size: "desktop", scheme: "light", locale: "en-US", view: "summary" },
  { name: "game-summary-tablet-dark-ko", size: "tablet", scheme: "dark", locale: "ko-KR", view: "summary" },
];

/** What is drawn of six prompts in the picture of a summary. */
const GAME: readonly (readonly [prompt: string, figure: Label])[] = [
  ["cat", "cat"],
  ["sailboat", "sailboat"],
  ["violin", "lollipop"],
  ["mushroom", "mushroom"],
  ["umbrella", "umbrella"],
  ["ice cream", "ice cream"],
];

/** What was taught in the picture of a lesson. */
const BADGE: Figure = [
  ...FIGURES.circle,
  ...FIGURES.star.map((stroke) => stroke.map(([x, y]) => [50 + 0.62 * (x - 50), 50 + 0.62 * (y - 50)] as const)),
];
const TAUGHT: Record<Shot["locale"], readonly (readonly [name: string, figure: Figure])[]> = {
  "en-US": [
    ["our boat", FIGURES.sailboat],
    ["team badge", BADGE],
  ],
  "ko-KR": [
    ["우리 배", FIGURES.sailboat],
    ["모둠 배지", BADGE],
  ],
};

for (const shot of SHOTS) {
  test.describe(shot.name, () => {
    test.use({ viewport: SIZES[shot.size], colorScheme: shot.scheme, locale: shot.locale, serviceWorkers: "block" });

    test("is taken", async ({ page, site }) => {
      await take[shot.view ?? "draw"](page, site, shot);
      await page.evaluate(() => document.fonts.ready);
      await page.mouse.move(1, 1);
      await page.screenshot({
        path: `${shot.name === "preview" ? PUBLIC : FOLDER}${shot.name}.png`,
        animations: "disabled",
        fullPage: shot.view === "inside" || shot.view === "summary",
      });
    });
  });
}

/** Opens a game whose clock goes only when told to: a slow machine takes the same pictures. */
async function startStopped(page: Page, url: string): Promise<void> {
  await page.clock.install({ time: "2026-01-01T00:00:00" });
  await page.goto(url);
  await expect(page.getByTestId("begin")).toBeEnabled();
  await page.clock.pauseAt("2026-01-01T01:00:00");
}

const take: Record<View, (page: Page, site: Site, shot: Shot) => Promise<void>> = {
  async draw(page, site, { figure }) {
    await open(page, site);
    if (!figure) return;
    await draw(page, FIGURES[figure], await middleOfPad(page, 0.74));
    await guessed(page);
  },
  async inside(page, site, shot) {
    await take.draw(page, site, shot);
    await page.getByTestId("look").click();
    await expect(page.getByTestId("confusions")).not.toBeEmpty();
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
    await page.evaluate(() => scrollTo(0, 0));
  },
  async book(page, site) {
    const labels = [
      "cat",
      "sailboat",
      "umbrella",
      "mushroom",
      "house",
      "snowman",
      "smiley face",
      "mountain",
      "sun",
      "star",
      "ice cream",
    ] as const;
    const lines = labels.map((word, i) => {
      const drawing = byHand(FIGURES[word], 0.6 + 0.1 * i).map((stroke) => [
        stroke.map(([x]) => Math.round(10 * x)),
        stroke.map(([, y]) => Math.round(10 * y)),
      ]);
      return JSON.stringify({ word, recognized: true, timestamp: "", probability: 0.9, drawing });
    });
    await openBook(page, site, lines);
  },
  async teach(page, site, { locale }) {
    const lines = TAUGHT[locale].flatMap(([word, figure]) =>
      [0.6, 1.4, 2.2].map((sway) => {
        const place = (value: number) => Math.min(255, Math.max(0, Math.round(2.5 * value)));
        return JSON.stringify({
          word,
          drawing: byHand(figure, sway).map((stroke) => [
            stroke.map(([x]) => place(x)),
            stroke.map(([, y]) => place(y)),
          ]),
        });
      }),
    );
    await page.addInitScript((text) => localStorage.setItem("quickdraw-rnn.categories", text), lines.join("\n"));
    await page.goto(`${site.url}#teach`);
    await expect(page.getByTestId("taught-save")).toBeEnabled();
    await page.getByTestId("more").last().click();
    await draw(page, BADGE);
    await expect(page.getByTestId("guesses")).toHaveAttribute("aria-busy", "false");
    await expect(guesses(page).first()).toHaveAttribute("data-label", TAUGHT[locale][1]![0]);
  },
  async summary(page, site) {
    await startStopped(page, `${site.url}#play=${GAME.map(([prompt]) => prompt).join(",")}`);
    for (const [prompt, figure] of GAME) {
      await page.getByTestId("begin").click();
      await page.clock.runFor(4000 + 700 * figure.length);
      await draw(page, FIGURES[figure]);
      const done = page.getByTestId("stamp");
      if (prompt !== figure && (await done.isHidden())) await page.getByTestId("skip").click();
      await expect(page.getByTestId("skip")).toBeDisabled();
      await page.clock.runFor(2000);
    }
    await expect(page.getByTestId("score")).toBeVisible();
    await page.evaluate(() => (document.activeElement as HTMLElement).blur());
  },
};
