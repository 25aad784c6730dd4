/* What the page and the worker say to each other. */

import type { QuickdrawErrorCode } from "./error.js";
import type { LoadProgress } from "./loading.js";
import type { Arithmetic, ClassifyOptions, Thresholds } from "./options.js";
import type { Packed } from "./strokes.js";

/** What the worker loads: addresses as text, files as bytes. */
export interface WorkerModel {
  readonly model: string | { readonly modelJson: Uint8Array; readonly weights: Uint8Array } | undefined;
  readonly wasm: string | Uint8Array | WebAssembly.Module | undefined;
  readonly arithmetic: Arithmetic | undefined;
}

/** What a loaded model is. */
export interface ModelFacts extends Thresholds {
  readonly labels: readonly string[];
  readonly arithmetic: Arithmetic;
}

/** The calls of a classifier that the worker answers. */
export type Method = "classify" | "probabilities" | "embed" | "simplify";

/** To the worker. */
export type Request =
  | { readonly kind: "load"; readonly model: WorkerModel }
  | {
      readonly kind: "call";
      readonly id: number;
      readonly method: Method;
      readonly strokes: Packed;
      readonly options: ClassifyOptions;
    };

/** From the worker. */
export type Answer =
  | { readonly kind: "progress"; readonly progress: LoadProgress }
  | { readonly kind: "loaded"; readonly facts: ModelFacts }
  | { readonly kind: "failed"; readonly error: Failure }
  | { readonly kind: "value"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: Failure };

/** An error as it travels. */
export interface Failure {
  readonly code: QuickdrawErrorCode;
  readonly message: string;
}
