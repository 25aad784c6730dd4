/** Free drawing: guesses in words, an idea for an empty sheet, and what one may do with a drawing. */
import type { Desk, Mode } from "./desk";
import { element, setHidden, setText } from "./element";
import { IDEAS } from "./ideas";
import { resultOf, today } from "./game/day";
import type { Inside } from "./inside/inside";
import { Keeper } from "./keep/keeper";
import { keepSheet, keptSheet } from "./keep/kept-sheet";
import { confidenceOf } from "./language/confidence";
import type { Language } from "./language/language";
import { loaded } from "./later";
import type { Among, Look, Stroke } from "./recognition";
import { EMPTY_SHEET, type InkStroke, type Sheet } from "./pad";
import { Replay } from "./replay";

/** A look inside takes dozens of classifications: it waits until the hand has rested so long. */
const REST_BEFORE_LOOK_MS = 250;

export class FreeDrawing implements Mode {
  readonly #desk: Desk;
  readonly #idea = element("idea");
  readonly #offers = element("offers");
  readonly #offer = element("play-offer");
  readonly #lookButton = element<HTMLButtonElement>("look");
  readonly #teachButton = element<HTMLButtonElement>("teach-this");
  readonly #replayButton = element<HTMLButtonElement>("replay");
  readonly #insidePanel = element("inside");
  readonly #keeper: Keeper;
  readonly #replay: Replay;
  #sheet: Sheet;
  #ideaLabel = ideaBesides(undefined);
  /** The category that the drawing on the sheet brought into the book. */
  #newInBook: string | undefined;
  #inside: Inside | undefined;
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #isHere = false;
  #isOpening = false;

  /** `onTeach` is called when the drawing on the sheet is to be the first of a lesson. */
  constructor(desk: Desk, onTeach: (strokes: readonly InkStroke[]) => void) {
    this.#desk = desk;
    // A link's drawing takes the place of what was kept, which is the same one after a reload.
    this.#sheet = location.hash.startsWith("#drawing=") ? EMPTY_SHEET : keptSheet();
    window.addEventListener("pagehide", () => this.#keep());
    // Phones end pages that are out of sight without another word.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#keep();
    });
    this.#teachButton.addEventListener("click", () => onTeach(desk.pad.strokes));
    this.#keeper = new Keeper(desk, (strokes) => this.open(strokes));
    this.#replay = new Replay(desk.pad, (strokes, isPenDown) => desk.guessOf(strokes, isPenDown));
    this.#replayButton.addEventListener("click", () => this.#replay.start());
    this.#lookButton.addEventListener("click", () => void this.#toggleInside());
    element("another-idea").addEventListener("click", () => {
      this.#ideaLabel = ideaBesides(this.#ideaLabel);
      this.#writeSentence();
    });
  }

  get among(): Among {
    return this.#desk.categories.among;
  }

  enter(): void {
    this.#isHere = true;
    this.#desk.pad.exchange(this.#sheet);
    this.#desk.pad.locked = false;
    if (this.#desk.pad.isEmpty) this.#desk.forget();
    else this.#desk.guess();
    this.#desk.write();
  }

  leave(): void {
    this.#isHere = false;
    this.#replay.stop();
    this.#sheet = this.#desk.pad.exchange(EMPTY_SHEET);
    this.#offers.hidden = true;
    this.#idea.hidden = true;
    this.#insidePanel.hidden = true;
    this.#lookButton.setAttribute("aria-expanded", "false");
  }

  /** Puts a drawing from elsewhere on the sheet. */
  open(strokes: readonly Stroke[]): void {
    this.#isOpening = true;
    this.#desk.pad.load(strokes);
    this.#isOpening = false;
  }

  /** Says something about keeping drawings. */
  say(note: (language: Language) => string): void {
    this.#keeper.say(note);
  }

  /** Opens the look inside. */
  async lookInside(): Promise<void> {
    if (this.#insidePanel.hidden) await this.#toggleInside();
  }

  onInk(): void {
    clearTimeout(this.#lookTimer);
    this.#replay.stop();
    this.#keeper.forgetNote();
    if (!this.#idea.hidden) this.write();
    this.#writeButtons();
  }

  onDrawing(): void {
    this.#replay.stop();
    // The address holds another drawing than the sheet does now.
    if (!this.#isOpening && location.hash.startsWith("#drawing=")) history.replaceState(null, "", "#draw");
    if (this.#desk.pad.isEmpty) {
      this.#ideaLabel = ideaBesides(this.#ideaLabel);
      this.#newInBook = undefined;
    }
    this.#lookLater();
    this.write();
  }

  onPredictions(): void {
    this.#writeSentence();
    if (this.#desk.guesser.isIdle && !this.#desk.pad.isDrawing && !this.#replay.isRunning) {
      this.#desk.announcer.say(this.#desk.language.sentence(this.#desk.predictions, this.#desk.threshold));
      this.#offerToBook();
    }
    this.#inside?.showTimings(this.#desk.guesser.durationsMs, this.#desk.language);
  }

  onLook(look: Look): void {
    this.#inside?.show(look, this.#desk.pad.strokes, this.#desk.language);
  }

  write(): void {
    this.#writeSentence();
    this.#writeButtons();
    this.#keeper.write();
    this.#inside?.write(this.#desk.language);
  }

  #keep(): void {
    keepSheet(this.#isHere ? this.#desk.pad.strokes : this.#sheet.strokes);
  }

  /** What is recognised gets its place in the book. */
  #offerToBook(): void {
    const {
      predictions: [best],
      threshold,
      book,
      pad,
    } = this.#desk;
    if (!best || best.isCustom || confidenceOf(best, threshold) !== "certain") return;
    if (book.offer(best.label, pad.strokes, best.probability) === "new") this.#newInBook = best.label;
    if (this.#newInBook === best.label) this.say((language) => language.newInBook(best.label));
  }

  #writeButtons(): void {
    const { isEmpty } = this.#desk.pad;
    this.#replayButton.disabled = isEmpty;
    this.#teachButton.disabled = isEmpty;
    this.#lookButton.disabled = (isEmpty && this.#insidePanel.hidden === true) || !this.#desk.isReady;
    this.#keeper.writeButtons();
  }

  #writeSentence(): void {
    const { language, predictions, obstacle, pad, sentence, threshold } = this.#desk;
    const loading = this.#desk.nCategories === undefined && obstacle === undefined;
    const invites = pad.isEmpty && this.#desk.isReady;
    if (predictions.length > 0) setText(sentence, language.sentence(predictions, threshold));
    else if (obstacle !== undefined) setText(sentence, language.speechless);
    else if (loading) setText(sentence, language.loading);
    else setText(sentence, pad.isEmpty ? language.invitation : "…");
    setHidden(this.#idea, !invites);
    setHidden(this.#offers, !invites);
    if (invites) {
      const isPlayed = resultOf(today()) !== undefined;
      setText(this.#offer, isPlayed ? language.playOffer : language.todaysSix);
      this.#offer.setAttribute("href", isPlayed ? "#play" : "#day");
    }
    setText(this.#idea, language.idea(this.#ideaLabel));
  }

  async #toggleInside(): Promise<void> {
    const opens = this.#insidePanel.hidden === true;
    if (opens && !this.#inside) {
      const inside = await loaded(() => import("./inside/inside"));
      if (!inside || !this.#isHere) return;
      this.#inside ??= new inside.Inside(element("inside-body"));
    }
    this.#insidePanel.hidden = !opens;
    this.#lookButton.setAttribute("aria-expanded", String(opens));
    if (!opens) return;
    this.#inside?.showTimings(this.#desk.guesser.durationsMs, this.#desk.language);
    this.#lookLater(0);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#insidePanel.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
    this.#insidePanel.focus({ preventScroll: true });
  }

  #lookLater(afterMs = REST_BEFORE_LOOK_MS): void {
    clearTimeout(this.#lookTimer);
    if (this.#insidePanel.hidden) return;
    if (this.#desk.pad.isEmpty) this.#inside?.clear();
    else this.#lookTimer = setTimeout(() => this.#desk.guesser.look(this.#desk.pad.strokes, this.#desk.among), afterMs);
  }
}

function ideaBesides(last: string | undefined): string {
  const others = IDEAS.filter((label) => label !== last);
  return others[Math.floor(Math.random() * others.length)] ?? "cat";
}
