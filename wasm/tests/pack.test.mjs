// The package as npm users get it: packed, unpacked elsewhere, imported by its name.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { npm } from "../../.ci/command.mjs";
import { installPacked } from "./packed.mjs";

const execute = promisify(execFile);

let folder;
let installed;
let report;
before(async () => {
  ({ folder, installed, report } = await installPacked());
});
after(() => rm(folder, { recursive: true }));

test("the package holds its face, its module and its model, and no sources of theirs", () => {
  const files = report.files.map((file) => file.path).sort();
  for (const needed of [
    "LICENSE",
    "README.md",
    "dist/index.d.ts",
    "dist/index.js",
    "dist/worker-thread.js",
    "dist/worker.d.ts",
    "dist/worker.js",
    "model/LICENSE",
    "model/model.json",
    "model/weights.safetensors",
    "package.json",
    "pkg/quickdraw_wasm_bg.wasm",
  ]) {
    assert.ok(files.includes(needed), `${needed} is missing among ${files.join(", ")}`);
  }
  const extra = files.filter((file) => /\.(rs|toml|ts|sha256|mjs)$/.test(file) && !file.endsWith(".d.ts"));
  assert.deepEqual(extra, []);
});

test("the package's version is that of the Rust code, and its licences travel with it", async () => {
  const manifest = JSON.parse(await readFile(path.join(installed, "package.json"), "utf8"));
  const cargo = await readFile(new URL("../../Cargo.toml", import.meta.url), "utf8");
  assert.equal(manifest.version, /\[workspace\.package\]\s+version = "([^"]+)"/.exec(cargo)?.[1]);
  assert.match(await readFile(path.join(installed, "LICENSE"), "utf8"), /MIT License/);
  const attribution = /made available by Google, Inc\. under the Creative Commons Attribution 4\.0/;
  assert.match((await readFile(path.join(installed, "model/LICENSE"), "utf8")).replace(/\s+/g, " "), attribution);
});

test("the package could be published as it is", async () => {
  const args = ["publish", "--dry-run", "--ignore-scripts", "--json"];
  const output = await npm(args, { cwd: fileURLToPath(new URL("..", import.meta.url)), capture: true });
  assert.ok(output.includes("quickdraw-rnn"));
});

test("links in its documents lead to files that travel too", async () => {
  for (const document of ["README.md", "docs/self-hosting.md", "docs/from-ml5.md", "model/README.md"]) {
    const text = await readFile(path.join(installed, document), "utf8");
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      await stat(path.join(installed, path.dirname(document), target));
    }
  }
});

test("importing the package touches nothing", async () => {
  const program = path.join(folder, "import.mjs");
  await writeFile(
    program,
    `for (const name of ["fetch", "WebAssembly", "Worker", "self", "window", "document", "location", "navigator"]) {
       Object.defineProperty(globalThis, name, { configurable: true, get: () => { throw new Error(name + " was touched"); } });
     }
     await import("quickdraw-rnn");
     await import("quickdraw-rnn/worker");
     console.log("imported");`,
  );
  const { stdout } = await execute(process.execPath, [program], { cwd: folder });
  assert.equal(stdout.trim(), "imported");
});

test("every path in package.json is there", async () => {
  const manifest = JSON.parse(await readFile(path.join(installed, "package.json"), "utf8"));
  assert.equal(Object.keys(manifest.exports["."])[0], "types");
  const paths = Object.values(manifest.exports).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  );
  for (const target of paths.filter((target) => !target.includes("*"))) await stat(path.join(installed, target));
});

test("the unpacked package recognises a drawing", async () => {
  const program = path.join(folder, "program.mjs");
  await writeFile(
    program,
    `import { Classifier } from "quickdraw-rnn";
     const classifier = await Classifier.load();
     const predictions = classifier.classify([[{ x: 0, y: 0 }, { x: 90, y: 10 }, { x: 40, y: 80 }]]);
     console.log(JSON.stringify(predictions));`,
  );
  const { stdout } = await execute(process.execPath, [program], { cwd: folder });
  const predictions = JSON.parse(stdout);
  assert.equal(predictions.length, 5);
  assert.ok(predictions.every(({ label, probability }) => label && probability >= 0 && probability <= 1));
});

test("the unpacked package works in a worker thread", async () => {
  const program = path.join(folder, "main.mjs");
  await writeFile(
    program,
    `import { Worker } from "node:worker_threads";
     const worker = new Worker(new URL("worker.mjs", import.meta.url));
     worker.on("message", (message) => console.log(message));`,
  );
  await writeFile(
    path.join(folder, "worker.mjs"),
    `import { parentPort } from "node:worker_threads";
     import { Classifier } from "quickdraw-rnn";
     const classifier = await Classifier.load();
     parentPort.postMessage(classifier.classify([[{ x: 0, y: 0 }, { x: 9, y: 1 }]]).length);`,
  );
  const { stdout } = await execute(process.execPath, [program], { cwd: folder });
  assert.equal(stdout.trim(), "5");
});
