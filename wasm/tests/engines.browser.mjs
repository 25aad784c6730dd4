// The packed package in Firefox and WebKit, without a bundler; ENGINE says in which. Skipped where it is not installed.

import assert from "node:assert/strict";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { ADVICE, POINTERS, isInstalled, startEngine } from "../../.ci/engines.mjs";
import { wander } from "../bench/page/drawings.mjs";
import { random } from "../bench/page/random.mjs";
import { html, loaders, page, serve, STRICT_POLICY, STROKES, unbundled } from "./app.mjs";
import { installPacked } from "./packed.mjs";

const name = process.env.ENGINE;
assert.ok(name !== undefined && name in ADVICE, `ENGINE is one of ${Object.keys(ADVICE)}`);
const skip = isInstalled(name) ? false : ADVICE[name];
const RELAXED = "/quickdraw-rnn/pkg/quickdraw_wasm_relaxed_bg.wasm";
const BASE = "/quickdraw-rnn/pkg/quickdraw_wasm_bg.wasm";

/** Drawings of 1 to 200 points. */
const next = random(7);
const drawings = Array.from({ length: 40 }, (_, i) => wander(1 + ((i * 37) % 200), next));

describe(`the package in ${name}`, { skip, timeout: 240_000 }, () => {
  let folder;
  let engine;
  /** The unpacked package, in Node. */
  let installed;
  /** What it finds there. */
  let expected;
  const closers = [];

  before(async () => {
    const packed = await installPacked();
    folder = packed.folder;
    installed = (file) => import(new URL(`file://${packed.installed}/dist/${file}`).href);
    const { Classifier } = await installed("index.js");
    expected = (await Classifier.load()).classify(STROKES).map(({ label }) => label);
    engine = await startEngine(name);
  });
  after(async () => {
    await engine?.close();
    for (const close of closers) close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  /** Serves an application beside the package, opens it, and waits until it is ready. */
  async function open(title, program, { policy = STRICT_POLICY, document = html("app.js") } = {}) {
    const app = path.join(folder, title);
    await mkdir(app);
    await writeFile(path.join(app, "index.html"), document);
    await writeFile(path.join(app, "app.js"), program);
    await symlink(path.join(folder, "node_modules/quickdraw-rnn"), path.join(app, "quickdraw-rnn"));
    const server = await serve(app, policy);
    closers.push(server.close);
    await engine.goto(`${server.origin}/`);
    return server;
  }

  /** Waits for what the page finds. */
  const found = () => until(() => window.found);

  /** Waits until a function, called in the page, gives something. */
  async function until(fn, ...args) {
    for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
      const value = await engine.evaluate(fn, ...args);
      if (value) return value;
    }
    throw new Error(`in vain: ${fn}\n${(await engine.errors()).join("\n")}`);
  }

  /** What the page complained of; that a page's icon is not there is nothing. */
  const complaints = async () => (await engine.errors()).filter((error) => !error.includes("favicon"));

  test("a plain page, its worker and custom classes under a strict policy; the module is the fastest that the engine takes", async (context) => {
    const { asked } = await open("plain", unbundled(page("")));
    const { error, here, there, label } = await found();
    assert.equal(error, undefined);
    assert.deepEqual(
      here.map(({ label }) => label),
      expected,
    );
    assert.deepEqual(
      there.map(({ label }) => label),
      expected,
    );
    assert.equal(label, "mine");
    const modules = new Set(asked.filter((path) => path.endsWith(".wasm")));
    const takesRelaxed = await engine.evaluate(
      async (path) => WebAssembly.validate(await (await fetch(path)).arrayBuffer()),
      RELAXED,
    );
    assert.deepEqual([...modules], [takesRelaxed ? RELAXED : BASE]);
    assert.deepEqual(await complaints(), []);
    context.diagnostic(`${engine.version}: ${[...modules].map((module) => path.basename(module))}`);
  });

  test("both int8 modules: the base one has Node's very numbers, the relaxed one nearly those, or is refused", async () => {
    const program = unbundled(`
      import { createWorkerClassifier } from "quickdraw-rnn/worker";
      window.probabilities = async (wasm, drawings) => {
        const classifier = await createWorkerClassifier({ wasm }).catch(({ code }) => code);
        if (typeof classifier === "string") return classifier;
        const found = [];
        for (const drawing of drawings) found.push([...(await classifier.probabilities(drawing, { isSimplified: true }))]);
        classifier.dispose();
        return found;
      };
      window.found = true;`);
    await open("modules", program);
    await found();
    const inPage = (wasm) => engine.evaluate((wasm, drawings) => window.probabilities(wasm, drawings), wasm, drawings);
    const { createWorkerClassifier } = await installed("worker.js");
    const node = await createWorkerClassifier({ wasm: path.join(folder, "node_modules", BASE) });
    const inNode = [];
    for (const drawing of drawings) inNode.push([...(await node.probabilities(drawing, { isSimplified: true }))]);
    node.dispose();
    assert.deepEqual(await inPage(BASE), inNode);

    const relaxed = await inPage(RELAXED);
    if (relaxed === "invalid-wasm") return;
    const argmax = (values) => values.indexOf(Math.max(...values));
    const differences = relaxed.flatMap((values, i) => values.map((value, k) => Math.abs(value - inNode[i][k])));
    assert.ok(Math.max(...differences) < 0.05, `${Math.max(...differences)}`);
    const same = relaxed.filter((values, i) => argmax(values) === argmax(inNode[i])).length;
    assert.ok(same >= 0.95 * drawings.length, `${same}`);
  });

  test("in the worker the newest drawing comes first and those before it are dropped", async () => {
    await open("newest", loaders);
    await found();
    const [first, ...others] = await engine.evaluate(async () => {
      await window.load("there");
      const calls = Array.from({ length: 20 }, () => window.recognise("there"));
      return (await Promise.allSettled(calls)).map(({ reason }) => reason?.code ?? "recognised");
    });
    assert.deepEqual([first, others.at(-1)], ["recognised", "recognised"]);
    assert.deepEqual(new Set(others.slice(0, -1)), new Set(["superseded"]));
  });

  test("a policy without 'wasm-unsafe-eval' is named as what it is", async () => {
    await open("forbidden", unbundled(page("")), {
      policy: "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'",
    });
    assert.match((await found()).error, /wasm-unsafe-eval|Content.Security.Policy/i);
  });

  test("the script, with its worker from a Blob, on a page without modules", async () => {
    await open("script", page("").replaceAll(/^ *import (.*) from .*$/gm, "const $1 = quickdraw;"), {
      policy: "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:",
      document: `<!doctype html><meta charset="utf-8"><script src="quickdraw-rnn/dist/quickdraw-rnn.global.js"></script><script src="app.js"></script>`,
    });
    const { error, here, there } = await found();
    assert.equal(error, undefined);
    assert.deepEqual(
      here.map(({ label }) => label),
      expected,
    );
    assert.deepEqual(
      there.map(({ label }) => label),
      expected,
    );
    assert.deepEqual(await complaints(), []);
  });

  test("the pad: what is drawn with real input is told, guessed and taken back; the pen comes before the palm", async () => {
    const program = unbundled(`
      import { createWorkerClassifier } from "quickdraw-rnn/worker";
      import { definePad } from "quickdraw-rnn/pad";
      const pad = document.querySelector("quickdraw-pad");
      pad.labels = ["square", "circle", "line"];
      const told = [];
      pad.addEventListener("guess", ({ detail }) => told.push(detail));
      pad.addEventListener("error", ({ message }) => told.push({ message }));
      definePad();
      pad.classifier = await createWorkerClassifier();
      Object.assign(window, { pad, told, found: true });`);
    await open("pad", program, {
      policy: `${STRICT_POLICY}; style-src 'unsafe-inline'`,
      document: `${html("app.js")}<body style="margin: 0"><quickdraw-pad style="width: 300px; height: 300px"></quickdraw-pad>`,
    });
    await found();
    const counts = () => engine.evaluate(() => window.pad.strokes.map(({ length }) => length));
    const side = (from, to) =>
      Array.from({ length: 10 }, (_, i) => [0, 1].map((k) => from[k] + ((to[k] - from[k]) * (i + 1)) / 10));
    const corners = [
      [50, 50],
      [250, 50],
      [250, 250],
      [50, 250],
      [50, 50],
    ];
    const square = corners.slice(1).flatMap((corner, i) => side(corners[i], corner));

    for (const type of POINTERS[name]) {
      await engine.evaluate(() => {
        window.pad.strokes = [];
        window.told.length = 0;
      });
      await engine.pointer(type, [[50, 50], "down", ...square.slice(0, 20)]);
      await until(() => window.told.some(({ isPenDown }) => isPenDown === true));
      await engine.pointer(type, [...square.slice(20), "up"]);
      const { predictions, message } = await until(() =>
        window.told.find((each) => each.message || (each.isPenDown === false && each.predictions.length > 0)),
      );
      assert.equal(message, undefined);
      assert.equal(predictions[0].label, "square", type);
      const points = await counts();
      assert.ok(points.length === 1 && points[0] >= 35, `${type}: ${points}`);
    }
    assert.deepEqual(await engine.evaluate(() => [window.pad.undo(), window.pad.strokes.length]), [true, 0]);
    await engine.evaluate(() => window.pad.redo());
    assert.equal((await counts()).length, 1);

    // The pointer that the driver does not have comes from the page.
    const send = (type, pointerType, x) =>
      engine.evaluate(
        (type, pointerType, x) => {
          const place = {
            clientX: x,
            clientY: x,
            pointerType,
            pointerId: 99,
            buttons: 1,
            bubbles: true,
            composed: true,
          };
          window.pad.dispatchEvent(new PointerEvent(type, place));
        },
        type,
        pointerType,
        x,
      );
    await engine.evaluate(() => (window.pad.strokes = []));
    if (name === "webkit") {
      await send("pointerdown", "touch", 200);
      await engine.pointer("pen", [[20, 20], "down", [60, 20], [100, 20]]);
      await send("pointermove", "touch", 220);
      await engine.pointer("pen", [[100, 60], "up"]);
      await send("pointerup", "touch", 220);
    } else {
      await engine.pointer("touch", [[200, 200], "down"]);
      await send("pointerdown", "pen", 20);
      await send("pointermove", "pen", 60);
      await engine.pointer("touch", [[220, 220], "up"]);
      await send("pointermove", "pen", 100);
      await send("pointerup", "pen", 100);
    }
    const strokes = await engine.evaluate(() => window.pad.strokes);
    assert.equal(strokes.length, 1, JSON.stringify(strokes));
    assert.ok(strokes[0].length >= 3 && strokes[0].every(({ x }) => x < 150), JSON.stringify(strokes));
    assert.deepEqual(await complaints(), []);
  });
});
