// The packed package in Chromium: as a plain module, through bundlers, in workers, under a strict policy.

import assert from "node:assert/strict";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import * as esbuild from "esbuild";
import { chromium } from "playwright-core";
import * as vite from "vite";
import webpack from "webpack";

import { chromiumFlags, findChromium } from "../../.ci/chromium.mjs";
import { installPacked } from "./packed.mjs";

/** Nothing but the server's own files, and WebAssembly may be compiled. */
const STRICT_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'";

const types = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** What every page does: one drawing, recognised on the page and in the package's worker. */
const page = (options, workerOptions = options) => `
  import { Classifier } from "quickdraw-rnn";
  import { createWorkerClassifier } from "quickdraw-rnn/worker";
  const strokes = [[{ x: 0, y: 0 }, { x: 90, y: 10 }, { x: 40, y: 80 }]];
  const run = async () => {
    const here = await Classifier.load(${options});
    const there = await createWorkerClassifier(${workerOptions});
    const found = { here: here.classify(strokes), there: await there.classify(strokes) };
    there.dispose();
    return found;
  };
  run().then((found) => (window.found = found), (error) => (window.found = { error: String(error) }));
`;

let folder;
let browser;
/** What the unpacked package finds in Node. */
let expected;
const closers = [];
before(async () => {
  const packed = await installPacked();
  folder = packed.folder;
  browser = await chromium.launch({ executablePath: await findChromium(), args: chromiumFlags });
  const { Classifier } = await import(new URL(`file://${packed.installed}/dist/index.js`).href);
  expected = (await Classifier.load()).classify([[{ x: 0, y: 0 }, { x: 90, y: 10 }, { x: 40, y: 80 }]]);
}, { timeout: 120_000 });
after(async () => {
  await browser?.close();
  for (const close of closers) await close();
  if (folder !== undefined) await rm(folder, { recursive: true });
});

/** Serves a folder; gives its origin. */
async function serve(root, policy = STRICT_POLICY) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://server");
    const file = path.join(root, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    try {
      const body = await readFile(file);
      const type = types[path.extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(body);
    } catch {
      response.writeHead(404, { "content-type": "text/html" }).end("<!doctype html>nothing here");
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** Opens a page and gives what it found; what went wrong on the way is in the message. */
async function visit(address) {
  const context = await browser.newContext();
  const tab = await context.newPage();
  const complaints = [];
  tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  tab.on("requestfailed", (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
  try {
    await tab.goto(address);
    const found = await (await tab.waitForFunction(() => window.found, undefined, { timeout: 60_000 })).jsonValue();
    return { found, complaints };
  } catch (error) {
    throw new Error(`${error}\n${complaints.join("\n")}`);
  } finally {
    await context.close();
  }
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
  // A page's icon is not there, and Chromium says so.
  assert.deepEqual(complaints.filter((complaint) => !/404|favicon/.test(complaint)), []);
}

async function writeApp(name, files) {
  const app = path.join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(app, file)), { recursive: true });
    await writeFile(path.join(app, file), text);
  }
  return app;
}

const html = (script) => `<!doctype html><meta charset="utf-8"><title>Test</title><script type="module" src="${script}"></script>`;

test("a plain module script, under a strict policy", { timeout: 120_000 }, async () => {
  const text = page("")
    .replace('"quickdraw-rnn/worker"', '"/quickdraw-rnn/dist/worker.js"')
    .replace('"quickdraw-rnn"', '"/quickdraw-rnn/dist/index.js"');
  const app = await writeApp("plain", { "index.html": html("app.js"), "app.js": text });
  await cp(path.join(folder, "node_modules/quickdraw-rnn"), path.join(app, "quickdraw-rnn"), { recursive: true });
  await assertRecognises(`${await serve(app)}/`);
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
      addEventListener("install", () => skipWaiting());
      addEventListener("activate", (event) => event.waitUntil(clients.claim()));
      addEventListener("message", ({ source }) => recognise().then((found) => source.postMessage(found), (error) => source.postMessage(String(error))));`,
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
        return { here, there: await answer };
      };
      run().then((found) => (window.found = found), (error) => (window.found = { error: String(error) }));`,
  });
  await cp(path.join(folder, "node_modules/quickdraw-rnn"), path.join(app, "quickdraw-rnn"), { recursive: true });
  await assertRecognises(`${await serve(app)}/`);
});

const viteConfig = (root) => ({
  root,
  configFile: false,
  logLevel: "error",
  optimizeDeps: { exclude: ["quickdraw-rnn"] },
  worker: { format: "es" },
  build: { target: "es2022" },
});

test("Vite's build", { timeout: 120_000 }, async () => {
  const app = await writeApp("vite-build", { "index.html": html("/app.js"), "app.js": page("") });
  await vite.build(viteConfig(app));
  await assertRecognises(`${await serve(path.join(app, "dist"))}/`);
});

test("Vite's development server", { timeout: 120_000 }, async () => {
  const app = await writeApp("vite-dev", { "index.html": html("/app.js"), "app.js": page("") });
  const fs = { allow: [folder] };
  const server = await vite.createServer({ ...viteConfig(app), server: { host: "127.0.0.1", port: 0, fs } });
  await server.listen();
  closers.push(() => server.close());
  await assertRecognises(`http://127.0.0.1:${server.httpServer.address().port}/`);
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
  assert.deepEqual(stats.toJson().warnings.filter(({ message }) => !/size limit|performance/.test(message)), []);
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

test("a policy without 'wasm-unsafe-eval' is named as what it is", { timeout: 120_000 }, async () => {
  const origin = await serve(path.join(folder, "plain"), "default-src 'none'; script-src 'self'; connect-src 'self'; worker-src 'self'");
  const { found } = await visit(`${origin}/`);
  assert.match(found.error, /wasm-unsafe-eval|Content.Security.Policy/i);
});
