/** What passes between the page and the worker that guesses. */
import type { Classifier, PackedStrokes, Point, Prediction as ModelPrediction } from "quickdraw-rnn";
import type { Range } from "./parts";
import type { CustomClassesJson } from "quickdraw-rnn/custom-classes";

export interface Prediction extends ModelPrediction {
  /** Whether the visitor taught this category. */
  readonly isCustom?: boolean;
}

/** The points of one pen-down to pen-up movement. */
export type Stroke = readonly Point[];

/** From which probability on a first guess may be trusted, for a drawing whose pen is up or down. */
export type Thresholds = Pick<Classifier, "threshold" | "penDownThreshold">;

/** A drawing in the data set's simplified form, `[[x...], [y...]]` a stroke, in 0..255. */
export type Simplified = readonly (readonly (readonly number[])[])[];

/** A category that the visitor taught, and the drawings that it was taught with. */
export interface Category {
  readonly label: string;
  readonly drawings: readonly Simplified[];
}

/** What a guess chooses among: the model's categories, those and the visitor's, or the visitor's alone. */
export type Among = "model" | "beside" | "instead";

/** Why no guess can be made: the browser cannot run the model, the model did not load, or the worker keeps failing. */
export type Obstacle = "unsupported" | "model" | "worker";

/** Asks for the best predictions for a drawing; `id` comes back with the answer. */
export interface GuessRequest {
  readonly kind: "guess";
  readonly id: number;
  /** Two arrays of numbers: thousands of points as objects would take milliseconds to send. */
  readonly strokes: PackedStrokes;
  /** Whether the last stroke goes on. */
  readonly isPenDown: boolean;
  readonly among: Among;
}

/** Asks how the guess came about, moment by moment; the newest request wins. */
export interface LookRequest {
  readonly kind: "look";
  readonly id: number;
  readonly strokes: readonly Stroke[];
  readonly among: Among;
}

/** Shows a category of the visitor's one more drawing; a new label makes a new category. */
export interface ExampleRequest {
  readonly kind: "example";
  readonly id: number;
  readonly label: string;
  readonly strokes: readonly Stroke[];
}

/** Teaches these categories of the visitor's, and no others. */
export interface LearnRequest {
  readonly kind: "learn";
  readonly categories: readonly Category[];
}

/** Asks what each part of a drawing did for the probabilities of some labels. */
export interface ReasonsRequest {
  readonly kind: "reasons";
  readonly id: number;
  readonly strokes: readonly Stroke[];
  readonly labels: readonly string[];
}

/** A part of a drawing, and by how much it raised the log-odds of each label: what they are less without the part. */
export interface Part extends Range {
  readonly effects: readonly number[];
}

export type WorkerRequest = GuessRequest | ReasonsRequest | LookRequest | ExampleRequest | LearnRequest;

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
  /** The strokes as the model reads them. */
  readonly simplified: Simplified;
  /** The labels that the moments follow: the best in the end, best first, then others that led on the way. */
  readonly labels: readonly string[];
  readonly moments: readonly Moment[];
}

/** What the worker reports. */
export type WorkerReport =
  | { readonly kind: "ready"; readonly nCategories: number; readonly thresholds: Thresholds }
  | { readonly kind: "predictions"; readonly id: number; readonly predictions: readonly Prediction[]; readonly durationMs: number }
  | { readonly kind: "look"; readonly id: number; readonly look: Look }
  | { readonly kind: "reasons"; readonly id: number; readonly parts: readonly Part[] }
  | { readonly kind: "example"; readonly id: number; readonly label: string; readonly drawing: Simplified }
  | { readonly kind: "learnt"; readonly classes: CustomClassesJson }
  | { readonly kind: "refused"; readonly id: number; readonly message: string }
  | { readonly kind: "unavailable"; readonly obstacle: Obstacle; readonly message: string };
