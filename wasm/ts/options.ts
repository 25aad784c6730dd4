/* Options of the package's calls: what there is, read once and checked. */

import { QuickdrawError } from "./error.js";
import type { LoadProgress } from "./loading.js";
import type { PlatformAbortSignal, PlatformResponse, PlatformUrl } from "./platform.js";
import type { WasmSource } from "./runtime.js";
import { isAddress, isAnswer, isFileSource, isModule } from "./sources.js";

/** Where a file lies, the file in memory, or an answer of a server that brings it. */
export type FileSource =
  | string
  | PlatformUrl
  | ArrayBuffer
  | Uint8Array
  | PlatformResponse
  | PromiseLike<PlatformResponse>;

/** The two files of a model folder. */
export interface ModelFiles {
  /** `model.json`. */
  readonly modelJson: FileSource;
  /** `weights.safetensors`. */
  readonly weights: FileSource;
}

/**
 * How the network is computed: in int8, several times as fast, or in float32, for comparison. With weights of
 * 8 bits both give nearly the same probabilities.
 */
export type Arithmetic = "int8" | "f32";

/** Options of `Classifier.load`. */
export interface LoadOptions {
  /**
   * Another model than the shipped one: the address of a folder with `model.json` and `weights.safetensors`, or both
   * files. In Node a string without a scheme is a path.
   */
  readonly model?: string | PlatformUrl | ModelFiles;
  /**
   * The compiled module, for bundlers that do not follow `new URL("...", import.meta.url)`: its address, its bytes, a
   * server's answer or the module itself. It is instantiated once; later calls share that instance.
   */
  readonly wasm?: WasmSource;
  /** How to compute. Default: `"int8"` if the model's weights are in 8 bits, as those of the shipped model are; else `"f32"`. */
  readonly arithmetic?: Arithmetic;
  /**
   * Ends the waiting: the promise rejects with the signal's reason. What others wait for as well goes on for them.
   */
  readonly signal?: PlatformAbortSignal;
  /**
   * Called as bytes of the module and the model arrive, and once with all of them when the classifier is ready. An
   * error that it throws does not end the load.
   */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** Options of `Classifier.simplify` and of the calls that recognise. */
export interface EmbedOptions {
  /**
   * Whether the strokes already are in the data set's simplified form, as `simplify` and the files of the data set give
   * them. Default: false, and the strokes are simplified first.
   */
  readonly isSimplified?: boolean;
  /**
   * Whether the pen is still on the paper: the last stroke goes on. A part of a drawing often looks like a whole one of
   * something else, and a model that was calibrated for it is less sure then. `simplify` does not need to know. Default: false.
   */
  readonly isPenDown?: boolean;
}

/** Options of `Classifier.probabilities`. */
export interface ProbabilityOptions extends EmbedOptions {
  /** The only labels to consider; the probabilities of the others become 0, theirs add up to 1. Default: all. */
  readonly allow?: Iterable<string>;
  /** Labels to leave out, also of those in `allow`. Default: none. */
  readonly deny?: Iterable<string>;
}

/** Options of `Classifier.classify`. */
export interface ClassifyOptions extends ProbabilityOptions {
  /** How many predictions at most, an integer from 1. Default: 5. */
  readonly maxResults?: number;
  /** The least probability of a prediction, 0 to 1: those below it are left out. Default: 0. */
  readonly threshold?: number;
}

/** Checked options of a load. */
export function readLoadOptions(options: LoadOptions): LoadOptions {
  checkObject(options, "load({ model, wasm })");
  const { model, wasm, arithmetic, signal, onProgress } = options;
  // The text of a file is no address of it.
  const isText = (source: unknown): boolean => typeof source === "string" && /^\s*(\{|$)/.test(source);
  const isFile = (source: unknown): boolean => (isAddress(source) && !isText(source)) || isFileSource(source);
  if (model !== undefined && !isAddress(model) && !(isFile(model?.modelJson) && isFile(model?.weights))) {
    throw invalid(
      "model",
      model,
      "the address of a model folder, or { modelJson, weights } with its files: their addresses, their bytes or the Responses that bring them",
    );
  }
  if (wasm !== undefined && !isAddress(wasm) && !isFileSource(wasm) && !isModule(wasm)) {
    throw invalid("wasm", wasm, "a URL, the bytes of the module, a Response that brings them, or a WebAssembly.Module");
  }
  if (arithmetic !== undefined && arithmetic !== "int8" && arithmetic !== "f32") {
    throw invalid("arithmetic", arithmetic, `"int8" or "f32"`);
  }
  if (signal !== undefined && !isSignal(signal)) {
    throw invalid("signal", signal, "an AbortSignal");
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw invalid("onProgress", onProgress, "a function");
  }
  // Not every load needs every answer: one that does not come is no unhandled rejection.
  const files = model === undefined || isAddress(model) ? [] : [model.modelJson, model.weights];
  for (const source of [wasm, ...files]) {
    if (isAnswer(source)) Promise.resolve(source).catch(() => undefined);
  }
  return { model, wasm, arithmetic, signal, onProgress } as LoadOptions;
}

function isSignal(value: unknown): value is AbortSignal {
  const signal = value as AbortSignal | null;
  return (
    typeof signal === "object" &&
    typeof signal?.addEventListener === "function" &&
    typeof signal.removeEventListener === "function"
  );
}

/** Options of `classify` and `probabilities` with their defaults. */
export interface CheckedOptions {
  readonly maxResults: number;
  readonly threshold: number;
  readonly isSimplified: boolean;
  readonly isPenDown: boolean;
  readonly allow: readonly string[] | undefined;
  readonly deny: readonly string[] | undefined;
}

/** Checked options of `classify`; `probabilities` and `embed` have fewer of the same. */
export function readClassifyOptions(options: ClassifyOptions): CheckedOptions {
  checkObject(options, "classify(strokes, { maxResults })");
  const { maxResults = 5, threshold = 0, isSimplified = false, isPenDown = false, allow, deny } = options;
  if (!Number.isSafeInteger(maxResults) || maxResults < 1) {
    throw invalid("maxResults", maxResults, "an integer from 1");
  }
  if (typeof threshold !== "number" || !(threshold >= 0 && threshold <= 1)) {
    throw invalid("threshold", threshold, "a number from 0 to 1");
  }
  if (typeof isSimplified !== "boolean") throw invalid("isSimplified", isSimplified, "true or false");
  if (typeof isPenDown !== "boolean") throw invalid("isPenDown", isPenDown, "true or false");
  return {
    maxResults,
    threshold,
    isSimplified,
    isPenDown,
    allow: readLabels("allow", allow),
    deny: readLabels("deny", deny),
  };
}

function readLabels(option: string, labels: Iterable<string> | undefined): string[] | undefined {
  if (labels === undefined) return undefined;
  // The characters of a string are no labels.
  if (typeof labels !== "object" || labels === null || typeof labels[Symbol.iterator] !== "function") {
    throw invalid(option, labels, "a list of labels");
  }
  const read: string[] = [];
  for (const label of labels) {
    if (typeof label !== "string") throw invalid(option, label, "labels");
    read.push(label);
  }
  return read;
}

/**
 * Whether each label may be guessed; undefined where all may.
 *
 * @throws QuickdrawError `invalid-options` for a label that the model does not know, or if none is left.
 */
export function allowedLabels(
  labels: readonly string[],
  { allow, deny }: Pick<CheckedOptions, "allow" | "deny">,
): boolean[] | undefined {
  if (allow === undefined && deny === undefined) return undefined;
  const known = new Map(labels.map((label, index) => [label, index]));
  const isAllowed = labels.map(() => allow === undefined);
  const mark = (option: string, list: readonly string[] | undefined, value: boolean): void => {
    for (const label of list ?? []) {
      const index = known.get(label);
      if (index === undefined) throw invalid(option, label, "labels that the model knows");
      isAllowed[index] = value;
    }
  };
  mark("allow", allow, true);
  mark("deny", deny, false);
  if (!isAllowed.includes(true)) {
    throw new QuickdrawError("invalid-options", "options `allow` and `deny` leave no label: expected at least one");
  }
  return isAllowed;
}

/** The threshold where the model is not calibrated. */
export const DEFAULT_THRESHOLD = 0.5;

/** Below which probability the top-1 prediction is uncertain, for drawings whose pen is up or down. */
export interface Thresholds {
  readonly threshold: number | undefined;
  readonly penDownThreshold: number | undefined;
}

/** Whether the first of these predictions is less probable than the threshold, or there is none. */
export function isUncertain(
  predictions: readonly { readonly probability: number }[],
  { threshold: penUpThreshold, penDownThreshold }: Thresholds,
  options: Pick<EmbedOptions, "isPenDown">,
): boolean {
  checkObject(options, "isUncertain(predictions, { isPenDown })");
  const threshold = readClassifyOptions(options).isPenDown ? penDownThreshold : penUpThreshold;
  if (!Array.isArray(predictions)) throw invalid("predictions", predictions, "what `classify` gave");
  const probability = predictions[0]?.probability;
  return probability === undefined || !(probability >= (threshold ?? DEFAULT_THRESHOLD));
}

/** A call's last argument must be an object, if it is there. */
export function checkObject(options: unknown, example: string): void {
  if (typeof options !== "object" || options === null) {
    throw new QuickdrawError("invalid-options", `expected an object of options: ${example}`);
  }
}

/** The error for an option with a value that makes no sense. */
export function invalid(option: string, found: unknown, expected: string): QuickdrawError {
  return new QuickdrawError("invalid-options", `option \`${option}\`: found ${quoted(found)}, expected ${expected}`);
}

/** A value as messages show it. */
function quoted(value: unknown): string {
  if (typeof value === "string") return `"${value.slice(0, 100)}"`;
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
