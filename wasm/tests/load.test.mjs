// Model folders at the door: the shipped one, others, and everything that is no model folder.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import { Classifier, QuickdrawError } from "quickdraw-rnn";

import { fixtureCases, fixtureFiles, fixtureFolder } from "./fixture.mjs";

const zigzag = [
  [
    [0, 60, 120, 180, 255],
    [100, 0, 100, 0, 100],
  ],
];

/** Rejects with this package's error. */
async function assertRefused(promise, code, message) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof QuickdrawError, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

describe("the shipped model", () => {
  test("is in memory once for all who ask, until each has disposed it", async () => {
    const [one, other] = await Promise.all([Classifier.load(), Classifier.load()]);
    // The labels are read from the model's memory once.
    assert.equal(one.labels, other.labels);
    assert.equal((await Classifier.load()).labels, one.labels);
    one.dispose();
    one.dispose();
    one.dispose();
    assert.throws(() => one.classify(zigzag), { code: "disposed" });
    assert.equal(other.classify(zigzag).length, 5);

    other.dispose();
    const third = await Classifier.load();
    assert.equal(third.labels, one.labels, "the one that nobody named is still there");
    third.dispose();
  });

  test("is loaded again after its last owner has disposed it, also while another one waits for it", async () => {
    const f32 = { arithmetic: "f32" };
    const one = await Classifier.load(f32);
    const loading = Classifier.load(f32);
    one.dispose();
    const other = await loading;
    assert.equal(other.labels, one.labels);
    assert.equal(other.classify(zigzag).length, 5);
    // Who no longer waits owns nothing.
    const controller = new AbortController();
    const aborted = Classifier.load({ ...f32, signal: controller.signal });
    controller.abort(new Error("no longer wanted"));
    await assert.rejects(aborted, /no longer wanted/);
    other.dispose();
    const again = await Classifier.load(f32);
    assert.notEqual(again.labels, one.labels);
    assert.equal(again.classify(zigzag).length, 5);
    again.dispose();
  });

  test("knows the data set's 345 categories", async () => {
    const { labels } = await Classifier.load();
    assert.equal(labels.length, 345);
    assert.ok(labels.includes("cat") && labels.includes("The Eiffel Tower"));
    assert.ok(Object.isFrozen(labels));
  });
});

function throws(callback, message) {
  try {
    callback();
  } catch (error) {
    return message.test(String(error));
  }
  return false;
}

describe("a load that is watched", () => {
  test("reports the bytes that arrive, and all of them at the end", async () => {
    const seen = [];
    const classifier = await Classifier.load({ model: fixtureFolder, onProgress: (progress) => seen.push(progress) });
    const last = seen.at(-1);
    // The model has float weights: its files, the module that comes first, whichever runs here, and the one for float32.
    const size = (file) => statSync(new URL(file, import.meta.url)).size;
    const model = size(new URL("model.json", fixtureFolder)) + size(new URL("weights.safetensors", fixtureFolder));
    const float32 = size("../pkg/quickdraw_wasm_float32_bg.wasm");
    const int8 = [size("../pkg/quickdraw_wasm_bg.wasm"), size("../pkg/quickdraw_wasm_relaxed_bg.wasm")];
    assert.ok(int8.includes(last.totalBytes - model - float32), `${last.totalBytes} bytes`);
    assert.equal(last.loadedBytes, last.totalBytes);
    for (const [index, { loadedBytes }] of seen.entries()) {
      assert.ok(index === 0 || loadedBytes >= seen[index - 1].loadedBytes, JSON.stringify(seen));
    }
    classifier.dispose();
  });

  test("goes on when the listener throws", async () => {
    // What is thrown in a microtask of its own would end this process, as it should.
    const { queueMicrotask } = globalThis;
    const later = [];
    globalThis.queueMicrotask = (callback) => later.push(callback);
    after(() => (globalThis.queueMicrotask = queueMicrotask));
    let nCalls = 0;
    const classifier = await Classifier.load({
      model: fixtureFolder,
      onProgress: () => {
        if (nCalls++ === 0) throw new Error("from the listener");
      },
    });
    globalThis.queueMicrotask = queueMicrotask;
    assert.ok(nCalls > 1);
    assert.ok(later.some((callback) => throws(callback, /from the listener/)));
    assert.ok(classifier.classify(zigzag).length > 0);
    classifier.dispose();
  });

  test("ends with the reason of its signal, for others it goes on", async () => {
    (await Classifier.load()).dispose();
    const controller = new AbortController();
    const aborted = Classifier.load({ signal: controller.signal });
    const other = Classifier.load();
    const reason = new Error("no longer wanted");
    controller.abort(reason);
    await assert.rejects(aborted, (error) => error === reason);
    await assert.rejects(Classifier.load({ signal: controller.signal }), (error) => error === reason);
    assert.equal((await other).classify(zigzag).length, 5);
    await assert.rejects(Classifier.load({ signal: AbortSignal.abort(), model: fixtureFolder }), {
      name: "AbortError",
    });
    const half = { aborted: false, addEventListener: () => undefined };
    for (const options of [{ signal: true }, { signal: null }, { signal: half }, { onProgress: "call me" }]) {
      await assertRefused(Classifier.load(options), "invalid-options", /expected (an AbortSignal|a function)/);
    }
  });
});

test("classifiers are disposed at the end of a block", { skip: typeof Symbol.dispose !== "symbol" }, async () => {
  const classifier = await Classifier.load({ model: fixtureFolder });
  classifier[Symbol.dispose]();
  assert.throws(() => classifier.classify(zigzag), { code: "disposed" });
});

test("a disposed classifier says so", async () => {
  const classifier = await Classifier.load({ model: fixtureFolder });
  classifier.dispose();
  assert.throws(() => classifier.classify(zigzag), { code: "disposed", message: /disposed.*Classifier\.load/ });
  assert.throws(() => classifier.simplify(zigzag), { code: "disposed" });
  assert.ok(classifier.labels.length > 0);
});

describe("another model", () => {
  let folder;
  let server;
  let address;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "quickdraw models #1 "));
    await cp(fixtureFolder, path.join(folder, "model"), { recursive: true });
    const files = await fixtureFiles();
    server = createServer((request, response) => {
      if (request.url === "/model/model.json") return response.end(files.modelJson);
      if (request.url === "/model/weights.safetensors") return response.end(files.weights);
      if (request.url.startsWith("/app/")) {
        return response.setHeader("content-type", "text/html").end("\n<!DOCTYPE html><title>An app</title>");
      }
      response.statusCode = 404;
      response.end("<!doctype html>not here");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${server.address().port}`;
  });
  after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  test("loads from a URL, a path, the network and memory, with the same result", async () => {
    const directory = path.join(folder, "model");
    const [{ drawing }] = await fixtureCases();
    const found = [];
    for (const model of [
      fixtureFolder,
      new URL(".", fixtureFolder).href,
      fileURLToPath(fixtureFolder),
      path.relative(process.cwd(), fileURLToPath(fixtureFolder)),
      directory,
      pathToFileURL(directory),
      `${address}/model`,
      new URL(`${address}/model/`),
      await fixtureFiles(),
    ]) {
      const classifier = await Classifier.load({ model });
      found.push(classifier.classify(drawing));
      classifier.dispose();
    }
    for (const predictions of found) assert.deepEqual(predictions, found[0]);
  });

  test("loads from a path on the page's server that looks like a URL, as Turbopack makes one", async () => {
    const url = new URL("/model", address);
    const relative = Object.create(URL.prototype);
    const values = {
      href: url.pathname,
      pathname: url.pathname,
      origin: "",
      protocol: "",
      toString: () => url.pathname,
    };
    for (const [name, value] of Object.entries(values)) Object.defineProperty(relative, name, { value });
    globalThis.location = new URL(address);
    after(() => delete globalThis.location);
    const classifier = await Classifier.load({ model: relative });
    assert.ok(classifier.classify(zigzag).length > 0);
    classifier.dispose();
    delete globalThis.location;
  });

  test("loads from what a server answers", async () => {
    const files = await fixtureFiles();
    const classifier = await Classifier.load({
      model: { modelJson: fetch(`${address}/model/model.json`), weights: new Response(files.weights) },
    });
    assert.ok(classifier.classify(zigzag).length > 0);
    classifier.dispose();
    const load = (modelJson) => Classifier.load({ model: { modelJson, weights: files.weights } });
    await assertRefused(load(fetch(`${address}/none`)), "load-failed", /\/none could not be fetched: .*404/);
    await assertRefused(load(fetch(`${address}/app/`)), "load-failed", /\/app\/ is a web page/);
    await assertRefused(load(Promise.reject(new Error("offline"))), "load-failed", /did not come: offline/);
    await assertRefused(load(Promise.resolve(7)), "invalid-options", /brought no Response/);
  });

  test("does not take the shipped model's place", async () => {
    const other = await Classifier.load({ model: fixtureFolder });
    const shipped = await Classifier.load();
    assert.notEqual(other, shipped);
    other.dispose();
    assert.equal((await Classifier.load()).labels, shipped.labels);
  });

  test("that the server does not have is named with its status", () =>
    assertRefused(Classifier.load({ model: `${address}/none` }), "load-failed", /none\/\S+ could not.*404 Not Found/));

  test("for which the server answers with a page is named", () =>
    assertRefused(Classifier.load({ model: `${address}/app/model` }), "load-failed", /app\/model\/\S+ is a web page/));

  test("on a server that does not answer is named", () =>
    assertRefused(Classifier.load({ model: "http://127.0.0.1:9/model" }), "load-failed", /could not be fetched/));

  test("in a folder that does not exist is named", () =>
    assertRefused(Classifier.load({ model: path.join(folder, "none") }), "load-failed", /could not be read.*ENOENT/));

  for (const model of [5, null, true, {}, [], { modelJson: "{}", weights: "" }, { modelJson: new Uint8Array() }]) {
    test(`that is ${JSON.stringify(model)} is refused`, () =>
      assertRefused(
        Classifier.load({ model }),
        "invalid-options",
        /option `model`: .*expected the address of a model/,
      ));
  }

  test("options that are no object are refused", async () => {
    await assertRefused(Classifier.load("model"), "invalid-options", /expected an object of options/);
    await assertRefused(Classifier.load(null), "invalid-options", /expected an object of options/);
  });
});

test("the threshold is the one that the model was calibrated to", async () => {
  const shipped = await Classifier.load();
  const card = JSON.parse(await readFile(new URL("../model/model.json", import.meta.url), "utf8"));
  assert.equal(shipped.threshold, Math.fround(card.calibration.threshold));
  assert.equal(shipped.penDownThreshold, Math.fround(card.calibration.pen_down.threshold));

  const { modelJson, weights } = await fixtureFiles();
  const calibrated = async (calibration) => {
    const json = JSON.stringify({
      ...JSON.parse(new TextDecoder().decode(modelJson)),
      ...(calibration && { calibration }),
    });
    return Classifier.load({ model: { modelJson: new TextEncoder().encode(json), weights } });
  };
  const plain = await calibrated(undefined);
  const sharp = await calibrated({ temperature: 0.25, threshold: 0.75 });
  const live = await calibrated({ temperature: 0.25, threshold: 0.75, pen_down: { temperature: 2, threshold: 0.875 } });
  assert.deepEqual([plain.threshold, plain.penDownThreshold], [undefined, undefined]);
  assert.deepEqual([sharp.threshold, sharp.penDownThreshold], [0.75, 0.75]);
  assert.deepEqual([live.threshold, live.penDownThreshold], [0.75, 0.875]);
  for (const [classifier, least] of [
    [plain, 0.5],
    [sharp, 0.75],
  ]) {
    for (const [probability, expected] of [
      [least, false],
      [least - 0.01, true],
    ]) {
      assert.equal(classifier.isUncertain([{ label: "cat", probability }]), expected);
    }
  }
  // The probabilities are those of the temperature: more extreme, in the same order.
  const [one, other] = [plain.classify(zigzag), sharp.classify(zigzag)];
  assert.deepEqual(
    other.map(({ label }) => label),
    one.map(({ label }) => label),
  );
  assert.ok(other[0].probability > one[0].probability);
  // Of a drawing whose pen is down a model may be less sure.
  assert.equal(live.isUncertain([{ label: "cat", probability: 0.8 }]), false);
  assert.equal(live.isUncertain([{ label: "cat", probability: 0.8 }], { isPenDown: true }), true);
  assert.equal(live.isUncertain([{ label: "cat", probability: 0.9 }], { isPenDown: true }), false);
  assert.throws(() => live.isUncertain([], { isPenDown: 1 }), {
    code: "invalid-options",
    message: /`isPenDown`: .*true or false/,
  });
  assert.deepEqual(live.classify(zigzag), other);
  const [sure, unsure] = [sharp, live].map((classifier) => classifier.probabilities(zigzag, { isPenDown: true }));
  assert.ok(Math.max(...unsure) < Math.max(...sure));
  const logits = (probabilities) => [...probabilities].map((p) => Math.log(p / probabilities[0]));
  for (const [index, logit] of logits(sure).entries()) assert.ok(Math.abs(8 * logits(unsure)[index] - logit) < 1e-2);
  plain.dispose();
  sharp.dispose();
  live.dispose();
});

describe("a model folder with", () => {
  let modelJson;
  let weights;
  let card;
  before(async () => {
    ({ modelJson, weights } = await fixtureFiles());
    card = JSON.parse(new TextDecoder().decode(modelJson));
  });
  const json = (value) => new TextEncoder().encode(JSON.stringify(value));
  const refused = (files, message) =>
    assertRefused(Classifier.load({ model: { modelJson, weights, ...files } }), "invalid-model", message);

  test("an empty model.json", () => refused({ modelJson: new Uint8Array() }, /the given model: model\.json: /));
  test("a broken model.json", () => refused({ modelJson: modelJson.subarray(0, 40) }, /model\.json: .*line \d+/));
  test("an unknown format", () =>
    refused({ modelJson: json({ ...card, format: 999 }) }, /format 999 is unknown, this version reads format 1/));
  test("a missing label", () =>
    refused({ modelJson: json({ ...card, labels: card.labels.slice(1) }) }, /model\.json: \d+ labels, expected \d+/));
  test("a configuration that makes no network", () =>
    refused({ modelJson: json({ ...card, config: { ...card.config, num_nodes: 0 } }) }, /num_nodes/));
  test("weights of another network", () =>
    refused({ modelJson: json({ ...card, config: { ...card.config, num_nodes: 3 } }) }, /weights\.safetensors: /));
  test("empty weights", () => refused({ weights: new Uint8Array() }, /weights\.safetensors/));
  test("weights cut short anywhere", async () => {
    for (const length of [1, 8, 40, weights.length >> 1, weights.length - 1]) {
      await refused({ weights: weights.subarray(0, length) }, /weights\.safetensors/);
    }
  });
  test("files whose buffers were transferred", async () => {
    for (const detached of [Uint8Array.from(weights), Uint8Array.from(weights).buffer]) {
      structuredClone(detached, { transfer: [detached.buffer ?? detached] });
      await refused({ weights: detached }, /weights\.safetensors: it is empty, or its buffer was transferred/);
      await refused({ modelJson: detached }, /model\.json: it is empty, or its buffer was transferred/);
    }
  });
  test("weights that are something else", () => refused({ weights: modelJson }, /weights\.safetensors/));
  test("weights that are not finite", () => {
    const broken = Uint8Array.from(weights);
    broken.fill(0xff, weights.length - 4);
    return refused({ weights: broken }, /weights\.safetensors: tensor .* not finite/);
  });

  test("files that were found on the disk is named in the message", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "quickdraw-broken-"));
    try {
      await writeFile(path.join(folder, "model.json"), "{");
      await writeFile(path.join(folder, "weights.safetensors"), weights);
      await assertRefused(Classifier.load({ model: folder }), "invalid-model", /the model in file:.*quickdraw-broken-/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
