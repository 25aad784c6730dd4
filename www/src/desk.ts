/**
 * The desk: what all modes, free drawing, the game and lessons, work with. A sheet to draw on, a guesser that watches, and its guesses as bars.
 * What is said about the guesses is the mode's business.
 */
import { Announcer } from "./announcer";
import { Book } from "./book/book";
import { element } from "./element";
import type { CustomClassesJson } from "quickdraw-rnn/custom-classes";
import { GuessList } from "./guess-list";
import { Guesser } from "./guesser";
import type { Language } from "./language/language";
import type { Among, Look, Obstacle, Prediction, Stroke, Thresholds } from "./recognition";
import { Pad } from "./pad";
import { Categories } from "./teach/categories";
import { Voice } from "./voice";

/** Guesses while the pen moves come no faster than this: a list that changes with every frame cannot be read. */
const LIVE_GUESS_EVERY_MS = 120;

/** What happens on the desk concerns one mode at a time. */
export interface Mode {
  /** What its guesses choose among. */
  readonly among: Among;
  enter(): void;
  leave(): void;
  /** The pen moved on paper. */
  onInk(): void;
  /** The drawing changed as a whole; the desk has asked for a guess already, or forgotten the last one. */
  onDrawing(): void;
  /** `desk.predictions` are new. */
  onPredictions(): void;
  onLook(look: Look): void;
  /** The language, the model's state or the drawing changed: writes everything that the mode says. */
  write(): void;
}

export class Desk {
  readonly pad: Pad;
  readonly guesser: Guesser;
  readonly announcer = new Announcer(element("announcement"));
  readonly voice = new Voice(this.announcer);
  readonly sentence = element("sentence");
  readonly stamp = element("stamp");
  language: Language;
  /** Undefined until the model is loaded. */
  nCategories: number | undefined;
  obstacle: Obstacle | undefined;
  predictions: readonly Prediction[] = [];
  /** What the visitor taught. */
  readonly categories = new Categories(() => this.learn());
  /** What the model recognised of the visitor's drawings. */
  readonly book = new Book(() => this.#onState());
  /** What the classifier made of it; undefined until it has answered. */
  learnt: CustomClassesJson | undefined;
  readonly #items = element("guesses");
  readonly #list = new GuessList(this.#items);
  readonly #undo = element<HTMLButtonElement>("undo");
  readonly #redo = element<HTMLButtonElement>("redo");
  readonly #clear = element<HTMLButtonElement>("clear");
  readonly #onState: () => void;
  #mode: Mode | undefined;
  #thresholds: Thresholds | undefined;
  /** Whether `predictions` are of a drawing whose last stroke went on. */
  #isPenDown = false;
  #lastLiveGuessMs = 0;

  /** `onState` is called when the model has been loaded or has failed. */
  constructor(language: Language, onState: () => void) {
    this.language = language;
    this.#onState = onState;
    this.guesser = new Guesser({
      onReady: (nCategories, thresholds) => {
        this.nCategories = nCategories;
        this.#thresholds = thresholds;
        this.obstacle = undefined;
        if (this.categories.all.length > 0) this.learn();
        onState();
      },
      onPredictions: (predictions, isPenDown) => {
        this.predictions = predictions;
        this.#isPenDown = isPenDown;
        this.writeGuesses();
        this.#mode?.onPredictions();
        if (this.guesser.isIdle) this.#items.setAttribute("aria-busy", "false");
      },
      onLook: (look) => this.#mode?.onLook(look),
      onExample: (label, drawing) => {
        this.categories.add({ label, drawings: [drawing] });
        this.#mode?.write();
      },
      onLearnt: (classes) => {
        this.learnt = classes;
        this.#mode?.write();
      },
      onUnavailable: (obstacle) => {
        this.obstacle = obstacle;
        this.#items.setAttribute("aria-busy", "false");
        this.predictions = [];
        onState();
      },
    });
    this.pad = new Pad(element<HTMLCanvasElement>("pad"), {
      onInk: () => {
        const nowMs = performance.now();
        if (nowMs - this.#lastLiveGuessMs >= LIVE_GUESS_EVERY_MS) {
          this.#lastLiveGuessMs = nowMs;
          this.guess();
        }
        this.writeTools();
        this.#mode?.onInk();
      },
      onDrawing: () => {
        if (this.pad.isEmpty) this.forget();
        else this.guess();
        this.writeTools();
        this.#mode?.onDrawing();
      },
    });
    this.pad.sounds = this.voice;
    this.#undo.addEventListener("click", () => this.pad.undo());
    this.#redo.addEventListener("click", () => this.pad.redo());
    this.#clear.addEventListener("click", () => this.pad.clear());
  }

  set mode(mode: Mode) {
    this.#mode?.leave();
    this.#mode = mode;
    mode.enter();
  }

  get isReady(): boolean {
    return this.nCategories !== undefined && this.obstacle === undefined;
  }

  /** Starts the guesser, or starts it again after an obstacle. */
  start(): void {
    this.obstacle = undefined;
    this.nCategories = undefined;
    void this.guesser.start();
    if (!this.pad.isEmpty) this.guess();
  }

  /** Asks what the drawing on the pad shows. */
  guess(): void {
    this.guessOf(this.pad.strokes, this.pad.isDrawing);
  }

  /**
   * Asks what strokes show; with `isPenDown` the last one goes on. The list is busy until it shows what was guessed of them, or of
   * newer ones.
   */
  guessOf(strokes: readonly Stroke[], isPenDown: boolean): void {
    this.#items.setAttribute("aria-busy", String(this.obstacle === undefined));
    this.guesser.guess(strokes, isPenDown, this.among);
  }

  /** From this probability on the first of the predictions may be trusted; undefined where the model does not say. */
  get threshold(): number | undefined {
    return this.#isPenDown ? this.#thresholds?.penDownThreshold : this.#thresholds?.threshold;
  }

  /** What guesses choose among. */
  get among(): Among {
    return this.#mode?.among ?? "model";
  }

  /** Teaches the classifier what `categories` holds. */
  learn(): void {
    this.guesser.learn(this.categories.toLearn);
    this.#mode?.write();
  }

  /** Forgets what was guessed: the drawing is gone. */
  forget(): void {
    this.guesser.forget();
    this.announcer.hush();
    this.#items.setAttribute("aria-busy", "false");
    this.predictions = [];
    this.writeGuesses();
  }

  write(): void {
    this.writeGuesses();
    this.writeTools();
    this.#mode?.write();
  }

  writeGuesses(): void {
    this.#list.show(this.predictions, this.language, !this.pad.isDrawing);
  }

  writeTools(): void {
    this.#undo.disabled = !this.pad.canUndo;
    this.#redo.disabled = !this.pad.canRedo;
    this.#clear.disabled = !this.pad.canClear;
  }
}
