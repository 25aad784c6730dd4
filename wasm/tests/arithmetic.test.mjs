// The vector code of both modules beside the float32 network, which shares no kernel with it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { createWorkerClassifier } from "quickdraw-rnn/worker";

import { random } from "../bench/page/random.mjs";
import { wander } from "../bench/page/drawings.mjs";
import { fixtureFolder } from "./fixture.mjs";

const modules = {
  float32: new URL("../pkg/quickdraw_wasm_float32_bg.wasm", import.meta.url),
  base: new URL("../pkg/quickdraw_wasm_bg.wasm", import.meta.url),
  relaxed: new URL("../pkg/quickdraw_wasm_relaxed_bg.wasm", import.meta.url),
};
const models = { shipped: new URL("../model/", import.meta.url), small: fixtureFolder };

/** Drawings of 1 to 200 points. */
const next = random(7);
const drawings = Array.from({ length: 500 }, (_, i) => wander(1 + ((i * 37) % 200), next));

/** The probabilities of all drawings, in a worker, because a thread has one module. */
async function probabilities(options) {
  const classifier = await createWorkerClassifier(options);
  const found = [];
  for (const drawing of drawings) found.push(await classifier.probabilities(drawing, { isSimplified: true }));
  classifier.dispose();
  return found;
}

const argmax = (values) => values.indexOf(Math.max(...values));

/** The largest difference of two probabilities, and how many drawings have the same top-1 prediction. */
function compare(found, expected) {
  let [largest, same] = [0, 0];
  for (const [i, values] of found.entries()) {
    for (const [k, value] of values.entries()) largest = Math.max(largest, Math.abs(value - expected[i][k]));
    same += Number(argmax(values) === argmax(expected[i]));
  }
  return { largest, same };
}

for (const [name, model] of Object.entries(models)) {
  describe(`the ${name} model`, () => {
    const expected = probabilities({ model, wasm: modules.float32, arithmetic: "f32" });

    test("has the probabilities of float32 in int8 with inputs of 16 bits", async () => {
      const { largest, same } = compare(
        await probabilities({ model, wasm: modules.base, arithmetic: "int8" }),
        await expected,
      );
      assert.ok(largest < 1e-3, `${largest}`);
      assert.ok(same >= drawings.length - 1, `${same}`);
    });

    test("has nearly those in the module for engines with relaxed SIMD", async (context) => {
      const options = { model, wasm: modules.relaxed, arithmetic: "int8" };
      const found = await probabilities(options).catch((error) => {
        if (error.code !== "invalid-wasm") throw error;
        context.skip("this engine has no relaxed SIMD");
      });
      if (found === undefined) return;
      const { largest, same } = compare(found, await expected);
      assert.ok(largest < 0.05, `${largest}`);
      assert.ok(same >= 0.98 * drawings.length, `${same}`);
    });
  });
}
