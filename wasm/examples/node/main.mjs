// `node main.mjs`; also `bun main.mjs` and `deno run --allow-read --allow-env main.mjs`.
import { Classifier } from "quickdraw-rnn";

const classifier = await Classifier.load();
const square = [
  [
    { x: 0, y: 0 },
    { x: 90, y: 4 },
    { x: 88, y: 92 },
    { x: 3, y: 90 },
    { x: 1, y: 2 },
  ],
];
for (const { label, probability } of classifier.classify(square, { maxResults: 3 })) {
  console.log(label, probability.toFixed(3));
}
