/** What the model is, what it can and cannot do, and how to embed it: figures from the model folder, words from the language. */
import { make } from "./element";
import example from "./example.js?raw";
import type { Language } from "./language/language";
import { TEST_FIGURES } from "./model-figures";

export function aboutModel(language: Language): Node[] {
  const number = new Intl.NumberFormat(language.tag);
  const percent = (value: number) =>
    new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 1 }).format(value);
  const figures = TEST_FIGURES && {
    n: number.format(TEST_FIGURES.n),
    top1: percent(TEST_FIGURES.balanced_top1),
    top3: percent(TEST_FIGURES.balanced_top3),
    top5: percent(TEST_FIGURES.balanced_top5),
  };
  return [
    ...language.about(figures).map((paragraph) => make("p", "", paragraph)),
    link(language.modelCard, "model-card.txt"),
  ];
}

/** How to embed the package: it lies beside the page, packed, so that npm installs it from there. */
export function aboutEmbedding(language: Language): Node[] {
  const install = `npm install ${new URL("quickdraw-rnn.tgz", document.baseURI)}`;
  return [
    make("p", "", language.embed),
    make("pre", "", make("code", "", install)),
    make("pre", "", make("code", "", example.trimEnd())),
    link(language.embedMore, "package.txt"),
    link(language.embedApi, "api/index.html"),
  ];
}

function link(text: string, href: string): HTMLElement {
  const made = make("a", "", text);
  made.href = href;
  return make("p", "", made);
}
