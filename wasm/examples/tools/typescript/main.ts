import { Classifier, type Prediction, type Strokes } from "quickdraw-rnn";
import { CustomClasses } from "quickdraw-rnn/custom-classes";
import { parseSvg, toSvg } from "quickdraw-rnn/formats";
import { definePad } from "quickdraw-rnn/pad";
import { createWorkerClassifier } from "quickdraw-rnn/worker";

const square: Strokes = [
  [
    [0, 90, 88, 3, 1],
    [0, 4, 92, 90, 2],
  ],
];

export async function guess(): Promise<Prediction | undefined> {
  definePad();
  const classifier = await Classifier.load();
  const custom = new CustomClasses(await createWorkerClassifier());
  await custom.add("mine", parseSvg(toSvg(square)));
  return classifier.classify(square)[0];
}
