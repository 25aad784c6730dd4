/**
 * A lesson: the visitor names something, shows a few drawings of it, and from then on it is a category like the others.
 *
 * It goes from the card with the name to the drawings and back to the card, where everything that was taught is listed.
 */
import "../style/card.css";
import "./teach.css";
import type { Desk, Mode } from "../desk";
import { element, make } from "../element";
import { EMPTY_SHEET, type InkStroke } from "../pad";
import type { Among, Look } from "../recognition";
import { TaughtList } from "./taught-list";

/** From so many drawings on a category is told from others well enough. */
const ENOUGH = 3;

export class Lesson implements Mode {
  readonly #desk: Desk;
  readonly #card = element<HTMLFormElement>("lesson-card");
  readonly #name = element<HTMLInputElement>("lesson-name");
  readonly #task = element("lesson-task");
  readonly #keep = element<HTMLButtonElement>("keep-it");
  readonly #round = element("lesson-round");
  readonly #marks = element("lesson-marks");
  readonly #list: TaughtList;
  #label = "";
  #isDrawing = false;
  #isHere = false;
  /** A drawing that comes along as the first example. */
  #brought: readonly InkStroke[] = [];

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#list = new TaughtList(desk, (label) => this.#begin(label));
    this.#card.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.#name.value.trim();
      if (name !== "") this.#begin(this.#desk.language.label(name));
    });
    this.#keep.addEventListener("click", () => this.#keepDrawing());
    element("lesson-done").addEventListener("click", () => this.#showCard());
  }

  get among(): Among {
    return this.#desk.categories.among;
  }

  /** The next lesson begins with this drawing. */
  bring(strokes: readonly InkStroke[]): void {
    this.#brought = strokes;
  }

  enter(): void {
    this.#isHere = true;
    this.#name.value = "";
    this.#showCard();
  }

  leave(): void {
    this.#isHere = false;
    this.#isDrawing = false;
    this.#brought = [];
    for (const each of [this.#card, this.#task, this.#keep, this.#round, this.#desk.stamp]) each.hidden = true;
    this.#list.hide();
    this.#desk.pad.exchange(EMPTY_SHEET);
    this.#desk.pad.locked = false;
    this.#desk.forget();
  }

  /** The key that keeps a drawing, wherever nothing else waits for it. */
  onEnter(): boolean {
    if (!this.#isDrawing || this.#keep.disabled) return false;
    this.#keepDrawing();
    return true;
  }

  onInk(): void {
    this.#writeButtons();
  }

  onDrawing(): void {
    this.#writeButtons();
    this.#writeSentence();
  }

  onPredictions(): void {
    this.#writeSentence();
  }

  onLook(_look: Look): void {}

  write(): void {
    if (!this.#isHere) return;
    const { language, categories } = this.#desk;
    const n = categories.of(this.#label)?.drawings.length ?? 0;
    element("lesson-task-name").textContent = language.name(this.#label);
    element("lesson-round-text").textContent = language.shown(n, ENOUGH);
    this.#marks.replaceChildren(
      ...Array.from({ length: ENOUGH }, (_, i) => make("li", i < n ? "recognised" : i === n ? "current" : "")),
    );
    this.#list.write();
    this.#writeButtons();
    this.#writeSentence();
  }

  #showCard(): void {
    const taught = this.#isDrawing;
    this.#isDrawing = false;
    this.#desk.pad.exchange(EMPTY_SHEET);
    this.#desk.pad.locked = true;
    this.#desk.forget();
    this.#card.hidden = false;
    for (const each of [this.#task, this.#keep, this.#round]) each.hidden = true;
    this.#name.value = "";
    this.#list.show(taught ? this.#label : undefined);
    this.#desk.write();
    // A finger would get a keyboard over half of the screen before it has asked for one.
    if (matchMedia("(hover: hover)").matches) this.#name.focus({ preventScroll: true });
  }

  #begin(label: string): void {
    this.#label = label;
    this.#isDrawing = true;
    this.#card.hidden = true;
    for (const each of [this.#task, this.#keep, this.#round]) each.hidden = false;
    this.#list.hide();
    this.#desk.pad.locked = false;
    if (this.#brought.length > 0) this.#desk.pad.load(this.#brought);
    this.#brought = [];
    this.#desk.write();
    this.#desk.announcer.say(
      this.#desk.language.showMe(label, this.#desk.categories.of(label)?.drawings.length ?? 0, ENOUGH),
    );
  }

  #keepDrawing(): void {
    const { pad, guesser, language, categories, announcer } = this.#desk;
    if (pad.isEmpty || !this.#isDrawing) return;
    guesser.teach(this.#label, pad.strokes);
    announcer.say(language.showMe(this.#label, (categories.of(this.#label)?.drawings.length ?? 0) + 1, ENOUGH));
    // Undo must not bring back what has been kept: it would be kept twice.
    pad.exchange(EMPTY_SHEET);
    this.#desk.forget();
    this.#desk.write();
  }

  #writeButtons(): void {
    this.#keep.disabled = this.#desk.pad.isEmpty || !this.#desk.isReady;
  }

  #writeSentence(): void {
    const { language, obstacle, sentence, stamp, nCategories, predictions, categories } = this.#desk;
    stamp.hidden = true;
    if (obstacle !== undefined) sentence.textContent = language.speechless;
    else if (nCategories === undefined) sentence.textContent = language.loading;
    else if (!this.#isDrawing)
      sentence.textContent = categories.all.length === 0 ? language.willLearn : language.learnt;
    else if (predictions.length > 0) sentence.textContent = language.sees(predictions);
    else sentence.textContent = language.showMe(this.#label, categories.of(this.#label)?.drawings.length ?? 0, ENOUGH);
  }
}
