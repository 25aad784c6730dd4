// Pictures of sketches as strokes. How they are traced is tested in core.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Classifier, QuickdrawError } from "quickdraw-rnn";
import { strokesFromImage } from "quickdraw-rnn/image";

/** A picture, each pixel as a function of its place has it. */
function picture(width, height, colorAt) {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) data.set(colorAt(i % width, Math.floor(i / width)), 4 * i);
  return { width, height, data };
}

/** Whether a pixel belongs to the frame of a square whose lines are 8 pixels wide, around 30 and 170. */
const isInk = (x, y) => Math.abs(Math.max(Math.abs(x - 99.5), Math.abs(y - 99.5)) - 70) < 4;

const [black, white, clear] = [
  [0, 0, 0, 255],
  [255, 255, 255, 255],
  [0, 0, 0, 0],
];

for (const [name, ink, paper] of [
  ["dark on light", black, white],
  ["light on dark", white, black],
  ["pale on white", [200, 210, 255, 255], white],
  ["dark on nothing", black, clear],
  ["white on nothing", white, clear],
]) {
  test(`a square in a picture, ${name}, is one stroke and recognised`, async () => {
    const strokes = await strokesFromImage(picture(200, 200, (x, y) => (isInk(x, y) ? ink : paper)));
    assert.equal(strokes.length, 1);
    const [xs, ys] = strokes[0];
    assert.equal(xs.length, ys.length);
    for (const [i, x] of xs.entries()) {
      const off = Math.max(Math.abs(x - 99.5), Math.abs(ys[i] - 99.5)) - 70;
      assert.ok(Math.abs(off) < 4, `${x}, ${ys[i]}`);
    }
    for (const values of [xs, ys]) assert.ok(Math.max(...values) - Math.min(...values) > 136);
    assert.equal((await Classifier.load()).classify(strokes)[0].label, "square");
  });
}

test("an empty picture has no strokes", async () => {
  assert.deepEqual(await strokesFromImage(picture(40, 30, () => white)), []);
});

test("values that are not pictures are refused", async () => {
  const whole = picture(4, 4, () => white);
  for (const [image, message] of [
    [undefined, /expected an ImageData/],
    [{ width: 4, height: 4 }, /expected an ImageData/],
    [{ ...whole, width: 5 }, /64 bytes: expected 4 for each of 5 x 4 pixels/],
    [{ ...whole, width: 0, data: new Uint8Array() }, /0 x 4 pixels/],
    [{ ...whole, width: 100_000, height: 100_000 }, /100000 x 100000 pixels/],
  ]) {
    await assert.rejects(strokesFromImage(image), (error) => {
      assert.ok(error instanceof QuickdrawError && error.code === "invalid-image", `${error}`);
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(strokesFromImage(new Blob(["x"])), { code: "unsupported", message: /no canvas/ });
  await assert.rejects(strokesFromImage(whole, null), { code: "invalid-options" });
});
