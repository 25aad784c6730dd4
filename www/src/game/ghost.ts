/** What a friend drew of the same prompt, growing on a slip at the sheet's corner while the visitor draws. */
import { element, make } from "../element";
import { boxAround, sketch } from "../keep/picture";
import type { Language } from "../language/language";
import { drawnUntil, type RivalDrawing } from "./race";

export class Ghost {
  readonly #slip = element("ghost");
  #rival: RivalDrawing | undefined;
  #nPoints = -1;

  show(rival: RivalDrawing, language: Language): void {
    this.#rival = rival;
    this.#nPoints = -1;
    this.#slip.hidden = false;
    this.#slip.classList.remove("recognised");
    this.#slip.replaceChildren(make("span", "", language.friend));
    this.follow(0);
  }

  hide(): void {
    this.#rival = undefined;
    this.#slip.hidden = true;
  }

  /** Shows the drawing as it was after so many seconds. */
  follow(seconds: number): void {
    if (!this.#rival) return;
    const drawn = drawnUntil(this.#rival, seconds);
    const nPoints = drawn.flat().length;
    if (nPoints !== this.#nPoints) {
      this.#nPoints = nPoints;
      this.#slip.querySelector("svg")?.remove();
      this.#slip.prepend(sketch(drawn, boxAround(this.#rival.strokes)));
    }
    this.#slip.classList.toggle("recognised", this.#rival.recognised && seconds >= this.#rival.seconds);
  }
}
