/** What the page says about drawings and what they are recognised as. */
import type { Classifier, Point, Prediction as ModelPrediction } from "quickdraw-rnn";
import type { Range } from "./parts";

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

/** A part of a drawing, and by how much it raised the log-odds of each label: what they are less without the part. */
export interface Part extends Range {
  readonly effects: readonly number[];
}

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
