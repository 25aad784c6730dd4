/**
 * What went wrong, for programs:
 *
 * - `invalid-strokes`: not strokes, or a coordinate that is no number; the message names the stroke and the point.
 * - `invalid-options`: an option of `load` or `classify` has a value that makes no sense.
 * - `load-failed`: a file of the package or of the model folder could not be read, or is a web page.
 * - `invalid-model`: the model folder was read but is not a model of this version, or is damaged.
 * - `invalid-wasm`: the WebAssembly module was read but is not one, or is not this package's.
 * - `unsupported`: this browser or runtime has no WebAssembly, or WebAssembly without SIMD.
 * - `disposed`: the classifier was used after `dispose()`.
 * - `internal`: a fault of this package.
 */
export type QuickdrawErrorCode =
  | "invalid-strokes"
  | "invalid-options"
  | "load-failed"
  | "invalid-model"
  | "invalid-wasm"
  | "unsupported"
  | "disposed"
  | "internal";

/** The only kind of error that this package throws or rejects with. */
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
  return error instanceof Error ? error.message : String(error);
}
