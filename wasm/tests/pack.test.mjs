// The package as npm users get it: packed, unpacked elsewhere, imported by its name.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompressSync, gzipSync } from "node:zlib";

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
    ...[
      "index",
      "worker",
      "worker-thread",
      "formats",
      "custom-classes",
      "pad",
      "labels-ko",
      "image",
      "inline",
      "quickdraw-rnn.global",
    ].flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]),
    "dist/commonjs.cjs",
    "dist/index.d.cts",
    "docs/api.md",
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
    "pkg/quickdraw_wasm_float32_bg.wasm",
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
    const versions = [...lock.matchAll(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`, "g"))].map(
      ([, version]) => version,
    );
    assert.ok(
      versions.some((version) => notices.includes(`\n${crate} ${version}: `)),
      `${crate} ${versions.join(" or ")}`,
    );
  }
  // What only builds the module, or only trains, is not in it.
  for (const crate of ["serde_derive", "clap", "burn-cuda"]) assert.ok(!notices.includes(`\n${crate} `), crate);
  for (const text of [/Permission is hereby granted, free of charge/, /Apache License/]) assert.match(notices, text);
});

test("the package could be published as it is", async () => {
  const args = ["publish", "--dry-run", "--ignore-scripts"];
  const { stdout, stderr } = await execute("npm", args, {
    cwd: new URL("..", import.meta.url),
    shell: process.platform === "win32",
  });
  assert.match(stdout, /\+ quickdraw-rnn@\d/);
  const complaints = stderr.split("\n").filter((line) => /^npm (warn|error)/i.test(line) && !/logged in/.test(line));
  assert.deepEqual(complaints, []);
});

test("links in its documents lead to files that travel too", async () => {
  for (const document of ["README.md", "docs/api.md", "docs/self-hosting.md", "docs/from-ml5.md", "model/README.md"]) {
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
     for (const path of ["", "/worker", "/formats", "/custom-classes", "/pad", "/labels/ko", "/image", "/inline"]) await import("quickdraw-rnn" + path);
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
    const { node, ...others } = target;
    assert.deepEqual(Object.keys(others), ["types", "default"]);
    if (node === undefined) continue;
    assert.deepEqual(Object.keys(node.require), ["types", "default"]);
    // Without it Vite 7 finds nothing for `node` and `import`: it does not go on behind a condition that holds.
    assert.deepEqual(node.default, others);
  }
  const flat = (target) => (typeof target === "string" ? [target] : Object.values(target).flatMap(flat));
  const { main, types, typesVersions, jsdelivr, unpkg } = manifest;
  const older = [main, types, jsdelivr, unpkg, ...Object.values(typesVersions["*"]).flat()];
  const paths = [...targets.flatMap(flat), ...older];
  for (const target of paths.filter((target) => !target.includes("*"))) await stat(path.join(installed, target));
});

test("what is exported is found by its name, and nothing else is", async () => {
  const names = [
    "/model/model.json",
    "/model/weights.safetensors",
    "/model/LICENSE",
    "/quickdraw_wasm_bg.wasm",
    "/quickdraw_wasm_relaxed_bg.wasm",
    "/package.json",
  ];
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

test("its types hold by themselves, for bundlers, for Node, for CommonJS and without a DOM", async () => {
  const program = await readFile(new URL("types.ts", import.meta.url), "utf8");
  await writeFile(path.join(folder, "types.mts"), program);
  const imports = program.match(/^import .*$/gm).join("\n");
  // A CommonJS file has no await at its top level, and a function no declarations.
  const body = program.replaceAll(/^(import .*$|export )/gm, "").replaceAll(/^declare const (.*);/gm, "let $1 = [];");
  await writeFile(path.join(folder, "types.cts"), `${imports}\nasync () => {${body}};`);
  await writeFile(
    path.join(folder, "no-dom.mts"),
    `${imports}
    const classifier = await Classifier.load({ model: "model", wasm: new Uint8Array() });
    export const label: string | undefined = (await createWorkerClassifier()).labels[0] ?? classifier.classify([])[0]?.label;`,
  );
  const tsc = path.join(path.dirname(fileURLToPath(import.meta.resolve("typescript/package.json"))), "bin", "tsc");
  for (const [file, module, moduleResolution, lib] of [
    ["types.mts", "nodenext", "nodenext", ["ES2022", "DOM"]],
    ["types.mts", "esnext", "bundler", ["ES2022", "DOM"]],
    ["types.cts", "node16", "node16", ["ES2022", "DOM"]],
    ["no-dom.mts", "nodenext", "nodenext", ["ES2022"]],
  ]) {
    // No types of others, and those of the package are checked as well.
    const config = {
      compilerOptions: { target: "ES2022", module, moduleResolution, lib, types: [], strict: true, noEmit: true },
      files: [file],
    };
    await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify(config));
    await execute(process.execPath, [tsc, "-p", folder]).catch(({ stdout }) =>
      assert.fail(`${file}, ${moduleResolution}: ${stdout}`),
    );
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
    const names = [
      "quickdraw-rnn",
      "quickdraw-rnn/worker",
      "quickdraw-rnn/formats",
      "quickdraw-rnn/custom-classes",
      "quickdraw-rnn/pad",
      "quickdraw-rnn/labels/ko",
      "quickdraw-rnn/image",
    ];
    assert.equal((await bundled(names.map((name) => `import "${name}";`).join("\n"))).trim(), "");
    assert.ok((await bundled('import { toSvg } from "quickdraw-rnn/formats"; console.log(toSvg);')).length < 20_000);
    const pad = await bundled('import { definePad } from "quickdraw-rnn/pad"; definePad();');
    assert.ok(
      pad.length < 20_000 && gzipSync(pad).length < 6_000,
      `${pad.length} bytes, ${gzipSync(pad).length} compressed`,
    );
    assert.doesNotMatch(
      await bundled('import { CustomClasses } from "quickdraw-rnn/custom-classes"; console.log(CustomClasses);'),
      /\.wasm/,
    );
  });

  test("what runs in the worker stays", async () => {
    const thread = await bundled('import "quickdraw-rnn/worker-thread";');
    assert.match(thread, /addEventListener\("message"/);
    // It must run wherever a tool puts it, as a script or as a module: it names no file and imports nothing.
    assert.ok(!/import\.meta|^(import|export)\b|_bg\.wasm/m.test(thread));
    assert.match(
      await bundled('import { Classifier } from "quickdraw-rnn"; console.log(Classifier);'),
      /Symbol\.dispose/,
    );
  });
});

describe("the documents", () => {
  test("say how large the files are", async () => {
    const text = (await readFile(path.join(installed, "README.md"), "utf8")).replaceAll(/<!--.*?-->/g, "");
    const rows = [...text.matchAll(/^\| `([^`]+)` \| ([\d,]+) kB \| (?:(\d+) kB )?\|$/gm)];
    assert.deepEqual(rows.map(([, file]) => file).sort(), [
      "dist/inline.js",
      "dist/quickdraw-rnn.global.js",
      "model/model.json",
      "model/weights.safetensors",
      "pkg/quickdraw_wasm_bg.wasm",
      "pkg/quickdraw_wasm_float32_bg.wasm",
      "pkg/quickdraw_wasm_relaxed_bg.wasm",
    ]);
    for (const [, file, size, compressed] of rows) {
      const bytes = await readFile(path.join(installed, file));
      const assertAbout = (found, said) =>
        assert.ok(Math.abs(found - said) < 0.6 + 0.03 * said, `${file}: ${found} kB, not ${said}`);
      assertAbout(bytes.length / 1000, Number(size.replaceAll(",", "")));
      if (compressed !== undefined) assertAbout(brotliCompressSync(bytes).length / 1000, Number(compressed));
    }
  });

  test("begin with a program that runs", async () => {
    const text = await readFile(path.join(installed, "README.md"), "utf8");
    const [, program] = /```js\n([\s\S]*?)```/.exec(text);
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

/** What a program prints: an ES module, or one of CommonJS. */
async function printed(name, text) {
  const program = path.join(folder, name);
  await writeFile(program, text);
  return (await execute(process.execPath, [program], { cwd: folder })).stdout.trim();
}

/** Recognises with a classifier and with one in a worker; both must agree. */
const recognise = `
  const strokes = [[{ x: 0, y: 0 }, { x: 90, y: 10 }, { x: 40, y: 80 }]];
  const recognise = async ({ Classifier, createWorkerClassifier, QuickdrawError, toSvg }) => {
    const seen = [];
    const classifier = await Classifier.load({ onProgress: ({ loadedBytes }) => seen.push(loadedBytes) });
    const inWorker = await createWorkerClassifier();
    const found = [classifier.classify(strokes), await inWorker.classify(strokes)];
    const error = await inWorker.classify([]).catch((error) => error);
    inWorker.dispose();
    const isSame = JSON.stringify(found[0]) === JSON.stringify(found[1]);
    return [found[0].length, isSame, error instanceof QuickdrawError, seen.at(-1) > 1.5e6, toSvg(strokes).length > 100].join();
  };`;
const recognised = "5,true,true,true,true";

test("CommonJS takes everything from one file, the worker too", async () => {
  const found = await printed(
    "common.cjs",
    `${recognise}
    const parts = ["", "/worker", "/formats", "/custom-classes", "/pad", "/labels/ko", "/image", "/inline"].map((name) => require("quickdraw-rnn" + name));
    if (parts.some((part) => part !== parts[0])) throw new Error("there are two of it");
    recognise(parts[0]).then(console.log);`,
  );
  assert.equal(found, recognised);
});

test("the module with everything inline needs no file beside it, in a worker neither", async () => {
  const alone = path.join(folder, "alone");
  await mkdir(alone);
  await cp(path.join(installed, "dist/inline.js"), path.join(alone, "inline.mjs"));
  const found = await printed(
    "inline.mjs",
    `${recognise}
    import * as everything from "./alone/inline.mjs";
    globalThis.fetch = () => { throw new Error("nothing is fetched"); };
    console.log(await recognise(everything));`,
  );
  assert.equal(found, recognised);
});

test("the script for pages without modules makes one variable", async () => {
  await cp(path.join(installed, "dist/quickdraw-rnn.global.js"), path.join(folder, "global.cjs"));
  const found = await printed(
    "script.cjs",
    `${recognise}
    const { constants, runInThisContext } = require("node:vm");
    const before = new Set(Object.getOwnPropertyNames(globalThis));
    const text = require("node:fs").readFileSync("global.cjs", "utf8");
    runInThisContext(text, { importModuleDynamically: constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER });
    const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name));
    recognise(quickdraw).then((found) => console.log(added.join(), found));`,
  );
  assert.equal(found, `quickdraw ${recognised}`);
});

test("the worker's program runs alone, wherever it lies", async () => {
  await cp(path.join(installed, "dist/worker-thread.js"), path.join(folder, "elsewhere.mjs"));
  const found = await printed(
    "thread.mjs",
    `${recognise}
    import * as everything from "quickdraw-rnn";
    import { createWorkerClassifier } from "quickdraw-rnn/worker";
    import { toSvg } from "quickdraw-rnn/formats";
    const elsewhere = () => createWorkerClassifier({ worker: new URL("elsewhere.mjs", import.meta.url) });
    console.log(await recognise({ ...everything, createWorkerClassifier: elsewhere, toSvg }));`,
  );
  assert.equal(found, recognised);
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
