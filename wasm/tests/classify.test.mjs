// Strokes at the door of a loaded classifier: what is right is recognised as natively, what is wrong is named.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Classifier, QuickdrawError } from "quickdraw-rnn";

import { fixtureCases, fixtureFolder, penFixtureFiles } from "./fixture.mjs";

/** @type {Classifier} */
let classifier;
before(async () => {
  classifier = await Classifier.load({ model: fixtureFolder });
});
after(() => classifier.dispose());

const square = [
  [
    { x: 0, y: 0 },
    { x: 200, y: 0 },
    { x: 200, y: 200 },
    { x: 0, y: 200 },
    { x: 0, y: 0 },
  ],
];

/** The probabilities of all labels in the order of the labels. */
function probabilities(strokes, options) {
  const predictions = classifier.classify(strokes, { maxResults: classifier.labels.length, ...options });
  const byLabel = new Map(predictions.map(({ label, probability }) => [label, probability]));
  return classifier.labels.map((label) => byLabel.get(label));
}

function assertClose(found, expected, tolerance) {
  assert.equal(found.length, expected.length);
  for (const [index, value] of found.entries()) {
    assert.ok(Math.abs(value - expected[index]) <= tolerance, `${index}: ${value}, expected ${expected[index]}`);
  }
}

test("a drawing has the probabilities that the native build finds", async () => {
  const cases = await fixtureCases();
  assert.ok(cases.length > 0);
  for (const { drawing, probabilities: expected } of cases) {
    assertClose(probabilities(drawing, { isSimplified: true }), expected, 1e-4);
  }
});

test("predictions are labels with probabilities, best first, that add up to 1", () => {
  const predictions = classifier.classify(square, { maxResults: 1e9 });
  assert.equal(predictions.length, classifier.labels.length);
  assert.deepEqual(predictions.map(({ label }) => label).sort(), [...classifier.labels].sort());
  const found = predictions.map(({ probability }) => probability);
  assert.deepEqual(
    found,
    [...found].sort((a, b) => b - a),
  );
  assert.ok(Math.abs(found.reduce((sum, value) => sum + value, 0) - 1) < 1e-5);
  assert.deepEqual(Object.keys(predictions[0]).sort(), ["label", "probability"]);
});

test("five predictions come where no number is named", () => {
  assert.equal(classifier.classify(square).length, Math.min(5, classifier.labels.length));
  assert.equal(classifier.classify(square, {}).length, Math.min(5, classifier.labels.length));
  assert.equal(classifier.classify(square, { maxResults: 1 }).length, 1);
});

test("points, coordinate lists, typed arrays and lists with times are the same strokes", () => {
  const expected = probabilities(square);
  const x = square[0].map((point) => point.x);
  const y = square[0].map((point) => point.y);
  assert.deepEqual(probabilities([[x, y]]), expected);
  assert.deepEqual(probabilities([[x, y, [0, 10, 20, 30, 40]]]), expected);
  assert.deepEqual(probabilities([[Float32Array.from(x), Uint8Array.from(y)]]), expected);
  class PointerSample {
    #at;
    constructor(at) {
      this.#at = at;
    }
    get x() {
      return this.#at.x;
    }
    get y() {
      return this.#at.y;
    }
  }
  assert.deepEqual(probabilities([square[0].map((point) => new PointerSample(point))]), expected);
});

test("packed strokes are the same strokes, also as a view of a larger buffer", () => {
  const cross = [
    ...square,
    [
      { x: 0, y: 0 },
      { x: 200, y: 200 },
    ],
  ];
  const values = cross.flat().flatMap(({ x, y }) => [x, y]);
  const expected = probabilities(cross);
  assert.deepEqual(probabilities({ points: Float32Array.from(values), offsets: [0, 5] }), expected);
  const buffer = new Float32Array(100);
  buffer.set(values, 7);
  const points = buffer.subarray(7, 7 + values.length);
  assert.deepEqual(probabilities({ points, offsets: Uint32Array.of(0, 5) }), expected);
});

test("packed strokes are copied once: into the recogniser's memory", () => {
  const points = Float32Array.of(0, 0, 200, 0, 200, 200);
  const { set } = Float32Array.prototype;
  const copied = [];
  Float32Array.prototype.set = function (source, ...rest) {
    copied.push(source);
    return set.call(this, source, ...rest);
  };
  try {
    classifier.classify({ points, offsets: Uint32Array.of(0) });
  } finally {
    Float32Array.prototype.set = set;
  }
  assert.equal(copied.filter((source) => source === points).length, 1);
  assert.equal(copied.length, 1);
});

test("probabilities are those of classify, in the order of the labels", () => {
  const found = classifier.probabilities(square);
  assert.ok(found instanceof Float32Array);
  assert.deepEqual([...found], probabilities(square));
});

test("outputs are the probabilities and the embedding", () => {
  for (const options of [{}, { isPenDown: true }, { allow: classifier.labels.slice(0, 2) }]) {
    const { probabilities, embedding } = classifier.outputs(square, options);
    assert.deepEqual(probabilities, classifier.probabilities(square, options));
    const { allow, ...others } = options;
    assert.deepEqual(embedding, classifier.embed(square, others));
  }
});

test("an embedding has the width of the model's last layer and says what is alike", () => {
  const embedding = classifier.embed(square);
  assert.ok(embedding instanceof Float32Array && embedding.length > 1);
  assert.ok(embedding.every(Number.isFinite));
  assert.deepEqual(classifier.embed(classifier.simplify(square), { isSimplified: true }), embedding);
  assert.notDeepEqual(
    classifier.embed([
      [
        { x: 0, y: 0 },
        { x: 9, y: 1 },
      ],
    ]),
    embedding,
  );
});

describe("labels that are allowed", () => {
  const add = (values) => values.reduce((sum, value) => sum + value, 0);

  test("share the whole probability in the proportions that they had", () => {
    const all = classifier.probabilities(square);
    const allow = new Set(classifier.labels.slice(0, 3));
    const found = classifier.probabilities(square, { allow });
    assert.ok(Math.abs(add(found) - 1) < 1e-5);
    for (let index = 3; index < found.length; index++) assert.equal(found[index], 0);
    assertClose(
      [...found.subarray(0, 3)],
      [...all.subarray(0, 3)].map((value) => value / add(all.subarray(0, 3))),
      1e-6,
    );
    const predictions = classifier.classify(square, { allow, maxResults: 100 });
    assert.deepEqual(predictions.map(({ label }) => label).sort(), [...allow].sort());
    assert.ok(Math.abs(add(predictions.map(({ probability }) => probability)) - 1) < 1e-5);
  });

  test("are those not denied, also of those that are allowed", () => {
    const [first, second, third] = classifier.labels;
    const [{ label }] = classifier.classify(square);
    assert.ok(!classifier.classify(square, { deny: [label], maxResults: 1e6 }).some((other) => other.label === label));
    const found = classifier.classify(square, { allow: [first, second, third], deny: [second], maxResults: 10 });
    assert.deepEqual(found.map((prediction) => prediction.label).sort(), [first, third].sort());
    assert.deepEqual(classifier.classify(square, { allow: [second] }), [{ label: second, probability: 1 }]);
  });

  test("are labels of the model, and at least one", () => {
    const refused = (options, message) =>
      assert.throws(() => classifier.classify(square, options), { code: "invalid-options", message });
    refused({ allow: ["unheard of"] }, /option `allow`: found "unheard of", expected labels that the model knows/);
    refused({ deny: ["toString"] }, /option `deny`: found "toString"/);
    refused({ allow: "cat" }, /option `allow`: found "cat", expected a list of labels/);
    refused({ allow: [7] }, /option `allow`: found 7/);
    refused({ allow: [] }, /leave no label/);
    refused({ deny: classifier.labels }, /leave no label/);
  });
});

test("predictions below the threshold are left out", () => {
  const all = classifier.classify(square, { maxResults: 1e6 });
  const threshold = (all[0].probability + all[1].probability) / 2;
  assert.deepEqual(classifier.classify(square, { threshold }), [all[0]]);
  assert.deepEqual(classifier.classify(square, { threshold: 1 }), []);
  for (const wrong of [-0.1, 1.1, NaN, "0.5", null]) {
    assert.throws(() => classifier.classify(square, { threshold: wrong }), {
      code: "invalid-options",
      message: /option `threshold`: .*expected a number from 0 to 1/,
    });
  }
});

test("predictions are uncertain below the model's threshold, or a half", () => {
  const least = classifier.threshold ?? 0.5;
  assert.equal(classifier.isUncertain([{ label: "cat", probability: least + 0.001 }]), false);
  assert.equal(classifier.isUncertain([{ label: "cat", probability: least - 0.001 }]), true);
  assert.equal(classifier.isUncertain([]), true);
  assert.throws(() => classifier.isUncertain("cat"), { code: "invalid-options" });
});

test("a classifier can be told that the pen is still down", async () => {
  const knows = await Classifier.load({ model: await penFixtureFiles() });
  const [up, down] = [false, true].map((isPenDown) => knows.probabilities(square, { isPenDown }));
  assert.deepEqual(up, classifier.probabilities(square));
  assert.notDeepEqual(down, up);
  assert.notDeepEqual(knows.embed(square, { isPenDown: true }), knows.embed(square));
  assert.equal(knows.classify(square, { isPenDown: true })[0].probability, Math.max(...down));
  knows.dispose();
  // One that was never told in training, and is not calibrated for it, takes the drawing for a finished one.
  assert.deepEqual(classifier.probabilities(square, { isPenDown: true }), up);
  for (const call of ["classify", "outputs", "probabilities", "embed"]) {
    assert.throws(() => classifier[call](square, { isPenDown: "yes" }), {
      code: "invalid-options",
      message: /`isPenDown`/,
    });
  }
});

test("both ways to compute agree", async () => {
  const other = await Classifier.load({
    model: fixtureFolder,
    arithmetic: classifier.arithmetic === "int8" ? "f32" : "int8",
  });
  assert.notEqual(other.arithmetic, classifier.arithmetic);
  assertClose([...other.probabilities(square)], [...classifier.probabilities(square)], 2e-2);
  other.dispose();
  await assert.rejects(Classifier.load({ arithmetic: "f16" }), { code: "invalid-options", message: /"int8" or "f32"/ });
});

test("where and how large something is drawn makes no difference", () => {
  const moved = square.map((stroke) => stroke.map(({ x, y }) => ({ x: x * 3 + 1000, y: y * 3 - 500 })));
  assertClose(probabilities(moved), probabilities(square), 1e-6);
});

test("simplify gives the data set's form", () => {
  const dense = [Array.from({ length: 1001 }, (_, index) => ({ x: 40 + index / 2, y: 70 }))];
  assert.deepEqual(classifier.simplify(dense), [
    [
      [0, 255],
      [0, 0],
    ],
  ]);
  const strokes = classifier.simplify(square);
  assert.ok(strokes.flat(2).every((value) => value >= 0 && value <= 255));
  assert.deepEqual(probabilities(strokes, { isSimplified: true }), probabilities(square));
});

test("one point is a drawing", () => {
  assert.ok(classifier.classify([[{ x: 3, y: 4 }]])[0].probability > 0);
});

const refusedStrokes = [
  ["undefined", undefined, /strokes: found undefined, expected an array of strokes/],
  ["null", null, /strokes: found null, expected an array/],
  ["a string", "M 0 0", /strokes: found a string, expected an array/],
  ["an object", { strokes: square }, /strokes: found an object, expected an array/],
  ["no strokes", [], /no strokes/],
  ["an empty stroke", [square[0], []], /stroke 1 .*no points/],
  ["empty coordinate lists", [[[], []]], /stroke 0 .*no points/],
  ["a stroke that is a number", [square[0], 7], /stroke 1 .*found a number, expected an array of points/],
  ["a stroke that is null", [null], /stroke 0 .*found null/],
  ["a point that is a number", [[{ x: 1, y: 2 }, 3]], /stroke 0, point 1 .*found a number, expected \{ x, y \}/],
  ["a point that is undefined", [[{ x: 1, y: 2 }, undefined]], /stroke 0, point 1 .*found undefined/],
  ["a point that is a list", [[{ x: 1, y: 2 }, [3, 4]]], /stroke 0, point 1 .*found an array, expected \{ x, y \}/],
  ["a point without y", [square[0], [{ x: 1, y: 2 }, { x: 1 }]], /stroke 1, point 1 .*missing field `y`/],
  ["a coordinate that is a string", [[{ x: "1", y: 2 }]], /stroke 0, point 0 .*invalid type: string "1"/],
  ["a coordinate that is null", [[{ x: 1, y: null }]], /stroke 0, point 0 .*invalid type/],
  ["a BigInt coordinate", [[{ x: 1n, y: 2 }]], /stroke 0, point 0 .*invalid type/],
  ["NaN", nanAt(3, 17), /stroke 3, point 17 .*NaN.*expected finite/],
  ["infinity", [[{ x: 0, y: Infinity }]], /stroke 0, point 0 .*Infinity.*expected finite/],
  ["a number beyond single precision", [[{ x: 1e300, y: 0 }]], /stroke 0, point 0 .*expected finite/],
  [
    "NaN in a list",
    [
      [
        [0, 1, NaN],
        [0, 1, 2],
      ],
    ],
    /stroke 0, point 2 .*NaN/,
  ],
  [
    "a string in a list",
    [
      [
        [0, "1"],
        [0, 1],
      ],
    ],
    /stroke 0, point 1 .*x: invalid type: string "1"/,
  ],
  ["one list of coordinates", [[[0, 1, 2]]], /stroke 0 .*lists.*expected 2 \(x, y\) or 3/],
  [
    "four lists of coordinates",
    [
      [
        [0, 1],
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    ],
    /stroke 0 .*lists.*expected 2 \(x, y\) or 3/,
  ],
  [
    "lists of different lengths",
    [
      [
        [0, 1, 2],
        [0, 1],
      ],
    ],
    /stroke 0 .*3 x and 2 y/,
  ],
  ["y that is no list", [[[0, 1, 2], 5]], /stroke 0 .*y is a number, expected an array of numbers/],
];

/** Twenty points a stroke, one of them not a number. */
function nanAt(stroke, point) {
  const strokes = Array.from({ length: stroke + 1 }, () => Array.from({ length: 20 }, (_, x) => ({ x, y: x * 2 })));
  strokes[stroke][point].y = NaN;
  return strokes;
}

describe("strokes that are refused", () => {
  for (const [name, strokes, message] of refusedStrokes) {
    test(name, () => {
      for (const call of [() => classifier.classify(strokes), () => classifier.simplify(strokes)]) {
        assert.throws(call, (error) => {
          assert.ok(error instanceof QuickdrawError);
          assert.ok(error instanceof Error);
          assert.equal(error.name, "QuickdrawError");
          assert.equal(error.code, "invalid-strokes");
          assert.match(error.message, message);
          return true;
        });
      }
    });
  }
});

describe("options that are refused", () => {
  for (const maxResults of [0, -1, 2.5, NaN, Infinity, "5", null, 2 ** 60, 3n]) {
    test(`maxResults ${typeof maxResults} ${maxResults}`, () => {
      assert.throws(() => classifier.classify(square, { maxResults }), {
        code: "invalid-options",
        message: /maxResults.*expected an integer from 1/,
      });
    });
  }
  test("isSimplified that is no boolean", () => {
    assert.throws(() => classifier.classify(square, { isSimplified: "yes" }), {
      code: "invalid-options",
      message: /isSimplified.*"yes", expected true or false/,
    });
  });
  test("options that are no object", () => {
    assert.throws(() => classifier.classify(square, 3), { code: "invalid-options" });
    assert.throws(() => classifier.classify(square, null), { code: "invalid-options" });
  });
});

test("a refused drawing leaves the classifier as it was", () => {
  const expected = probabilities(square);
  for (const [, strokes] of refusedStrokes) assert.throws(() => classifier.classify(strokes));
  assert.deepEqual(probabilities(square), expected);
});

test("a hundred thousand points are simplified like a few", () => {
  const circle = Array.from({ length: 100_000 }, (_, index) => {
    const angle = (index / 100_000) * 2 * Math.PI;
    return { x: 300 + 200 * Math.cos(angle), y: 300 + 200 * Math.sin(angle) };
  });
  const [[x]] = classifier.simplify([circle]);
  assert.ok(x.length < 100);
  assert.ok(classifier.classify([circle])[0].probability > 0);
});
