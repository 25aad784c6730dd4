import type { Prediction } from "../messages";

/** How sure the best prediction is; every language has a turn of phrase for each. */
export type Confidence = "certain" | "likely" | "unsure";

export function confidenceOf(best: Prediction): Confidence {
  if (best.probability >= 0.8) return "certain";
  return best.probability >= 0.3 ? "likely" : "unsure";
}
