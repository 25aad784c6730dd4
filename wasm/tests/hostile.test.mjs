// Input that nobody would send by mistake: a clear error or bounded work, and the classifier stays usable.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Classifier, QuickdrawError } from "quickdraw-rnn";

import { memoryBytes } from "../bench/page/memory.mjs";
import { random as generator } from "../bench/page/random.mjs";
import { fixtureFiles, fixtureFolder } from "./fixture.mjs";

const zigzag = [
  [
    [0, 60, 120, 180, 255],
    [100, 0, 100, 0, 100],
  ],
];

/** @type {Classifier} */
let classifier;
let expected;
before(async () => {
  classifier = await Classifier.load({ model: fixtureFolder });
  expected = classifier.classify(zigzag);
});
// Whatever happened, the same instance goes on.
afterEach(() => assert.deepEqual(classifier.classify(zigzag), expected));
after(() => classifier.dispose());

function assertRefused(strokes, message = /./) {
  for (const call of ["classify", "outputs", "probabilities", "embed", "simplify"]) {
    assert.throws(
      () => classifier[call](strokes),
      (error) => {
        assert.ok(error instanceof QuickdrawError, `${error}`);
        assert.equal(error.code, "invalid-strokes");
        assert.match(error.message, message);
        assert.ok(error.message.length < 500);
        return true;
      },
    );
  }
}

describe("sizes", () => {
  test("ten million points are refused before they are read", () => {
    const n = 10_000_000;
    assertRefused([new Array(n)], /at most 1000000 points/);
    assertRefused([[new Float32Array(n), new Float32Array(n)]], /at most 1000000 points/);
    assertRefused({ points: new Float32Array(2 * n), offsets: [0] }, /at most 1000000 points/);
    const stroke = new Array(200_000).fill({ x: 1, y: 2 });
    assertRefused(new Array(50).fill(stroke), /at most 1000000 points/);
  });

  test("a list that claims four thousand million elements is refused", () => {
    const list = [];
    list.length = 2 ** 32 - 1;
    assertRefused(list);
    assertRefused([list]);
    assertRefused([[list, list]]);
  });

  test("a million points are read, a hundred thousand strokes too", async () => {
    const random = generator(1);
    const points = Float32Array.from({ length: 2_000_000 }, () => random() * 1000);
    assert.equal(classifier.classify({ points, offsets: [0] }).length, expected.length);
    const dots = Array.from({ length: 100_000 }, () => [{ x: random() * 1000, y: random() * 1000 }]);
    assert.equal(classifier.classify(dots).length, expected.length);
    assert.ok(memoryBytes() < 2 ** 30);
  });

  test("a hundred thousand empty strokes are refused", () => {
    assertRefused(new Array(100_000).fill([]), /stroke 0 .*no points/);
    assertRefused({ points: new Float32Array(2), offsets: new Uint32Array(100_000) });
  });
});

describe("values", () => {
  const bad = [NaN, Infinity, -Infinity, 1e8, -1e300, "7", null, undefined, 7n, {}, [], true, Symbol("x"), () => 7];
  for (const value of bad) {
    test(`${typeof value} ${String(value).slice(0, 20)}`, () => {
      assertRefused(
        [
          [
            { x: 0, y: 0 },
            { x: value, y: 0 },
          ],
        ],
        /stroke 0, point 1/,
      );
      assertRefused([[{ x: 0, y: 0 }], [{ x: 0, y: value }]], /stroke 1, point 0/);
      assertRefused(
        [
          [
            [0, 0, value],
            [0, 0, 0],
          ],
        ],
        /stroke 0, point 2/,
      );
      if (typeof value !== "number") return;
      assertRefused({ points: Float32Array.of(0, 0, 0, value), offsets: [0, 1] }, /stroke 1, point 0/);
    });
  }

  test("offsets that do not fit", () => {
    const points = new Float32Array(8);
    for (const offsets of [
      [],
      [1],
      [0, 0],
      [0, 2, 1],
      [0, 4],
      [0, -1],
      [0, 1.5],
      [0, NaN],
      ["0"],
      [0, 2 ** 32],
      7,
      null,
    ]) {
      assertRefused({ points, offsets }, /offsets/);
    }
    assertRefused({ points: new Float32Array(3), offsets: [0] }, /3 numbers/);
    assertRefused({ points: [0, 1], offsets: [0] }, /Float32Array/);
    assertRefused({ points: new Float64Array(2), offsets: [0] }, /Float32Array/);
  });

  test("buffers that were transferred", () => {
    const points = Float32Array.of(0, 0, 9, 9);
    const x = Float32Array.of(0, 9);
    structuredClone(null, { transfer: [points.buffer, x.buffer] });
    assertRefused({ points, offsets: [0] }, /transferred/);
    assertRefused([[x, Float32Array.of(0, 9)]], /0 x and 2 y/);
    assertRefused([[x, x]], /no points/);
  });
});

describe("objects that do things when they are read", () => {
  test("getters that throw", () => {
    const point = {
      x: 1,
      get y() {
        throw new Error("not today");
      },
    };
    assertRefused([[point]], /could not be read: not today/);
    const revoked = Proxy.revocable([], {});
    revoked.revoke();
    assertRefused(revoked.proxy);
    assertRefused([revoked.proxy]);
    assertRefused([new Proxy([{ x: 1, y: 2 }], { get: () => assert.fail("read") })]);
  });

  test("getters that use the classifier", () => {
    const point = {
      y: 1,
      get x() {
        return classifier.classify(zigzag).length;
      },
    };
    assert.equal(classifier.classify([[point, { x: 0, y: 0 }]]).length, expected.length);
    const other = {
      y: 1,
      get x() {
        return classifier.classify([[{ x: NaN, y: 0 }]]);
      },
    };
    assert.throws(() => classifier.classify([[other]]), { code: "invalid-strokes", message: /NaN/ });
  });

  test("offsets that transfer, shrink or grow the points while they are read", () => {
    const changes = [
      (buffer) => structuredClone(buffer, { transfer: [buffer] }),
      (buffer) => buffer.resize(8),
      (buffer) => buffer.resize(64_000_000),
    ];
    for (const call of ["classify", "outputs", "probabilities", "embed", "simplify"]) {
      for (const change of changes) {
        const points = new Float32Array(new ArrayBuffer(16, { maxByteLength: 64_000_000 }));
        points.set([0, 0, 9, 9]);
        const offsets = [0];
        Object.defineProperty(offsets, 0, {
          get() {
            change(points.buffer);
            return 0;
          },
        });
        assert.throws(() => classifier[call]({ points, offsets }), {
          code: "invalid-strokes",
          message: /changed its length/,
        });
      }
    }
  });

  test("lists that grow and values that change while they are read", () => {
    const growing = [{ x: 0, y: 0 }];
    growing.push({
      get x() {
        for (let i = 0; i < 1000; i++) growing.push({ x: 1, y: 1 });
        return 1;
      },
      y: 1,
    });
    assert.equal(classifier.classify([growing]).length, expected.length);
    let nReads = 0;
    const fickle = {
      x: 0,
      get y() {
        return nReads++ === 0 ? 5 : NaN;
      },
    };
    assert.equal(classifier.classify([[fickle, { x: 9, y: 9 }]]).length, expected.length);
    assert.equal(nReads, 1);
  });
});

test("random values: strokes or a refusal, never another error", () => {
  const random = generator(7);
  const pick = (list) => list[Math.floor(random() * list.length)];
  const leaf = () =>
    random() < 0.95
      ? random() * 300
      : pick([NaN, Infinity, -0, 1e-40, 1e7, 1e7 + 1, "1", null, undefined, true, 1n, ""]);
  const value = (depth) => {
    if (depth === 0) return leaf();
    const length = Math.floor(random() * 4);
    return pick([
      () => Array.from({ length }, () => value(depth - 1)),
      () => [Array.from({ length }, leaf), Array.from({ length }, leaf)],
      () => Array.from({ length }, () => ({ x: leaf(), y: leaf() })),
      () => ({ x: random(), y: random() }),
      () => pick([Float32Array, Float64Array, Uint8Array, Int16Array]).from({ length }, () => random() * 255),
      () => ({
        points: Float32Array.from({ length: 2 * length }, () => pick([random() * 255, NaN])),
        offsets: Array.from({ length }, leaf),
      }),
      () => ({ length: 3, 0: value(depth - 1) }),
      () => leaf(),
    ])();
  };
  let nRecognised = 0;
  for (let round = 0; round < 20_000; round++) {
    const strokes = value(3);
    try {
      const predictions = classifier.classify(strokes, { isSimplified: random() < 0.5 });
      assert.ok(predictions.every(({ probability }) => probability >= 0 && probability <= 1));
      nRecognised += 1;
    } catch (error) {
      assert.ok(error instanceof QuickdrawError && error.code === "invalid-strokes", `${error}`);
    }
  }
  assert.ok(nRecognised > 100, `${nRecognised} drawings among them`);
});

describe("model folders", () => {
  let files;
  before(async () => {
    files = await fixtureFiles();
  });
  const refused = (modelJson, weights) =>
    assert.rejects(Classifier.load({ model: { modelJson, weights } }), (error) => {
      assert.ok(error instanceof QuickdrawError, `${error}`);
      assert.equal(error.code, "invalid-model");
      assert.ok(error.message.length < 2000, `${error.message.length} characters`);
      return true;
    });

  test("weights whose header claims four gigabytes", async () => {
    for (const length of [2n ** 32n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n, 100_000_000n]) {
      const weights = Uint8Array.from(files.weights);
      new DataView(weights.buffer).setBigUint64(0, length, true);
      await refused(files.modelJson, weights);
    }
  });

  test("files that end too early", async () => {
    const { modelJson, weights } = files;
    for (let part = 0; part < 40; part++) {
      await refused(modelJson, weights.subarray(0, Math.floor((weights.length * part) / 40)));
      await refused(modelJson.subarray(0, Math.floor((modelJson.length * part) / 40)), weights);
    }
  });

  test("files with random bytes in them: refused, or a model", async () => {
    const random = generator(11);
    const headerLength = Number(new DataView(Uint8Array.from(files.weights).buffer).getBigUint64(0, true));
    for (let round = 0; round < 300; round++) {
      const modelJson = Uint8Array.from(files.modelJson);
      const weights = Uint8Array.from(files.weights);
      const [target, range] = round % 2 === 0 ? [modelJson, modelJson.length] : [weights, 8 + headerLength];
      for (let change = 0; change < 1 + (round % 5); change++) {
        target[Math.floor(random() * range)] = Math.floor(random() * 256);
      }
      try {
        const loaded = await Classifier.load({ model: { modelJson, weights } });
        loaded.classify(zigzag);
        loaded.dispose();
      } catch (error) {
        assert.ok(error instanceof QuickdrawError && error.code === "invalid-model", `${error}`);
      }
    }
  });

  test("a model.json of megabytes", async () => {
    const long = new TextEncoder().encode(`{"format":"${"x".repeat(10_000_000)}"}`);
    await refused(long, files.weights);
    await refused(new TextEncoder().encode("[".repeat(1_000_000)), files.weights);
  });
});

test("a hundred thousand guesses need no more memory than a thousand", async () => {
  // For this test alone: garbage is collected when it says so.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const heapBytes = () => {
    collect();
    collect();
    return process.memoryUsage().heapUsed;
  };
  const random = generator(3);
  const drawings = Array.from({ length: 50 }, (_, index) => [
    Array.from({ length: 2 + (index % 10) }, () => ({ x: random() * 300, y: random() * 300 })),
  ]);
  for (let round = 0; round < 1000; round++) classifier.classify(drawings[round % drawings.length]);
  const [before, heapBefore] = [memoryBytes(), heapBytes()];
  for (let round = 0; round < 100_000; round++) classifier.classify(drawings[round % drawings.length]);
  assert.equal(memoryBytes(), before);
  // A number for each guess would be 800 kB.
  const grown = heapBytes() - heapBefore;
  assert.ok(grown < 400_000, `the heap grew by ${grown} bytes`);
});

test("classifiers that are loaded and disposed need no more memory", async () => {
  const cycle = async () => {
    const other = await Classifier.load({ model: fixtureFolder });
    other.classify(zigzag);
    other.dispose();
  };
  for (let round = 0; round < 5; round++) await cycle();
  const before = memoryBytes();
  for (let round = 0; round < 100; round++) await cycle();
  assert.equal(memoryBytes(), before);
});
