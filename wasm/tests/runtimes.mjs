// `npm run runtimes --workspace wasm`: the packed package in Node 20 to 26, Bun and Deno, and a table of what works where.
//
// The runtimes come from npm, into target/runtimes; each does in a folder of its own what the README says. It ends with 1
// where something fails.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

import { npm, root, runMain } from "../../.ci/command.mjs";
import { wander } from "../bench/page/drawings.mjs";
import { random } from "../bench/page/random.mjs";
import { installPacked } from "./packed.mjs";

const NODES = [20, 22, 24, 26];

/** Where npm has the programs themselves: the packages `node`, `bun` and `deno` fetch them in scripts, which npm may not run. */
function packages() {
  const { platform, arch } = process;
  const bun = `@oven/bun-${platform}-${arch === "arm64" ? "aarch64" : arch}`;
  return {
    ...Object.fromEntries(NODES.map((major) => [`node-${major}`, `npm:node-${platform}-${arch}@${major}`])),
    bun: `npm:${bun}`,
    deno: `npm:@deno/${platform}-${arch}${platform === "linux" ? "-glibc" : ""}`,
  };
}

/** Installs the runtimes; gives for each how a program is run. */
async function install() {
  const folder = path.join(root, "target", "runtimes");
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ private: true, dependencies: packages() }));
  await npm(["install", "--no-audit", "--no-fund", "--no-package-lock"], { cwd: folder });
  const program = (...names) =>
    names.map((name) => path.join(folder, "node_modules", name)).find((file) => existsSync(file));
  return [
    ...NODES.map((major) => ({ name: "Node", command: [program(`node-${major}/bin/node`)] })),
    { name: "Bun", command: [program("bun/bin/bun"), "run"] },
    // What the package reads are its own files.
    { name: "Deno", command: [program("deno/deno"), "run", "--allow-read", "--no-prompt"] },
  ];
}

/** Drawings of 1 to 200 points. */
const next = random(7);
const drawings = Array.from({ length: 20 }, (_, i) => wander(1 + ((i * 37) % 200), next));

/** Prints what a runtime finds: the probabilities of `Classifier`, and those of both int8 modules in workers. */
const program = `
  import { readFileSync } from "node:fs";
  import { createRequire } from "node:module";
  import { fileURLToPath } from "node:url";
  import { Classifier } from "quickdraw-rnn";
  import { createWorkerClassifier } from "quickdraw-rnn/worker";

  const drawings = JSON.parse(readFileSync(new URL("drawings.json", import.meta.url), "utf8"));
  const options = { isSimplified: true };
  const attempt = async (run) => {
    try {
      return await run();
    } catch (error) {
      return { error: String(error), code: error.code };
    }
  };
  const there = (wasm) =>
    attempt(async () => {
      const classifier = await createWorkerClassifier({ wasm });
      const found = [];
      for (const drawing of drawings) found.push([...(await classifier.probabilities(drawing, options))]);
      classifier.dispose();
      return found;
    });
  const module = (name) => fileURLToPath(new URL(\`node_modules/quickdraw-rnn/pkg/\${name}_bg.wasm\`, import.meta.url));
  const found = {
    version: globalThis.Deno?.version.deno ?? globalThis.Bun?.version ?? process.versions.node,
    here: await attempt(async () => {
      const classifier = await Classifier.load();
      return drawings.map((drawing) => [...classifier.probabilities(drawing, options)]);
    }),
    required: await attempt(async () => {
      const { Classifier } = createRequire(import.meta.url)("quickdraw-rnn");
      return (await Classifier.load()).labels.length;
    }),
    there: await there(),
    base: await there(module("quickdraw_wasm")),
    relaxed: await there(module("quickdraw_wasm_relaxed")),
  };
  console.log(JSON.stringify(found));`;

async function runIn({ command: [file, ...args] }, folder) {
  const { stdout } = await promisify(execFile)(file, [...args, "program.mjs"], {
    cwd: folder,
    timeout: 120_000,
    maxBuffer: 1 << 26,
  });
  return JSON.parse(stdout);
}

/** A line of the table. What is missing or wrong is said in its cell, and in `problems`. */
function line(name, found, expected, problems) {
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const cell = (what, isRight, error) => {
    if (isRight) return "yes";
    problems.push(`${name} ${found.version}: ${what}: ${error ?? "other numbers than in this Node"}`);
    return "no";
  };
  // The base module's arithmetic is exact: its numbers are the same everywhere.
  const isBase = same(found.here, expected);
  const isRelaxed = !isBase && same(found.here, found.relaxed);
  return [
    `${name} ${found.version}`,
    cell("load and classify", isBase || isRelaxed, found.here.error),
    cell("require", found.required === 345, found.required.error),
    cell("worker", same(found.there, found.here) && same(found.base, expected), found.there.error ?? found.base.error),
    isBase ? "base" : isRelaxed ? "relaxed" : "",
  ];
}

await runMain(async () => {
  const runtimes = await install();
  const { folder } = await installPacked();
  await writeFile(
    path.join(folder, "package.json"),
    JSON.stringify({ type: "module", dependencies: { "quickdraw-rnn": "*" } }),
  );
  await writeFile(path.join(folder, "drawings.json"), JSON.stringify(drawings));
  await writeFile(path.join(folder, "program.mjs"), program);

  const expected = (await runIn({ command: [process.execPath] }, folder)).base;
  const problems = [];
  const rows = [];
  for (const { name, command } of runtimes) rows.push(line(name, await runIn({ command }, folder), expected, problems));
  await rm(folder, { recursive: true });

  const heads = ["runtime", "load, classify", "`require`", "worker", "int8 module"];
  console.log([heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n"));
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
});
