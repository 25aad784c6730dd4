/**
 * Custom classes from a few drawings each, beside the categories that the model was trained on or instead of them.
 *
 * @module quickdraw-rnn/custom-classes
 */

import type { Outputs, Prediction } from "./classifier.js";
import { QuickdrawError } from "./error.js";
import { parseJson } from "./json.js";
import {
  type CheckedOptions,
  type ClassifyOptions,
  type EmbedOptions,
  type ProbabilityOptions,
  invalid,
  readClassifyOptions,
} from "./options.js";
import type { Strokes } from "./strokes.js";

/** What {@link CustomClasses} needs of a classifier: `Classifier` has it, and so has the one in a worker. */
export interface EmbeddingClassifier {
  /** The categories that the model knows. */
  readonly labels: readonly string[];
  /** The vector before the network's last layer, now or later. */
  embed(strokes: Strokes, options?: EmbedOptions): Float32Array | Promise<Float32Array>;
  /** The probability of each label, in the order of `labels`, now or later. */
  probabilities(strokes: Strokes, options?: ProbabilityOptions): Float32Array | Promise<Float32Array>;
  /** Both in one run of the network, now or later; one in a worker may reject drawings that a newer one has overtaken. */
  outputs(strokes: Strokes, options?: ProbabilityOptions): Outputs | Promise<Outputs>;
}

/** A custom class. */
export interface CustomClass {
  /** Its name. */
  readonly label: string;
  /** How many drawings it was shown. */
  readonly nExamples: number;
}

/** Options of `CustomClasses.classify`; `allow` and `deny` choose among the model's labels, not among custom classes. */
export interface CustomClassifyOptions extends ClassifyOptions {
  /** Whether custom classes stand `"beside"` the model's categories or `"instead"` of them. Default: `"beside"`. */
  readonly among?: "beside" | "instead";
}

/** Options of `CustomClasses.rank`, with the same meaning. */
export type CustomRankOptions = Omit<CustomClassifyOptions, "maxResults" | "threshold">;

/** A prediction that may be a custom class. */
export interface CustomPrediction extends Prediction {
  /** Whether the label is that of a custom class. */
  readonly isCustom: boolean;
}

/** Saved categories: plain JSON. */
export interface CustomClassesJson {
  /** The version of this form. */
  readonly format: 1;
  /** What the model makes of a certain drawing, so that another model is noticed; null if there are no categories. */
  readonly fingerprint: readonly number[] | null;
  /** The categories in the order in which they were added. */
  readonly classes: readonly {
    /** Its name. */
    readonly label: string;
    /** How many drawings it was shown. */
    readonly nExamples: number;
    /** The sum of its drawings' vectors, each of length 10,000. */
    readonly sum: readonly number[];
  }[];
}

/**
 * The length that vectors are given before they are rounded to integers: so sums do not depend on the order, and
 * a saved category is exactly the one that was saved.
 */
const UNIT = 10_000;

const MAX_CLASSES = 1000;
const MAX_EXAMPLES = 100_000;
const MAX_LABEL_LENGTH = 200;
/** Of an embedding; models have some hundred. */
const MAX_WIDTH = 8192;
/** Of a text of saved categories; the largest that can be written fit, with 12 characters a number. */
const MAX_LENGTH = 12 * MAX_CLASSES * (MAX_WIDTH + MAX_LABEL_LENGTH);

/*
 * A category's score is the cosine between the drawing's embedding and the mean of its examples. What it is worth was
 * fitted on drawings that the model had not learnt from, 1 to 5 examples of 1 to 10 categories, half of the drawings
 * theirs and half not: `bench/custom-classes.mjs --fit` does it again.
 */
/** Among custom classes alone: probabilities are the softmax of this times the cosine. */
const SCALE_INSTEAD = 16;
/** Beside the model's: how probable a custom class is, as a logarithm, to all of the model's together. */
const SCALE_BESIDE = 14.5;
const OFFSET_BESIDE = -8.9;
/** The less sure the model is of its best label, the more a custom class is worth. */
const DOUBT_BESIDE = -1.4;

/**
 * How alike the fingerprints must be, as a cosine. The same model in 8 bits and in float32 is above 0.999, models that were
 * trained apart were below 0.8.
 */
const LEAST_LIKENESS = 0.95;

/** A house with a door, a sun and a zigzag of smoke: the drawing of which models are known. */
const FINGERPRINT_DRAWING = [
  [
    [40, 40, 150, 150, 40],
    [240, 130, 130, 240, 240],
  ],
  [
    [30, 95, 160],
    [135, 70, 135],
  ],
  [
    [80, 80, 110, 110],
    [240, 185, 185, 240],
  ],
  [
    [230, 248, 255, 248, 230, 212, 205, 212, 230],
    [0, 7, 25, 43, 50, 43, 25, 7, 0],
  ],
  [
    [125, 135, 120, 138, 122],
    [90, 70, 50, 30, 5],
  ],
];

interface Kept {
  nExamples: number;
  /** Integers, one for each number of the embedding. */
  readonly sum: number[];
}

/**
 * Custom classes, each learnt from a few drawings: the nearest mean of their embeddings. Nothing is trained,
 * and of a drawing only the sum that it went into is kept.
 *
 * A label that the model knows as well is one category, with the probability of both.
 */
export class CustomClasses {
  readonly #classifier: EmbeddingClassifier;
  readonly #classes = new Map<string, Kept>();
  #fingerprint: readonly number[] | undefined;

  /** Without categories yet. The classifier stays the caller's, who disposes it. */
  constructor(classifier: EmbeddingClassifier) {
    const methods = ["embed", "probabilities", "outputs"] as const;
    if (methods.some((method) => typeof classifier?.[method] !== "function")) {
      throw invalid("classifier", classifier, "a Classifier, or one of createWorkerClassifier()");
    }
    this.#classifier = classifier;
  }

  /** The categories in the order in which they were added. */
  get classes(): readonly CustomClass[] {
    return Array.from(this.#classes, ([label, { nExamples }]) => ({ label, nExamples }));
  }

  /**
   * Shows a category one more drawing; a new label makes a new category.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `disposed`; as a rejection.
   */
  async add(label: string, strokes: Strokes, options: EmbedOptions = {}): Promise<void> {
    checkLabel(label, (expected) => invalid("label", label, expected));
    const { isSimplified, isPenDown } = readClassifyOptions(options);
    const [vector] = await Promise.all([this.#embed(strokes, { isSimplified, isPenDown }), this.#identify()]);
    const kept = this.#classes.get(label) ?? { nExamples: 0, sum: vector.map(() => 0) };
    if (kept.nExamples === 0 && this.#classes.size >= MAX_CLASSES) {
      throw new QuickdrawError("invalid-options", `there are ${MAX_CLASSES} categories already, the most there can be`);
    }
    if (kept.nExamples >= MAX_EXAMPLES) {
      throw new QuickdrawError(
        "invalid-options",
        `\`${label}\` has ${MAX_EXAMPLES} drawings already, the most there can be`,
      );
    }
    kept.nExamples += 1;
    for (const [index, value] of vector.entries()) kept.sum[index]! += value;
    this.#classes.set(label, kept);
  }

  /** Forgets a category. False if there was none of this label. */
  remove(label: string): boolean {
    return this.#classes.delete(label);
  }

  /**
   * Guesses what a drawing shows, among custom classes and, unless `among` is `"instead"`, the model's: the most
   * probable, best first. The network runs once. In a worker a drawing that waits while another is classified gives way
   * to a newer one, as with the `classify` of the classifier itself.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `superseded`, `disposed`; as a rejection.
   */
  async classify(strokes: Strokes, options: CustomClassifyOptions = {}): Promise<CustomPrediction[]> {
    const checked = readClassifyOptions(options);
    const among = readAmong(options);
    const { embedding, probabilities } = await this.#classifier.outputs(strokes, labelOptions(checked));
    return this.#ranked(rounded(embedding), among === "beside" ? probabilities : undefined)
      .filter(({ probability }) => probability >= checked.threshold)
      .slice(0, checked.maxResults);
  }

  /**
   * How probable each category is, best first: as `classify`, but with all of them, and every call is answered.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `disposed`; as a rejection.
   */
  async rank(strokes: Strokes, options: CustomRankOptions = {}): Promise<CustomPrediction[]> {
    const checked = readClassifyOptions(options);
    const among = readAmong(options);
    const { isSimplified, isPenDown } = checked;
    // Both begin before the first wait: whoever goes on drawing changes nothing any more.
    const [vector, known] = await Promise.all([
      this.#embed(strokes, { isSimplified, isPenDown }),
      among === "beside" ? this.#probabilities(strokes, labelOptions(checked)) : undefined,
    ]);
    return this.#ranked(vector, known);
  }

  /** The categories as plain JSON, for {@link CustomClasses.fromJSON}; `JSON.stringify` calls it. */
  toJSON(): CustomClassesJson {
    return {
      format: 1,
      fingerprint: this.#classes.size === 0 ? null : [...this.#fingerprint!],
      classes: Array.from(this.#classes, ([label, { nExamples, sum }]) => ({ label, nExamples, sum: [...sum] })),
    };
  }

  /**
   * Categories that `toJSON` gave, as an object or as its text.
   *
   * @throws QuickdrawError `invalid-classes` if they are damaged or were made with another model, `disposed`; as a
   * rejection.
   */
  static async fromJSON(json: unknown, classifier: EmbeddingClassifier): Promise<CustomClasses> {
    const { fingerprint, classes } = readJson(json);
    const custom = new CustomClasses(classifier);
    if (fingerprint === undefined) return custom;
    const found = await custom.#identify();
    if (found.length !== fingerprint.length || cosine(found, fingerprint) < LEAST_LIKENESS) {
      throw damaged("these categories were made with another model: make them again from their drawings");
    }
    for (const [label, kept] of classes) custom.#classes.set(label, kept);
    return custom;
  }

  /** All categories, best first; of the model's only if it says how probable they are. */
  #ranked(vector: readonly number[], known: Float32Array | undefined): CustomPrediction[] {
    const labels = [...this.#classes.keys()];
    const cosines = Array.from(this.#classes.values(), ({ sum }) => cosine(vector, sum));
    const { custom, model } = probabilities(cosines, known);

    const found = new Map<string, CustomPrediction>();
    for (const [index, label] of labels.entries())
      found.set(label, { label, probability: custom[index]!, isCustom: true });
    for (const [index, label] of (known === undefined ? [] : this.#classifier.labels).entries()) {
      const own = found.get(label);
      const probability = model[index]! + (own?.probability ?? 0);
      found.set(label, { label, probability, isCustom: own !== undefined });
    }
    return [...found.values()].sort((a, b) => b.probability - a.probability);
  }

  async #embed(strokes: Strokes, options: EmbedOptions): Promise<number[]> {
    return rounded(await this.#classifier.embed(strokes, options));
  }

  /** As the classifier's own, but what it throws is always a rejection. */
  async #probabilities(strokes: Strokes, options: ProbabilityOptions): Promise<Float32Array> {
    return this.#classifier.probabilities(strokes, options);
  }

  /** The vector of a certain drawing, by which the model is known. */
  async #identify(): Promise<readonly number[]> {
    this.#fingerprint ??= await this.#embed(FINGERPRINT_DRAWING, { isSimplified: true });
    return this.#fingerprint;
  }
}

function readAmong({ among = "beside" }: CustomRankOptions): "beside" | "instead" {
  if (among !== "beside" && among !== "instead") throw invalid("among", among, `"beside" or "instead"`);
  return among;
}

/** What the classifier is told of options that were checked. */
function labelOptions({ isSimplified, isPenDown, allow, deny }: CheckedOptions): ProbabilityOptions {
  return { isSimplified, isPenDown, ...(allow && { allow }), ...(deny && { deny }) };
}

/** A vector with the length {@link UNIT}, in integers. */
function rounded(vector: Float32Array): number[] {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  // Adding 0 makes -0 a 0, as JSON does.
  return Array.from(vector, (value) => (length > 0 ? Math.round((value / length) * UNIT) + 0 : 0));
}

function cosine(a: readonly number[], b: readonly number[]): number {
  let [product, squaresA, squaresB] = [0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    product += a[index]! * b[index]!;
    squaresA += a[index]! * a[index]!;
    squaresB += b[index]! * b[index]!;
  }
  return squaresA > 0 && squaresB > 0 ? product / Math.sqrt(squaresA * squaresB) : 0;
}

/** Probabilities from the cosines with custom classes and, if they stand beside, those of the model's labels. */
function probabilities(
  cosines: readonly number[],
  known: Float32Array | undefined,
): { custom: readonly number[]; model: readonly number[] } {
  if (known === undefined) {
    const logits = cosines.map((value) => SCALE_INSTEAD * value);
    return { custom: softmax(logits), model: [] };
  }
  const best = known.reduce((most, value) => Math.max(most, value), 0);
  const logits = cosines.map((value) => SCALE_BESIDE * value + OFFSET_BESIDE + DOUBT_BESIDE * Math.log(best));
  // The model's labels together have the logit 0.
  const all = softmax([...logits, 0]);
  const weight = all.at(-1)!;
  return { custom: all.slice(0, -1), model: Array.from(known, (value) => weight * value) };
}

function softmax(logits: readonly number[]): number[] {
  const most = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const weights = logits.map((value) => Math.exp(value - most));
  const sum = weights.reduce((sum, value) => sum + value, 0);
  return weights.map((value) => value / sum);
}

function checkLabel(label: unknown, error: (expected: string) => QuickdrawError): asserts label is string {
  if (typeof label !== "string" || label.trim() === "" || label.length > MAX_LABEL_LENGTH) {
    throw error(`a name of 1 to ${MAX_LABEL_LENGTH} characters, not all of them blank`);
  }
}

/** Saved categories, every value checked and copied. */
function readJson(json: unknown): { fingerprint: number[] | undefined; classes: Map<string, Kept> } {
  if (typeof json === "string" && json.length > MAX_LENGTH) throw damaged(`longer than ${MAX_LENGTH} characters`);
  const value = typeof json === "string" ? parseJson(json, damaged) : json;
  if (typeof value !== "object" || value === null) throw damaged("expected the object that `toJSON` gave");
  const { format, fingerprint, classes } = value as { [field: string]: unknown };
  if (format !== 1) throw damaged(`format: found ${shown(format)}, expected 1`);
  if (!Array.isArray(classes) || classes.length > MAX_CLASSES) {
    throw damaged(`classes: expected an array of at most ${MAX_CLASSES}`);
  }
  if (fingerprint === null && classes.length === 0) return { fingerprint: undefined, classes: new Map() };
  const readFingerprint = readVector(fingerprint, "fingerprint", undefined, UNIT);

  const read = new Map<string, Kept>();
  for (const [index, entry] of (classes as unknown[]).entries()) {
    const place = `classes[${index}]`;
    if (typeof entry !== "object" || entry === null)
      throw damaged(`${place}: found ${shown(entry)}, expected an object`);
    const { label, nExamples, sum } = entry as { [field: string]: unknown };
    checkLabel(label, (expected) => damaged(`${place}.label: found ${shown(label)}, expected ${expected}`));
    if (read.has(label)) throw damaged(`${place}.label: found ${shown(label)} again`);
    if (!Number.isInteger(nExamples) || !((nExamples as number) >= 1 && (nExamples as number) <= MAX_EXAMPLES)) {
      throw damaged(`${place}.nExamples: found ${shown(nExamples)}, expected an integer from 1 to ${MAX_EXAMPLES}`);
    }
    const n = nExamples as number;
    read.set(label, { nExamples: n, sum: readVector(sum, `${place}.sum`, readFingerprint.length, n * UNIT) });
  }
  return { fingerprint: readFingerprint, classes: read };
}

/** A list of integers of at most `most` in magnitude, `width` of them. */
function readVector(value: unknown, place: string, width: number | undefined, most: number): number[] {
  if (
    !Array.isArray(value) ||
    value.length < 1 ||
    value.length > MAX_WIDTH ||
    value.length !== (width ?? value.length)
  ) {
    throw damaged(`${place}: expected an array of ${width ?? `1 to ${MAX_WIDTH}`} numbers`);
  }
  return Array.from(value as unknown[], (number, index) => {
    if (!Number.isInteger(number) || Math.abs(number as number) > most) {
      throw damaged(`${place}[${index}]: found ${shown(number)}, expected an integer of at most ${most} in magnitude`);
    }
    return (number as number) + 0;
  });
}

function damaged(message: string): QuickdrawError {
  return new QuickdrawError("invalid-classes", message);
}

/** A value as messages show it. */
function shown(value: unknown): string {
  if (typeof value === "string") return `"${value.slice(0, 40)}"`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
