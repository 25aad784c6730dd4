// The classifier in a worker: the same answers, the newest first, and a way back from everything.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";

import { Classifier } from "quickdraw-rnn";
import { CustomClasses } from "quickdraw-rnn/custom-classes";
import { QuickdrawError, createWorkerClassifier } from "quickdraw-rnn/worker";

import { fixtureFiles, fixtureFolder, penFixtureFiles } from "./fixture.mjs";

const zigzag = [
  [
    [0, 60, 120, 180, 255],
    [100, 0, 100, 0, 100],
  ],
];
const line = [
  [
    { x: 0, y: 0 },
    { x: 90, y: 10 },
  ],
];

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

test("a worker answers as a classifier does", async () => {
  assert.deepEqual(there.labels, here.labels);
  assert.equal(there.arithmetic, here.arithmetic);
  assert.equal(there.threshold, here.threshold);
  const options = { maxResults: 3, allow: here.labels.slice(1), deny: [here.labels[2]] };
  assert.deepEqual(await there.classify(zigzag, options), here.classify(zigzag, options));
  assert.deepEqual(await there.probabilities(line), here.probabilities(line));
  const live = { isPenDown: true };
  assert.notDeepEqual(here.probabilities(zigzag, live), here.probabilities(zigzag));
  assert.deepEqual(await there.classify(zigzag, live), here.classify(zigzag, live));
  assert.deepEqual(await there.embed(zigzag, live), here.embed(zigzag, live));
  assert.deepEqual(await there.embed(zigzag, { isSimplified: true }), here.embed(zigzag, { isSimplified: true }));
  assert.deepEqual(await there.simplify(line), here.simplify(line));
  assert.equal(there.isUncertain([]), true);
});

test("a worker's classifier knows both thresholds", async () => {
  const { modelJson, weights } = await fixtureFiles();
  const calibration = { temperature: 1, threshold: 0.75, pen_down: { temperature: 2, threshold: 0.875 } };
  const json = JSON.stringify({ ...JSON.parse(new TextDecoder().decode(modelJson)), calibration });
  const classifier = await createWorkerClassifier({ model: { modelJson: new TextEncoder().encode(json), weights } });
  assert.deepEqual([classifier.threshold, classifier.penDownThreshold], [0.75, 0.875]);
  const predictions = [{ label: "cat", probability: 0.8 }];
  assert.equal(classifier.isUncertain(predictions), false);
  assert.equal(classifier.isUncertain(predictions, { isPenDown: true }), true);
  classifier.dispose();
});

test("only the newest of the drawings that wait is classified", async () => {
  const drawings = Array.from({ length: 20 }, (_, index) => [
    [
      { x: 0, y: 0 },
      { x: 10 + index, y: 100 },
    ],
  ]);
  const settled = await Promise.allSettled(drawings.map((drawing) => there.classify(drawing)));
  assert.equal(settled[0].status, "fulfilled");
  assert.deepEqual(settled.at(-1).value, here.classify(drawings.at(-1)));
  for (const { status, reason } of settled.slice(1, -1)) {
    assert.equal(status, "rejected");
    assert.ok(reason instanceof QuickdrawError);
    assert.equal(reason.code, "superseded");
  }
});

test("custom classes are the same on a worker's classifier", async () => {
  const [one, other] = [new CustomClasses(there), new CustomClasses(here)];
  for (const custom of [one, other]) {
    await Promise.all([custom.add("zigzag", zigzag), custom.add("line", line)]);
  }
  for (const among of ["beside", "instead"]) {
    assert.deepEqual(await one.classify(zigzag, { among }), await other.classify(zigzag, { among }));
  }
  assert.equal((await one.classify(zigzag, { among: "instead" }))[0].label, "zigzag");
  assert.deepEqual((await CustomClasses.fromJSON(JSON.stringify(one), there)).classes, other.classes);
});

test("with custom classes, too, only the newest drawing waits, and rankings are all answered", async () => {
  const custom = new CustomClasses(there);
  await custom.add("zigzag", zigzag);
  const classified = Array.from({ length: 20 }, () => custom.classify(line));
  const ranked = Array.from({ length: 20 }, () => custom.rank(line));
  // A drawing for the model alone waits in a line of its own.
  const guess = there.classify(zigzag);
  const settled = await Promise.allSettled(classified);
  for (const { status, reason } of settled.slice(1, -1)) {
    assert.equal(status, "rejected");
    assert.equal(reason.code, "superseded");
  }
  const [best] = await ranked[0];
  for (const first of [settled[0].value[0], settled.at(-1).value[0]]) assert.deepEqual(first, best);
  for (const ranking of await Promise.all(ranked)) assert.equal(ranking.length, there.labels.length + 1);
  assert.deepEqual(await guess, here.classify(zigzag));
});

test("other calls are all answered, also beside drawings that are classified", async () => {
  const guess = there.classify(zigzag);
  const found = await Promise.all(Array.from({ length: 20 }, () => there.probabilities(line)));
  for (const probabilities of found) assert.deepEqual(probabilities, here.probabilities(line));
  assert.deepEqual(await guess, here.classify(zigzag));
});

test("the strokes are those at the time of the call", async () => {
  const points = Float32Array.of(0, 0, 90, 10);
  const offsets = Uint32Array.of(0);
  const first = there.probabilities({ points, offsets });
  assert.deepEqual([points.length, offsets.length], [4, 1]);
  points.fill(NaN);
  offsets.fill(7);
  assert.deepEqual(await first, here.probabilities(line));
  assert.deepEqual([points.length, offsets.length], [4, 1]);
});

test("strokes are copied once, and their copy changes hands", async () => {
  const { postMessage } = Worker.prototype;
  const sent = [];
  Worker.prototype.postMessage = function (message, ...others) {
    postMessage.call(this, message, ...others);
    sent.push(message.strokes);
  };
  try {
    for (const strokes of [line, zigzag, { points: new Float32Array(100).subarray(2, 6), offsets: [0] }]) {
      assert.equal((await there.classify(strokes)).length, here.classify(strokes).length);
    }
  } finally {
    Worker.prototype.postMessage = postMessage;
  }
  assert.deepEqual(
    sent.map(({ points, offsets }) => points.byteLength + offsets.byteLength),
    [0, 0, 0],
  );
});

test("what is wrong is said as by a classifier, and the worker stays", async () => {
  await assert.rejects(there.classify([[{ x: 1, y: NaN }]]), { code: "invalid-strokes", message: /stroke 0, point 0/ });
  await assert.rejects(there.classify(line, { maxResults: 0 }), { code: "invalid-options" });
  await assert.rejects(there.classify(line, { allow: ["unheard of"] }), { code: "invalid-options" });
  await assert.rejects(there.embed(line, { isSimplified: 1 }), { code: "invalid-options" });
  assert.deepEqual(await there.classify(line), here.classify(line));
});

test("models travel as bytes, modules compiled, and the bytes that arrive are reported", async () => {
  const wasm = await WebAssembly.compile(
    await readFile(new URL("../pkg/quickdraw_wasm_float32_bg.wasm", import.meta.url)),
  );
  const { modelJson, weights } = await fixtureFiles();
  const seen = [];
  const classifier = await createWorkerClassifier({
    model: { modelJson, weights: new Response(weights) },
    wasm,
    arithmetic: "f32",
    onProgress: (progress) => seen.push(progress),
  });
  assert.equal(classifier.arithmetic, "f32");
  assert.ok(seen.at(-1).loadedBytes > 0 && seen.at(-1).loadedBytes === seen.at(-1).totalBytes);
  assert.ok((await classifier.classify(zigzag)).length > 0);
  classifier.dispose();
});

describe("a load that fails", () => {
  const rejects = (options, expected) => assert.rejects(createWorkerClassifier(options), expected);
  test("names what is missing", () =>
    rejects({ model: path.join(tmpdir(), "no model here") }, { code: "load-failed", message: /no%20model%20here/ }));
  test("says what is wrong with a value that is not a model", () =>
    rejects({ model: { modelJson: new Uint8Array(3), weights: new Uint8Array(3) } }, { code: "invalid-model" }));
  test("names files whose buffers were transferred", async () => {
    const { modelJson, weights } = await fixtureFiles();
    for (const detached of [Uint8Array.from(weights), Uint8Array.from(weights).buffer]) {
      structuredClone(detached, { transfer: [detached.buffer ?? detached] });
      await rejects({ model: { modelJson, weights: detached } }, { code: "invalid-model", message: /transferred/ });
      await rejects({ model: fixtureFolder, wasm: detached }, { code: "invalid-wasm" });
    }
  });
  test("says what is wrong with a value that is not a worker", async () => {
    await rejects(
      { worker: new URL("none.js", import.meta.url) },
      { code: "load-failed", message: /worker.*none\.js/ },
    );
    await rejects({ worker: 7 }, { code: "invalid-options", message: /option `worker`/ });
  });
  test("names options that make no sense", async () => {
    await rejects({ model: 7 }, { code: "invalid-options", message: /option `model`/ });
    await rejects({ wasm: 7 }, { code: "invalid-options", message: /option `wasm`/ });
    await rejects(null, { code: "invalid-options" });
  });
  test("names what the worker lacks", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "quickdraw-worker-"));
    try {
      const thread = new URL("../dist/worker-thread.js", import.meta.url).href;
      const worker = path.join(folder, "old.mjs");
      await writeFile(worker, `WebAssembly.validate = () => false; await import(${JSON.stringify(thread)});`);
      await rejects({ worker }, { code: "unsupported", message: /SIMD/ });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
  test("ends with the reason of its signal", async () => {
    const controller = new AbortController();
    const loading = createWorkerClassifier({ model: fixtureFolder, signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    await assert.rejects(loading, { name: "AbortError" });
    await rejects({ signal: AbortSignal.abort() }, { name: "AbortError" });
  });
});

test("a disposed classifier rejects what waits and what comes", async () => {
  const classifier = await createWorkerClassifier({ model: fixtureFolder });
  const waiting = [classifier.classify(line), classifier.classify(zigzag), classifier.embed(line)];
  classifier.dispose();
  classifier.dispose();
  for (const { reason } of await Promise.allSettled(waiting)) assert.equal(reason.code, "disposed");
  await assert.rejects(classifier.classify(line), { code: "disposed" });
});

test("answered calls leave nothing behind", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const heapBytes = () => {
    collect();
    collect();
    return process.memoryUsage().heapUsed;
  };
  const ask = async (n) => {
    for (let round = 0; round < n; round++) {
      // One of them is superseded.
      await Promise.allSettled([there.classify(line), there.classify(zigzag), there.classify(line)]);
    }
  };
  await ask(500);
  const before = heapBytes();
  await ask(3000);
  // A number for each call would be 72 kB, its strokes above a megabyte.
  const grown = heapBytes() - before;
  assert.ok(grown < 400_000, `the heap grew by ${grown} bytes`);
});

test("a classifier is disposed at the end of a block", { skip: typeof Symbol.dispose !== "symbol" }, async () => {
  const classifier = await createWorkerClassifier({ model: fixtureFolder });
  classifier[Symbol.dispose]();
  await assert.rejects(classifier.classify(line), { code: "disposed" });
});

describe("a worker that dies", { timeout: 60_000 }, () => {
  let folder;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "quickdraw-worker-"));
  });
  after(() => rm(folder, { recursive: true }));

  /** A worker that loads as it should and dies of messages of which something is true. */
  const dying = (condition) => `
    import { parentPort } from "node:worker_threads";
    const { on } = parentPort;
    parentPort.on = (event, listener) =>
      on.call(parentPort, event, (message) => {
        const { kind, strokes } = message;
        if (${condition}) process.exit(3);
        listener(message);
      });
    await import(${JSON.stringify(new URL("../dist/worker-thread.js", import.meta.url).href)});
  `;

  test("rejects what it had, and the next call starts another", async () => {
    const program = path.join(folder, "dies.mjs");
    await writeFile(program, dying("strokes?.offsets.length === 7"));
    const classifier = await createWorkerClassifier({ model: fixtureFolder, worker: program });
    const deadly = Array.from({ length: 7 }, () => line[0]);
    const lost = [classifier.classify(deadly), classifier.classify(line), classifier.probabilities(line)];
    for (const { reason } of await Promise.allSettled(lost)) {
      assert.equal(reason.code, "internal");
      assert.match(reason.message, /the worker died.*exit code 3.*next call starts another/);
    }
    assert.deepEqual(await classifier.classify(line), here.classify(line));
    await assert.rejects(classifier.embed(deadly), { code: "internal" });
    assert.deepEqual(await classifier.embed(line), here.embed(line));
    classifier.dispose();
  });

  test("again and again is not started for ever", async () => {
    const program = path.join(folder, "always.mjs");
    await writeFile(program, dying("strokes?.offsets.length === 7"));
    const classifier = await createWorkerClassifier({ model: fixtureFolder, worker: program });
    const deadly = Array.from({ length: 7 }, () => line[0]);
    const messages = [];
    const ask = (strokes) =>
      classifier.embed(strokes).catch(({ code, message }) => messages.push(`${code} ${message}`));
    await ask(deadly);
    await ask(line);
    for (let death = 0; death < 5; death++) await ask(deadly);
    await ask(line);
    assert.deepEqual(
      messages.map((message) =>
        /another$|none is started any more$|5 workers died in a row.*for another/.exec(message)?.[0].slice(0, 9),
      ),
      [...Array(5).fill("another"), "none is s", "5 workers"],
    );
    assert.ok(messages.every((message) => message.startsWith("internal ")));
    classifier.dispose();
  });

  test("and cannot be started again says why, each time", async () => {
    const program = path.join(folder, "once.mjs");
    await writeFile(program, dying('kind === "call"'));
    const classifier = await createWorkerClassifier({ model: fixtureFolder, worker: program });
    await assert.rejects(classifier.classify(line), { code: "internal" });
    await rm(program);
    await assert.rejects(classifier.classify(line), { code: "load-failed", message: /could not be started/ });
    await assert.rejects(classifier.classify(line), { code: "load-failed" });
    classifier.dispose();
  });
});

describe("a custom worker", { timeout: 60_000 }, () => {
  let folder;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "quickdraw-worker-"));
  });
  after(() => rm(folder, { recursive: true }));

  /** A worker with this package's program that does something else first, and before each message. */
  const program = async (name, first, before) => {
    const file = path.join(folder, name);
    const thread = new URL("../dist/worker-thread.js", import.meta.url).href;
    await writeFile(
      file,
      `import { parentPort } from "node:worker_threads";
      const { on } = parentPort;
      parentPort.on = (event, listener) =>
        on.call(parentPort, event, async (message) => {
          ${before}
          listener(message);
        });
      ${first}
      await import(${JSON.stringify(thread)});`,
    );
    return file;
  };

  test("may say anything else too", async () => {
    const first = `
      const junk = [undefined, null, 7, "ready", {}, { kind: "loaded" }, { kind: "failed" }, { kind: "value" },
        { kind: "error", id: 1 }, { kind: "progress" }, { kind: "unheard of" }, { kind: "value", id: 77 }];
      const talk = () => { for (const message of junk) parentPort.postMessage(message); };
      talk();`;
    const classifier = await createWorkerClassifier({
      model: fixtureFolder,
      worker: await program("talks.mjs", first, "talk();"),
    });
    assert.equal((await classifier.classify(zigzag)).length, here.classify(zigzag).length);
    classifier.dispose();
  });

  test("that is blocked ends with an error, and the next call starts another", async (context) => {
    const worker = await program("blocks.mjs", "", "if (message.strokes?.offsets.length === 7) for (;;);");
    const classifier = await createWorkerClassifier({ model: fixtureFolder, worker });
    await classifier.classify(zigzag);
    const { setTimeout: wait } = globalThis;
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const lost = classifier.classify(Array.from({ length: 7 }, () => line[0]));
    const outcome = assert.rejects(lost, {
      code: "internal",
      message: /silent for 30 seconds.*next call starts another/,
    });
    await new Promise((resolve) => wait(resolve, 50));
    context.mock.timers.tick(30_000);
    await outcome;
    context.mock.timers.reset();
    assert.equal((await classifier.classify(zigzag)).length, here.classify(zigzag).length);
    classifier.dispose();
  });

  test("that never answers is no worker of this package, one that is slow is waited for", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    /** What comes of a worker that answers so, after some quarters of a minute. */
    const load = async (answerOf, quarters) => {
      const told = [];
      const worker = {
        postMessage({ kind }) {
          const answer = answerOf(kind, told.push(kind));
          if (answer !== undefined) worker.onmessage({ data: answer });
        },
        terminate: () => told.push("terminate"),
      };
      const loading = createWorkerClassifier({ model: fixtureFolder, worker: () => worker });
      const outcome = loading.then(
        ({ labels }) => labels,
        ({ code, message }) => `${code} ${message}`,
      );
      for (let quarter = 0; quarter < quarters; quarter++) {
        await new Promise((resolve) => setImmediate(resolve));
        context.mock.timers.tick(15_000);
      }
      return [await outcome, told];
    };
    const [silent, told] = await load(() => undefined, 3);
    assert.equal(silent, "load-failed the worker could not be started: it has been silent for 30 seconds");
    assert.deepEqual(told, ["load", "ping", "terminate"]);

    const facts = { labels: ["cat"], arithmetic: "int8" };
    const slowly = (kind, nMessages) =>
      nMessages > 20 ? { kind: "loaded", facts } : kind === "ping" ? { kind: "pong" } : undefined;
    assert.deepEqual((await load(slowly, 30))[0], ["cat"]);
  });
});

test("addresses of both files travel as addresses", async () => {
  const model = {
    modelJson: new URL("model.json", fixtureFolder),
    weights: new URL("weights.safetensors", fixtureFolder).href,
  };
  const [classifier, other] = await Promise.all([createWorkerClassifier({ model }), Classifier.load({ model })]);
  assert.deepEqual(await classifier.classify(zigzag), other.classify(zigzag));
  classifier.dispose();
  other.dispose();
});

test("without a page, as in Deno, the worker is a module", async () => {
  globalThis.Worker = class {
    constructor(_address, { type }) {
      throw new Error(`of type ${type}`);
    }
  };
  try {
    await assert.rejects(createWorkerClassifier(), /of type module/);
  } finally {
    delete globalThis.Worker;
  }
});

test("a program ends once its classifiers are disposed", async () => {
  const program = `
    import { createWorkerClassifier } from "quickdraw-rnn/worker";
    const classifier = await createWorkerClassifier();
    const [{ label }] = await classifier.classify([[{ x: 0, y: 0 }, { x: 9, y: 1 }]]);
    classifier.dispose();
  `;
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], {
    cwd: new URL("..", import.meta.url),
    timeout: 60_000,
  });
});
