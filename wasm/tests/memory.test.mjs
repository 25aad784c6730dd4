// What the shipped model takes of WebAssembly's memory, in a process in which nothing else was recognised.

import assert from "node:assert/strict";
import { test } from "node:test";

import { memoryBytes } from "../bench/page/memory.mjs";
import { random as generator } from "../bench/page/random.mjs";

for (const arithmetic of ["int8", "f32"]) {
  test(`the shipped model recognises drawings of any length in less than 32 MB, in ${arithmetic}`, async () => {
    const { Classifier } = await import("quickdraw-rnn");
    const classifier = await Classifier.load({ arithmetic });
    const random = generator(5);
    for (let round = 0; round < 60; round++) {
      // Up to some thousand points, as many as come from a pen in a minute.
      const strokes = Array.from({ length: 1 + (round % 12) }, () => {
        let [x, y] = [random() * 500, random() * 500];
        return Array.from({ length: 10 * (round + 1) }, () => ({
          x: (x += random() * 9 - 4),
          y: (y += random() * 9 - 4),
        }));
      });
      assert.equal(classifier.classify(strokes).length, 5);
      classifier.embed(strokes);
    }
    assert.ok(memoryBytes() > 1e6);
    assert.ok(memoryBytes() < 32e6, `${memoryBytes()} bytes`);
    classifier.dispose();
  });
}
