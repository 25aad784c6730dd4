// Rust and TypeScript in, the files of the npm package out: pkg/ (the module and its binding) and dist/ (the package's
// face). What has not changed is not built again.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
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

/** The modules that package.json exports. */
const ENTRY_POINTS = ["index", "worker", "worker-thread", "formats", "custom-classes"];

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

/** -Oz takes seven times as long and -O3 ten times; both come out larger once they are compressed. */
const OPTIMISATION = "-O2";

/** What the authors of the crates in the module ask to travel with it. */
const NOTICES = "THIRD-PARTY-LICENSES.txt";

async function build() {
  checkNode();
  await checkRust();
  const compiled = await cargoBuild(["-p", "quickdraw-wasm", "--profile", "wasm", "--target", WASM_TARGET]);
  const bindgen = await cargoBuild(["-p", "quickdraw-bindgen", "--profile", "bindgen"]);
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
    .map((message) => message.executable ?? message.filenames.find((/** @type {string} */ name) => name.endsWith(".wasm")))
    .filter(Boolean);
  const artifact = artifacts.at(-1);
  if (artifact === undefined) throw new Problem(`cargo build ${args.join(" ")} made no program`);
  return artifact;
}

/**
 * Gives the module its JavaScript face and makes it small and fast.
 *
 * @param {string} compiled the module as rustc wrote it
 * @param {string} bindgen the program that runs wasm-bindgen
 */
async function bindAndOptimise(compiled, bindgen) {
  const wasmOpt = require.resolve("binaryen/bin/wasm-opt");
  const options = [OPTIMISATION, ...WASM_FEATURES.map((feature) => `--enable-${feature}`)];
  const inputs = createHash("sha256")
    .update(await readFile(compiled))
    .update(await readFile(bindgen))
    .update(require("binaryen/package.json").version)
    .update(options.join(" "))
    .digest("hex");

  const stamp = path.join(pkg, "inputs.sha256");
  const outputs = ["quickdraw_wasm.js", "quickdraw_wasm.d.ts", "quickdraw_wasm_bg.wasm", NOTICES];
  const isBuilt = outputs.every((name) => existsSync(path.join(pkg, name)));
  if (isBuilt && (await readFile(stamp, "utf8").catch(() => "")) === inputs) {
    return console.log("pkg/ is up to date");
  }

  // A fresh folder takes the old one's place at the end, so that an interrupted build leaves no half of a package.
  const fresh = path.join(here, "pkg.new");
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh);
  await run(bindgen, [compiled, fresh]);
  const module = path.join(fresh, "quickdraw_wasm_bg.wasm");
  const start = Date.now();
  await run(process.execPath, [wasmOpt, ...options, module, "-o", module]);
  await writeFile(path.join(fresh, NOTICES), await notices());
  await writeFile(path.join(fresh, "inputs.sha256"), inputs);
  await rm(pkg, { recursive: true, force: true });
  await rename(fresh, pkg);
  console.log(`wasm-opt ${OPTIMISATION}: ${((Date.now() - start) / 1000).toFixed(1)} s, ${await sizes()}`);
}

async function sizes() {
  const bytes = await readFile(path.join(pkg, "quickdraw_wasm_bg.wasm"));
  const kilobytes = (/** @type {Uint8Array} */ data) => `${Math.round(data.length / 1000)} kB`;
  return `${kilobytes(bytes)}, gzip ${kilobytes(gzipSync(bytes))}, brotli ${kilobytes(brotliCompressSync(bytes))}`;
}

/**
 * Types come from tsc; the program itself in few files, because each file that a file imports is one more wait on the
 * road to the first guess. What entry points share is in one more file, so that there is one runtime and one error class.
 */
async function compileTypeScript() {
  await rm(dist, { recursive: true, force: true });
  const tsc = path.join(path.dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  await run(process.execPath, [tsc, "-p", here]);
  await bundle({
    entryPoints: ENTRY_POINTS.map((name) => path.join(here, "ts", `${name}.ts`)),
    outdir: dist,
    bundle: true,
    inject: [path.join(here, "ts", "text.ts")],
    splitting: true,
    chunkNames: "shared-[hash]",
    format: "esm",
    platform: "neutral",
    target: "es2022",
    logLevel: "warning",
  });
}

await runMain(build);
