/**
 * What the page asks of the package's classifier in a worker: the newest drawing in, predictions out.
 *
 * At most one drawing is classified at a time. One that arrives meanwhile waits, and a newer one takes its place, so that guesses never
 * lag behind the pen by more than one. Where the worker died over a drawing, it is asked again: the package has started another worker.
 */
import { createWorkerClassifier, type WorkerClassifier } from "quickdraw-rnn/worker";
import { CustomClasses, type CustomClassesJson } from "quickdraw-rnn/custom-classes";
import { effectsOfParts, lookInto } from "./look";
import type { Among, Category, Look, Obstacle, Part, Prediction, Simplified, Stroke, Thresholds } from "./recognition";

const MAX_RESULTS = 5;
/** So many failures without one answer between them, and another try would not help either. */
const MAX_FAILURES_IN_A_ROW = 3;
/** Timings of so many guesses are kept. */
const DURATIONS_KEPT = 50;
/** Errors that are the drawing's, not the classifier's. */
const REFUSALS: readonly unknown[] = ["invalid-strokes", "invalid-options"];

export interface GuesserEvents {
  /** The classifier is loaded. */
  onReady(nCategories: number, thresholds: Thresholds): void;
  /** The best predictions for the newest drawing that was classified, best first, and whether its last stroke went on. */
  onPredictions(predictions: readonly Prediction[], isPenDown: boolean): void;
  /** How the guess for the drawing of the newest `look` came about. */
  onLook(look: Look): void;
  /** A drawing was learnt as an example of a category of the visitor's; `drawing` is what was read of it. */
  onExample(label: string, drawing: Simplified): void;
  /** All that the visitor taught, as the package saves it. */
  onLearnt(classes: CustomClassesJson): void;
  /** No guesses until `start` is called again. */
  onUnavailable(obstacle: Obstacle): void;
}

/** A classifier, and what the visitor taught it. */
interface Recogniser {
  readonly classifier: WorkerClassifier;
  custom: CustomClasses;
}

/** A drawing to guess, with what is known of it. */
interface Question {
  readonly strokes: readonly Stroke[];
  readonly isPenDown: boolean;
  readonly among: Among;
}

interface Example {
  readonly label: string;
  readonly strokes: readonly Stroke[];
}

/** Something to do, and how to have it done again after a failure. */
interface Task {
  run(recogniser: Recogniser): Promise<void>;
  again(): void;
}

export class Guesser {
  readonly #events: GuesserEvents;
  #recogniser: Recogniser | undefined;
  #nStarts = 0;
  #isWorking = false;
  #failures = 0;
  #underWay: Question | undefined;
  #waiting: Question | undefined;
  /** All that is to be learnt, unless it is. */
  #lesson: readonly Category[] | undefined;
  /** Examples that are not learnt yet, oldest first. */
  readonly #examples: Example[] = [];
  #nLooks = 0;
  #durationsMs: readonly number[] = [];

  constructor(events: GuesserEvents) {
    this.#events = events;
  }

  /** Whether the newest drawing has its answer. */
  get isIdle(): boolean {
    return this.#underWay === undefined && this.#waiting === undefined;
  }

  /** How long the last guesses took, from question to answer, the newest last; at most `DURATIONS_KEPT`. */
  get durationsMs(): readonly number[] {
    return this.#durationsMs;
  }

  /** Loads the classifier; also the way back after `onUnavailable`. A drawing handed in meanwhile is not lost. */
  async start(): Promise<void> {
    this.#stop();
    this.#failures = 0;
    const n = ++this.#nStarts;
    let classifier: WorkerClassifier;
    try {
      classifier = await createWorkerClassifier();
    } catch (error) {
      if (n === this.#nStarts) this.#giveUp(error);
      return;
    }
    if (n !== this.#nStarts) {
      classifier.dispose();
      return;
    }
    this.#recogniser = { classifier, custom: new CustomClasses(classifier) };
    this.#events.onReady(classifier.labels.length, classifier);
    void this.#work();
  }

  /** Asks for a guess. With `isPenDown` the last stroke goes on. */
  guess(strokes: readonly Stroke[], isPenDown: boolean, among: Among): void {
    this.#waiting = { strokes, isPenDown, among };
    void this.#work();
  }

  /** Asks how the guess for a drawing comes about; an older look that is still in flight is given up. */
  look(strokes: readonly Stroke[], among: Among): void {
    const n = ++this.#nLooks;
    const recogniser = this.#recogniser;
    if (!recogniser) return;
    const taught = { ...recogniser };
    const ranking = (drawing: readonly Stroke[], isPenDown: boolean) =>
      ranked(taught, { strokes: drawing, isPenDown, among });
    lookInto(strokes, recogniser.classifier, ranking, () => n === this.#nLooks && recogniser === this.#recogniser).then(
      (look) => look && this.#events.onLook(look),
      // What is wrong with the drawing is said of its guess, too.
      (error: unknown) => console.warn(`look: ${String(error)}`),
    );
  }

  /** What the parts of a drawing did for these labels; nothing where the classifier cannot say. */
  async reasons(strokes: readonly Stroke[], labels: readonly string[]): Promise<readonly Part[]> {
    const classifier = this.#recogniser?.classifier;
    if (!classifier) return [];
    return effectsOfParts(strokes, labels, classifier).catch((error: unknown) => {
      console.warn(`reasons: ${String(error)}`);
      return [];
    });
  }

  /** Teaches these categories and no others. A classifier that loads later does not hear it: `onReady` is the time to say it again. */
  learn(categories: readonly Category[]): void {
    if (!this.#recogniser) return;
    this.#lesson = categories;
    void this.#work();
  }

  /** Shows a category one more drawing; it is not lost if the classifier fails. */
  teach(label: string, strokes: readonly Stroke[]): void {
    this.#examples.push({ label, strokes });
    void this.#work();
  }

  /** Drops the drawing that waits and the answer that is in flight: they are about a drawing that is gone. */
  forget(): void {
    this.#waiting = undefined;
    this.#underWay = undefined;
  }

  #stop(): void {
    this.#recogniser?.classifier.dispose();
    this.#recogniser = undefined;
    this.#lesson = undefined;
  }

  #giveUp(error: unknown): void {
    console.warn(`no guesses: ${String(error)}`);
    this.#stop();
    const code = codeOf(error);
    this.#events.onUnavailable(code === "unsupported" ? "unsupported" : code === "internal" ? "worker" : "model");
  }

  /** Does what there is to do, one thing after the other. */
  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    for (let recogniser = this.#recogniser; recogniser; recogniser = this.#recogniser) {
      const task = this.#next();
      if (!task) break;
      try {
        await task.run(recogniser);
        this.#failures = 0;
      } catch (error) {
        this.#onError(error, task, recogniser);
      } finally {
        this.#underWay = undefined;
      }
    }
    this.#isWorking = false;
  }

  #onError(error: unknown, task: Task, recogniser: Recogniser): void {
    const code = codeOf(error);
    if (code === undefined) {
      reportError(error);
      return;
    }
    if (REFUSALS.includes(code)) {
      console.warn(`drawing not classified: ${String(error)}`);
      return;
    }
    task.again();
    // Whoever disposed the classifier has another one loaded.
    if (recogniser !== this.#recogniser) return;
    this.#failures += 1;
    if (code !== "internal" || this.#failures >= MAX_FAILURES_IN_A_ROW) this.#giveUp(error);
  }

  /** First what is to be learnt, so that drawings are guessed among all categories. */
  #next(): Task | undefined {
    const lesson = this.#lesson;
    if (lesson) {
      this.#lesson = undefined;
      return { run: (recogniser) => this.#learn(recogniser, lesson), again: () => (this.#lesson ??= lesson) };
    }
    const example = this.#examples.shift();
    if (example)
      return {
        run: (recogniser) => this.#learnExample(recogniser, example),
        again: () => this.#examples.unshift(example),
      };
    const question = this.#waiting;
    if (!question) return undefined;
    this.#waiting = undefined;
    this.#underWay = question;
    return {
      run: (recogniser) => this.#answer(recogniser, question),
      again: () => {
        if (this.#underWay === question) this.#waiting ??= question;
      },
    };
  }

  async #learn(recogniser: Recogniser, lesson: readonly Category[]): Promise<void> {
    const custom = new CustomClasses(recogniser.classifier);
    for (const { label, drawings } of lesson) {
      for (const drawing of drawings) {
        await custom.add(label, drawing, { isSimplified: true });
        // Another lesson took its place.
        if (this.#lesson) return;
      }
    }
    recogniser.custom = custom;
    this.#events.onLearnt(custom.toJSON());
  }

  async #learnExample({ classifier, custom }: Recogniser, { label, strokes }: Example): Promise<void> {
    const drawing = await classifier.simplify(strokes);
    await custom.add(label, drawing, { isSimplified: true });
    this.#events.onLearnt(custom.toJSON());
    this.#events.onExample(label, drawing);
  }

  async #answer({ classifier, custom }: Recogniser, question: Question): Promise<void> {
    const { strokes, isPenDown, among } = question;
    const startMs = performance.now();
    const predictions =
      among === "model" || custom.classes.length === 0
        ? await classifier.classify(strokes, { maxResults: MAX_RESULTS, isPenDown })
        : await custom.classify(strokes, { maxResults: MAX_RESULTS, isPenDown, among });
    this.#durationsMs = [...this.#durationsMs, performance.now() - startMs].slice(-DURATIONS_KEPT);
    if (this.#underWay !== question) return;
    this.#underWay = undefined;
    this.#events.onPredictions(predictions, isPenDown);
  }
}

/** All labels for a drawing, most probable first; unlike `classify` it never steps back behind a newer drawing. */
async function ranked(
  { classifier, custom }: Recogniser,
  { strokes, isPenDown, among }: Question,
): Promise<readonly Prediction[]> {
  const { labels } = classifier;
  if (among !== "model" && custom.classes.length > 0) {
    return custom.rank(strokes, { isPenDown, among });
  }
  const probabilities = await classifier.probabilities(strokes, { isPenDown });
  return labels
    .map((label, i) => ({ label, probability: probabilities[i] ?? 0 }))
    .sort((a, b) => b.probability - a.probability);
}

/** The code of an error of the package. */
function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return error instanceof Error && error.name === "QuickdrawError" && typeof code === "string" ? code : undefined;
}
