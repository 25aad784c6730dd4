/** What the model is, what it can and cannot do: figures from the model folder, words from the language. */
import { make } from "./element";
import type { Language } from "./language/language";
import { TEST_FIGURES } from "./model-figures";

export function aboutModel(language: Language): Node[] {
  const number = new Intl.NumberFormat(language.tag);
  const percent = (value: number) => new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 1 }).format(value);
  const figures = TEST_FIGURES && {
    n: number.format(TEST_FIGURES.n),
    top1: percent(TEST_FIGURES.balanced_top1),
    top3: percent(TEST_FIGURES.balanced_top3),
    top5: percent(TEST_FIGURES.balanced_top5),
  };
  const link = (text: string, href: string) => {
    const made = make("a", "", text);
    made.href = href;
    return make("p", "", made);
  };
  return [
    ...language.about(figures).map((paragraph) => make("p", "", paragraph)),
    link(language.modelCard, "model-card.txt"),
    link(language.embed, "package.txt"),
  ];
}
