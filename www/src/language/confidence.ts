import type { Prediction } from "../recognition";

/** How sure the best prediction is; every language has a turn of phrase for each. */
export type Confidence = "certain" | "likely" | "unsure";

/**
 * From this probability on a guess counts as sure where the model does not bring its own threshold, the calibrated one from which the
 * first guess is right 95 times in 100. It is no such measurement: only twice as probable as everything else together, and more.
 */
export const DEFAULT_THRESHOLD = 0.7;

const LIKELY = 0.3;
/** A second guess below this probability is chance, and not worth a word. */
const LEAST_SECOND = 0.02;

/** The second guess, where it is worth naming beside the best. */
export function secondOf([, second]: readonly Prediction[]): Prediction | undefined {
  return second && second.probability >= LEAST_SECOND ? second : undefined;
}

export function confidenceOf(best: Prediction, threshold: number = DEFAULT_THRESHOLD): Confidence {
  if (best.probability >= threshold) return "certain";
  return best.probability >= Math.min(LIKELY, threshold / 2) ? "likely" : "unsure";
}
