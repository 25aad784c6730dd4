// One contender in a page of its own: loads it, lets it guess once, then waits for run.mjs to ask for rounds.

import { drawings } from "./drawings.mjs";
import { memoryBytes } from "./memory.mjs";

/** @typedef {number[][][]} Strokes the data set's simplified form, `[[x...], [y...]]` a stroke */
/** @typedef {{ label: string, probability: number }} Prediction */
/** @typedef {(strokes: Strokes) => Prediction[] | Promise<Prediction[]>} Guess the five likeliest, best first */

/** Milliseconds in which a browser finishes what a new page gives it to do. */
const SETTLE_MS = 800;

const { contender, options } = JSON.parse(decodeURIComponent(location.hash.slice(1)));

/** @type {Guess} */
let guess;

/** Gives the milliseconds from asking for the contender's code to its first prediction, in a page that is done with loading. */
async function start() {
  const { load } = await import(`./contenders/${contender}.mjs`);
  const strokes = drawings(45)[0];
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = performance.now();
  guess = await load(options);
  await guess(strokes);
  return performance.now() - before;
}

/**
 * Guesses for a while, one drawing after the other, and gives the milliseconds that each guess took.
 *
 * @param {number} nPoints
 * @param {number} milliseconds
 */
async function round(nPoints, milliseconds) {
  const set = drawings(nPoints);
  // The caches are those that the contender before has left.
  await guess(set[0]);
  const times = [];
  const end = performance.now() + milliseconds;
  do {
    const strokes = set[times.length % set.length];
    const before = performance.now();
    const predictions = guess(strokes);
    if (predictions instanceof Promise) await predictions;
    times.push(performance.now() - before);
  } while (times.length < 2 || performance.now() < end);
  return times;
}

/** What the contender says to all drawings. */
async function predictions() {
  const all = [];
  for (const strokes of [...drawings(45), ...drawings(120)]) all.push(await guess(strokes));
  return all;
}

/** Bytes of WebAssembly memory after a hundred guesses. */
async function memory() {
  for (let i = 0; i < 50; i++) {
    for (const nPoints of [45, 120]) await guess(drawings(nPoints)[i % drawings(nPoints).length]);
  }
  return memoryBytes();
}

Object.assign(globalThis, { bench: { first: start(), round, predictions, memory } });
