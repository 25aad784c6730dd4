/// <reference lib="esnext.disposable" preserve="true" />
/* Strokes in, predictions out: lifetimes and errors around the compiled recogniser. */

import { QuickdrawError, type QuickdrawErrorCode, messageOf } from "./error.js";
import { ownModel } from "./files.js";
import { FileProgress, abortable, throwIfAborted, watched } from "./loading.js";
import {
  type Arithmetic,
  type CheckedOptions,
  type ClassifyOptions,
  type EmbedOptions,
  type LoadOptions,
  type ModelFiles,
  type ProbabilityOptions,
  allowedLabels,
  isUncertain,
  readClassifyOptions,
  readLoadOptions,
} from "./options.js";
import { readBytes, readSource, resolveUrl, shown } from "./read.js";
import { type Binding, type CompiledClassifier, NEEDS_FLOAT32, type WasmSource, loadRuntime } from "./runtime.js";
import { isAddress } from "./sources.js";
import { Session } from "./session.js";
import { type Strokes, readDrawings, readStrokes } from "./strokes.js";

/** A category and how probable the model finds it. */
export interface Prediction {
  /** The category as the data set names it, in English. */
  readonly label: string;
  /** Between 0 and 1; the probabilities of all labels that are allowed add up to 1. */
  readonly probability: number;
}

/** What the network gives for a drawing. */
export interface Outputs {
  /** As `Classifier.probabilities`. */
  readonly probabilities: Float32Array;
  /** As `Classifier.embed`. */
  readonly embedding: Float32Array;
}

/** A model on its way or there, the bytes of it that are there, and how many have asked for it and not disposed it. */
interface Loading {
  readonly promise: Promise<Model>;
  readonly files: readonly FileProgress[];
  nOwners: number;
}

/** A model in the memory of a module. */
interface Model {
  readonly binding: Binding;
  readonly compiled: CompiledClassifier;
  readonly labels: readonly string[];
}

/** Recognises drawings. */
export class Classifier implements Disposable {
  /** The shipped model in memory, which the classifiers of all who ask for the same arithmetic share. */
  static readonly #shared = new Map<Arithmetic | undefined, Loading>();

  /** The categories that the model knows. */
  readonly labels: readonly string[];
  /** How this classifier computes. */
  readonly arithmetic: Arithmetic;
  /**
   * The probability from which on the top-1 prediction is correct for 95 of 100 drawings, found by `native-train calibrate` on
   * drawings that the model had not learnt from; undefined for a model that was never calibrated.
   */
  readonly threshold: number | undefined;
  /** The same with `isPenDown`: as `threshold`, unless the model was calibrated for it. */
  readonly penDownThreshold: number | undefined;

  readonly #binding: Binding;
  #compiled: CompiledClassifier | undefined;
  /** Gives the model back, whose memory is freed with its last owner. */
  readonly #release: () => void;

  /** @internal */
  private constructor({ binding, compiled, labels }: Model, release: () => void) {
    this.#binding = binding;
    this.#compiled = compiled;
    this.#release = release;
    this.labels = labels;
    this.arithmetic = compiled.int8 ? "int8" : "f32";
    this.threshold = compiled.threshold;
    this.penDownThreshold = compiled.penDownThreshold;
  }

  /**
   * Loads the shipped model, or another.
   *
   * The classifiers of all who load the shipped model with the same `arithmetic` share one model in memory, until each of
   * them is disposed. A failure is not kept: the next call tries again.
   *
   * @throws QuickdrawError `invalid-options`, `load-failed`, `invalid-model`, `invalid-wasm`, `unsupported`; or the
   * reason of the signal. All of them as a rejection.
   */
  static load(options: LoadOptions = {}): Promise<Classifier> {
    let checked: LoadOptions;
    let loading: Loading;
    try {
      checked = readLoadOptions(options);
      throwIfAborted(checked.signal);
      loading = checked.model === undefined ? Classifier.#loadShipped(checked) : Classifier.#open(checked);
    } catch (error) {
      return Promise.reject(error);
    }
    // Counted from now on: who waits must not get a model that another one's `dispose` freed.
    loading.nOwners += 1;
    const { onProgress, signal } = checked;
    const { files } = loading;
    // A caller who no longer waits is not told how far the load is either.
    let { promise } = loading;
    if (onProgress !== undefined) {
      promise = watched(promise, files, (progress) => {
        if (!signal?.aborted) onProgress(progress);
      });
    }
    return abortable(promise, signal).then(
      (model) => new Classifier(model, () => Classifier.#giveBack(loading, model)),
      (error: unknown) => {
        loading.nOwners -= 1;
        throw error;
      },
    );
  }

  /**
   * Guesses what a drawing shows: the most probable categories, best first.
   *
   * This computes on the calling thread, for a millisecond or some; `quickdraw-rnn/worker` has the same in a worker.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `disposed`
   */
  classify(strokes: Strokes, options: ClassifyOptions = {}): Prediction[] {
    return this.#classify(strokes, readClassifyOptions(options));
  }

  /**
   * Guesses what each of many drawings shows, as `classify` of each with these options.
   *
   * @throws QuickdrawError As `classify`; messages begin with the drawing, counted from 0.
   */
  classifyAll(drawings: Iterable<Strokes>, options: ClassifyOptions = {}): Prediction[][] {
    this.#model();
    const checked = readClassifyOptions(options);
    allowedLabels(this.labels, checked);
    const predictions: Prediction[][] = [];
    for (const strokes of readDrawings(drawings)) predictions.push(this.#classify(strokes, checked));
    return predictions;
  }

  /**
   * A drawing that grows: it is told what the pen does, and can be classified at any time.
   *
   * What did not change since the call before is not simplified again, here as with `classify`.
   */
  session(): Session<Prediction[]> {
    return new Session((strokes, options) => this.classify(strokes, options));
  }

  /**
   * The probability of each label, in the order of `labels`.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `disposed`
   */
  probabilities(strokes: Strokes, options: ProbabilityOptions = {}): Float32Array {
    return this.#run("probabilities", strokes, readClassifyOptions(options)).found;
  }

  /**
   * The vector before the network's last layer: drawings that look alike to the network have vectors in about the same
   * direction. Its length depends on the model.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `disposed`
   */
  embed(strokes: Strokes, options: EmbedOptions = {}): Float32Array {
    const model = this.#model();
    const { isSimplified, isPenDown } = readClassifyOptions(options);
    const { points, offsets } = readStrokes(strokes);
    return guarded(() => model.embedding(points, offsets, isSimplified, isPenDown));
  }

  /**
   * `probabilities` and `embed` in one run of the network.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `disposed`
   */
  outputs(strokes: Strokes, options: ProbabilityOptions = {}): Outputs {
    const { found } = this.#run("outputs", strokes, readClassifyOptions(options));
    const n = this.labels.length;
    return { probabilities: found.slice(0, n), embedding: found.slice(n) };
  }

  /**
   * Brings strokes into the data set's simplified form: `[[x...], [y...]]` a stroke, in 0..255.
   *
   * @throws QuickdrawError `invalid-strokes`, `disposed`
   */
  simplify(strokes: Strokes): number[][][] {
    this.#model();
    const { points, offsets } = readStrokes(strokes);
    return guarded(() => this.#binding.simplify(points, offsets) as number[][][]);
  }

  /**
   * Whether these predictions of `classify` do not say what the drawing is: the first is below the `threshold` (with
   * `isPenDown` the `penDownThreshold`), or below 0.5 where the model has none, or there is none.
   */
  isUncertain(predictions: readonly Prediction[], options: Pick<EmbedOptions, "isPenDown"> = {}): boolean {
    return isUncertain(predictions, this, options);
  }

  /**
   * Frees the model's memory, unless other classifiers share it. This one cannot be used afterwards; disposing it again
   * does nothing.
   */
  dispose(): void {
    if (this.#compiled === undefined) return;
    this.#compiled = undefined;
    this.#release();
  }

  /** As `dispose`, for `using`; where the runtime has `Symbol.dispose`. */
  declare [Symbol.dispose]: () => void;

  static #loadShipped(options: LoadOptions): Loading {
    const { arithmetic } = options;
    const shared = Classifier.#shared.get(arithmetic);
    if (shared !== undefined) return shared;

    // No single caller's signal ends what others may wait for as well.
    const { signal, ...others } = options;
    const loading = Classifier.#open(others);
    Classifier.#shared.set(arithmetic, loading);
    loading.promise.catch(() => Classifier.#unshare(loading));
    return loading;
  }

  /** The next who asks for the shipped model loads it anew. */
  static #unshare(loading: Loading): void {
    for (const [arithmetic, shared] of Classifier.#shared) {
      if (shared === loading) Classifier.#shared.delete(arithmetic);
    }
  }

  static #giveBack(loading: Loading, { compiled }: Model): void {
    loading.nOwners -= 1;
    if (loading.nOwners > 0) return;
    Classifier.#unshare(loading);
    compiled.free();
  }

  static #open({ model, wasm, arithmetic, signal }: LoadOptions): Loading {
    const modelJson = new FileProgress();
    const weights = new FileProgress();
    const float32 = new FileProgress();
    // Float weights ask for one more module once they are there.
    float32.expect(0);
    // By default the arithmetic is that of the weights, which for int8 needs the smallest module.
    const runtime = loadRuntime(wasm, arithmetic ?? "int8");
    const open = async (): Promise<Model> => {
      const [files, binding] = await Promise.all([readModel(model, modelJson, weights, signal), runtime.ready]);
      throwIfAborted(signal);
      const isInt8 = arithmetic === undefined ? undefined : arithmetic === "int8";
      return openModel(files, binding, isInt8, wasm, float32);
    };
    return { promise: open(), files: [modelJson, weights, runtime.progress, float32], nOwners: 0 };
  }

  /** What the network gives, a probability for each label first, and which labels may be guessed, if not all. */
  #run(
    method: "probabilities" | "outputs",
    strokes: Strokes,
    options: CheckedOptions,
  ): { found: Float32Array; isAllowed: readonly boolean[] | undefined } {
    const model = this.#model();
    const isAllowed = allowedLabels(this.labels, options);
    const { points, offsets } = readStrokes(strokes);
    const found = guarded(() => model[method](points, offsets, options.isSimplified, options.isPenDown));
    if (isAllowed !== undefined) restrict(found, isAllowed);
    return { found, isAllowed };
  }

  /** The labels that may be guessed and whose probability reaches the threshold, best first. */
  #classify(strokes: Strokes, checked: CheckedOptions): Prediction[] {
    const { found, isAllowed } = this.#run("probabilities", strokes, checked);
    return best(found, checked.maxResults)
      .filter((index) => (isAllowed?.[index] ?? true) && found[index]! >= checked.threshold)
      .map((index) => ({ label: this.labels[index]!, probability: found[index]! }));
  }

  #model(): CompiledClassifier {
    if (this.#compiled === undefined) {
      throw new QuickdrawError("disposed", "this classifier was disposed: call Classifier.load() for another");
    }
    return this.#compiled;
  }
}

if (typeof Symbol.dispose === "symbol") Classifier.prototype[Symbol.dispose] = Classifier.prototype.dispose;

/** A model folder's files in memory. */
interface ModelBytes {
  /** What messages call the model. */
  readonly name: string;
  readonly modelJson: Uint8Array;
  readonly weights: Uint8Array;
}

async function readModel(
  model: string | URL | ModelFiles | undefined,
  modelJson: FileProgress,
  weights: FileProgress,
  signal: AbortSignal | undefined,
): Promise<ModelBytes> {
  const fromUrls = async (name: string, modelJsonUrl: URL, weightsUrl: URL): Promise<ModelBytes> => {
    const files = [readBytes(modelJsonUrl, modelJson, signal), readBytes(weightsUrl, weights, signal)] as const;
    const [modelJsonBytes, weightsBytes] = await Promise.all(files);
    return { name, modelJson: modelJsonBytes, weights: weightsBytes };
  };
  if (isAddress(model)) {
    const folder = new URL(await resolveUrl(model));
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    const name = `the model in ${shown(folder)}`;
    return fromUrls(name, new URL("model.json", folder), new URL("weights.safetensors", folder));
  }
  const files = model ?? (await ownModel());
  const name = model === undefined ? "the shipped model" : "the given model";
  const [modelJsonBytes, weightsBytes] = await Promise.all([
    readSource(files.modelJson, modelJson, signal),
    readSource(files.weights, weights, signal),
  ]);
  for (const [file, bytes] of [
    ["model.json", modelJsonBytes],
    ["weights.safetensors", weightsBytes],
  ] as const) {
    if (bytes.length > 0) continue;
    throw new QuickdrawError("invalid-model", `${name}: ${file}: it is empty, or its buffer was transferred`);
  }
  return { name, modelJson: modelJsonBytes, weights: weightsBytes };
}

/** Opens a model, with the module for float32 where its weights ask for that. */
async function openModel(
  files: ModelBytes,
  binding: Binding,
  isInt8: boolean | undefined,
  wasm: WasmSource | undefined,
  float32Progress: FileProgress,
): Promise<Model> {
  const open = (opening: Binding): Model | undefined =>
    guarded(() => {
      try {
        const compiled = new opening.Classifier(files.modelJson, files.weights, isInt8);
        return { binding: opening, compiled, labels: Object.freeze(compiled.labels) };
      } catch (error) {
        if ((error as { code?: string }).code !== "no-float32") throw error;
        return undefined;
      }
    }, `${files.name}: `);
  const opened = open(binding);
  if (opened !== undefined) return opened;
  const runtime = loadRuntime(wasm, "f32");
  const stopFollowing = float32Progress.follow(runtime.progress);
  const float32 = await runtime.ready.finally(stopFollowing).catch((cause: unknown) => {
    if (wasm === undefined) throw cause;
    throw new QuickdrawError(
      "invalid-wasm",
      `${files.name} has float32 weights, and ${NEEDS_FLOAT32} as option \`wasm\`: ${messageOf(cause)}`,
      { cause },
    );
  });
  const found = open(float32);
  if (found === undefined) throw new QuickdrawError("internal", "the module for float32 has none");
  return found;
}

/** Leaves the probabilities of some labels, which then add up to 1; alike if the model finds none of them possible. */
function restrict(probabilities: Float32Array, isAllowed: readonly boolean[]): void {
  let sum = 0;
  let nAllowed = 0;
  for (const [index, allowed] of isAllowed.entries()) {
    if (!allowed) continue;
    sum += probabilities[index]!;
    nAllowed += 1;
  }
  for (const [index, allowed] of isAllowed.entries()) {
    if (!allowed) probabilities[index] = 0;
    else probabilities[index] = sum > 0 ? probabilities[index]! / sum : 1 / nAllowed;
  }
}

/** The indices of the n largest values, largest first; of equal ones the first. */
function best(values: Float32Array, n: number): number[] {
  const found: number[] = [];
  for (let index = 0; index < values.length; index++) {
    if (found.length >= n && values[index]! <= values[found[found.length - 1]!]!) continue;
    let at = found.length;
    while (at > 0 && values[found[at - 1]!]! < values[index]!) at -= 1;
    found.splice(at, 0, index);
    if (found.length > n) found.pop();
  }
  return found;
}

/** Calls the compiled recogniser and turns what it throws into this package's error. */
function guarded<T>(call: () => T, context = ""): T {
  try {
    return call();
  } catch (cause) {
    const code = (cause as { code?: QuickdrawErrorCode }).code;
    if (code !== undefined) throw new QuickdrawError(code, context + shortened(messageOf(cause)));
    throw new QuickdrawError("internal", `${context}the recogniser failed: ${messageOf(cause)}`, { cause });
  }
}

/** A message may quote a file of megabytes. */
function shortened(message: string): string {
  return message.length > 500 ? `${message.slice(0, 300)}... ...${message.slice(-150)}` : message;
}
