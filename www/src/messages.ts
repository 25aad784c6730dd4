/** What passes between the page and the worker that guesses. */
import type { Point, Prediction } from "quickdraw-rnn";

export type { Prediction };

/** The points of one pen-down to pen-up movement. */
export type Stroke = readonly Point[];

/** Why no guess can be made: the browser cannot run the model, the model did not load, or the worker keeps failing. */
export type Obstacle = "unsupported" | "model" | "worker";

/** Asks for the best predictions for a drawing; `id` comes back with the answer. */
export interface GuessRequest {
  readonly kind: "guess";
  readonly id: number;
  readonly strokes: readonly Stroke[];
}

/** Asks how the guess came about, moment by moment; the newest request wins. */
export interface LookRequest {
  readonly kind: "look";
  readonly id: number;
  readonly strokes: readonly Stroke[];
}

export type WorkerRequest = GuessRequest | LookRequest;

/** What the model thought when this much of the drawing was on paper. */
export interface Moment {
  /** Points drawn until then. */
  readonly nPoints: number;
  /** Finished strokes until then. */
  readonly nStrokes: number;
  /** Whether the pen left the paper then. */
  readonly endsStroke: boolean;
  readonly best: Prediction;
  /** A probability for each of the look's labels. */
  readonly probabilities: readonly number[];
}

/** How a guess came about. */
export interface Look {
  /** The strokes as the model reads them, `[[x...], [y...]]` a stroke, in 0..255. */
  readonly simplified: readonly (readonly (readonly number[])[])[];
  /** The labels that the moments follow: the best in the end, best first, then others that led on the way. */
  readonly labels: readonly string[];
  readonly moments: readonly Moment[];
}

/** What the worker reports. */
export type WorkerReport =
  | { readonly kind: "ready"; readonly nCategories: number; readonly threshold?: number | undefined }
  | { readonly kind: "predictions"; readonly id: number; readonly predictions: readonly Prediction[]; readonly durationMs: number }
  | { readonly kind: "look"; readonly id: number; readonly look: Look }
  | { readonly kind: "refused"; readonly id: number; readonly message: string }
  | { readonly kind: "unavailable"; readonly obstacle: Obstacle; readonly message: string };
