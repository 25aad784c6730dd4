// `node bench/agreement.mjs FOLDER`: for how many drawings (.ndjson) the shipped model's top-1 prediction in int8 is that
// in float32, and how many of either are correct.

import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

import { Classifier } from "quickdraw-rnn";
import { parseNdjson } from "quickdraw-rnn/formats";

import { Problem, runMain } from "../../.ci/command.mjs";

await runMain(async () => {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Problem("usage: node bench/agreement.mjs FOLDER");
  const int8 = await Classifier.load();
  const float32 = await Classifier.load({ arithmetic: "f32" });
  let [n, nSame, nCorrect, nCorrectFloat32] = [0, 0, 0, 0];
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".ndjson"))) {
    for (const { word, drawing } of parseNdjson(await readFile(path.join(folder, file), "utf8"))) {
      const labels = [int8, float32].map((model) => model.classify(drawing, { isSimplified: true })[0]?.label);
      n += 1;
      nSame += Number(labels[0] === labels[1]);
      nCorrect += Number(labels[0] === word);
      nCorrectFloat32 += Number(labels[1] === word);
    }
  }
  const percent = (/** @type {number} */ count) => `${((100 * count) / n).toFixed(2)} %`;
  console.log(`${n} drawings, Node ${process.versions.node}, V8 ${process.versions.v8}`);
  console.log(`the same top-1 prediction: ${nSame} (${percent(nSame)})`);
  console.log(`correct: int8 ${percent(nCorrect)}, float32 ${percent(nCorrectFloat32)}`);
});
