// What a frame of the pointer costs the page while the worker guesses: `node bench/frame.mjs`.
//
// A drawing in progress of 1,200 raw points (173 when simplified), handed to the worker again and again.

import { createWorkerClassifier } from "quickdraw-rnn/worker";

const ROUNDS = 500;

const strokes = [0, 1, 2].map((stroke) =>
  Array.from({ length: 400 }, (_, index) => ({
    x: 200 + 150 * Math.cos(index / 30 + stroke) + 9 * stroke,
    y: 200 + 150 * Math.sin(index / 17),
  })),
);

const classifier = await createWorkerClassifier();
const onPage = [];
const answered = [];
for (let round = 0; round < ROUNDS; round++) {
  const start = performance.now();
  const guess = classifier.classify(strokes);
  onPage.push(performance.now() - start);
  await guess;
  answered.push(performance.now() - start);
}
const nSimplified = (await classifier.simplify(strokes)).reduce((sum, [x]) => sum + x.length, 0);
classifier.dispose();

/** @param {number[]} values @param {number} share */
const at = (values, share) => [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))]?.toFixed(2);
console.log(`${strokes.flat().length} points, ${nSimplified} when simplified; milliseconds, median (95 of 100):`);
console.log(`on the page's thread  ${at(onPage, 0.5)} (${at(onPage, 0.95)})`);
console.log(`until the guess       ${at(answered, 0.5)} (${at(answered, 0.95)})`);
