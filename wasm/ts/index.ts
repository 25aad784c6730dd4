/**
 * Recognises Quick, Draw! drawings: `Classifier.load()`, then `classifier.classify(strokes)`.
 *
 * @module quickdraw-rnn
 */

export { Classifier } from "./classifier.js";
export type { Outputs, Prediction } from "./classifier.js";
export { QuickdrawError } from "./error.js";
export type { QuickdrawErrorCode } from "./error.js";
export type { LoadProgress } from "./loading.js";
export type {
  Arithmetic,
  ClassifyOptions,
  EmbedOptions,
  FileSource,
  LoadOptions,
  ModelFiles,
  ProbabilityOptions,
} from "./options.js";
export type { WasmSource } from "./runtime.js";
export type { Session, SessionOptions } from "./session.js";
export type { Coordinates, PackedStrokes, Point, Strokes } from "./strokes.js";
