// The package as npm users get it: packed, unpacked elsewhere, imported by its name.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompressSync } from "node:zlib";

import * as esbuild from "esbuild";

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
    ...["index", "worker", "worker-thread", "formats", "custom-classes"].flatMap((name) => [
      `dist/${name}.d.ts`,
      `dist/${name}.js`,
    ]),
    "docs/from-ml5.md",
    "docs/self-hosting.md",
    "model/LICENSE",
    "model/README.md",
    "model/model.json",
    "model/weights.safetensors",
    "package.json",
    "pkg/THIRD-PARTY-LICENSES.txt",
    "pkg/quickdraw_wasm_bg.wasm",
    "pkg/quickdraw_wasm_relaxed_bg.wasm",
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
  const named = (await readFile(path.join(installed, "README.md"), "utf8")).match(/\bquickdraw-rnn-\d[\d.]*\d\.tgz/g);
  assert.deepEqual(new Set(named), new Set([`quickdraw-rnn-${manifest.version}.tgz`]));
  assert.match(await readFile(path.join(installed, "LICENSE"), "utf8"), /MIT License/);
  const attribution = /made available by Google, Inc\. under the Creative Commons Attribution 4\.0/;
  assert.match((await readFile(path.join(installed, "model/LICENSE"), "utf8")).replace(/\s+/g, " "), attribution);
});

test("the licences of the crates that the module is compiled from travel with it", async () => {
  const notices = await readFile(path.join(installed, "pkg/THIRD-PARTY-LICENSES.txt"), "utf8");
  const lock = await readFile(new URL("../../Cargo.lock", import.meta.url), "utf8");
  for (const crate of ["burn-ndarray", "wasm-bindgen", "safetensors", "serde_json"]) {
    const versions = [...lock.matchAll(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`, "g"))].map(([, version]) => version);
    assert.ok(versions.some((version) => notices.includes(`\n${crate} ${version}: `)), `${crate} ${versions.join(" or ")}`);
  }
  // What only builds the module, or only trains, is not in it.
  for (const crate of ["serde_derive", "clap", "burn-cuda"]) assert.ok(!notices.includes(`\n${crate} `), crate);
  for (const text of [/Permission is hereby granted, free of charge/, /Apache License/]) assert.match(notices, text);
});

test("the package could be published as it is", async () => {
  const args = ["publish", "--dry-run", "--ignore-scripts"];
  const { stdout, stderr } = await execute("npm", args, { cwd: new URL("..", import.meta.url), shell: process.platform === "win32" });
  assert.match(stdout, /\+ quickdraw-rnn@\d/);
  const complaints = stderr.split("\n").filter((line) => /^npm (warn|error)/i.test(line) && !/logged in/.test(line));
  assert.deepEqual(complaints, []);
});

test("links in its documents lead to files that travel too", async () => {
  for (const document of ["README.md", "docs/self-hosting.md", "docs/from-ml5.md", "model/README.md"]) {
    const text = await readFile(path.join(installed, document), "utf8");
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      await stat(path.join(installed, path.dirname(document), target));
    }
  }
});

test("importing the package touches nothing and leaves nothing", async () => {
  const program = path.join(folder, "import.mjs");
  await writeFile(
    program,
    `import { writeSync } from "node:fs";
     import { runInNewContext } from "node:vm";
     const names = "Object.getOwnPropertyNames(globalThis)";
     const ofTheLanguage = runInNewContext(names);
     const ofThePlatform = eval(names).filter((name) => !ofTheLanguage.includes(name));
     for (const name of [...ofThePlatform, "WebAssembly", "Worker", "self", "window", "document", "location", "localStorage"]) {
       Object.defineProperty(globalThis, name, { configurable: true, get: () => { throw new Error(name + " was touched"); } });
     }
     const before = Object.getOwnPropertyNames(globalThis).join();
     for (const path of ["", "/worker", "/formats", "/custom-classes"]) await import("quickdraw-rnn" + path);
     const after = Object.getOwnPropertyNames(globalThis).join();
     writeSync(1, after === before ? "imported" : "something is left");`,
  );
  const { stdout } = await execute(process.execPath, [program], { cwd: folder });
  assert.equal(stdout.trim(), "imported");
});

test("every path in package.json is there, types first", async () => {
  const manifest = JSON.parse(await readFile(path.join(installed, "package.json"), "utf8"));
  const targets = Object.values(manifest.exports);
  for (const target of targets.filter((target) => typeof target === "object")) {
    assert.deepEqual(Object.keys(target), ["types", "default"]);
  }
  const paths = targets.flatMap((target) => (typeof target === "string" ? [target] : Object.values(target)));
  for (const target of paths.filter((target) => !target.includes("*"))) await stat(path.join(installed, target));
});

test("what is exported is found by its name, and nothing else is", async () => {
  const names = ["/model/model.json", "/model/weights.safetensors", "/model/LICENSE", "/quickdraw_wasm_bg.wasm", "/quickdraw_wasm_relaxed_bg.wasm", "/package.json"];
  const others = ["/dist/index.js", "/pkg/quickdraw_wasm_bg.wasm", "/classifier"];
  const program = path.join(folder, "names.mjs");
  await writeFile(
    program,
    `import { readFile } from "node:fs/promises";
     import { fileURLToPath } from "node:url";
     import { Classifier } from "quickdraw-rnn";
     const bytes = async (name) => readFile(fileURLToPath(import.meta.resolve("quickdraw-rnn" + name)));
     for (const name of ${JSON.stringify(names)}) await bytes(name);
     for (const name of ${JSON.stringify(others)}) {
       await bytes(name).then(() => console.log(name + " is exported"), ({ code }) => {
         if (code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw new Error(name + ": " + code);
       });
     }
     const [modelJson, weights] = [await bytes("/model/model.json"), await bytes("/model/weights.safetensors")];
     const classifier = await Classifier.load({ wasm: await bytes("/quickdraw_wasm_bg.wasm"), model: { modelJson, weights } });
     console.log(classifier.classify([[{ x: 0, y: 0 }, { x: 9, y: 1 }]]).length);`,
  );
  const { stdout } = await execute(process.execPath, [program], { cwd: folder });
  assert.equal(stdout.trim(), "5");
});

test("its types hold by themselves, for bundlers and for Node", async () => {
  const program = await readFile(new URL("types.ts", import.meta.url), "utf8");
  await writeFile(path.join(folder, "types.mts"), program);
  const tsc = path.join(path.dirname(fileURLToPath(import.meta.resolve("typescript/package.json"))), "bin", "tsc");
  for (const [module, moduleResolution] of [["nodenext", "nodenext"], ["esnext", "bundler"]]) {
    // No types of others, and those of the package are checked as well.
    const config = {
      compilerOptions: { target: "ES2022", module, moduleResolution, lib: ["ES2022", "DOM"], types: [], strict: true, noEmit: true },
      files: ["types.mts"],
    };
    await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify(config));
    await execute(process.execPath, [tsc, "-p", folder]).catch(({ stdout }) => assert.fail(`${moduleResolution}: ${stdout}`));
  }
});

describe("of what an application bundles", () => {
  /** The program that esbuild makes, without what is loaded at run time. */
  const bundled = async (program) => {
    const stdin = { contents: program, resolveDir: folder };
    const options = { bundle: true, format: "esm", target: "es2022", write: false, logLevel: "silent" };
    return (await esbuild.build({ stdin, ...options })).outputFiles[0].text;
  };

  test("nothing is left where nothing is used", async () => {
    const names = ["quickdraw-rnn", "quickdraw-rnn/worker", "quickdraw-rnn/formats", "quickdraw-rnn/custom-classes"];
    assert.equal((await bundled(names.map((name) => `import "${name}";`).join("\n"))).trim(), "");
    assert.ok((await bundled('import { toSvg } from "quickdraw-rnn/formats"; console.log(toSvg);')).length < 20_000);
    assert.doesNotMatch(await bundled('import { CustomClasses } from "quickdraw-rnn/custom-classes"; console.log(CustomClasses);'), /\.wasm/);
    assert.doesNotMatch(await bundled('import { createWorkerClassifier } from "quickdraw-rnn/worker"; console.log(createWorkerClassifier);'), /\.wasm/);
  });

  test("what runs in the worker stays", async () => {
    assert.match(await bundled('import "quickdraw-rnn/worker-thread";'), /addEventListener\("message"/);
    assert.match(await bundled('import { Classifier } from "quickdraw-rnn"; console.log(Classifier);'), /Symbol\.dispose/);
  });
});

describe("the documents", () => {
  test("say how large the files are", async () => {
    const text = (await readFile(path.join(installed, "README.md"), "utf8")).replaceAll(/<!--.*?-->/g, "");
    const rows = [...text.matchAll(/^\| `([^`]+)` \| ([\d,]+) kB \| (?:(\d+) kB )?\|$/gm)];
    assert.deepEqual(
      rows.map(([, file]) => file).sort(),
      ["model/model.json", "model/weights.safetensors", "pkg/quickdraw_wasm_bg.wasm", "pkg/quickdraw_wasm_relaxed_bg.wasm"],
    );
    for (const [, file, size, compressed] of rows) {
      const bytes = await readFile(path.join(installed, file));
      const assertAbout = (found, said) => assert.ok(Math.abs(found - said) < 0.6 + 0.03 * said, `${file}: ${found} kB, not ${said}`);
      assertAbout(bytes.length / 1000, Number(size.replaceAll(",", "")));
      if (compressed !== undefined) assertAbout(brotliCompressSync(bytes).length / 1000, Number(compressed));
    }
  });

  test("begin with a program that runs", async () => {
    const text = await readFile(path.join(installed, "README.md"), "utf8");
    const [, program] = /```js\n([^]*?)```/.exec(text);
    await writeFile(path.join(folder, "readme.mjs"), program);
    const { stdout } = await execute(process.execPath, ["readme.mjs"], { cwd: folder });
    assert.match(stdout, /^(\S.* [01]\.\d{3}\n){3}$/);
  });
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
