/* What the page and the worker say to each other. */

import type { QuickdrawErrorCode } from "./error.js";
import type { LoadProgress } from "./loading.js";
import type { Arithmetic, ClassifyOptions, Thresholds } from "./options.js";
import type { Packed } from "./strokes.js";
import type { PlatformModule } from "./platform.js";
import type { ModuleKind } from "./simd.js";

/** An address as text, or a file as bytes. */
export type SentFile = string | Uint8Array;

/** The package's own modules, as many as there are to send. */
export type SentModules = { readonly [kind in ModuleKind]?: SentFile };

/** What the worker loads: everything is named, because the worker's program does not know where it lies itself. */
export interface WorkerModel {
  readonly model: string | { readonly modelJson: SentFile; readonly weights: SentFile };
  /** The module that the user chose, if one was. */
  readonly wasm: SentFile | PlatformModule | undefined;
  readonly modules: SentModules;
  readonly arithmetic: Arithmetic | undefined;
}

/** What a loaded model is. */
export interface ModelFacts extends Thresholds {
  readonly labels: readonly string[];
  readonly arithmetic: Arithmetic;
}

/** The calls of a classifier that the worker answers, those for one drawing. */
export type Method = "classify" | "outputs" | "probabilities" | "embed" | "simplify";

/** To the worker. */
export type Request =
  | { readonly kind: "load"; readonly model: WorkerModel }
  /** Asks for a heartbeat. */
  | { readonly kind: "ping" }
  | {
      readonly kind: "call";
      readonly id: number;
      readonly method: Method;
      readonly strokes: Packed;
      readonly options: ClassifyOptions;
    }
  | {
      readonly kind: "call";
      readonly id: number;
      readonly method: "classifyAll";
      readonly strokes: readonly Packed[];
      readonly options: ClassifyOptions;
    };

/** From the worker. */
export type Answer =
  | { readonly kind: "pong" }
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

/** What a worker said, as far as it is an answer: a worker of the user's own may say anything else too. */
export function readAnswer(data: unknown): Answer | undefined {
  if (typeof data !== "object" || data === null) return undefined;
  const { kind, id, facts, error, progress } = data as { [field: string]: unknown };
  const isCall = typeof id === "number";
  const isFailure = (value: unknown): boolean => {
    const { code, message } = Object(value) as Partial<Failure>;
    return typeof code === "string" && typeof message === "string";
  };
  const isWhole =
    kind === "pong" ||
    (kind === "progress" && typeof progress === "object" && progress !== null) ||
    (kind === "loaded" && Array.isArray((Object(facts) as Partial<ModelFacts>).labels)) ||
    (kind === "failed" && isFailure(error)) ||
    (kind === "value" && isCall) ||
    (kind === "error" && isCall && isFailure(error));
  return isWhole ? (data as Answer) : undefined;
}
