// Custom classes on the small model with random weights: it knows no drawing, but always finds one again.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Classifier, QuickdrawError } from "quickdraw-rnn";

import { CustomClasses } from "quickdraw-rnn/custom-classes";
import { fixtureFolder, penFixtureFiles } from "./fixture.mjs";

/** @type {Classifier} */
let classifier;
/** The same, answering later, as one in a worker does. */
let later;
before(async () => {
  classifier = await Classifier.load({ model: fixtureFolder });
  later = {
    labels: classifier.labels,
    embed: async (...call) => classifier.embed(...call),
    probabilities: async (...call) => classifier.probabilities(...call),
    outputs: async (...call) => classifier.outputs(...call),
  };
});
after(() => classifier.dispose());

const zigzag = [
  [
    [0, 30, 60, 90, 120, 150],
    [0, 90, 0, 90, 0, 90],
  ],
];
const box = [
  [
    [0, 100, 100, 0, 0],
    [0, 0, 80, 80, 0],
  ],
];
const cross = [
  [
    [0, 100],
    [0, 100],
  ],
  [
    [100, 0],
    [0, 100],
  ],
];

async function three(of = classifier) {
  const custom = new CustomClasses(of);
  await custom.add("zigzag", zigzag);
  await custom.add("box", box);
  await custom.add("cross", cross);
  return custom;
}

function rejects(code, message = /./) {
  return (error) => {
    assert.ok(error instanceof QuickdrawError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

const sumOf = (predictions) => predictions.reduce((sum, { probability }) => sum + probability, 0);

function assertClose(found, expected, tolerance) {
  assert.ok(Math.abs(found - expected) <= tolerance, `${found}, expected ${expected}`);
}

test("a drawing that was shown is found again, by a classifier here and by one that answers later", async () => {
  for (const of of [classifier, later]) {
    const custom = await three(of);
    for (const [label, strokes] of Object.entries({ zigzag, box, cross })) {
      const predictions = await custom.classify(strokes, { among: "instead" });
      assert.equal(predictions[0].label, label);
      assert.equal(predictions.length, 3);
      assertClose(sumOf(predictions), 1, 1e-9);
      assert.ok(predictions.every(({ isCustom }) => isCustom));
      assert.deepEqual(Object.keys(predictions[0]).sort(), ["isCustom", "label", "probability"]);
      assert.deepEqual(
        [...predictions].sort((a, b) => b.probability - a.probability),
        predictions,
      );
    }
  }
});

test("beside the model's labels all probabilities add up to 1, and the model's keep their proportions", async () => {
  const custom = await three();
  const predictions = await custom.classify(box, { maxResults: 1e6 });
  assert.equal(predictions.length, classifier.labels.length + 3);
  assertClose(sumOf(predictions), 1, 1e-5);
  assert.deepEqual(
    predictions
      .filter(({ isCustom }) => isCustom)
      .map(({ label }) => label)
      .sort(),
    ["box", "cross", "zigzag"],
  );
  const known = predictions.filter(({ isCustom }) => !isCustom);
  const alone = classifier.classify(box, { maxResults: 1e6 });
  assert.deepEqual(
    known.map(({ label }) => label),
    alone.map(({ label }) => label),
  );
  const share = sumOf(known);
  for (const [index, { probability }] of known.entries())
    assertClose(probability / share, alone[index].probability, 1e-6);
  // Its own drawing beats a model that is not sure of anything.
  assert.equal(predictions[0].label, "box");
});

test("without categories the model's predictions stay as they are, and there are none instead of them", async () => {
  const custom = new CustomClasses(classifier);
  assert.deepEqual(custom.classes, []);
  const predictions = await custom.classify(box);
  assert.deepEqual(
    predictions.map(({ label, probability }) => ({ label, probability })),
    classifier.classify(box),
  );
  assert.ok(predictions.every(({ isCustom }) => !isCustom));
  assert.deepEqual(await custom.classify(box, { among: "instead" }), []);
});

test("a guess runs the network once, and a ranking has all categories and the same order", async () => {
  const calls = [];
  const counted = { labels: classifier.labels };
  for (const method of ["embed", "probabilities", "outputs"]) {
    counted[method] = (...call) => {
      calls.push(method);
      return classifier[method](...call);
    };
  }
  const custom = await three(counted);
  for (const among of ["beside", "instead"]) {
    for (const isPenDown of [false, true]) {
      calls.length = 0;
      const options = { among, isPenDown, deny: [classifier.labels[0]] };
      const best = await custom.classify(box, options);
      assert.deepEqual(calls, ["outputs"]);
      const all = await custom.rank(box, options);
      assert.equal(all.length, 3 + (among === "beside" ? classifier.labels.length : 0));
      assert.deepEqual(best, all.slice(0, best.length));
    }
  }
  await assert.rejects(custom.rank(box, { among: "both" }), rejects("invalid-options"));
  await assert.rejects(custom.rank([]), rejects("invalid-strokes"));
});

test("a label that the model knows is one category with the probability of both", async () => {
  const [label] = classifier.labels;
  const custom = new CustomClasses(classifier);
  await custom.add(label, box);
  const predictions = await custom.classify(box, { maxResults: 1e6 });
  assert.equal(predictions.length, classifier.labels.length);
  assertClose(sumOf(predictions), 1, 1e-5);
  assert.deepEqual(
    predictions.filter(({ isCustom }) => isCustom).map(({ label }) => label),
    [label],
  );
});

test("options choose as they do for the classifier", async () => {
  const custom = await three();
  const { labels } = classifier;
  assert.equal((await custom.classify(box)).length, 5);
  assert.equal((await custom.classify(box, { maxResults: 2, among: "instead" })).length, 2);
  const likely = await custom.classify(box, { threshold: 0.3, maxResults: 1e6 });
  assert.ok(likely.every(({ probability }) => probability >= 0.3));
  const allowed = await custom.classify(box, { allow: [labels[0], labels[1]], deny: [labels[1]], maxResults: 4 });
  assert.ok(allowed.every(({ label, isCustom }) => isCustom || label === labels[0]));
  const simplified = classifier.simplify(cross);
  assert.deepEqual(await custom.classify(simplified, { isSimplified: true }), await custom.classify(cross));
  const knows = await Classifier.load({ model: await penFixtureFiles() });
  const shown = await three(knows);
  for (const among of ["beside", "instead"]) {
    assert.notDeepEqual(
      await shown.classify(cross, { among, isPenDown: true }),
      await shown.classify(cross, { among }),
    );
  }
  knows.dispose();
  for (const options of [
    null,
    { among: "both" },
    { maxResults: 0 },
    { threshold: 2 },
    { isSimplified: 1 },
    { allow: ["no such label"] },
  ]) {
    await assert.rejects(custom.classify(box, options), rejects("invalid-options"));
  }
  await assert.rejects(custom.classify([]), rejects("invalid-strokes"));
});

test("categories are counted, in the order in which they came, and can be forgotten", async () => {
  const custom = await three();
  await custom.add("box", zigzag);
  assert.deepEqual(custom.classes, [
    { label: "zigzag", nExamples: 1 },
    { label: "box", nExamples: 2 },
    { label: "cross", nExamples: 1 },
  ]);
  assert.equal(custom.remove("box"), true);
  assert.equal(custom.remove("box"), false);
  assert.deepEqual(
    custom.classes.map(({ label }) => label),
    ["zigzag", "cross"],
  );
});

test("the order of the examples does not matter, also if they come at once", async () => {
  const [one, other] = [new CustomClasses(classifier), new CustomClasses(later)];
  for (const strokes of [zigzag, box, cross]) await one.add("a", strokes);
  await Promise.all([cross, zigzag, box].map((strokes) => other.add("a", strokes)));
  assert.deepEqual(one.toJSON(), other.toJSON());
});

test("what cannot be a category is refused and changes nothing", async () => {
  const custom = await three();
  const before = JSON.stringify(custom);
  for (const label of [undefined, 7, "", "  ", "x".repeat(201)]) {
    await assert.rejects(custom.add(label, box), rejects("invalid-options", /label/));
  }
  await assert.rejects(custom.add("new", []), rejects("invalid-strokes"));
  await assert.rejects(custom.add("new", box, null), rejects("invalid-options"));
  assert.equal(JSON.stringify(custom), before);
  for (const wrong of [undefined, null, {}, { embed() {} }, { embed() {}, probabilities() {} }]) {
    assert.throws(() => new CustomClasses(wrong), rejects("invalid-options"));
  }
  const gone = await Classifier.load({ model: fixtureFolder });
  gone.dispose();
  await assert.rejects(new CustomClasses(gone).add("new", box), rejects("disposed"));
});

describe("saved categories", () => {
  test("are those that were saved, as an object and as text", async () => {
    const custom = await three();
    await custom.add("__proto__", [
      [
        [0, 50, 100],
        [0, 80, 10],
      ],
    ]);
    for (const json of [custom.toJSON(), JSON.stringify(custom), JSON.parse(JSON.stringify(custom))]) {
      const again = await CustomClasses.fromJSON(json, later);
      assert.deepEqual(again.classes, custom.classes);
      assert.deepEqual(again.toJSON(), custom.toJSON());
      for (const strokes of [zigzag, box, cross]) {
        assert.deepEqual(await again.classify(strokes), await custom.classify(strokes));
      }
      // They can be shown more.
      await again.add("box", cross);
      assert.equal(again.classes[1].nExamples, 2);
      assert.equal(custom.classes[1].nExamples, 1);
    }
  });

  test("may be none", async () => {
    const none = new CustomClasses(classifier);
    assert.deepEqual(none.toJSON(), { format: 1, fingerprint: null, classes: [] });
    assert.deepEqual((await CustomClasses.fromJSON(JSON.stringify(none), classifier)).classes, []);
    const emptied = await three();
    for (const { label } of emptied.classes) emptied.remove(label);
    assert.deepEqual(emptied.toJSON(), none.toJSON());
  });

  test("of another model are refused", async () => {
    const json = (await three()).toJSON();
    const others = {
      reversed: (vector) => vector.reverse(),
      negative: (vector) => vector.map((value) => -value),
      narrower: (vector) => vector.slice(1),
      wider: (vector) => Float32Array.of(...vector, 0),
    };
    for (const [name, change] of Object.entries(others)) {
      const other = { ...later, embed: async (...call) => change(await later.embed(...call)) };
      await assert.rejects(CustomClasses.fromJSON(json, other), rejects("invalid-classes", /another model/), name);
    }
    // The same model computed a little differently is the same.
    const rough = {
      ...later,
      embed: async (...call) => (await later.embed(...call)).map((value) => Math.fround(value * 1.001 + 1e-4)),
    };
    assert.equal((await CustomClasses.fromJSON(json, rough)).classes.length, 3);
  });

  test("that are damaged are refused with the place", async () => {
    const whole = JSON.parse(JSON.stringify(await three()));
    const width = whole.fingerprint.length;
    const changed = (change) => {
      const copy = structuredClone(whole);
      change(copy);
      return copy;
    };
    const cases = [
      [undefined, /expected the object/],
      [null, /expected the object/],
      [7, /expected the object/],
      ["{", /not JSON/],
      ["[".repeat(100), /more than 64 levels/],
      ["[".repeat(30_000_000), /more than 64 levels/],
      [" ".repeat(120_000_000), /longer than/],
      [`{"format":"${"x".repeat(10_000_000)}"}`, /format: found "x+", expected 1/],
      [
        changed((json) => (json.classes[0].label = "x".repeat(10_000_000))),
        /classes\[0\]\.label: found "x+", expected/,
      ],
      [{}, /format: found undefined/],
      [changed((json) => (json.format = 2)), /format: found 2/],
      [changed((json) => (json.classes = {})), /classes: expected an array/],
      [changed((json) => (json.classes.length = 1001)), /at most 1000/],
      [changed((json) => (json.fingerprint = null)), /fingerprint/],
      [changed((json) => (json.fingerprint = [])), /fingerprint/],
      [changed((json) => (json.fingerprint[3] = NaN)), /fingerprint\[3\]: found NaN/],
      [changed((json) => (json.fingerprint = new Array(9000).fill(0))), /fingerprint: expected an array of 1 to 8192/],
      [changed((json) => (json.classes[1] = null)), /classes\[1\]: found null/],
      [changed((json) => (json.classes[1].label = " ")), /classes\[1\]\.label: found " "/],
      [changed((json) => (json.classes[1].label = "zigzag")), /found "zigzag" again/],
      [changed((json) => (json.classes[1].nExamples = 0)), /classes\[1\]\.nExamples: found 0/],
      [changed((json) => (json.classes[1].nExamples = 1.5)), /found 1.5/],
      [changed((json) => (json.classes[1].nExamples = Infinity)), /found Infinity/],
      [changed((json) => json.classes[1].sum.pop()), new RegExp(`classes\\[1\\]\\.sum: expected an array of ${width}`)],
      [changed((json) => (json.classes[1].sum[2] = 10001)), /classes\[1\]\.sum\[2\]: found 10001/],
      [changed((json) => (json.classes[1].sum[2] = "1")), /found "1"/],
      [changed((json) => (json.classes[1].sum[2] = 0.5)), /found 0.5/],
      [changed((json) => (json.classes[1].sum[2] = -Infinity)), /found -Infinity/],
    ];
    for (const [json, message] of cases) {
      await assert.rejects(CustomClasses.fromJSON(json, classifier), rejects("invalid-classes", message));
    }
    assert.equal({}.polluted, undefined);
  });

  test("cut or changed anywhere are read or refused", async () => {
    const text = JSON.stringify(await three());
    let state = 7;
    const below = (n) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n;
    const alphabet = '{}[],:"0123456789-.eE\\nx';
    for (let round = 0; round < 1000; round++) {
      const at = below(text.length);
      const changed = text.slice(0, at) + alphabet[below(alphabet.length)] + text.slice(at + below(3));
      try {
        const custom = await CustomClasses.fromJSON(changed, classifier);
        const predictions = await custom.classify(box, { among: "instead" });
        assert.ok(predictions.every(({ probability }) => Number.isFinite(probability)));
      } catch (error) {
        rejects("invalid-classes")(error);
      }
    }
  });
});
