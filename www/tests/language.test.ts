/** What the page says: names, sentences, and the choice of language. */
import { readFileSync } from "node:fs";
import { ENGLISH, englishPhrase } from "../src/language/english.ts";
import { KOREAN } from "../src/language/korean.ts";
import { KOREAN_NAMES } from "../src/language/korean-names.ts";
import { IDEAS } from "../src/ideas.ts";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, guesses, labels, open, test } from "./page.ts";

const modelLabels = (
  JSON.parse(readFileSync(new URL("../../wasm/model/model.json", import.meta.url), "utf8")) as { labels: string[] }
).labels;

test("every category of the model has a Korean name, and no two share one", () => {
  expect(modelLabels.filter((label) => !/^[가-힣 ]+$/.test(KOREAN_NAMES[label] ?? ""))).toEqual([]);
  const names = Object.values(KOREAN_NAMES);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test("every idea is a category of the model", () => {
  expect(IDEAS.filter((label) => !modelLabels.includes(label))).toEqual([]);
});

test("English names take the article that one would say", () => {
  expect(
    ["cat", "owl", "umbrella", "hourglass", "house", "scissors", "The Mona Lisa", "t-shirt"].map(englishPhrase),
  ).toEqual(["a cat", "an owl", "an umbrella", "an hourglass", "a house", "scissors", "the Mona Lisa", "a t-shirt"]);
});

test("the sentence grows surer with the probability, in both languages", () => {
  const guess = (first: string, second: string, probability: number) => [
    { label: first, probability },
    { label: second, probability: 0.1 },
  ];
  expect(ENGLISH.sentence(guess("cat", "dog", 0.9))).toBe("Oh, I know: a cat!");
  expect(ENGLISH.sentence(guess("cat", "dog", 0.5))).toBe("I see a cat, or a dog…");
  expect(ENGLISH.sentence(guess("cat", "dog", 0.15))).toBe("Perhaps a cat? Or a dog?");
  // What is hardly possible is not named.
  const alone = [
    { label: "cat", probability: 0.6 },
    { label: "dog", probability: 0.01 },
  ];
  expect([ENGLISH.sentence(alone), ENGLISH.sees(alone)]).toEqual(["I see a cat.", "I see a cat…"]);
  expect([KOREAN.sentence(alone), KOREAN.sees(alone)]).toEqual(["고양이처럼 보여요.", "고양이처럼 보여요…"]);
  // 이네요 after a final consonant, 네요 after a vowel.
  expect(KOREAN.sentence(guess("cat", "dog", 0.9))).toBe("아, 고양이네요!");
  expect(KOREAN.sentence(guess("house", "tent", 0.9))).toBe("아, 집이네요!");
  expect(KOREAN.sentence(guess("cat", "dog", 0.5))).toBe("고양이처럼 보여요. 아니면 개일까요?");
  expect(KOREAN.sentence(guess("cat", "dog", 0.15))).toBe("글쎄요, 고양이일까요? 아니면 개일까요?");
});

test("switching to Korean renames the guesses, keeps their labels, and is remembered", async ({ page, site }) => {
  await open(page, site);
  await draw(page, FIGURES.house);
  await guessed(page);
  const before = await labels(page);
  await page.getByTestId("language-ko").click();
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
  expect(await labels(page)).toEqual(before);
  for (const [i, label] of before.entries()) await expect(guesses(page).nth(i)).toContainText(KOREAN_NAMES[label]!);
  await expect(page.getByTestId("sentence")).toContainText(KOREAN_NAMES[before[0]!]!);
  await expect(page.getByTestId("undo")).toHaveText("되돌리기");
  await expect(page.getByTestId("attribution")).toContainText("CC BY 4.0");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
  await page.getByTestId("language-en").click();
  await expect(page.getByTestId("attribution")).toHaveText("Trained on Quick, Draw! data by Google, CC BY 4.0.");
});

test("what a visitor taught is quoted in English, and takes no article", () => {
  expect(englishPhrase("our logo")).toBe("“our logo”");
  expect(englishPhrase("constructor")).toBe("“constructor”");
  expect(ENGLISH.label("Cat")).toBe("cat");
  expect(KOREAN.label("고양이")).toBe("cat");
  expect(KOREAN.label("우리 로고")).toBe("우리 로고");
  expect(KOREAN.name("우리 로고")).toBe("우리 로고");
});

test.describe("in a Korean browser", () => {
  test.use({ locale: "ko-KR" });

  test("the page opens in Korean", async ({ page, site }) => {
    await open(page, site);
    await expect(page.locator("html")).toHaveAttribute("lang", "ko");
    await expect(page.getByTestId("clear")).toHaveText("지우기");
    await expect(page.getByTestId("sentence")).toHaveText(KOREAN.invitation);
  });
});
