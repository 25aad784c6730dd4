/**
 * The page's side of the guessing worker: the newest drawing in, predictions out.
 *
 * At most one request is under way. A drawing that arrives meanwhile waits, and a newer one takes its place, so that the guesses never
 * lag behind the pen by more than one classification. A worker that crashes or falls silent is replaced, and the drawing asked again.
 */
import type { PackedStrokes } from "quickdraw-rnn";
import type { CustomClassesJson } from "quickdraw-rnn/custom-classes";
import type { Among, Category, ExampleRequest, GuessRequest, Look, Obstacle, Part, Prediction, Simplified, Stroke, Thresholds, WorkerReport, WorkerRequest } from "./messages";

/** Silence of this length means that the worker is gone: some browsers end one for lack of memory without an event. */
const SILENCE_LIMIT_MS = 15_000;
/** So many crashes without one guess between them, and a fresh worker would not help either. */
const MAX_CRASHES_IN_A_ROW = 3;
/** Timings of so many guesses are kept. */
const DURATIONS_KEPT = 50;

export interface GuesserEvents {
  /** The classifier is loaded; called again after every replacement of the worker. */
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

export class Guesser {
  readonly #events: GuesserEvents;
  #worker: Worker | null = null;
  #ready = false;
  #lastId = 0;
  #underWay: GuessRequest | null = null;
  #waiting: GuessRequest | null = null;
  /** Examples without an answer yet, oldest first. */
  #examples: ExampleRequest[] = [];
  /** Who waits for reasons, by the request's number. */
  readonly #reasons = new Map<number, (parts: readonly Part[]) => void>();
  #crashes = 0;
  #lookId = 0;
  #durationsMs: number[] = [];
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(events: GuesserEvents) {
    this.#events = events;
  }

  /** Whether the newest drawing has its answer. */
  get isIdle(): boolean {
    return this.#underWay === null && this.#waiting === null;
  }

  /** Starts the worker; also the way back after `onUnavailable`. A drawing handed in meanwhile is not lost. */
  start(): void {
    this.#crashes = 0;
    this.#startWorker();
  }

  /** Asks for a guess. With `isPenDown` the last stroke goes on. */
  guess(strokes: readonly Stroke[], isPenDown: boolean, among: Among): void {
    this.#waiting = { kind: "guess", id: ++this.#lastId, strokes: packed(strokes), isPenDown, among };
    this.#sendWaiting();
  }

  /** Asks how the guess for a drawing comes about; an older look that is still under way is given up. */
  look(strokes: readonly Stroke[], among: Among): void {
    this.#post({ kind: "look", id: ++this.#lookId, strokes, among });
  }

  /** What the parts of a drawing did for these labels; nothing where the worker cannot say. */
  reasons(strokes: readonly Stroke[], labels: readonly string[]): Promise<readonly Part[]> {
    if (!this.#ready) return Promise.resolve([]);
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#reasons.set(id, resolve);
      this.#post({ kind: "reasons", id, strokes, labels });
    });
  }

  /** Teaches these categories and no others. A worker that is not ready does not hear it: `onReady` is the time to say it again. */
  learn(categories: readonly Category[]): void {
    this.#post({ kind: "learn", categories });
  }

  /** Shows a category one more drawing; it is not lost when the worker has to be replaced. */
  teach(label: string, strokes: readonly Stroke[]): void {
    const example: ExampleRequest = { kind: "example", id: ++this.#lastId, label, strokes };
    this.#examples.push(example);
    this.#post(example);
  }

  /** How long the last guesses took in the worker, the newest last; at most `DURATIONS_KEPT`. */
  get durationsMs(): readonly number[] {
    return this.#durationsMs;
  }

  /** Drops the drawing that waits and the answer that is under way: they are about a drawing that is gone. */
  forget(): void {
    this.#waiting = null;
    if (this.#underWay) this.#underWay = { ...this.#underWay, id: -1 };
  }

  #startWorker(): void {
    this.#stopWorker();
    const worker = new Worker(new URL("./guess-worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<WorkerReport>) => this.#receive(data);
    worker.onmessageerror = () => this.#recover();
    worker.onerror = (event) => {
      event.preventDefault();
      this.#recover();
    };
    this.#worker = worker;
  }

  #stopWorker(): void {
    clearTimeout(this.#silence);
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = false;
    for (const id of this.#reasons.keys()) this.#giveReasons(id, []);
    // The drawing that was under way is still the newest one unless another waits already.
    if (this.#underWay && this.#underWay.id !== -1) this.#waiting ??= this.#underWay;
    this.#underWay = null;
  }

  /** Whether somebody waited for them. */
  #giveReasons(id: number, parts: readonly Part[]): boolean {
    this.#reasons.get(id)?.(parts);
    return this.#reasons.delete(id);
  }

  #recover(): void {
    this.#crashes += 1;
    if (this.#crashes < MAX_CRASHES_IN_A_ROW) {
      this.#startWorker();
    } else {
      this.#stopWorker();
      this.#events.onUnavailable("worker");
    }
  }

  #post(request: WorkerRequest): void {
    if (this.#ready) this.#worker?.postMessage(request);
  }

  #sendWaiting(): void {
    if (!this.#worker || !this.#ready || this.#underWay || !this.#waiting) return;
    this.#underWay = this.#waiting;
    this.#waiting = null;
    this.#worker.postMessage(this.#underWay);
    this.#silence = setTimeout(() => this.#recover(), SILENCE_LIMIT_MS);
  }

  #receive(report: WorkerReport): void {
    switch (report.kind) {
      case "ready":
        this.#ready = true;
        this.#events.onReady(report.nCategories, report.thresholds);
        for (const example of this.#examples) this.#post(example);
        break;
      case "unavailable":
        console.warn(`no guesses: ${report.message}`);
        this.#stopWorker();
        this.#events.onUnavailable(report.obstacle);
        return;
      case "look":
        if (report.id === this.#lookId) this.#events.onLook(report.look);
        return;
      case "reasons":
        this.#giveReasons(report.id, report.parts);
        return;
      case "learnt":
        this.#events.onLearnt(report.classes);
        return;
      case "example":
        this.#examples = this.#examples.filter(({ id }) => id !== report.id);
        this.#events.onExample(report.label, report.drawing);
        return;
      case "predictions":
      case "refused": {
        if (this.#giveReasons(report.id, [])) return;
        if (this.#examples.some(({ id }) => id === report.id)) {
          this.#examples = this.#examples.filter(({ id }) => id !== report.id);
          return;
        }
        clearTimeout(this.#silence);
        this.#crashes = 0;
        const asked = this.#underWay;
        this.#underWay = null;
        if (report.kind === "refused") console.warn(`drawing not classified: ${report.message}`);
        else this.#durationsMs = [...this.#durationsMs, report.durationMs].slice(-DURATIONS_KEPT);
        if (asked?.id === report.id && report.kind === "predictions") this.#events.onPredictions(report.predictions, asked.isPenDown);
        break;
      }
    }
    this.#sendWaiting();
  }
}

/** All points in one array. */
function packed(strokes: readonly Stroke[]): PackedStrokes {
  const points = new Float32Array(2 * strokes.reduce((n, stroke) => n + stroke.length, 0));
  const offsets: number[] = [];
  let at = 0;
  for (const stroke of strokes) {
    if (stroke.length > 0) offsets.push(at / 2);
    for (const { x, y } of stroke) {
      points[at++] = x;
      points[at++] = y;
    }
  }
  return { points, offsets };
}
