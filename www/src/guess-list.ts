/** The five best predictions as bars of ink. A place in the list keeps its element, so that its bar grows and shrinks instead of jumping. */
import { make, setText } from "./element";
import type { Language } from "./language/language";
import type { Prediction } from "./recognition";

/** The shortest bar, in CSS pixels: a touch of the brush. */
const SHORTEST = 9;

/** A probability as it is written: nothing is ever quite certain, and nothing impossible. */
export function shareOf(probability: number, percent: Intl.NumberFormat): string {
  if (probability < 0.005) return `<${percent.format(0.01)}`;
  return probability >= 0.995 ? `>${percent.format(0.99)}` : percent.format(probability);
}

export class GuessList {
  readonly #list: HTMLElement;

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  /**
   * Shows predictions; bars glide to their new length, or step there. Only what differs is written, in elements of its own: this happens
   * while somebody draws.
   */
  show(predictions: readonly Prediction[], language: Language, glides = true): void {
    const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
    while (this.#list.children.length > predictions.length) this.#list.lastElementChild?.remove();
    predictions.forEach(({ label, probability, isCustom = false }, i) => {
      const item = (this.#list.children[i] as HTMLElement | undefined) ?? this.#append();
      item.dataset["label"] = label;
      item.dataset["probability"] = String(probability);
      item.classList.toggle("own", isCustom);
      const [name, bar, figure] = item.children as unknown as [HTMLElement, HTMLElement, HTMLElement];
      setText(name, language.name(label));
      setText(figure, shareOf(probability, percent));
      const fill = bar.firstElementChild as HTMLElement;
      // What is hardly possible gets no touch of the brush.
      const isFaint = probability < 0.005;
      item.classList.toggle("faint", isFaint);
      // Moved, not cut: nothing is laid out anew. A style that is written costs, also the same one once more.
      const transform = isFaint
        ? "translateX(-100%)"
        : `translateX(calc(max(${(100 * probability).toFixed(1)}%, ${SHORTEST}px) - 100%))`;
      if (item.dataset["transform"] === transform) return;
      item.dataset["transform"] = transform;
      fill.style.transition = glides ? "" : "none";
      fill.style.transform = transform;
    });
  }

  #append(): HTMLElement {
    const item = make(
      "li",
      "",
      make("span", "name"),
      make("span", "bar", make("span", "fill")),
      make("span", "figure"),
    );
    this.#list.append(item);
    return item;
  }
}
