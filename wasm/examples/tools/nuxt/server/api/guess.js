// Nitro copies code to the server, but not the files beside it.
import { Classifier } from "quickdraw-rnn/inline";

const square = [
  [
    [0, 90, 88, 3, 1],
    [0, 4, 92, 90, 2],
  ],
];

export default defineEventHandler(async () => {
  const classifier = await Classifier.load();
  return classifier.classify(square)[0].label;
});
