/**
 * What went wrong, for programs:
 *
 * - `invalid-strokes`: not strokes, or a coordinate that is not a number; the message names the stroke and the point. Also
 *   a line of ndjson that holds no drawing.
 * - `invalid-options`: an option or another argument has a value that makes no sense.
 * - `invalid-image`: a picture that cannot be read.
 * - `load-failed`: a file of the package or of the model folder could not be read, or is a web page.
 * - `invalid-model`: the model folder was read but is not a model of this version, or is damaged.
 * - `invalid-classes`: saved custom classes that are damaged, or were made with another model.
 * - `invalid-wasm`: the WebAssembly module was read but is not one, or is not this package's.
 * - `unsupported`: this browser or runtime has no WebAssembly, or WebAssembly without SIMD.
 * - `disposed`: the classifier was used after `dispose()`.
 * - `superseded`: a newer drawing came while this one waited for the worker, and only the newest is recognised.
 * - `internal`: a fault of this package, or a worker that died.
 */
export type QuickdrawErrorCode =
  | "invalid-strokes"
  | "invalid-options"
  | "invalid-image"
  | "load-failed"
  | "invalid-model"
  | "invalid-classes"
  | "invalid-wasm"
  | "unsupported"
  | "disposed"
  | "superseded"
  | "internal";

/** The only kind of error that this package throws or rejects with, besides the reason of an `AbortSignal`. */
export class QuickdrawError extends Error {
  /** What went wrong, for programs; `message` says it for people. */
  readonly code: QuickdrawErrorCode;

  constructor(code: QuickdrawErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "QuickdrawError";
    this.code = code;
  }
}

/** What a caught value says about itself. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return "an error that cannot be shown";
  }
}
