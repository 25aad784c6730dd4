// `node bench/custom-classes.mjs --data DIR`: how well a few drawings make a category, on drawings that were held out.
//
// Episodes are drawn at random, the same ones every time: some categories are new, each is shown k drawings, and other
// drawings are asked for. `--help` names the options.

import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";

import { Classifier } from "quickdraw-rnn";
import { CustomClasses } from "quickdraw-rnn/custom-classes";
import { parseNdjson } from "quickdraw-rnn/formats";

import { Problem, runMain } from "../../.ci/command.mjs";
import { random } from "./page/random.mjs";

const EXAMPLES = [1, 3, 5, 10];
/** How many new categories an episode has: instead of the model's, and beside them. */
const INSTEAD = [5, 20];
const BESIDE = [1, 5, 10];
/** Drawings asked for of each new category of an episode, at most. */
const QUERIES = 3;

const usage = `node bench/custom-classes.mjs --data DIR [OPTIONS]

  --data DIR         a folder of ndjson files in the data set's simplified form, which the model had not learnt from
  --model DIR        a model folder; best one trained without the new categories [default: the one that ships]
  --classes A,B,C    the categories that may be new [default: all of the data]
  --per-class N      drawings read of each category, the first of its file [default: 30]
  --episodes N       for each line of a table [default: 300]
  --fit              also the constants of ts/custom-classes.ts that suit these drawings best
  --json             one object instead of tables
  --help`;

/**
 * @typedef {object} Sample a drawing
 * @property {string} word
 * @property {number[][][]} drawing
 * @property {Float32Array} unit its embedding with length 1
 * @property {Float32Array} probabilities
 * @property {Float32Array} pixels 28x28, with length 1
 *
 * @typedef {object} Episode
 * @property {string[]} words the new categories
 * @property {Sample[][]} examples of each
 * @property {Sample[]} own drawings of the new categories
 * @property {Sample[]} others as many of others that the model knows
 */

await runMain(async () => {
  const { values: flags } = parseFlags();
  if (flags.help) return console.log(usage);
  if (flags.data === undefined) throw new Problem(`--data is missing\n\n${usage}`);
  const nEpisodes = wholeNumber("episodes", flags.episodes);
  const classifier = await Classifier.load(flags.model === undefined ? {} : { model: path.resolve(flags.model) });
  const byWord = await readSamples(flags.data, wholeNumber("per-class", flags["per-class"]), classifier);
  const words = flags.classes === undefined ? [...byWord.keys()] : flags.classes.split(",").map((word) => word.trim());
  const missing = words.find((word) => !byWord.has(word));
  if (missing !== undefined) throw new Problem(`--classes: ${flags.data} has no drawings of \`${missing}\``);
  const nKnown = words.filter((word) => classifier.labels.includes(word)).length;

  /** @param {number} n @param {number} k */
  const episodes = function* (n, k) {
    for (let seed = 0; seed < nEpisodes; seed++) {
      const found = episode(byWord, words, classifier.labels, n, k, generator(seed * 1000 + n * 20 + k));
      if (found !== undefined) yield found;
    }
  };
  const instead = [];
  const beside = [];
  for (const k of EXAMPLES) {
    for (const n of INSTEAD) instead.push(await measureInstead(classifier, n, k, episodes(n, k)));
    for (const n of BESIDE) beside.push(await measureBeside(classifier, n, k, episodes(n, k)));
  }
  const result = {
    nDrawings: [...byWord.values()].flat().length,
    nWords: words.length,
    nWordsKnown: nKnown,
    instead: instead.filter(({ nQueries }) => nQueries > 0).sort((a, b) => a.n - b.n),
    beside: beside.filter(({ nQueries }) => nQueries > 0).sort((a, b) => a.n - b.n),
    ...(flags.fit && {
      fit: fit(
        [1, 3, 5].flatMap((k) => [1, 3, 5, 10].map((n) => [...episodes(n, k)])),
        classifier.labels,
      ),
    }),
  };
  classifier.dispose();
  console.log(flags.json ? JSON.stringify(result, null, 2) : report(result));
});

/**
 * Reads drawings and what the model makes of them.
 *
 * @param {string} folder
 * @param {number} nPerClass
 * @param {Classifier} classifier
 */
async function readSamples(folder, nPerClass, classifier) {
  /** @type {Map<string, Sample[]>} */
  const byWord = new Map();
  const files = (await readdir(folder)).filter((name) => name.endsWith(".ndjson")).sort();
  if (files.length === 0) throw new Problem(`${folder} has no .ndjson files`);
  for (const file of files) {
    const text = await readFile(path.join(folder, file), "utf8");
    for (const { word = path.basename(file, ".ndjson"), drawing } of parseNdjson(text)) {
      const samples = byWord.get(word) ?? [];
      if (samples.length >= nPerClass) break;
      samples.push({
        word,
        drawing,
        unit: unit(classifier.embed(drawing, { isSimplified: true })),
        probabilities: classifier.probabilities(drawing, { isSimplified: true }),
        pixels: unit(pixels(drawing)),
      });
      byWord.set(word, samples);
    }
  }
  return byWord;
}

/**
 * n new categories with k examples each; undefined if there are not as many with more drawings than that.
 *
 * @param {Map<string, Sample[]>} byWord
 * @param {string[]} words
 * @param {readonly string[]} labels
 * @param {number} n
 * @param {number} k
 * @param {(n: number) => number} below
 * @returns {Episode | undefined}
 */
function episode(byWord, words, labels, n, k, below) {
  const able = words.filter((word) => (byWord.get(word)?.length ?? 0) > k);
  if (able.length < n) return undefined;
  const chosen = shuffled(able, below).slice(0, n);
  const drawn = chosen.map((word) => shuffled(byWord.get(word) ?? [], below));
  const own = drawn.flatMap((samples) => samples.slice(k, k + QUERIES));
  const known = [...byWord.keys()].filter((word) => !chosen.includes(word) && labels.includes(word));
  const others = Array.from(own, () => {
    const samples = byWord.get(known[below(known.length)] ?? "") ?? [];
    return samples[below(samples.length)];
  }).filter((sample) => sample !== undefined);
  return { words: chosen, examples: drawn.map((samples) => samples.slice(0, k)), own, others };
}

/**
 * The new categories of an episode, by a classifier that has computed everything before.
 *
 * @param {Classifier} classifier
 * @param {Episode} episode
 */
async function learn({ labels }, { words, examples, own, others }) {
  const samples = new Map(
    [...examples.flat(), ...own, ...others].map((sample) => [/** @type {unknown} */ (sample.drawing), sample]),
  );
  // The class asks for a certain drawing of its own to know the model by, which does not matter here.
  const any = samples.values().next().value;
  const find = (/** @type {unknown} */ drawing) => /** @type {Sample} */ (samples.get(drawing) ?? any);
  const embed = (/** @type {unknown} */ drawing) => find(drawing).unit;
  const probabilities = (/** @type {unknown} */ drawing, { deny = /** @type {Iterable<string>} */ ([]) } = {}) =>
    without(find(drawing).probabilities, labels, [...deny]);
  const custom = new CustomClasses({
    labels,
    embed,
    probabilities,
    outputs: (drawing, options) => ({ embedding: embed(drawing), probabilities: probabilities(drawing, options) }),
  });
  for (const [index, word] of words.entries()) {
    for (const { drawing } of examples[index] ?? []) await custom.add(word, drawing, { isSimplified: true });
  }
  return custom;
}

/**
 * @param {Classifier} classifier
 * @param {number} n
 * @param {number} k
 * @param {Iterable<Episode>} episodes
 */
async function measureInstead(classifier, n, k, episodes) {
  const right = { ours: 0, nearestEmbedding: 0, nearestPixels: 0 };
  let [nQueries, said] = [0, 0];
  for (const episode of episodes) {
    const custom = await learn(classifier, episode);
    const examples = episode.examples.flat();
    for (const query of episode.own) {
      const [first] = await custom.classify(query.drawing, { among: "instead", maxResults: 1 });
      nQueries += 1;
      said += first?.probability ?? 0;
      right.ours += Number(first?.label === query.word);
      right.nearestEmbedding += Number(nearest(query, examples, "unit").word === query.word);
      right.nearestPixels += Number(nearest(query, examples, "pixels").word === query.word);
    }
  }
  const share = (/** @type {number} */ count) => count / nQueries;
  return {
    n,
    k,
    nQueries,
    ours: share(right.ours),
    nearestEmbedding: share(right.nearestEmbedding),
    nearestPixels: share(right.nearestPixels),
    said: share(said),
  };
}

/**
 * @param {Classifier} classifier
 * @param {number} n
 * @param {number} k
 * @param {Iterable<Episode>} episodes
 */
async function measureBeside(classifier, n, k, episodes) {
  const { labels } = classifier;
  let [nQueries, ownFirst, ownAmong3, othersBefore, othersAfter, taken, right, said] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (const episode of episodes) {
    const custom = await learn(classifier, episode);
    // A new category is one that the model does not know.
    const deny = episode.words.filter((word) => labels.includes(word));
    const options = { deny, maxResults: 3, isSimplified: true };
    for (const query of [...episode.own, ...episode.others]) {
      const predictions = await custom.classify(query.drawing, options);
      const isRight = predictions[0]?.label === query.word;
      right += Number(isRight);
      said += predictions[0]?.probability ?? 0;
      if (episode.words.includes(query.word)) {
        nQueries += 1;
        ownFirst += Number(isRight);
        ownAmong3 += Number(predictions.some(({ label }) => label === query.word));
      } else {
        othersAfter += Number(isRight);
        taken += Number(predictions[0]?.isCustom);
        const known = without(query.probabilities, labels, deny);
        othersBefore += Number(labels[known.indexOf(Math.max(...known))] === query.word);
      }
    }
  }
  const share = (/** @type {number} */ count) => count / nQueries;
  return {
    n,
    k,
    nQueries,
    ownFirst: share(ownFirst),
    ownAmong3: share(ownAmong3),
    othersBefore: share(othersBefore),
    othersAfter: share(othersAfter),
    othersTaken: share(taken),
    right: share(right) / 2,
    said: share(said) / 2,
  };
}

/**
 * The constants with the least mean logarithmic loss, by a search along each in turn with shrinking steps.
 *
 * @param {Episode[][]} groups each weighs the same
 * @param {readonly string[]} labels
 */
function fit(groups, labels) {
  /** @type {{ cosines: number[], own: number, best: number, true: number, weight: number }[]} */
  const cases = [];
  for (const episodes of groups) {
    const nQueries = episodes.reduce((sum, { own, others }) => sum + own.length + others.length, 0);
    for (const { words, examples, own, others } of episodes) {
      const means = examples.map((samples) => unit(mean(samples.map((sample) => sample.unit))));
      for (const query of [...own, ...others]) {
        const known = without(query.probabilities, labels, words);
        const index = labels.indexOf(query.word);
        cases.push({
          cosines: means.map((vector) => dot(vector, query.unit)),
          own: words.indexOf(query.word),
          best: Math.max(...known),
          true: (index < 0 ? 0 : known[index]) ?? 0,
          weight: 1 / nQueries,
        });
      }
    }
  }
  /** @param {number[]} logits @param {number} index */
  const logSoftmax = (logits, index) => {
    const most = Math.max(...logits);
    return (logits[index] ?? NaN) - most - Math.log(logits.reduce((sum, value) => sum + Math.exp(value - most), 0));
  };
  const loss = (/** @type {(entry: typeof cases[number]) => number} */ of, chosen = cases) =>
    -chosen.reduce((sum, entry) => sum + entry.weight * of(entry), 0) /
    chosen.reduce((sum, entry) => sum + entry.weight, 0);
  const several = cases.filter(({ own, cosines }) => own >= 0 && cosines.length > 1);
  const [scaleInstead] = search([16], ([scale = 0]) =>
    loss(
      ({ cosines, own }) =>
        logSoftmax(
          cosines.map((value) => scale * value),
          own,
        ),
      several,
    ),
  );
  const [scale, offset, doubt] = search([14.5, -8.9, -1.4], ([scale = 0, offset = 0, doubt = 0]) =>
    loss(({ cosines, own, best, true: probability }) => {
      const logits = [...cosines.map((value) => scale * value + offset + doubt * Math.log(best)), 0];
      // The data has drawings that look like nothing: none costs more than a chance of one in a million.
      return own >= 0 ? logSoftmax(logits, own) : logSoftmax(logits, logits.length - 1) + Math.log(probability + 1e-6);
    }),
  );
  return { SCALE_INSTEAD: scaleInstead, SCALE_BESIDE: scale, OFFSET_BESIDE: offset, DOUBT_BESIDE: doubt };
}

/** @param {number[]} start @param {(values: number[]) => number} loss */
function search(start, loss) {
  let best = start;
  let least = loss(best);
  for (let step = 2; step > 0.05; ) {
    let hasImproved = false;
    for (const index of best.keys()) {
      for (const change of [step, -step]) {
        const tried = best.map((value, at) => (at === index ? value + change : value));
        const found = loss(tried);
        if (found < least) [best, least, hasImproved] = [tried, found, true];
      }
    }
    if (!hasImproved) step /= 2;
  }
  return best.map((value) => Number(value.toFixed(2)));
}

/**
 * What the model finds if it does not know some labels.
 *
 * @param {Float32Array} probabilities
 * @param {readonly string[]} labels
 * @param {readonly string[]} unknown
 */
function without(probabilities, labels, unknown) {
  const left = probabilities.slice();
  for (const label of unknown) {
    const index = labels.indexOf(label);
    if (index >= 0) left[index] = 0;
  }
  const sum = left.reduce((sum, value) => sum + value, 0);
  return left.map((value) => value / sum);
}

/** @param {Sample} query @param {Sample[]} examples @param {"unit" | "pixels"} by */
function nearest(query, examples, by) {
  return examples.reduce((best, example) => (dot(query[by], example[by]) > dot(query[by], best[by]) ? example : best));
}

/**
 * A drawing as DoodleNet sees it: lines of about 1.5 pixels in 28x28, its larger side 24 pixels, in the middle.
 *
 * @param {number[][][]} drawing
 */
function pixels(drawing) {
  const side = 28;
  const [xs, ys] = [0, 1].map((axis) => drawing.flatMap((stroke) => stroke[axis] ?? []));
  const range = (/** @type {number[]} */ values) => [Math.min(...values), Math.max(...values)];
  const [[left = 0, right = 0], [top = 0, bottom = 0]] = [range(xs ?? []), range(ys ?? [])];
  const scale = 24 / Math.max(right - left, bottom - top, 1);
  const place = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) =>
    side / 2 + (value - (low + high) / 2) * scale;
  const image = new Float32Array(side * side);
  for (const [x = [], y = []] of drawing) {
    for (let point = 0; point < x.length; point++) {
      const before = Math.max(point - 1, 0);
      const [x0, y0] = [place(x[before] ?? 0, left, right), place(y[before] ?? 0, top, bottom)];
      const [dx, dy] = [place(x[point] ?? 0, left, right) - x0, place(y[point] ?? 0, top, bottom) - y0];
      const square = dx * dx + dy * dy;
      for (let row = 0; row < side; row++) {
        for (let column = 0; column < side; column++) {
          const [px, py] = [column + 0.5 - x0, row + 0.5 - y0];
          const t = square > 0 ? Math.min(Math.max((px * dx + py * dy) / square, 0), 1) : 0;
          const ink = Math.min(Math.max(1.25 - Math.hypot(px - t * dx, py - t * dy), 0), 1);
          image[row * side + column] = Math.max(image[row * side + column] ?? 0, ink);
        }
      }
    }
  }
  return image;
}

/** @param {Float32Array} a @param {Float32Array} b */
function dot(a, b) {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}

/** @param {Float32Array} vector */
function unit(vector) {
  const length = Math.sqrt(dot(vector, vector)) || 1;
  return vector.map((value) => value / length);
}

/** @param {Float32Array[]} vectors */
function mean(vectors) {
  const sum = new Float32Array(vectors[0]?.length ?? 0);
  for (const vector of vectors) for (const [index, value] of vector.entries()) sum[index] = (sum[index] ?? 0) + value;
  return sum.map((value) => value / vectors.length);
}

/**
 * Integers below n in a fixed order.
 *
 * @param {number} seed
 */
function generator(seed) {
  const next = random(seed);
  return (/** @type {number} */ n) => (next() * 2 ** 32) % n;
}

/**
 * @template T
 * @param {readonly T[]} list
 * @param {(n: number) => number} below
 */
function shuffled(list, below) {
  const left = [...list];
  return Array.from(list, () => /** @type {T} */ (left.splice(below(left.length), 1)[0]));
}

/** @param {any} result */
function report({ nDrawings, nWords, nWordsKnown, instead, beside, fit }) {
  const percent = (/** @type {number} */ value) => (100 * value).toFixed(1);
  const seen =
    nWordsKnown === 0
      ? `The model was trained without these ${nWords} categories.`
      : `The model has labels for ${nWordsKnown} of these ${nWords} categories. Beside its labels they are denied to it, but its
embedding may have learnt to tell them apart: categories that it has never heard of will do less well.`;
  return [
    `${nDrawings} drawings. ${seen}`,
    "",
    "Instead of the model's categories: top-1 accuracy, %.",
    "",
    markdown([
      [
        "new categories",
        "examples of each",
        "ours",
        "nearest embedding",
        "nearest 28x28 pixels",
        "ours says, mean",
        "drawings asked for",
      ],
      ...instead.map((/** @type {any} */ row) => [
        row.n,
        row.k,
        ...[row.ours, row.nearestEmbedding, row.nearestPixels, row.said].map(percent),
        row.nQueries,
      ]),
    ]),
    "",
    "Beside them, %: drawings of the new categories and as many of others.",
    "",
    markdown([
      [
        "new categories",
        "examples of each",
        "new: first",
        "new: among 3",
        "others right before",
        "others right after",
        "others called new",
        "right in all",
        "says, mean",
        "drawings of each kind",
      ],
      ...beside.map((/** @type {any} */ row) => [
        row.n,
        row.k,
        ...[row.ownFirst, row.ownAmong3, row.othersBefore, row.othersAfter, row.othersTaken, row.right, row.said].map(
          percent,
        ),
        row.nQueries,
      ]),
    ]),
    ...(fit === undefined ? [] : ["", `Constants that suit these drawings best: ${JSON.stringify(fit)}`]),
  ].join("\n");
}

/** @param {string[][]} lines the first is the header */
function markdown([header = [], ...lines]) {
  return [header, header.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function parseFlags() {
  try {
    return parseArgs({
      options: {
        data: { type: "string" },
        model: { type: "string" },
        classes: { type: "string" },
        "per-class": { type: "string", default: "30" },
        episodes: { type: "string", default: "300" },
        fit: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new Problem(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

/** @param {string} option @param {string} text */
function wholeNumber(option, text) {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Problem(`--${option}: found \`${text}\`, expected an integer from 1`);
  return value;
}
