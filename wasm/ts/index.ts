/**
 * Recognises Quick, Draw! drawings: `Classifier.load()`, then `classifier.classify(strokes)`.
 *
 * @packageDocumentation
 */

export { Classifier } from "./classifier.js";
export type { ClassifyOptions, Coordinates, LoadOptions, ModelFiles, Point, Prediction, Strokes } from "./classifier.js";
export { QuickdrawError } from "./error.js";
export type { QuickdrawErrorCode } from "./error.js";
export type { WasmSource } from "./runtime.js";
