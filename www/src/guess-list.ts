/** The five best predictions as bars of ink. A place in the list keeps its element, so that its bar grows and shrinks instead of jumping. */
import { setText } from "./element";
import type { Language } from "./language/language";
import type { Prediction } from "./messages";

export class GuessList {
  readonly #list: HTMLElement;

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  show(predictions: readonly Prediction[], language: Language): void {
    const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
    while (this.#list.children.length > predictions.length) this.#list.lastElementChild?.remove();
    predictions.forEach(({ label, probability, isCustom = false }, i) => {
      const item = (this.#list.children[i] as HTMLElement | undefined) ?? this.#append();
      item.dataset["label"] = label;
      item.dataset["probability"] = String(probability);
      item.classList.toggle("own", isCustom);
      const [name, bar, figure] = item.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
      setText(name, language.name(label));
      setText(figure, probability < 0.005 ? `<${percent.format(0.01)}` : percent.format(probability));
      bar.style.setProperty("--probability", String(probability));
    });
  }

  #append(): HTMLElement {
    const item = document.createElement("li");
    for (const part of ["name", "bar", "figure"]) {
      const span = document.createElement("span");
      span.className = part;
      item.append(span);
    }
    this.#list.append(item);
    return item;
  }
}
