/* Strokes in, predictions out: options, lifetimes and errors around the compiled recogniser. */

import * as compiled from "../pkg/quickdraw_wasm.js";

import { QuickdrawError, type QuickdrawErrorCode, messageOf } from "./error.js";
import { readBytes, resolveUrl, shown } from "./read.js";
import { type WasmSource, loadRuntime } from "./runtime.js";

/** A point of a stroke; y points down, as on a screen. Any unit will do. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The coordinates of a stroke along one axis. */
export type Coordinates = readonly number[] | Float32Array | Float64Array | Int32Array | Int16Array | Uint8Array;

/**
 * The strokes of a drawing in the order in which they were drawn: lists of points, or the data set's `[[x...], [y...]]`
 * with an optional third list, the times, which is ignored.
 */
export type Strokes = readonly (readonly Point[])[] | readonly (readonly Coordinates[])[];

/** A category and how probable the model finds it. */
export interface Prediction {
  /** The category as the data set names it, in English. */
  readonly label: string;
  /** Between 0 and 1; the probabilities of all labels add up to 1. */
  readonly probability: number;
}

/** The two files of a model folder in memory. */
export interface ModelFiles {
  /** The bytes of `model.json`. */
  readonly modelJson: ArrayBuffer | Uint8Array;
  /** The bytes of `weights.safetensors`. */
  readonly weights: ArrayBuffer | Uint8Array;
}

/** Options of {@link Classifier.load}. */
export interface LoadOptions {
  /**
   * Another model than the shipped one: the address of a folder with `model.json` and `weights.safetensors`, or the
   * bytes of both. In Node a string without a scheme is a path.
   */
  readonly model?: string | URL | ModelFiles;
  /**
   * The compiled module, for bundlers that do not follow `new URL("...", import.meta.url)`: its address, its bytes or
   * the module itself. It is instantiated once; later calls share that instance.
   */
  readonly wasm?: WasmSource;
}

/** Options of {@link Classifier.classify}. */
export interface ClassifyOptions {
  /** How many predictions at most, a whole number from 1. Default: 5. */
  readonly maxResults?: number;
  /**
   * Whether the strokes already are in the data set's simplified form, as `simplify` and the files of the data set give
   * them. Default: false, and the strokes are simplified first.
   */
  readonly isSimplified?: boolean;
}

/** Recognises drawings. */
export class Classifier {
  /** The classifier of the shipped model, which all who ask for it share. */
  static #shared: Promise<Classifier> | undefined;

  /** The categories that the model knows. */
  readonly labels: readonly string[];

  #compiled: compiled.Classifier | undefined;
  #isShared = false;

  /** @internal */
  private constructor(model: compiled.Classifier) {
    this.#compiled = model;
    this.labels = Object.freeze(model.labels);
  }

  /**
   * Loads the shipped model, or another.
   *
   * Calls for the shipped model share one promise and one classifier, until it is disposed. A failure is not kept: the
   * next call tries again.
   */
  static load(options: LoadOptions = {}): Promise<Classifier> {
    if (typeof options !== "object" || options === null) {
      const error = new QuickdrawError("invalid-options", "expected an object of options: load({ model, wasm })");
      return Promise.reject(error);
    }
    const { model, wasm } = options;
    if (model !== undefined) return Classifier.#open(readModel(model), wasm);

    Classifier.#shared ??= Classifier.#open(readShippedModel(), wasm).then(
      (classifier) => {
        classifier.#isShared = true;
        return classifier;
      },
      (error: unknown) => {
        Classifier.#shared = undefined;
        throw error;
      },
    );
    return Classifier.#shared;
  }

  /**
   * Guesses what a drawing shows: the most probable categories, best first.
   *
   * This computes on the calling thread, for some milliseconds; a page that draws at the same time calls it in a worker.
   */
  classify(strokes: Strokes, options: ClassifyOptions = {}): Prediction[] {
    const model = this.#model();
    if (typeof options !== "object" || options === null) {
      throw new QuickdrawError("invalid-options", "expected an object of options: classify(strokes, { maxResults })");
    }
    const { maxResults = 5, isSimplified = false } = options;
    if (!Number.isSafeInteger(maxResults) || maxResults < 1) {
      throw new QuickdrawError(
        "invalid-options",
        `option \`maxResults\`: found ${quoted(maxResults)}, expected a whole number from 1`,
      );
    }
    if (typeof isSimplified !== "boolean") {
      throw new QuickdrawError(
        "invalid-options",
        `option \`isSimplified\`: found ${quoted(isSimplified)}, expected true or false`,
      );
    }
    const found = guarded(() => model.probabilities(strokes, isSimplified));
    const order = Array.from(found.keys()).sort((a, b) => found[b]! - found[a]!);
    return order.slice(0, maxResults).map((index) => ({ label: this.labels[index]!, probability: found[index]! }));
  }

  /** Brings strokes into the data set's simplified form: `[[x...], [y...]]` a stroke, in 0..255. */
  simplify(strokes: Strokes): number[][][] {
    this.#model();
    return guarded(() => compiled.simplify(strokes));
  }

  /** Frees the model's memory. The classifier cannot be used afterwards; disposing it again does nothing. */
  dispose(): void {
    if (this.#isShared) Classifier.#shared = undefined;
    this.#isShared = false;
    this.#compiled?.free();
    this.#compiled = undefined;
  }

  static async #open(reading: Promise<NamedModel>, wasm: WasmSource | undefined): Promise<Classifier> {
    const [{ name, modelJson, weights }] = await Promise.all([reading, loadRuntime(wasm)]);
    return guarded(() => new Classifier(new compiled.Classifier(bytes(modelJson), bytes(weights), undefined)), `${name}: `);
  }

  #model(): compiled.Classifier {
    if (this.#compiled === undefined) {
      throw new QuickdrawError("disposed", "this classifier was disposed: call Classifier.load() for another");
    }
    return this.#compiled;
  }
}

interface NamedModel extends ModelFiles {
  /** What messages call the model. */
  readonly name: string;
}

function readShippedModel(): Promise<NamedModel> {
  return readModelFiles(
    "the shipped model",
    new URL("../model/model.json", import.meta.url),
    new URL("../model/weights.safetensors", import.meta.url),
  );
}

async function readModel(model: string | URL | ModelFiles): Promise<NamedModel> {
  if (typeof model === "string" || model instanceof URL) {
    const folder = new URL(await resolveUrl(model));
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    return readModelFiles(
      `the model in ${shown(folder)}`,
      new URL("model.json", folder),
      new URL("weights.safetensors", folder),
    );
  }
  if (isBytes(model?.modelJson) && isBytes(model.weights)) {
    return { name: "the given model", modelJson: model.modelJson, weights: model.weights };
  }
  throw new QuickdrawError(
    "invalid-options",
    "option `model`: expected the address of a model folder, or { modelJson, weights } with the bytes of its files",
  );
}

async function readModelFiles(name: string, modelJsonUrl: URL, weightsUrl: URL): Promise<NamedModel> {
  const [modelJson, weights] = await Promise.all([readBytes(modelJsonUrl), readBytes(weightsUrl)]);
  return { name, modelJson, weights };
}

function isBytes(value: unknown): value is ArrayBuffer | Uint8Array {
  return value instanceof ArrayBuffer || value instanceof Uint8Array;
}

function bytes(value: ArrayBuffer | Uint8Array): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(value);
}

/** A value as messages show it. */
function quoted(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : String(value);
}

/** Calls the compiled recogniser and turns what it throws into this package's error. */
function guarded<T>(call: () => T, context = ""): T {
  try {
    return call();
  } catch (cause) {
    const code = (cause as { code?: QuickdrawErrorCode }).code;
    if (code !== undefined) throw new QuickdrawError(code, context + messageOf(cause));
    throw new QuickdrawError("internal", `${context}the recogniser failed: ${messageOf(cause)}`, { cause });
  }
}
