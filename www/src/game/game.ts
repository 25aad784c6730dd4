/**
 * The game of Quick, Draw!: six prompts, 20 seconds each, and a model that says what it sees until it is sure.
 *
 * A round goes from the card with the prompt to the drawing to the verdict. The clock runs only while the visitor can draw and the model
 * can look: not while the tab is hidden, and not while the model is missing.
 */
import "../style/card.css";
import "./game.css";
import type { Desk, Mode } from "../desk";
import { element, make } from "../element";
import { DEFAULT_THRESHOLD } from "../language/confidence";
import type { Prediction } from "../recognition";
import { EMPTY_SHEET, type InkStroke } from "../pad";
import { recall, remember } from "../storage";
import { Clock } from "./clock";
import { keepResult, resultOf, type Day } from "./day";
import { Ghost } from "./ghost";
import { forgetRound, keepRound, keptRound } from "./kept-round";
import { choosePrompts, ROUNDS } from "./prompts";
import type { RivalDrawing } from "./race";

export const SECONDS = 20;
/** How often the clock's face is written. */
const TICK_MS = 100;
/** How long a verdict stays on the sheet. */
const VERDICT_MS = 1700;
/** When the time is up, the guess of the last line may still be in flight. */
const LAST_GUESS_WITHIN_MS = 1500;
/** A screen reader is told the time when so many seconds are left. */
const SPOKEN_SECONDS: readonly number[] = [10, 5];

/** How a round ended. */
export interface Outcome {
  readonly label: string;
  /** When the drawing could begin, on the page's clock. */
  readonly beganMs: number;
  readonly strokes: readonly InkStroke[];
  readonly recognised: boolean;
  readonly seconds: number;
  /** What the model thought in the end, best first; empty if nothing was drawn. */
  readonly predictions: readonly Prediction[];
}

/** What a game asks for, and why. */
export interface Plan {
  readonly prompts: readonly string[];
  /** The prompts are those of this day. */
  readonly day?: Day;
  /** What a friend drew of the same prompts. */
  readonly rival?: readonly RivalDrawing[];
}

export interface GameEvents {
  onEnd(outcomes: readonly Outcome[], plan: Plan, bestScore: number): void;
  /** The visitor wants other prompts instead of the rest of these. */
  onOthers(): void;
}

type Stage = "card" | "drawing" | "last-guess" | "verdict" | "over";

export class Game implements Mode {
  /** What a visitor taught is not asked for, and must not come between. */
  readonly among = "model";
  readonly #desk: Desk;
  readonly #events: GameEvents;
  readonly #card = element("card");
  readonly #begin = element<HTMLButtonElement>("begin");
  readonly #other = element<HTMLAnchorElement>("card-other");
  readonly #task = element("task");
  readonly #seconds = element("task-seconds");
  readonly #time = element("task-time");
  readonly #skip = element<HTMLButtonElement>("skip");
  readonly #round = element("round");
  readonly #ghost = new Ghost();
  /** The plan that was asked for; undefined for one by chance. */
  #asked: Plan | undefined;
  #plan: Plan = { prompts: [] };
  #outcomes: Outcome[] = [];
  #stage: Stage = "over";
  #clock = new Clock();
  #beganMs = 0;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #spokenSeconds = Infinity;

  constructor(desk: Desk, events: GameEvents) {
    this.#desk = desk;
    this.#events = events;
    this.#begin.addEventListener("click", () => this.#beginDrawing());
    this.#skip.addEventListener("click", () => {
      if (this.#stage === "drawing") this.#finish(false);
    });
    this.#other.addEventListener("click", (event) => {
      if (this.#outcomes.length === 0) return;
      event.preventDefault();
      forgetRound(this.#asked);
      events.onOthers();
    });
    document.addEventListener("visibilitychange", () => this.#holdOrRun());
  }

  /** What the next game asks for; chosen by chance unless a link says. A round that was left goes on. */
  prepare(asked: Plan | undefined): void {
    const kept = keptRound(asked);
    this.#asked = asked;
    this.#plan = kept?.plan ?? asked ?? { prompts: choosePrompts() };
    this.#outcomes = [...(kept?.outcomes ?? [])];
  }

  get #prompts(): readonly string[] {
    return this.#plan.prompts;
  }

  enter(): void {
    this.#round.hidden = false;
    // It may have been left with the last verdict.
    if (this.#outcomes.length === this.#prompts.length) this.#end();
    else this.#showCard();
  }

  leave(): void {
    this.#stopWaiting();
    this.#stage = "over";
    for (const each of [this.#card, this.#task, this.#round, this.#desk.stamp]) each.hidden = true;
    this.#ghost.hide();
    this.#desk.pad.exchange(EMPTY_SHEET);
    this.#desk.pad.locked = false;
    this.#desk.forget();
  }

  onInk(): void {}

  onDrawing(): void {
    this.#writeSentence();
  }

  onPredictions(): void {
    if (this.#stage !== "drawing" && this.#stage !== "last-guess") return;
    const [best] = this.#desk.predictions;
    const sure = best?.label === this.#label && best.probability >= (this.#desk.threshold ?? DEFAULT_THRESHOLD);
    if (sure) this.#finish(true);
    else if (this.#stage === "last-guess" && this.#desk.guesser.isIdle) this.#finish(false);
    else {
      this.#writeSentence();
      if (this.#stage === "drawing") this.#desk.announcer.say(this.#desk.sentence.textContent ?? "");
    }
  }

  onLook(): void {}

  write(): void {
    const { language } = this.#desk;
    const [i, n] = [this.#number, this.#prompts.length];
    const { day, rival } = this.#plan;
    const kind = day
      ? `${language.dayTitle(day)} ${resultOf(day) && i === 1 ? `${language.dayAgain} ` : ""}`
      : rival
        ? `${language.raceTitle} `
        : "";
    element("card-round").textContent = kind + language.round(i, n);
    // What kind of game it is, is chosen before it begins; of six by chance one may have others at any time.
    const hasBegun = this.#outcomes.length > 0;
    this.#other.hidden = hasBegun && this.#asked !== undefined;
    this.#other.textContent = hasBegun ? language.orOthers : day ? language.orChance : language.orToday;
    this.#other.setAttribute("href", day ? "#play" : "#day");
    element("card-task").textContent = language.task(this.#label);
    element("card-limit").textContent = language.limit(SECONDS);
    element("round-text").textContent = language.round(i, n);
    element("task-name").textContent = language.task(this.#label);
    element("marks").replaceChildren(
      ...this.#prompts.map((_, k) => {
        const outcome = this.#outcomes[k];
        return make("li", outcome ? (outcome.recognised ? "recognised" : "missed") : k === i - 1 ? "current" : "");
      }),
    );
    const waited = this.#begin.disabled;
    this.#begin.disabled = !this.#desk.isReady;
    // What is disabled cannot have the focus: it comes with the model.
    if (waited && this.#stage === "card") this.#begin.focus({ preventScroll: true });
    this.#holdOrRun();
    this.#writeTime();
    this.#writeSentence();
  }

  /** The number of the round, from 1. */
  get #number(): number {
    return Math.min(this.#outcomes.length + (this.#stage === "verdict" ? 0 : 1), this.#prompts.length);
  }

  get #label(): string {
    return this.#prompts[this.#number - 1] ?? "";
  }

  #showCard(): void {
    this.#stopWaiting();
    this.#stage = "card";
    this.#desk.pad.exchange(EMPTY_SHEET);
    this.#desk.pad.locked = true;
    this.#desk.forget();
    this.#clock = new Clock();
    this.#spokenSeconds = Infinity;
    this.#card.hidden = false;
    this.#task.hidden = true;
    this.#ghost.hide();
    this.#skip.disabled = true;
    this.#desk.stamp.hidden = true;
    this.#desk.write();
    this.#begin.focus({ preventScroll: true });
  }

  #beginDrawing(): void {
    if (this.#stage !== "card") return;
    this.#stage = "drawing";
    this.#beganMs = performance.now();
    this.#card.hidden = true;
    const rival = this.#plan.rival?.[this.#number - 1];
    if (rival) this.#ghost.show(rival, this.#desk.language);
    this.#task.hidden = false;
    this.#skip.disabled = false;
    this.#desk.pad.locked = false;
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    this.#holdOrRun();
    this.#desk.write();
  }

  #holdOrRun(): void {
    if (this.#stage === "drawing" && !document.hidden && this.#desk.isReady) this.#clock.run();
    else this.#clock.hold();
  }

  #tick(): void {
    this.#writeTime();
    this.#ghost.follow(this.#clock.elapsedMs / 1000);
    const left = Math.ceil(SECONDS - this.#clock.elapsedMs / 1000);
    if (SPOKEN_SECONDS.includes(left) && left < this.#spokenSeconds) {
      this.#spokenSeconds = left;
      this.#desk.announcer.say(this.#desk.language.secondsLeft(left));
    }
    if (this.#clock.elapsedMs < SECONDS * 1000) return;
    clearInterval(this.#ticking);
    this.#stage = "last-guess";
    // The stroke in progress ends, and with it the pad asks for a last guess.
    this.#desk.pad.locked = true;
    this.#clock.hold();
    if (this.#desk.guesser.isIdle) this.#finish(false);
    else this.#waiting = setTimeout(() => this.#finish(false), LAST_GUESS_WITHIN_MS);
  }

  #finish(recognised: boolean): void {
    this.#stopWaiting();
    this.#clock.hold();
    const { pad, language, announcer } = this.#desk;
    const label = this.#label;
    const predictions = pad.isEmpty ? [] : this.#desk.predictions;
    // Set first: the end of the stroke in progress is no business of this round any more.
    this.#stage = "verdict";
    pad.locked = true;
    const seconds = Math.min(this.#clock.elapsedMs / 1000, SECONDS);
    this.#outcomes.push({ label, beganMs: this.#beganMs, strokes: pad.strokes, recognised, seconds, predictions });
    keepRound(this.#asked, { plan: this.#plan, outcomes: this.#outcomes });
    if (recognised) this.#desk.book.offer(label, pad.strokes, predictions[0]?.probability ?? 0);
    this.#skip.disabled = true;
    this.#desk.write();
    announcer.say(recognised ? language.recognised(label) : language.missed(label, predictions[0]?.label));
    this.#waiting = setTimeout(
      () => (this.#outcomes.length < this.#prompts.length ? this.#showCard() : this.#end()),
      VERDICT_MS,
    );
  }

  #end(): void {
    this.#stage = "over";
    forgetRound(this.#asked);
    const score = this.#outcomes.filter((outcome) => outcome.recognised).length;
    let best = Number(recall("best-score") ?? 0) || 0;
    // A shorter round is no measure.
    if (this.#prompts.length === ROUNDS) {
      best = Math.max(score, best);
      remember("best-score", String(best));
    }
    if (this.#plan.day) keepResult(this.#plan.day, this.#outcomes);
    this.#events.onEnd(this.#outcomes, this.#plan, best);
  }

  #stopWaiting(): void {
    clearInterval(this.#ticking);
    clearTimeout(this.#waiting);
  }

  #writeTime(): void {
    const left = Math.max(0, SECONDS - this.#clock.elapsedMs / 1000);
    this.#seconds.textContent = String(Math.ceil(left));
    this.#time.style.setProperty("--left", String(left / SECONDS));
    this.#task.classList.toggle("hurry", left <= 5);
  }

  #writeSentence(): void {
    const { language, predictions, obstacle, sentence, stamp } = this.#desk;
    const outcome = this.#stage === "verdict" ? this.#outcomes.at(-1) : undefined;
    stamp.hidden = !outcome?.recognised;
    if (outcome) {
      stamp.textContent = language.name(outcome.label);
      sentence.textContent = outcome.recognised
        ? language.recognised(outcome.label)
        : language.missed(outcome.label, outcome.predictions[0]?.label);
    } else if (obstacle !== undefined) sentence.textContent = language.speechless;
    else if (this.#desk.nCategories === undefined) sentence.textContent = language.loading;
    else if (this.#stage === "card") sentence.textContent = language.ready;
    else sentence.textContent = predictions.length > 0 ? language.sees(predictions) : "…";
  }
}
