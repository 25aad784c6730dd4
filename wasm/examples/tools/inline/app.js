import { Classifier, createWorkerClassifier } from "quickdraw-rnn/inline";

const square = [
  [
    [0, 90, 88, 3, 1],
    [0, 4, 92, 90, 2],
  ],
];

async function guess() {
  const classifier = await Classifier.load();
  const inWorker = await createWorkerClassifier();
  const found = [classifier.classify(square), await inWorker.classify(square)];
  return found.map(([best]) => best.label).join(", ");
}

const say = (text) => (document.querySelector("output").textContent = text);
guess().then(say, say);
