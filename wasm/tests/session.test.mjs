// Drawings that grow, and many at once: the predictions are those of each drawing alone.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Classifier, QuickdrawError } from "quickdraw-rnn";
import { createWorkerClassifier } from "quickdraw-rnn/worker";

import { random as generator } from "../bench/page/random.mjs";
import { penFixtureFiles } from "./fixture.mjs";

/** @type {Classifier} */
let here;
/** @type {import("quickdraw-rnn/worker").WorkerClassifier} */
let there;
before(async () => {
  [here, there] = await Promise.all([
    Classifier.load({ model: await penFixtureFiles() }),
    createWorkerClassifier({ model: await penFixtureFiles() }),
  ]);
});
after(() => {
  here.dispose();
  there.dispose();
});

/** Scribbles of 1 to 200 points in 1 to 5 strokes. */
function scribbles(n, seed) {
  const random = generator(seed);
  return Array.from({ length: n }, () =>
    Array.from({ length: 1 + Math.floor(5 * random()) }, () => {
      let [x, y] = [300 * random(), 300 * random()];
      return Array.from({ length: 1 + Math.floor(40 * random()) }, () => {
        x += 40 * (random() - 0.5);
        y += 40 * (random() - 0.5);
        return { x, y };
      });
    }),
  );
}

describe("a session", () => {
  test("guesses what classify guesses for its strokes, at every moment", async () => {
    const drawing = scribbles(1, 5)[0];
    const session = here.session();
    const remote = there.session();
    const options = { maxResults: 3, allow: here.labels.slice(1) };
    for (const [index, stroke] of drawing.entries()) {
      for (const [point, { x, y }] of stroke.entries()) {
        for (const each of [session, remote]) {
          if (point === 0) each.beginStroke(x, y);
          else each.addPoint(x, y);
        }
        const sofar = [...drawing.slice(0, index), stroke.slice(0, point + 1)];
        const expected = here.classify(sofar, { ...options, isPenDown: true });
        assert.deepEqual(session.classify(options), expected);
        assert.deepEqual(await remote.classify(options), expected);
      }
      session.endStroke();
      assert.equal(session.isPenDown, false);
      assert.deepEqual(session.classify(), here.classify(drawing.slice(0, index + 1)));
    }
    assert.equal(session.nStrokes, drawing.length);
    assert.equal(session.nPoints, drawing.flat().length);
    assert.deepEqual(here.classify(session.strokes), here.classify(drawing));
  });

  test("takes strokes back, and all of them", () => {
    const session = here.session();
    assert.equal(session.undoStroke(), false);
    session.endStroke();
    const [first, second] = [
      [
        [
          { x: 1, y: 2 },
          { x: 90, y: 40 },
        ],
      ],
      [[{ x: 50, y: 2 }]],
    ];
    for (const [stroke] of [first, second, first]) {
      session.beginStroke(stroke[0].x, stroke[0].y);
      for (const { x, y } of stroke.slice(1)) session.addPoint(x, y);
    }
    // The last has not ended.
    assert.equal(session.undoStroke(), true);
    assert.deepEqual([session.isPenDown, session.nStrokes, session.nPoints], [false, 2, 3]);
    assert.deepEqual(session.classify(), here.classify([...first, ...second]));
    assert.equal(session.undoStroke(), true);
    assert.deepEqual(session.classify(), here.classify(first));
    session.clear();
    assert.deepEqual([session.isPenDown, session.nStrokes, session.nPoints], [false, 0, 0]);
    assert.throws(() => session.classify(), { code: "invalid-strokes", message: /expected/ });
  });

  test("has room for any number of points, and a copy of its strokes stays what it was", () => {
    const session = here.session();
    session.beginStroke(0, 0);
    const before = session.strokes;
    for (let point = 1; point < 5000; point++) session.addPoint(point % 100, point % 77);
    assert.equal(session.nPoints, 5000);
    assert.deepEqual([...before.points], [0, 0]);
    const { points } = session.strokes;
    assert.deepEqual([points[2 * 4999], points[2 * 4999 + 1]], [4999 % 100, 4999 % 77]);
    assert.deepEqual(session.classify(), here.classify(session.strokes, { isPenDown: true }));
  });

  test("refuses values that are not points and stays as it was", () => {
    const session = here.session();
    const refused = (call, message) =>
      assert.throws(call, (error) => {
        assert.ok(error instanceof QuickdrawError);
        assert.equal(error.code, "invalid-strokes");
        assert.match(error.message, message);
        return true;
      });
    refused(() => session.addPoint(1, 2), /no stroke has begun/);
    refused(() => session.beginStroke(NaN, 2), /stroke 0, point 0 .*NaN/);
    session.beginStroke(1, 2);
    refused(() => session.addPoint(1, Infinity), /stroke 0, point 1 .*Infinity/);
    refused(() => session.addPoint("1", 2), /string "1"/);
    refused(() => session.beginStroke(1), /stroke 1, point 0/);
    assert.deepEqual([session.isPenDown, session.nStrokes, session.nPoints], [true, 1, 1]);
    session.endStroke();
    refused(() => session.addPoint(3, 4), /no stroke has begun/);
  });
});

describe("many drawings", () => {
  test("have the predictions of each, in their order, here and in a worker", async () => {
    const drawings = scribbles(150, 8);
    const options = { maxResults: 4, threshold: 0.1, deny: [here.labels[0]] };
    for (const each of [{}, options, { isPenDown: true }, { isSimplified: true }]) {
      const expected = drawings.map((drawing) => here.classify(drawing, each));
      assert.deepEqual(here.classifyAll(drawings, each), expected);
      assert.deepEqual(await there.classifyAll(drawings, each), expected);
    }
  });

  test("may come from anything that gives one after the other", () => {
    const drawings = scribbles(70, 9);
    const expected = here.classifyAll(drawings);
    assert.deepEqual(here.classifyAll(new Set(drawings)), expected);
    assert.deepEqual(
      here.classifyAll(
        (function* () {
          yield* drawings;
        })(),
      ),
      expected,
    );
    assert.deepEqual(here.classifyAll([]), []);
  });

  test("may lie one after the other in the same array", async () => {
    const drawings = scribbles(5, 10);
    const expected = here.classifyAll(drawings);
    const points = new Float32Array(1000);
    function* again() {
      for (const drawing of drawings) {
        points.set(drawing.flat().flatMap(({ x, y }) => [x, y]));
        let end = 0;
        const offsets = drawing.map((stroke) => (end += stroke.length) - stroke.length);
        yield { points: points.subarray(0, 2 * end), offsets };
      }
    }
    assert.deepEqual(here.classifyAll(again()), expected);
    assert.deepEqual(await there.classifyAll(again()), expected);
  });

  test("of different kinds of strokes may be mixed, and stay the caller's", async () => {
    const points = Float32Array.of(0, 0, 50, 80, 99, 3);
    const drawings = [
      { points, offsets: [0, 2] },
      [
        [
          [0, 50],
          [0, 80],
        ],
        [[99], [3]],
      ],
    ];
    const [first, second] = await there.classifyAll(drawings);
    assert.deepEqual(first, second);
    assert.equal(points.length, 6);
  });

  test("are refused with their number", async () => {
    const drawings = [...scribbles(65, 3), [[{ x: 1, y: NaN }]]];
    const refusal = { code: "invalid-strokes", message: /^drawing 65 \(counted from 0\): stroke 0, point 0 .*NaN/ };
    assert.throws(() => here.classifyAll(drawings), refusal);
    await assert.rejects(there.classifyAll(drawings), refusal);
    for (const nothing of [undefined, null, 7, "strokes", {}]) {
      assert.throws(() => here.classifyAll(nothing), { code: "invalid-options", message: /^drawings: found/ });
      await assert.rejects(there.classifyAll(nothing), { code: "invalid-options" });
    }
    assert.throws(() => here.classifyAll([], { maxResults: -1 }), { code: "invalid-options" });
    await assert.rejects(there.classifyAll([], { maxResults: -1 }), { code: "invalid-options" });
  });
});

test("nothing is guessed once the classifier is disposed", async () => {
  const classifier = await Classifier.load({ model: await penFixtureFiles() });
  const session = classifier.session();
  session.beginStroke(1, 2);
  classifier.dispose();
  assert.throws(() => session.classify(), { code: "disposed" });
  assert.throws(() => classifier.classifyAll([]), { code: "disposed" });
});
