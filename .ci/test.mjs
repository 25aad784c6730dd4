// `npm test`: every check of the repository, one after the other. The first that fails ends the run.
//
// `npm test -- page` runs the checks whose name contains a word; what they need must have been built before.

import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { lastOutput, npm, onPath, root, run, runMain, Problem } from "./command.mjs";
import { checkDependencies } from "./dependencies.mjs";
import { addTarget, checkNode, checkRust, installNpmDependencies, WASI_TARGET, WASM_TARGET } from "./tools.mjs";
import { findChromium } from "./chromium.mjs";
import { ADVICE, isInstalled } from "./engines.mjs";

const native = ["quickdraw-core", "native-train", "quickdraw-bindgen"].flatMap((name) => ["-p", name]);
const tested = ["-p", "quickdraw-core", "-p", "native-train"];
// A workspace of its own; without its default features it needs no compiler of C++.
const fuzzing = ["--manifest-path", "core/fuzz/Cargo.toml", "--target-dir", "target/fuzz", "--no-default-features"];
const denyWarnings = ["--", "-D", "warnings"];

/**
 * What makes cargo run tests by a program.
 *
 * @param {string} target a triple, or a `cfg` in quotes
 * @param {string[]} program
 */
const runBy = (target, program) => ["--config", `target.${target}.runner=${JSON.stringify(program)}`];

/** Whether there is a driver for Vulkan, where its loader looks for one on Linux. */
const hasVulkan = () =>
  ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].some(
    (folder) => existsSync(folder) && readdirSync(folder).length > 0,
  );

/** @typedef {{ name: string, check: () => Promise<unknown>, skip?: () => string | undefined }} Step `skip`: why not */

/**
 * The tests of a workspace in an engine beside Chromium.
 *
 * @param {import("./engines.mjs").EngineName} engine
 * @param {string} title
 * @param {string} workspace
 * @returns {Step}
 */
const engineStep = (engine, title, workspace) => ({
  name: title,
  skip: () => (isInstalled(engine) ? undefined : ADVICE[engine]),
  check: () => npm(["run", "test:engine", "--workspace", workspace], { env: { ...process.env, ENGINE: engine } }),
});

/** @type {Step[]} */
const steps = [
  {
    name: "documents",
    check: async () => {
      await run(process.execPath, ["--test", "--test-reporter=spec", ".ci/documents.test.mjs"]);
      await run(process.execPath, [".ci/documents.mjs"]);
      await run(process.execPath, [".ci/figures.mjs", "--check"]);
    },
  },
  {
    name: "import circles",
    check: async () => {
      await run(process.execPath, ["--test", "--test-reporter=spec", ".ci/import-circles.test.mjs"]);
      await run(process.execPath, [".ci/import-circles.mjs"]);
    },
  },
  { name: "dependencies", check: checkDependencies },
  { name: "lint of TypeScript, JavaScript and Markdown", check: () => npm(["run", "lint"]) },
  {
    name: "formatting",
    async check() {
      await run("cargo", ["fmt", "--all", "--check"]);
      await npm(["run", "format:check"]);
    },
  },
  {
    name: "clippy, native",
    check: () => run("cargo", ["clippy", "--locked", ...native, "--all-targets", ...denyWarnings]),
  },
  {
    name: "clippy, wasm32",
    check: async () => {
      const wasm = ["clippy", "--locked", "-p", "quickdraw-wasm", "--target", WASM_TARGET];
      await run("cargo", [...wasm, ...denyWarnings]);
      await run("cargo", [...wasm, "--no-default-features", "--features", "relaxed-simd", ...denyWarnings]);
    },
  },
  {
    name: "clippy, fuzzing",
    check: () => run("cargo", ["clippy", "--locked", ...fuzzing, ...denyWarnings]),
  },
  {
    name: "Rust tests",
    check: () => run("cargo", ["test", "--locked", ...tested]),
  },
  {
    // The kernels hand out memory before they write it: a value that is read too early ends this.
    name: "memory of the operations, by Valgrind",
    skip: () => (onPath("valgrind") === undefined ? "Valgrind is not installed" : undefined),
    check: () => {
      const runner = runBy("'cfg(all())'", ["valgrind", "--quiet", "--error-exitcode=9"]);
      return run("cargo", [...runner, "test", "--locked", ...tested, "--test", "ops"]);
    },
  },
  {
    name: "kernels for GPUs, by Vulkan",
    skip: () => (hasVulkan() ? undefined : "no driver for Vulkan is installed (Debian: mesa-vulkan-drivers)"),
    check: () => {
      const gpu = ["--profile", "gpu-test", "-p", "quickdraw-core", "--features", "wgpu", "--test", "ops_gpu"];
      // Mesa's software driver asks for it, and needs nothing there.
      const env = { XDG_RUNTIME_DIR: tmpdir(), ...process.env };
      return run("cargo", ["test", "--locked", ...gpu], { env });
    },
  },
  { name: "Rust tests in WebAssembly", check: testInWebAssembly },
  {
    name: "command reference",
    // The Rust tests have built the program.
    check: () => run(process.execPath, [".ci/commands.mjs", "--check"]),
  },
  {
    name: "recipe in miniature",
    check: async () => {
      // The program that the Rust tests run: built for this step alone, it would be compiled once more.
      const program = path.join(root, "target", "debug", "native-train");
      if (!existsSync(program)) throw new Problem(`${program} is missing: the Rust tests build it`);
      const out = mkdtempSync(path.join(tmpdir(), "recipe-"));
      await run("bash", ["recipes/two-branches.sh", "--smoke", out], {
        env: { ...process.env, NATIVE_TRAIN: program },
      });
      const data = ["--data", path.join(out, "validation.ndjson.gz")];
      const found = await run(program, ["eval", "--json", "--model", path.join(out, "model"), ...data], {
        capture: true,
      });
      const { top1 } = JSON.parse(found);
      console.log(`top-1 accuracy of the model in miniature: ${(100 * top1).toFixed(1)} %`);
      if (top1 < 0.5) throw new Problem("the model in miniature recognises less than half of the drawings");
      rmSync(out, { recursive: true });
    },
  },
  { name: "package build", check: () => npm(["run", "build", "--workspace", "wasm"]) },
  { name: "package types", check: () => npm(["run", "typecheck", "--workspace", "wasm"]) },
  { name: "package tests in Node", check: () => npm(["test", "--workspace", "wasm"]) },
  {
    name: "package tests in Chromium",
    check: async () => {
      const env = { ...process.env, CHROME_PATH: await findChromium() };
      await npm(["run", "test:browser", "--workspace", "wasm"], { env });
    },
  },
  engineStep("firefox", "package tests in Firefox", "wasm"),
  engineStep("webkit", "package tests in WebKit", "wasm"),
  { name: "page types", check: () => npm(["run", "typecheck", "--workspace", "www"]) },
  { name: "page build", check: () => npm(["run", "build", "--workspace", "www"]) },
  {
    name: "page tests in Chromium",
    check: async () => {
      const env = { ...process.env, CHROME_PATH: await findChromium() };
      // The page was checked and built above: without its scripts, npm does not do so again before the tests.
      await npm(["test", "--workspace", "www", "--ignore-scripts"], { env });
    },
  },
  engineStep("firefox", "page tests in Firefox", "www"),
  engineStep("webkit", "page tests in WebKit", "www"),
];

const words = process.argv.slice(2);
const selected = steps.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));

await runMain(async () => {
  if (selected.length === 0) {
    throw new Problem(`no check is called so; there are:\n${steps.map(({ name }) => `  ${name}`).join("\n")}`);
  }
  /** @type {string[]} */
  const summary = [];
  /** @type {Step[]} */
  const all = [{ name: "tools and npm dependencies", check: prepare }, ...selected];
  for (const [index, { name, check, skip }] of all.entries()) {
    console.log(`\n=== ${index + 1}/${all.length} ${name}`);
    const reason = skip?.();
    if (reason !== undefined) {
      console.log(`skipped: ${reason}`);
      summary.push(`skip            ${name}: ${reason}`);
      continue;
    }
    const start = Date.now();
    const line = (/** @type {string} */ result) => `${result}  ${duration(Date.now() - start).padStart(8)}  ${name}`;
    try {
      await check();
    } catch (error) {
      const failed = line("FAIL");
      const end = lastOutput(40);
      console.error(`\n${[...summary, failed].join("\n")}`);
      // Where only the end of a log is seen, it says what failed.
      if (end !== "") console.error(`\nthe end of its output:\n${end}`);
      throw error instanceof Problem ? new Problem(`${name}: ${error.message}`) : error;
    }
    summary.push(line("ok  "));
  }
  console.log(`\n${summary.join("\n")}\n${passed(all.length, summary)}`);
});

/** The unit tests of core on the vector instructions of WebAssembly, without and with the relaxed dot product. */
async function testInWebAssembly() {
  try {
    await addTarget(WASI_TARGET);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return console.log(`note: not run, because Rust's target ${WASI_TARGET} cannot be had here: ${error.message}`);
  }
  // Node 20 has relaxed SIMD behind a flag.
  const flags = Number.parseInt(process.versions.node, 10) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];
  const runner = runBy(WASI_TARGET, [process.execPath, "--no-warnings", ...flags, path.join(root, ".ci", "wasi.mjs")]);
  for (const features of [[], ["--features", "relaxed-simd"]]) {
    await run("cargo", [
      ...runner,
      "test",
      "--locked",
      "-p",
      "quickdraw-core",
      "--lib",
      "--target",
      WASI_TARGET,
      ...features,
    ]);
  }
}

async function prepare() {
  checkNode();
  await checkRust();
  await installNpmDependencies();
}

/** @param {number} nSteps @param {string[]} summary a line for each */
function passed(nSteps, summary) {
  const nSkipped = summary.filter((line) => line.startsWith("skip")).length;
  return nSkipped === 0
    ? `All ${nSteps} steps passed.`
    : `${nSteps - nSkipped} of ${nSteps} steps passed, ${nSkipped} were skipped.`;
}

/** @param {number} milliseconds */
function duration(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}
