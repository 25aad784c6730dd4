/** Shows how a drawing came about, with the guesses that it would have got on the way. */
import { beginning, isWithinStroke } from "./beginning";
import type { Stroke } from "./recognition";
import type { Pad } from "./pad";

const MS_PER_POINT = 14;
const SHORTEST_MS = 1500;
const LONGEST_MS = 6000;
const GUESS_EVERY_MS = 150;
/** Where motion is not wanted, whole strokes appear one after the other. */
const CALM_MS_PER_STROKE = 600;

export class Replay {
  readonly #pad: Pad;
  readonly #guess: (strokes: readonly Stroke[], isPenDown: boolean) => void;
  #frame = 0;

  constructor(pad: Pad, guess: (strokes: readonly Stroke[], isPenDown: boolean) => void) {
    this.#pad = pad;
    this.#guess = guess;
  }

  get isRunning(): boolean {
    return this.#frame !== 0;
  }

  start(): void {
    this.stop();
    const { strokes } = this.#pad;
    const total = strokes.reduce((n, stroke) => n + stroke.length, 0);
    if (total === 0) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const durationMs = calm
      ? strokes.length * CALM_MS_PER_STROKE
      : Math.min(Math.max(total * MS_PER_POINT, SHORTEST_MS), LONGEST_MS);
    const startMs = performance.now();
    let guessedMs = -Infinity;
    const step = () => {
      const elapsedMs = performance.now() - startMs;
      if (elapsedMs >= durationMs) {
        this.stop();
        this.#guess(strokes, false);
        return;
      }
      const nPoints = Math.max(1, Math.round((total * elapsedMs) / durationMs));
      const begun = calm
        ? strokes.slice(0, 1 + Math.floor(elapsedMs / CALM_MS_PER_STROKE))
        : beginning(strokes, nPoints);
      this.#pad.show(begun);
      if (elapsedMs - guessedMs >= GUESS_EVERY_MS) {
        guessedMs = elapsedMs;
        this.#guess(begun, !calm && isWithinStroke(strokes, nPoints));
      }
      this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  /** Shows the drawing as it is. Who stops a replay early asks for a guess of it. */
  stop(): void {
    if (!this.#frame) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#pad.show(null);
  }
}
