/** What passes between the page and the worker that guesses. */
import type { Point, Prediction } from "quickdraw-rnn";

export type { Prediction };

/** The points of one pen-down to pen-up movement. */
export type Stroke = readonly Point[];

/** Why no guess can be made: the browser cannot run the model, the model did not load, or the worker keeps failing. */
export type Obstacle = "unsupported" | "model" | "worker";

/** Asks for the best predictions for a drawing; `id` comes back with the answer. */
export interface GuessRequest {
  readonly id: number;
  readonly strokes: readonly Stroke[];
}

/** What the worker reports. */
export type WorkerReport =
  | { readonly kind: "ready"; readonly nCategories: number }
  | { readonly kind: "predictions"; readonly id: number; readonly predictions: readonly Prediction[] }
  | { readonly kind: "refused"; readonly id: number; readonly message: string }
  | { readonly kind: "unavailable"; readonly obstacle: Obstacle; readonly message: string };
