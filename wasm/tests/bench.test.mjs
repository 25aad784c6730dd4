// The benchmark's tables, on made-up measurements: what it prints is what the documents show. Nothing is timed here.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { median, ratiosOf, table } from "../bench/table.mjs";

/** A contender that takes some times as long as another. */
function result(name, network, arithmetic, times) {
  const row = {
    name,
    network,
    min_ms_45: times,
    median_ms_45: 2 * times,
    min_ms_120: 3 * times,
    median_ms_120: 40 * times,
    first_ms: 100 * times,
    again_ms: 50 * times,
    code_brotli_bytes: 245_000,
    weights_bytes: 1_145_600,
    memory_bytes: 4_400_000,
  };
  return {
    contender: { name, network, arithmetic },
    row,
    turns: { 45: [1, 9, 2].map((turn) => turn * times), 120: [times] },
  };
}

const results = [
  result("quickdraw-rnn", "fast", "int8", 1),
  result("quickdraw-rnn f32", "fast", "f32", 4),
  result("onnxruntime-web int8", "fast", "int8", 2),
  result("onnxruntime-web f32", "fast", "f32", 8),
  result("onnxruntime-web f32, tutorial network", "tutorial", "f32", 16),
  result("DoodleNet (TensorFlow.js wasm)", "DoodleNet", "f32", 0.5),
];

test("ratios are ours by the peer's, of the same network or of pictures", () => {
  const found = ratiosOf(results).map(({ ours, peer, ms_45, ms_120, first_ms, again_ms }) => [
    ours,
    peer,
    ms_45,
    ms_120,
    first_ms,
    again_ms,
  ]);
  assert.deepEqual(found, [
    ["quickdraw-rnn", "onnxruntime-web int8", 0.5, 0.5, 0.5, 0.5],
    ["quickdraw-rnn", "onnxruntime-web f32", 0.125, 0.125, 0.125, 0.125],
    ["quickdraw-rnn", "DoodleNet (TensorFlow.js wasm)", 2, 2, 2, 2],
    ["quickdraw-rnn f32", "onnxruntime-web f32", 0.5, 0.5, 0.5, 0.5],
  ]);
  assert.equal(median([4, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test("the README's table is the one that is printed, and its figures are those of the documents", async () => {
  const [header, ...rows] = table(
    results.map(({ row }) => row),
    ratiosOf(results),
  )
    .split("\n\n")[0]
    .replace("|  |", "| |")
    .split("\n");
  assert.equal(rows[1], "| quickdraw-rnn | 1.00 (2.00) | 3.00 (40.0) | 100 | 50.0 | 245 | 1,146 | 4.4 |");
  const plain = async (file) =>
    (await readFile(new URL(file, import.meta.url), "utf8")).replaceAll("**", "").split("\n");
  const [readme, benchmarks] = [await plain("../README.md"), await plain("../../docs/benchmarks.md")];
  const start = readme.indexOf(header);
  assert.ok(start > 0, header);
  const shown = readme.slice(start, readme.indexOf("", start));
  assert.ok(shown.length > 5);
  for (const line of shown) assert.ok(benchmarks.includes(line), `docs/benchmarks.md does not have ${line}`);
});
