// The packed package in Chromium: as a plain module, through bundlers, in workers, under a strict policy.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import * as esbuild from "esbuild";
import { chromium } from "playwright-core";
import * as vite from "vite";
import webpack from "webpack";

import { chromiumFlags, findChromium } from "../../.ci/chromium.mjs";
import { html, loaders, page, serve as serveFolder, STRICT_POLICY, STROKES, unbundled } from "./app.mjs";
import { installPacked } from "./packed.mjs";

let folder;
let browser;
/** What the unpacked package finds in Node. */
let expected;
const closers = [];
before(
  async () => {
    const packed = await installPacked();
    folder = packed.folder;
    browser = await chromium.launch({ executablePath: await findChromium(), args: chromiumFlags });
    const { Classifier } = await import(new URL(`file://${packed.installed}/dist/index.js`).href);
    expected = (await Classifier.load()).classify(STROKES);
  },
  { timeout: 120_000 },
);
after(async () => {
  await browser?.close();
  for (const close of closers) await close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

/** Serves a folder until the tests end; gives its origin. @param {Parameters<typeof serveFolder>} options */
async function serve(...options) {
  const { origin, close } = await serveFolder(...options);
  closers.push(close);
  return origin;
}

/**
 * Opens a page and gives what it found; what went wrong on the way is in the message.
 *
 * @param {string} address
 * @param {(tab: import("playwright-core").Page) => Promise<any>} [find] by default what the page puts into `found`
 */
async function visit(address, find = found) {
  const context = await browser.newContext();
  const tab = await context.newPage();
  const complaints = [];
  tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  tab.on("requestfailed", (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  try {
    await tab.goto(address);
    return { found: await find(tab), complaints };
  } catch (error) {
    throw new Error(`${error}\n${complaints.join("\n")}`);
  } finally {
    await context.close();
  }
}

async function found(tab) {
  return (await tab.waitForFunction(() => window.found, undefined, { timeout: 60_000 })).jsonValue();
}

async function assertRecognises(address, places = ["here", "there"]) {
  const { found, complaints } = await visit(address);
  assert.equal(found.error, undefined, `${found.error}\n${complaints.join("\n")}`);
  for (const place of places) {
    assert.deepEqual(
      found[place].map(({ label }) => label),
      expected.map(({ label }) => label),
      place,
    );
  }
  if ("label" in found) assert.equal(found.label, "mine");
  // A page's icon is not there, and Chromium says so.
  assert.deepEqual(
    complaints.filter((complaint) => !/404|favicon/.test(complaint)),
    [],
  );
}

async function writeApp(name, files) {
  const app = path.join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(app, file)), { recursive: true });
    await writeFile(path.join(app, file), text);
  }
  return app;
}

/** The first block of code of a language in a document, or the one that begins with a comment. */
function block(document, language, comment = "") {
  const found = [...document.matchAll(/```(\w+)\n([\s\S]*?)```/g)].find(
    ([, name, text]) => name === language && text.replace(/^\W+/, "").startsWith(comment),
  );
  assert.ok(found, `no ${language} that begins with ${comment}`);
  return found[2];
}

async function writePlainApp(name, files) {
  const app = await writeApp(name, files);
  await cp(path.join(folder, "node_modules/quickdraw-rnn"), path.join(app, "quickdraw-rnn"), { recursive: true });
  return app;
}

test("a plain module script, under a strict policy", { timeout: 120_000 }, async () => {
  const app = await writePlainApp("plain", { "index.html": html("app.js"), "app.js": unbundled(page("")) });
  await assertRecognises(`${await serve(app)}/`);
});

test("from another origin, as from a CDN, the worker too where the policy allows it", {
  timeout: 120_000,
}, async () => {
  const installed = path.join(folder, "node_modules");
  const cdn = await serve(installed, STRICT_POLICY, new Map(), { "access-control-allow-origin": "*" });
  const program = unbundled(page("")).replaceAll('"/quickdraw-rnn/', `"${cdn}/quickdraw-rnn/`);
  const app = await writeApp("cdn", { "index.html": html("app.js"), "app.js": program });
  const policy = (workers) =>
    `default-src 'none'; script-src 'self' ${cdn} 'wasm-unsafe-eval'; connect-src ${cdn}; worker-src ${workers}`;
  await assertRecognises(`${await serve(app, policy("blob:"))}/`);
  const { found } = await visit(`${await serve(app, policy("'self'"))}/`);
  assert.match(found.error, /the worker could not be started.*another origin.*\(`worker-src blob:`\).*option `worker`/);
});

test("from another origin that allows nobody to read it: the script, which needs no permission", {
  timeout: 120_000,
}, async () => {
  const cdn = await serve(path.join(folder, "node_modules"));
  const app = await writeApp("script-of-a-cdn", {
    "index.html": `<!doctype html><script src="${cdn}/quickdraw-rnn/dist/quickdraw-rnn.global.js"></script><script src="app.js"></script>`,
    "app.js": page("").replaceAll(/^ *import (.*) from .*$/gm, "const $1 = quickdraw;"),
  });
  const policy = `default-src 'none'; script-src 'self' ${cdn} 'wasm-unsafe-eval'; worker-src blob:`;
  await assertRecognises(`${await serve(app, policy)}/`);
});

test("the script and a file: no server, no modules", { timeout: 120_000 }, async () => {
  const app = await writeApp("file", {
    "index.html": `<!doctype html><meta charset="utf-8"><script src="quickdraw-rnn.global.js"></script><script src="app.js"></script>`,
    "app.js": page("").replaceAll(/^ *import (.*) from .*$/gm, "const $1 = quickdraw;"),
  });
  const installed = path.join(folder, "node_modules/quickdraw-rnn");
  await cp(path.join(installed, "dist/quickdraw-rnn.global.js"), path.join(app, "quickdraw-rnn.global.js"));
  await assertRecognises(new URL(`file://${app}/index.html`).href);
});

test("everything inline, through a bundler that follows no addresses", { timeout: 120_000 }, async () => {
  const text = page("").replaceAll(/"quickdraw-rnn(\/[a-z-]+)?"/g, '"quickdraw-rnn/inline"');
  const app = await writeApp("inline", { "dist/index.html": html("app.js"), "app.js": text });
  const options = { bundle: true, format: "esm", target: "es2022", outdir: "dist", logLevel: "silent" };
  await esbuild.build({ absWorkingDir: app, entryPoints: { app: "app.js" }, ...options });
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src blob:";
  await assertRecognises(`${await serve(path.join(app, "dist"), policy)}/`);
});

test("what the server answers instead of a file is named, and the next load succeeds", {
  timeout: 120_000,
}, async () => {
  const app = await writePlainApp("faults", { "index.html": html("app.js"), "app.js": loaders });
  const faults = new Map();
  const missing = [404, "text/html", "<!doctype html>not here"];
  const fallback = [200, "text/html", "<!doctype html><title>An app</title>"];
  await visit(`${await serve(app, STRICT_POLICY, faults)}/`, async (tab) => {
    await found(tab);
    const load = (place) => tab.evaluate((place) => window.load(place), place);
    // The shipped model.json is in the code.
    for (const file of ["quickdraw_wasm_relaxed_bg.wasm", "weights.safetensors"]) {
      for (const [fault, message] of [
        [missing, "could not be fetched: the server answered 404"],
        [fallback, "is a web page"],
      ]) {
        faults.set(file, fault);
        for (const place of ["here", "there"]) {
          const error = await load(place);
          assert.equal(error.code, "load-failed", `${place}: ${JSON.stringify(error)}`);
          assert.ok(error.message.includes(`/${file} ${message}`), error.message);
        }
        faults.clear();
      }
    }
    // A worker's program must be JavaScript.
    for (const fault of [missing, fallback, [200, "text/plain"]]) {
      faults.set("worker-thread.js", fault);
      const error = await load("there");
      assert.equal(error.code, "load-failed");
      assert.match(error.message, /worker could not be started/);
      faults.clear();
    }
    // The module may come as anything.
    faults.set("quickdraw_wasm_relaxed_bg.wasm", [200, "text/plain"]);
    for (const place of ["here", "there"]) {
      const progress = await load(place);
      assert.ok(progress.loadedBytes > 1.5e6, JSON.stringify(progress));
      const labels = (await tab.evaluate((place) => window.recognise(place), place)).map(({ label }) => label);
      assert.deepEqual(
        labels,
        expected.map(({ label }) => label),
      );
    }
  });
});

test("once loaded, nothing is asked of any server", { timeout: 120_000 }, async () => {
  const app = await writePlainApp("offline", { "index.html": html("app.js"), "app.js": loaders });
  await visit(`${await serve(app)}/`, async (tab) => {
    await found(tab);
    const asked = [];
    for (const place of ["here", "there"]) await tab.evaluate((place) => window.load(place), place);
    await tab.context().setOffline(true);
    tab.context().on("request", (request) => asked.push(request.url()));
    for (const place of ["here", "there"]) {
      const labels = (await tab.evaluate((place) => window.recognise(place), place)).map(({ label }) => label);
      assert.deepEqual(
        labels,
        expected.map(({ label }) => label),
      );
    }
    assert.deepEqual(
      asked.filter((address) => !address.endsWith("favicon.ico")),
      [],
    );
  });
});

test("in Chromium's worker too, the newest drawing comes first and those before it are dropped", {
  timeout: 120_000,
}, async () => {
  const app = await writePlainApp("newest", { "index.html": html("app.js"), "app.js": loaders });
  await visit(`${await serve(app)}/`, async (tab) => {
    await found(tab);
    const [first, ...others] = await tab.evaluate(async () => {
      await window.load("there");
      const calls = Array.from({ length: 20 }, () => window.recognise("there"));
      return (await Promise.allSettled(calls)).map(({ reason }) => reason?.code ?? "recognised");
    });
    assert.deepEqual([first, others.at(-1)], ["recognised", "recognised"]);
    assert.deepEqual(new Set(others.slice(0, -1)), new Set(["superseded"]));
  });
});

test("a module worker and a service worker of the application", { timeout: 120_000 }, async () => {
  const recognise = `
    import { Classifier } from "./quickdraw-rnn/dist/index.js";
    const recognise = async () => {
      const classifier = await Classifier.load();
      return classifier.classify([[{ x: 0, y: 0 }, { x: 90, y: 10 }, { x: 40, y: 80 }]]);
    };`;
  const app = await writeApp("workers", {
    "index.html": html("app.js"),
    "worker.js": `${recognise} recognise().then((found) => postMessage(found), (error) => postMessage(String(error)));`,
    "service.js": `${recognise}
      import { createWorkerClassifier } from "./quickdraw-rnn/dist/worker.js";
      addEventListener("install", () => skipWaiting());
      addEventListener("activate", (event) => event.waitUntil(clients.claim()));
      const both = async () => ({ there: await recognise(), code: await createWorkerClassifier().catch(({ code }) => code) });
      addEventListener("message", ({ source }) => both().then((found) => source.postMessage(found), (error) => source.postMessage(String(error))));`,
    "app.js": `
      const run = async () => {
        const worker = new Worker("worker.js", { type: "module" });
        const here = await new Promise((resolve, reject) => {
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = () => reject(new Error("the worker failed"));
        });
        const { serviceWorker } = navigator;
        await serviceWorker.register("service.js", { type: "module" });
        const { active } = await serviceWorker.ready;
        const answer = new Promise((resolve) => (serviceWorker.onmessage = ({ data }) => resolve(data)));
        active.postMessage("recognise");
        const { there, code } = await answer;
        // A service worker starts no workers, and is told so.
        return { here, there: code === "unsupported" ? there : [] };
      };
      run().then((found) => (window.found = found), (error) => (window.found = { error: String(error) }));`,
  });
  await cp(path.join(folder, "node_modules/quickdraw-rnn"), path.join(app, "quickdraw-rnn"), { recursive: true });
  await assertRecognises(`${await serve(app)}/`);
});

/** Vite without any configuration, and with the one that the package's README has for older versions. */
const viteConfigs = {
  "as it comes": () => "export default {};",
  "as the README sets it up": (readme) => block(readme, "js", "vite.config.js"),
};

async function writeViteApp(name, config) {
  const readme = await document("README.md");
  const files = {
    "index.html": html("/app.js"),
    "app.js": page(""),
    "vite.config.js": config(readme),
    "package.json": '{ "type": "module" }',
  };
  return { root: await writeApp(name, files), logLevel: "error" };
}

for (const [name, config] of Object.entries(viteConfigs)) {
  test(`Vite's build, ${name}`, { timeout: 120_000 }, async () => {
    const app = await writeViteApp(`vite-build-${name.length}`, config);
    await vite.build(app);
    await assertRecognises(`${await serve(path.join(app.root, "dist"))}/`);
  });

  test(`Vite's development server, ${name}`, { timeout: 120_000 }, async () => {
    const app = await writeViteApp(`vite-dev-${name.length}`, config);
    const server = await vite.createServer({ ...app, server: { host: "127.0.0.1", port: 0, fs: { allow: [folder] } } });
    await server.listen();
    closers.push(() => server.close());
    await assertRecognises(`http://127.0.0.1:${server.httpServer.address().port}/`);
  });
}

test("Vite below a folder, with the addresses of the files", { timeout: 120_000 }, async () => {
  const imports = `
    import wasm from "quickdraw-rnn/quickdraw_wasm_bg.wasm?url";
    import modelJson from "quickdraw-rnn/model/model.json?url";
    import weights from "quickdraw-rnn/model/weights.safetensors?url";`;
  const files = `{ wasm, model: { modelJson: fetch(modelJson), weights: fetch(weights) } }`;
  const root = await writeApp("vite-below", { "index.html": html("/app.js"), "app.js": `${imports}${page(files)}` });
  await vite.build({
    root,
    configFile: false,
    logLevel: "error",
    base: "/below/it/",
    build: { outDir: "dist/below/it" },
  });
  await assertRecognises(`${await serve(path.join(root, "dist"))}/below/it/`);
});

test("webpack", { timeout: 120_000 }, async () => {
  const app = await writeApp("webpack", { "dist/index.html": html("main.js"), "app.js": page("") });
  const stats = await promisify(webpack)({
    context: app,
    entry: "./app.js",
    mode: "production",
    output: { path: path.join(app, "dist"), publicPath: "/" },
  });
  assert.deepEqual(stats.toJson().errors, []);
  assert.deepEqual(
    stats.toJson().warnings.filter(({ message }) => !/size limit|performance/.test(message)),
    [],
  );
  await assertRecognises(`${await serve(path.join(app, "dist"))}/`);
});

test("esbuild, with the files named", { timeout: 120_000 }, async () => {
  const options = `{ model: "/model", wasm: "/quickdraw_wasm_bg.wasm"`;
  const text = page(`${options} }`, `${options}, worker: "/worker-thread.js" }`);
  const app = await writeApp("esbuild", { "dist/index.html": html("app.js"), "app.js": text });
  const installed = path.join(folder, "node_modules/quickdraw-rnn");
  await esbuild.build({
    absWorkingDir: app,
    entryPoints: { app: "app.js", "worker-thread": "quickdraw-rnn/worker-thread" },
    bundle: true,
    format: "esm",
    target: "es2022",
    outdir: "dist",
    logLevel: "silent",
  });
  await cp(path.join(installed, "model"), path.join(app, "dist/model"), { recursive: true });
  await cp(path.join(installed, "pkg/quickdraw_wasm_bg.wasm"), path.join(app, "dist/quickdraw_wasm_bg.wasm"));
  await assertRecognises(`${await serve(path.join(app, "dist"))}/`);
});

/** The text of a document of the package. */
const document = (name) => readFile(path.join(folder, "node_modules/quickdraw-rnn", name), "utf8");

/** Draws in a page's canvas with the mouse; gives what the page then writes into an element. */
const drawn = (element) => async (tab) => {
  const { x, y } = await tab.locator("canvas").boundingBox();
  const isReady = () => document.querySelector("canvas").onpointermove !== null || window.ready;
  await tab.waitForFunction(isReady, undefined, { timeout: 60_000 });
  await tab.mouse.move(x + 50, y + 50);
  await tab.mouse.down();
  for (const [dx, dy] of [
    [250, 60],
    [240, 250],
    [60, 240],
    [50, 50],
  ])
    await tab.mouse.move(x + dx, y + dy, { steps: 8 });
  await tab.mouse.up();
  const hasText = (element) => document.querySelector(element).textContent;
  return (await tab.waitForFunction(hasText, element, { timeout: 60_000 })).jsonValue();
};

test("the README's page, without a bundler and in Vite", { timeout: 120_000 }, async () => {
  const readme = await document("README.md");
  const text = block(readme, "html");
  const { labels } = JSON.parse(await document("model/model.json"));
  const other = /`("\.\/node_modules\/quickdraw-rnn\/[^`]+")`/.exec(readme)[1];
  const plain = await writeApp("readme", { "index.html": text.replace('"quickdraw-rnn/worker"', other) });
  await cp(path.join(folder, "node_modules"), path.join(plain, "node_modules"), { recursive: true });
  const root = await writeApp("readme-vite", { "index.html": text });
  await vite.build({ root, configFile: false, logLevel: "error" });

  const lenient = "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'";
  for (const app of [plain, path.join(root, "dist")]) {
    const { found, complaints } = await visit(`${await serve(app, lenient)}/`, drawn("output"));
    assert.ok(labels.includes(found.replace(/\?$/, "")), found);
    assert.deepEqual(
      complaints.filter((complaint) => !/404|favicon/.test(complaint)),
      [],
    );
  }
});

test("the program that takes DoodleNet's place", { timeout: 120_000 }, async () => {
  const text = block(await document("docs/from-ml5.md"), "js", "quickdraw-rnn");
  const app = await writePlainApp("from-ml5", {
    "index.html": `<canvas id="canvas" width="300" height="300"></canvas><p id="label"></p><script type="module" src="app.js"></script>`,
    "app.js": `${unbundled(text)} window.ready = true;`,
  });
  const { found, complaints } = await visit(`${await serve(app)}/`, drawn("#label"));
  assert.match(found, /^\S.* (0\.\d+|1)$/, complaints.join("\n"));
});

test("the pad: what is drawn is told, guessed, taken back and sent", { timeout: 120_000 }, async () => {
  const program = unbundled(`
    import { createWorkerClassifier } from "quickdraw-rnn/worker";
    import { definePad } from "quickdraw-rnn/pad";
    const pad = document.querySelector("quickdraw-pad");
    // Before it is defined: nothing that is set gets lost.
    pad.labels = ["square", "circle", "line"];
    const told = [];
    pad.addEventListener("change", () => told.push("change"));
    pad.addEventListener("guess", ({ detail }) => told.push(detail));
    pad.addEventListener("error", ({ message }) => told.push(message));
    definePad();
    definePad();
    pad.classifier = await createWorkerClassifier();
    Object.assign(window, { pad, told, found: true });`);
  const app = await writePlainApp("pad", {
    "index.html": `${html("app.js")}<body style="margin: 0"><form><quickdraw-pad name="drawing" lang="ko"></quickdraw-pad></form>`,
    "app.js": program,
  });
  await visit(`${await serve(app, `${STRICT_POLICY}; style-src 'unsafe-inline'`)}/`, async (tab) => {
    await found(tab);
    const state = () =>
      tab.evaluate(() => ({
        points: window.pad.strokes.map(({ length }) => length),
        sent: new FormData(document.forms[0]).get("drawing"),
        pixels: window.pad.shadowRoot
          .querySelector("canvas")
          .getContext("2d")
          .getImageData(0, 0, 300, 300)
          .data.filter((value) => value > 0).length,
      }));
    const guessed = (count) =>
      tab.waitForFunction((count) => window.told.filter((each) => each.predictions).length >= count, count);
    assert.deepEqual(await state(), { points: [], sent: null, pixels: 0 });

    // A square, then a tap, which is a dot.
    await tab.mouse.move(50, 50);
    await tab.mouse.down();
    for (const [x, y] of [
      [250, 50],
      [250, 250],
      [50, 250],
      [50, 50],
    ])
      await tab.mouse.move(x, y, { steps: 10 });
    await tab.mouse.up();
    await tab.waitForFunction(() => window.told.some(({ isPenDown }) => isPenDown === false));
    const told = await tab.evaluate(() => window.told);
    assert.equal(told.filter((each) => each === "change").length, 1);
    assert.equal(told.at(-1).predictions[0].label, "square");
    assert.deepEqual(new Set(told.at(-1).predictions.map(({ label }) => label)), new Set(["square", "circle", "line"]));
    assert.ok(
      told.some(({ isPenDown }) => isPenDown === true),
      "it guesses while the pen is down",
    );
    assert.deepEqual(
      told.filter((each) => typeof each === "string" && each !== "change"),
      [],
    );
    await tab.mouse.click(150, 150);
    const drawn = await state();
    assert.equal(drawn.points.length, 2);
    assert.ok(drawn.points[0] >= 40 && drawn.points[1] === 1 && drawn.pixels > 1000, JSON.stringify(drawn));
    assert.deepEqual(
      JSON.parse(drawn.sent).map(([x, y]) => [x.length, y.length]),
      drawn.points.map((n) => [n, n]),
    );

    // Undo, redo and clear, by keys and by calls.
    await tab.keyboard.press("Control+z");
    assert.equal((await state()).points.length, 1);
    await tab.keyboard.press("Control+Shift+z");
    assert.equal((await state()).points.length, 2);
    await tab.keyboard.press("Delete");
    assert.deepEqual(await state(), { points: [], sent: null, pixels: 0 });
    assert.equal(await tab.evaluate(() => window.pad.undo()), true);
    assert.deepEqual(await state(), drawn);
    assert.equal(await tab.evaluate(() => window.pad.redo() && !window.pad.redo()), true);
    await guessed(3);

    // The pen comes before the palm, and a touch that the system takes for itself is no stroke.
    const pointers = (...events) =>
      tab.evaluate((events) => {
        for (const [type, pointerType, pointerId, x] of events) {
          const place = { clientX: x, clientY: x, pointerType, pointerId, buttons: 1, bubbles: true, composed: true };
          window.pad.dispatchEvent(new PointerEvent(type, place));
        }
        return window.pad.strokes.map((stroke) => stroke[0].x);
      }, events);
    assert.deepEqual(
      await pointers(
        ["pointerdown", "touch", 5, 15],
        ["pointermove", "touch", 5, 25],
        ["pointercancel", "touch", 5, 25],
      ),
      [],
    );
    assert.deepEqual(
      await pointers(
        ["pointerdown", "touch", 1, 10],
        ["pointerdown", "pen", 2, 20],
        ["pointerup", "touch", 1, 10],
        ["pointerup", "pen", 2, 20],
      ),
      [19],
    );
    assert.deepEqual(await pointers(["pointerdown", "touch", 3, 30], ["pointerup", "touch", 3, 30]), [19]);
    assert.deepEqual(await pointers(["pointerdown", "mouse", 4, 40], ["pointermove", "mouse", 4, 50]), [19]);
    assert.deepEqual(await pointers(["pointercancel", "mouse", 4, 40]), [19, 39]);
    // A pointer that cannot be captured and is never lifted leaves the pad to the next one.
    assert.deepEqual(
      await pointers(["pointerdown", "mouse", 6, 60], ["pointerdown", "mouse", 7, 70], ["pointerup", "mouse", 7, 70]),
      [19, 39, 59, 69],
    );

    // Strokes of any form can be put in, also into a pad whose form is reset.
    await tab.evaluate(
      () =>
        (window.pad.strokes = [
          [
            [10, 90],
            [20, 80],
          ],
          [[50], [60]],
        ]),
    );
    assert.deepEqual((await state()).points, [2, 1]);
    assert.match(
      await tab.evaluate(() => {
        try {
          window.pad.strokes = [[]];
        } catch (error) {
          return error.code;
        }
      }),
      /invalid-strokes/,
    );
    await tab.evaluate(() => document.forms[0].reset());
    assert.deepEqual((await state()).points, []);
  });
});

test("a picture in a file, as a bitmap and as pixels becomes the same strokes, on the page and in a worker", {
  timeout: 120_000,
}, async () => {
  const trace = unbundled(`
    import { strokesFromImage } from "quickdraw-rnn/image";
    const trace = async () => {
      const canvas = new OffscreenCanvas(200, 160);
      const pen = canvas.getContext("2d");
      pen.lineWidth = 8;
      pen.strokeRect(30, 30, 130, 100);
      const file = await canvas.convertToBlob();
      const images = [file, await createImageBitmap(file), pen.getImageData(0, 0, 200, 160)];
      const code = await strokesFromImage(new Blob(["no picture"])).catch(({ code }) => code);
      return { found: await Promise.all(images.map((image) => strokesFromImage(image))), code };
    };`);
  const app = await writePlainApp("image", {
    "index.html": html("app.js"),
    "worker.js": `${trace} trace().then(postMessage, (error) => postMessage(String(error)));`,
    "app.js": `${trace}
      const there = new Promise((resolve) => {
        new Worker("worker.js", { type: "module" }).onmessage = ({ data }) => resolve(data);
      });
      Promise.all([trace(), there]).then((found) => (window.found = found), (error) => (window.found = String(error)));`,
  });
  const { found } = await visit(`${await serve(app)}/`);
  assert.ok(Array.isArray(found), found);
  for (const place of found) {
    assert.equal(place.code, "invalid-image", JSON.stringify(place));
    const [strokes, ...others] = place.found;
    assert.equal(strokes.length, 1);
    const [xs, ys] = strokes[0];
    for (const [values, low, high] of [
      [xs, 30, 160],
      [ys, 30, 130],
    ]) {
      assert.ok(Math.abs(Math.min(...values) - low) < 3 && Math.abs(Math.max(...values) - high) < 3, `${values}`);
    }
    for (const other of others) assert.deepEqual(other, strokes);
  }
});

test("files placed by oneself, as the documentation says", {
  timeout: 120_000,
  skip: process.platform === "win32",
}, async () => {
  const text = await document("docs/self-hosting.md");
  assert.ok(text.includes(STRICT_POLICY), "the policy of these tests is the one that is documented");
  const recognise = `window.found = { there: await classifier.classify([[{ x: 0, y: 0 }, { x: 90, y: 10 }, { x: 40, y: 80 }]]) };`;
  const app = await writeApp("self-hosting", {
    "public/index.html": html("app.js"),
    "app.js": `${block(text, "js")}${recognise}`,
  });
  await cp(path.join(folder, "node_modules"), path.join(app, "node_modules"), { recursive: true });
  const tools = path.dirname(fileURLToPath(import.meta.resolve("esbuild/package.json")));
  const env = { ...process.env, PATH: `${path.join(tools, "bin")}:${process.env.PATH}` };
  await promisify(execFile)("sh", ["-ec", block(text, "sh")], { cwd: app, env });
  await assertRecognises(`${await serve(path.join(app, "public"))}/`, ["there"]);
});

test("a policy without 'wasm-unsafe-eval' is named as what it is", { timeout: 120_000 }, async () => {
  const origin = await serve(
    path.join(folder, "plain"),
    "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'",
  );
  const { found } = await visit(`${origin}/`);
  assert.match(found.error, /wasm-unsafe-eval|Content.Security.Policy/i);
});
