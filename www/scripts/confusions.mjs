/**
 * Which categories the model that ships takes each category for: `node scripts/confusions.mjs FOLDER` reads one `.ndjson` file a category
 * (drawings that the model has never seen), lets the package judge every drawing, and writes src/inside/confusions.json.
 *
 * A category's confusions are the other categories with the greatest mean probability over its drawings: with a dozen drawings a
 * category, probabilities tell more than the first guesses alone. Run it again when another model ships.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Classifier } from "quickdraw-rnn";

/** So many confusions a category at most, none below this mean probability. */
const MOST = 3;
const LEAST = 0.01;

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: node scripts/confusions.mjs FOLDER");

const classifier = await Classifier.load();
const { labels } = classifier;
const place = new Map(labels.map((label, i) => [label, i]));
const confusions = {};
let drawings = 0;
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith(".ndjson"))
  .sort()) {
  const sums = new Float64Array(labels.length);
  let word;
  let n = 0;
  for (const line of readFileSync(join(folder, file), "utf8").split("\n")) {
    if (line.trim() === "") continue;
    const record = JSON.parse(line);
    word = record.word;
    for (const { label, probability } of classifier.classify(record.drawing, {
      maxResults: labels.length,
      isSimplified: true,
    })) {
      sums[place.get(label)] += probability;
    }
    n += 1;
  }
  if (!place.has(word)) throw new Error(`${file}: the model has no category ${word}`);
  drawings += n;
  confusions[word] = [...sums]
    .map((sum, i) => [i, sum / n])
    .filter(([i, share]) => labels[i] !== word && share >= LEAST)
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST)
    .map(([i, share]) => [i, Math.round(share * 100)]);
}
const rows = labels.map((label) => JSON.stringify(confusions[label] ?? []));
const target = fileURLToPath(new URL("../src/inside/confusions.json", import.meta.url));
writeFileSync(
  target,
  `{\n"drawings": ${drawings},\n"labels": ${JSON.stringify(labels)},\n"confusions": [\n${rows.join(",\n")}\n]\n}\n`,
);
console.log(`${drawings} drawings judged; wrote ${target}`);
