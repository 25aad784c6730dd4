// Rust and TypeScript in, the files of the npm package out: pkg/ (the module and its binding) and dist/ (the package's
// face). What has not changed is not built again.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { build as bundle } from "esbuild";

import { Problem, run, runMain } from "../../.ci/command.mjs";
import { WASM_TARGET, checkNode, checkRust } from "../../.ci/tools.mjs";
import { notices } from "./notices.mjs";

const here = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const pkg = path.join(here, "pkg");
const dist = path.join(here, "dist");
const require = createRequire(import.meta.url);

/** The modules that package.json exports and that share what they have in common. */
const ENTRY_POINTS = ["index", "worker", "formats", "custom-classes", "pad", "labels-ko", "image"];

/** Of a module that takes another one's place in some files. */
const VARIANT = /\.(worker|inline|commonjs)\./;

/** What scripts without modules call the package. */
const GLOBAL_NAME = "quickdraw";

/** What rustc lets itself use for this target, and wasm-opt may therefore use too. */
const WASM_FEATURES = [
  "bulk-memory",
  "bulk-memory-opt",
  "multivalue",
  "mutable-globals",
  "nontrapping-float-to-int",
  "reference-types",
  "sign-ext",
  "simd",
];

/**
 * The modules: int8 for all engines; int8 for engines with relaxed SIMD, because others refuse a module as a whole for one
 * instruction that they do not know; and the one that has float32 too, which is three times as large. The last one's
 * binding serves all.
 *
 * @type {{ file: string, cargoFeatures: string[], wasmFeatures: string[] }[]}
 */
const MODULES = [
  { file: "quickdraw_wasm_bg.wasm", cargoFeatures: [], wasmFeatures: [] },
  { file: "quickdraw_wasm_relaxed_bg.wasm", cargoFeatures: ["relaxed-simd"], wasmFeatures: ["relaxed-simd"] },
  { file: "quickdraw_wasm_float32_bg.wasm", cargoFeatures: ["float32"], wasmFeatures: [] },
];

/** The binding: each copy of it keeps one module. */
const BINDINGS = ["quickdraw_wasm", "quickdraw_wasm_float32"];

/** -Oz takes seven times as long and -O3 ten times; both come out larger once they are compressed. */
const OPTIMISATION = "-O2";

/** What the authors of the crates in the module ask to travel with it. */
const NOTICES = "THIRD-PARTY-LICENSES.txt";

/** With `--typescript` only dist/, from the modules that are in pkg/ already. */
async function build() {
  checkNode();
  if (process.argv.includes("--typescript")) return compileTypeScript();
  await checkRust();
  const bindgen = await cargoBuild(["-p", "quickdraw-bindgen", "--profile", "bindgen"]);
  /** @type {Buffer[]} */
  const compiled = [];
  for (const { cargoFeatures } of MODULES) {
    const features = cargoFeatures.flatMap((feature) => ["--features", feature]);
    const target = ["--profile", "wasm", "--target", WASM_TARGET, "--no-default-features"];
    // Cargo gives both the same name, so each must be read before the next is built.
    compiled.push(await readFile(await cargoBuild(["-p", "quickdraw-wasm", ...target, ...features])));
  }
  await bindAndOptimise(compiled, bindgen);
  await compileTypeScript();
}

/**
 * Builds one package, alone: built together with others it would get their features too.
 *
 * @param {string[]} args
 * @returns {Promise<string>} the program or the module that came out
 */
async function cargoBuild(args) {
  // Compiler flags in these variables would replace those of .cargo/config.toml, and with them the SIMD arithmetic.
  const { RUSTFLAGS, CARGO_ENCODED_RUSTFLAGS, ...env } = process.env;
  const messages = await run("cargo", ["build", "--message-format", "json-render-diagnostics", "--locked", ...args], {
    capture: true,
    env,
  });
  /** @type {string[]} */
  const artifacts = messages
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line))
    .filter((message) => message.reason === "compiler-artifact")
    .map(
      (message) => message.executable ?? message.filenames.find((/** @type {string} */ name) => name.endsWith(".wasm")),
    )
    .filter(Boolean);
  const artifact = artifacts.at(-1);
  if (artifact === undefined) throw new Problem(`cargo build ${args.join(" ")} made no program`);
  return artifact;
}

/**
 * Gives the modules their JavaScript face and makes them small and fast.
 *
 * @param {Buffer[]} compiled each of MODULES as rustc wrote it
 * @param {string} bindgen the program that runs wasm-bindgen
 */
async function bindAndOptimise(compiled, bindgen) {
  const wasmOpt = require.resolve("binaryen/bin/wasm-opt");
  const options = MODULES.map(({ wasmFeatures }) => [
    OPTIMISATION,
    ...[...WASM_FEATURES, ...wasmFeatures].map((feature) => `--enable-${feature}`),
  ]);
  const inputs = createHash("sha256")
    .update(await readFile(bindgen))
    .update(require("binaryen/package.json").version)
    .update(JSON.stringify(options));
  for (const module of compiled) inputs.update(module);
  const digest = inputs.digest("hex");

  const stamp = path.join(pkg, "inputs.sha256");
  const bindings = BINDINGS.flatMap((name) => [`${name}.js`, `${name}.d.ts`]);
  const outputs = [...bindings, NOTICES, ...MODULES.map(({ file }) => file)];
  const isBuilt = outputs.every((name) => existsSync(path.join(pkg, name)));
  if (isBuilt && (await readFile(stamp, "utf8").catch(() => "")) === digest) {
    return console.log("pkg/ is up to date");
  }

  // A fresh folder takes the old one's place at the end, so that an interrupted build leaves no half of a package.
  const fresh = path.join(here, "pkg.new");
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh);
  const start = Date.now();
  /** @type {string[]} */
  const faces = [];
  for (const [i, { file }] of MODULES.entries()) {
    // wasm-bindgen calls a module and its binding by the name of the file that it is given.
    const bound = path.join(fresh, String(i));
    await mkdir(bound);
    const module = path.join(bound, "quickdraw_wasm.wasm");
    await writeFile(module, compiled[i] ?? "");
    await run(bindgen, [module, bound]);
    faces.push(await readFile(path.join(bound, "quickdraw_wasm.js"), "utf8"));
    const wasm = path.join(bound, "quickdraw_wasm_bg.wasm");
    await run(process.execPath, [wasmOpt, ...(options[i] ?? []), wasm, "-o", path.join(fresh, file)]);
    if (i === MODULES.length - 1) {
      for (const extension of ["js", "d.ts"]) {
        const face = await readFile(path.join(bound, `quickdraw_wasm.${extension}`));
        for (const name of BINDINGS) await writeFile(path.join(fresh, `${name}.${extension}`), face);
      }
    }
    await rm(bound, { recursive: true });
  }
  const imports = faces.map(importsOf);
  for (const [i, found] of imports.entries()) {
    const other = [...found].find(([name, text]) => imports.at(-1)?.get(name) !== text);
    if (other !== undefined)
      throw new Problem(`the last binding does not have what ${MODULES[i]?.file} imports: ${other[1]}`);
  }
  await writeFile(path.join(fresh, NOTICES), await notices());
  await writeFile(path.join(fresh, "inputs.sha256"), digest);
  await rm(pkg, { recursive: true, force: true });
  await rename(fresh, pkg);
  console.log(`wasm-opt ${OPTIMISATION}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
  for (const { file } of MODULES) console.log(`${file}: ${await sizes(path.join(pkg, file))}`);
}

/**
 * The functions that a binding gives to its module, by their names. Some are numbered, so that the same name can be another
 * function in another module.
 *
 * @param {string} face
 */
function importsOf(face) {
  const functions = face.matchAll(/^ {8}(__wb\w+): function[\s\S]*?^ {8}\}.*$/gm);
  const found = new Map([...functions].map(([text, name = ""]) => [name, text]));
  if (found.size === 0) throw new Problem("wasm-bindgen writes its imports in another form: read them anew");
  return found;
}

/** @param {string} file */
async function sizes(file) {
  const bytes = await readFile(file);
  const kilobytes = (/** @type {Uint8Array} */ data) => `${Math.round(data.length / 1000)} kB`;
  return `${kilobytes(bytes)}, gzip ${kilobytes(gzipSync(bytes))}, brotli ${kilobytes(brotliCompressSync(bytes))}`;
}

/**
 * Types come from tsc; the program itself in few files, because each file that a file imports is one more wait on the
 * road to the first guess. What entry points share is in one more file, so that there is one runtime and one error class.
 * Whatever stands alone is one file: the worker's program, everything inline, as a module and as a script, and all
 * entry points together for CommonJS.
 */
async function compileTypeScript() {
  await rm(dist, { recursive: true, force: true });
  const tsc = path.join(path.dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  await run(process.execPath, [tsc, "-p", here]);

  // Those of the variants say the same.
  for (const file of await readdir(dist)) if (VARIANT.test(file)) await rm(path.join(dist, file));

  const source = (/** @type {string} */ name) => path.join(here, "ts", `${name}.ts`);
  const modelJson = JSON.parse(await readFile(path.join(here, "model", "model.json"), "utf8"));
  /** @type {import("esbuild").BuildOptions} */
  const common = {
    bundle: true,
    inject: [source("text")],
    platform: "neutral",
    target: "es2022",
    logLevel: "warning",
    define: { SHIPPED_MODEL_JSON: JSON.stringify(JSON.stringify(modelJson)) },
  };
  const entryPoints = ENTRY_POINTS.map(source);
  await bundle({ ...common, entryPoints, outdir: dist, splitting: true, chunkNames: "shared-[hash]", format: "esm" });

  const worker = path.join(dist, "worker-thread.js");
  await bundle({
    ...common,
    entryPoints: [source("worker-thread")],
    outfile: worker,
    format: "iife",
    plugins: [variant("worker")],
  });

  const base64 = (/** @type {Uint8Array} */ bytes) => JSON.stringify(Buffer.from(bytes).toString("base64"));
  const inline = {
    ...common,
    entryPoints: [source("inline")],
    plugins: [variant("inline")],
    define: {
      ...common.define,
      INLINE_MODULE: base64(gzipSync(await readFile(path.join(pkg, "quickdraw_wasm_bg.wasm")), { level: 9 })),
      INLINE_WEIGHTS: base64(await readFile(path.join(here, "model", "weights.safetensors"))),
      INLINE_WORKER: JSON.stringify(await readFile(worker, "utf8")),
    },
  };
  await bundle({ ...inline, outfile: path.join(dist, "inline.js"), format: "esm" });
  const script = path.join(dist, "quickdraw-rnn.global.js");
  await bundle({ ...inline, outfile: script, format: "iife", globalName: GLOBAL_NAME });
  await writeFile(
    script.replace(/js$/, "d.ts"),
    `/** The script \`quickdraw-rnn.global.js\`: everything of \`quickdraw-rnn/inline\` in one global variable. */
export * from "./inline.js";
export as namespace ${GLOBAL_NAME};
`,
  );

  await bundle({
    ...common,
    entryPoints: [source("inline")],
    outfile: path.join(dist, "commonjs.cjs"),
    format: "cjs",
    plugins: [variant("commonjs")],
    external: ["node:util"],
    banner: { js: 'const moduleUrl = require("node:url").pathToFileURL(__filename).href;' },
    define: { ...common.define, "import.meta.url": "moduleUrl" },
  });
  // TypeScript takes the types of a CommonJS file from such a file, and of no other.
  for (const file of (await readdir(dist)).filter((file) => file.endsWith(".d.ts"))) {
    const types = (await readFile(path.join(dist, file), "utf8")).replaceAll(/(from "\.\/[^"]+)\.js"/g, '$1.cjs"');
    if (!/global|thread/.test(file)) await writeFile(path.join(dist, file.replace(/ts$/, "cts")), types);
  }
}

/**
 * Takes `ts/FILE.NAME.ts` instead of `ts/FILE.ts` wherever there is one.
 *
 * @param {string} name
 * @returns {import("esbuild").Plugin}
 */
function variant(name) {
  return {
    name: `variant ${name}`,
    setup({ onResolve }) {
      onResolve({ filter: /^\.\/[a-z-]+\.js$/ }, ({ path: file, resolveDir }) => {
        const other = path.join(resolveDir, file.replace(/js$/, `${name}.ts`));
        return existsSync(other) ? { path: other } : undefined;
      });
    },
  };
}

await runMain(build);
