// What the package's types allow and refuse: compiled, never run.

import { Classifier, type Prediction, QuickdrawError, type QuickdrawErrorCode, type Strokes } from "quickdraw-rnn";
import { CustomClasses } from "quickdraw-rnn/custom-classes";
import { parseNdjson, parseSvg, toNdjson, toSvg } from "quickdraw-rnn/formats";
import { strokesFromImage } from "quickdraw-rnn/image";
import { type LabelNames, ko } from "quickdraw-rnn/labels/ko";
import { type PadGuess, type QuickdrawPad, definePad } from "quickdraw-rnn/pad";
import { type WorkerClassifier, createWorkerClassifier } from "quickdraw-rnn/worker";

const classifier: Classifier = await Classifier.load();
await Classifier.load({ model: "/model", wasm: new URL("https://example.org/quickdraw_wasm_bg.wasm") });
await Classifier.load({ model: { modelJson: new Uint8Array(), weights: new ArrayBuffer(0) } });

const labels: readonly string[] = classifier.labels;
const predictions: Prediction[] = classifier.classify([[{ x: 1, y: 2 }]], { maxResults: labels.length });
const [best] = predictions;
export const guess: string | undefined = best && `${best.label} ${best.probability.toFixed(2)}`;

// The data set's form, pen events and what `simplify` gives are strokes.
const lists: [number[], number[]][] = [
  [
    [0, 1],
    [0, 1],
  ],
];
const simplified: number[][][] = classifier.simplify(lists);
classifier.classify(simplified, { isSimplified: true });
export const isUnclear: boolean = classifier.isUncertain(classifier.classify(lists, { isPenDown: true }), {
  isPenDown: true,
});
export const live: number = classifier.penDownThreshold ?? classifier.threshold ?? 0.5;
classifier.classify([[new DOMPoint(1, 2)]]);
classifier.classify([[new Float32Array(2), new Float32Array(2)]]);
declare const events: PointerEvent[];
export const strokes: Strokes = [events];
classifier.classify({ points: new Float32Array(2), offsets: [0] });

classifier.classify(strokes, { allow: new Set(labels), deny: labels, threshold: classifier.threshold ?? 0.5 });
export const vectors: Float32Array[] = [classifier.embed(strokes), classifier.probabilities(strokes, { deny: labels })];
await Classifier.load({
  model: { modelJson: fetch("/model.json"), weights: await fetch("/weights.safetensors") },
  arithmetic: "f32",
  signal: AbortSignal.timeout(1000),
  onProgress: ({ loadedBytes, totalBytes }) => console.log(loadedBytes / (totalBytes ?? Infinity)),
});

const inWorker: WorkerClassifier = await createWorkerClassifier({ worker: () => new Worker("worker-thread.js") });
export const later: Prediction[] = await inWorker.classify(strokes, { maxResults: 1 });

export function codeOf(error: unknown): QuickdrawErrorCode | undefined {
  return error instanceof QuickdrawError ? error.code : undefined;
}

for (const other of [new CustomClasses(classifier), new CustomClasses(inWorker)]) {
  await other.add("our logo", strokes);
  const [first] = await other.classify(strokes, { among: "instead", maxResults: 1 });
  console.log(first?.isCustom, (await CustomClasses.fromJSON(other.toJSON(), classifier)).classes[0]?.nExamples);
}
for (const { word, drawing } of parseNdjson(toNdjson([strokes, { word: "cat", drawing: strokes }]))) {
  classifier.classify(parseSvg(toSvg(drawing, { title: word ?? "" })), { isSimplified: false });
}

definePad();
const pad: QuickdrawPad = document.createElement("quickdraw-pad");
pad.classifier = inWorker;
pad.labels = ["cat", "dog"];
pad.strokes = [[{ x: 1, y: 2 }]];
classifier.classify(pad.strokes, { allow: pad.labels });
pad.addEventListener("guess", (event) => console.log((event as CustomEvent<PadGuess>).detail.predictions[0]?.label));

declare const pictures: (Blob | File | ImageBitmap | ImageData)[];
for (const picture of pictures) classifier.classify(await strokesFromImage(picture), { maxResults: 1 });
await strokesFromImage({ width: 1, height: 1, data: new Uint8Array(4) }, { wasm: new Uint8Array() });
// @ts-expect-error A picture has pixels.
await strokesFromImage({ width: 1, height: 1 });
const koreanCat: string = ko.cat;
const inKorean: string = ko[best?.label ?? ""] ?? koreanCat;
export const other: LabelNames = { ...ko, cat: inKorean };
// @ts-expect-error A label that the model does not know may have no name.
export const nameless: string = ko["our logo"];
// @ts-expect-error A language names every category.
export const incomplete: LabelNames = { cat: "Katze" };

// @ts-expect-error A stroke has points.
classifier.classify([[1, 2, 3]]);
// @ts-expect-error A point has y.
classifier.classify([[{ x: 1 }]]);
// @ts-expect-error A number of predictions is a number.
classifier.classify([], { maxResults: "5" });
// @ts-expect-error Classifiers are loaded.
new Classifier();
// @ts-expect-error There are two ways to compute.
await Classifier.load({ arithmetic: "f16" });
// @ts-expect-error The worker answers later.
export const now: Prediction[] = inWorker.classify(strokes);
// @ts-expect-error The labels are the model's.
classifier.labels = [];

classifier.dispose();
