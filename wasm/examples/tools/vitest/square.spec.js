import { expect, test } from "vitest";
import { Classifier } from "quickdraw-rnn";
import { createWorkerClassifier } from "quickdraw-rnn/worker";

const square = [
  [
    [0, 90, 88, 3, 1],
    [0, 4, 92, 90, 2],
  ],
];

test("a square is recognised, in a worker too", async () => {
  const classifier = await Classifier.load();
  const inWorker = await createWorkerClassifier();
  const found = [classifier.classify(square), await inWorker.classify(square)];
  inWorker.dispose();
  expect(found.map(([best]) => best.label)).toEqual(["square", "square"]);
});
