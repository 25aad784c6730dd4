// What the package's types allow and refuse: compiled, never run.

import { Classifier, type Prediction, QuickdrawError, type QuickdrawErrorCode, type Strokes } from "quickdraw-rnn";

const classifier: Classifier = await Classifier.load();
await Classifier.load({ model: "/model", wasm: new URL("https://example.org/quickdraw_wasm_bg.wasm") });
await Classifier.load({ model: { modelJson: new Uint8Array(), weights: new ArrayBuffer(0) } });

const labels: readonly string[] = classifier.labels;
const predictions: Prediction[] = classifier.classify([[{ x: 1, y: 2 }]], { maxResults: labels.length });
const [best] = predictions;
export const guess: string | undefined = best && `${best.label} ${best.probability.toFixed(2)}`;

// The data set's form, pen events and what `simplify` gives are strokes.
const lists: [number[], number[]][] = [[[0, 1], [0, 1]]];
const simplified: number[][][] = classifier.simplify(lists);
classifier.classify(simplified, { isSimplified: true });
classifier.classify([[new DOMPoint(1, 2)]]);
classifier.classify([[new Float32Array(2), new Float32Array(2)]]);
declare const events: PointerEvent[];
export const strokes: Strokes = [events];

export function codeOf(error: unknown): QuickdrawErrorCode | undefined {
  return error instanceof QuickdrawError ? error.code : undefined;
}

// @ts-expect-error A stroke has points.
classifier.classify([[1, 2, 3]]);
// @ts-expect-error A point has y.
classifier.classify([[{ x: 1 }]]);
// @ts-expect-error A number of predictions is a number.
classifier.classify([], { maxResults: "5" });
// @ts-expect-error Classifiers are loaded.
new Classifier();
// @ts-expect-error The labels are the model's.
classifier.labels = [];

classifier.dispose();
