// `npm run bench --workspace wasm`: the package beside other run times in headless Chromium, one thread each, in turns.
//
// `-- --json` gives one object instead of tables. `-- --help` names the other options.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

import { chromiumFlags, findChromium } from "../../.ci/chromium.mjs";
import { npm, Problem, runMain } from "../../.ci/command.mjs";
import { exportOnnx, quantizeOnnx, writeDoodleNet, writeTutorial } from "./networks.mjs";
import { serve } from "./server.mjs";
import { median, ratiosOf, table } from "./table.mjs";

const here = import.meta.dirname;
const packageFolder = path.dirname(here);
const build = path.join(here, "build");
const peers = path.join(here, "node_modules");

const SIZES = [45, 120];
/** Milliseconds of a contender's turn, for each size. */
const TURN_MS = 40;
/** Visits before later ones are timed, and the milliseconds that each leaves the browser to write its caches. */
const WARMING_VISITS = 3;
const SETTLE_MS = 1500;

/**
 * Sizes that are being found, by where they are kept.
 *
 * @type {Map<string, Promise<number>>}
 */
const compressed = new Map();

const usage = `npm run bench --workspace wasm -- [OPTIONS]

  --json               one object on standard output instead of tables
  --rounds N           turns of each contender [default: 20]
  --starts N           fresh pages, and as many later visits, for the time to the first prediction
                       [default: 5]
  --only WORD          contenders whose name contains the word
  --native-train PATH  a built native-train, which writes ONNX; without it cargo builds one
  --python PATH        a Python with onnxruntime and onnx, for onnxruntime-web int8 [default: python3, if it has them]
  --help`;

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {"fast" | "tutorial" | "DoodleNet"} network
 * @property {"int8" | "f32"} arithmetic
 * @property {string} module in page/contenders
 * @property {object} options what the module is loaded with
 *
 * @typedef {object} Row what was measured of a contender
 * @property {string} name
 * @property {string} network
 * @property {number} min_ms_45
 * @property {number} median_ms_45
 * @property {number} min_ms_120
 * @property {number} median_ms_120
 * @property {number} first_ms from asking for the code, in a fresh page, to the first prediction
 * @property {number} again_ms the same on a later visit, in a browser that has cached what it may
 * @property {number} code_brotli_bytes
 * @property {number} weights_bytes
 * @property {number} memory_bytes of WebAssembly, after 100 predictions
 */

await runMain(async () => {
  const { values: flags } = parseFlags();
  if (flags.help) return console.log(usage);
  const [rounds, starts] = [wholeNumber("rounds", flags.rounds), wholeNumber("starts", flags.starts)];
  for (const file of ["dist/index.js", "pkg/quickdraw_wasm_bg.wasm"]) {
    if (existsSync(path.join(packageFolder, file))) continue;
    throw new Problem(`wasm/${file} does not exist: run \`npm run build --workspace wasm\` first`);
  }
  await installPeers();
  const all = await contenders(flags["native-train"], flags.python);
  const chosen = all.filter(({ name }) => name.includes(flags.only));
  if (chosen.length === 0) throw new Problem(`--only: there are ${all.map(({ name }) => name).join("; ")}`);

  const server = await serve({
    bench: path.join(here, "page"),
    package: packageFolder,
    peers,
    models: build,
  });
  // Pages that nobody looks at are otherwise given less of the processor.
  const noBackground = ["--disable-renderer-backgrounding", "--disable-background-timer-throttling"];
  const options = { executablePath: await findChromium(), args: [...chromiumFlags, ...noBackground] };
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch(options);
  try {
    const results = await measure(browser, options, server, chosen, { rounds, starts });
    const rows = results.map(({ row }) => row);
    const ratios = ratiosOf(results);
    const machine = { cpu: os.cpus()[0]?.model.trim() ?? "unknown", browser: `Chromium ${browser.version()}` };
    const date = new Date().toISOString().slice(0, 10);
    if (flags.json) console.log(JSON.stringify({ date, machine, rounds, rows, ratios }, undefined, 2));
    else console.log(`${machine.cpu}, ${machine.browser}, ${date}\n\n${table(rows, ratios)}`);
  } finally {
    await browser.close();
    server.close();
  }
});

function parseFlags() {
  try {
    return parseArgs({
      options: {
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        rounds: { type: "string", default: "20" },
        starts: { type: "string", default: "5" },
        only: { type: "string", default: "" },
        "native-train": { type: "string" },
        python: { type: "string" },
      },
    });
  } catch (error) {
    throw new Problem(`${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

/**
 * @param {string} name
 * @param {string} text
 */
function wholeNumber(name, text) {
  if (!/^[1-9]\d*$/.test(text)) throw new Problem(`--${name}: found ${text}, expected an integer from 1`);
  return Number(text);
}

/** Installs what the package is compared with, as the lock file of this folder says. */
async function installPeers() {
  const isInstalled = async () => {
    const marker = path.join(peers, ".package-lock.json");
    if (!existsSync(marker)) return false;
    return (await stat(marker)).mtimeMs >= (await stat(path.join(here, "package-lock.json"))).mtimeMs;
  };
  if (await isInstalled()) return;
  console.error("installing onnxruntime-web and TensorFlow.js");
  // npm tells its scripts which package it runs them for; this is another one.
  const others = Object.entries(process.env).filter(([name]) => !/^npm_config_(workspace|local_prefix)/i.test(name));
  try {
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    await npm(args, { cwd: here, env: Object.fromEntries(others), capture: true });
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    throw new Problem(`the peers could not be installed, which needs a network once: ${why}`);
  }
}

/**
 * Everything that is compared, with its files in place.
 *
 * @param {string | undefined} nativeTrain
 * @param {string | undefined} python
 * @returns {Promise<Contender[]>}
 */
async function contenders(nativeTrain, python) {
  const shipped = path.join(packageFolder, "model");
  const { labels } = JSON.parse(await readFile(path.join(shipped, "model.json"), "utf8"));
  const tutorial = path.join(build, "tutorial");
  await writeTutorial(tutorial, labels);
  await writeDoodleNet(path.join(build, "doodlenet.bin"));

  /** @type {Contender[]} */
  const found = [];
  for (const network of /** @type {const} */ (["fast", "tutorial"])) {
    const isShipped = network === "fast";
    const name = (/** @type {string} */ engine) => (isShipped ? engine : `${engine}, tutorial network`);
    const model = isShipped ? "/package/model/" : "/models/tutorial/";
    const onnx = await exportOnnx({ model: isShipped ? shipped : tutorial, build, nativeTrain });
    const onnxInt8 = await quantizeOnnx(onnx, python);
    const address = (/** @type {string} */ file) => `/models/${path.relative(build, file).replaceAll("\\", "/")}`;
    const ours = isShipped ? {} : { model };
    found.push(
      { name: name("quickdraw-rnn"), network, arithmetic: "int8", module: "quickdraw-rnn", options: ours },
      {
        name: name("quickdraw-rnn f32"),
        network,
        arithmetic: "f32",
        module: "quickdraw-rnn",
        options: { ...ours, arithmetic: "f32" },
      },
    );
    const card = `${model}model.json`;
    const onnxruntime = { network, module: "onnxruntime-web" };
    if (onnxInt8 !== undefined) {
      const options = { card, onnx: address(onnxInt8) };
      found.push({ name: name("onnxruntime-web int8"), arithmetic: "int8", ...onnxruntime, options });
    }
    const options = { card, onnx: address(onnx) };
    found.push(
      { name: name("onnxruntime-web f32"), arithmetic: "f32", ...onnxruntime, options },
      { name: name("TensorFlow.js wasm"), network, arithmetic: "f32", module: "tensorflow", options: { model } },
    );
  }
  for (const renders of [false, true]) {
    found.push({
      name: renders ? "DoodleNet (TensorFlow.js wasm), drawing included" : "DoodleNet (TensorFlow.js wasm)",
      network: "DoodleNet",
      arithmetic: "f32",
      module: "doodlenet",
      options: { card: "/package/model/model.json", weights: "/models/doodlenet.bin", renders },
    });
  }
  return found;
}

/**
 * @typedef {import("playwright-core").Page} Page
 * @typedef {import("./page/page.mjs").Prediction} Prediction
 * @typedef {{ contender: Contender, row: Row, turns: Record<number, number[]> }} Result `turns`: the median of each turn
 */

/**
 * @param {import("playwright-core").Browser} browser
 * @param {import("playwright-core").LaunchOptions} options what the browser was launched with
 * @param {Awaited<ReturnType<typeof serve>>} server
 * @param {Contender[]} contenders
 * @param {{ rounds: number, starts: number }} counts
 * @returns {Promise<Result[]>}
 */
async function measure(browser, options, server, contenders, { rounds, starts }) {
  const competitors = [];
  for (const contender of contenders) {
    console.error(`loading ${contender.name}`);
    server.takeServed();
    const { page } = await open(await browser.newContext(), server.origin, contender);
    const files = server.takeServed();
    /** @type {Prediction[][]} */
    const predictions = await call(page, "predictions");
    // This warms up as well.
    const memoryBytes = /** @type {number} */ (await call(page, "memory"));
    /** @type {Record<number, number[][]>} */
    const times = { 45: [], 120: [] };
    competitors.push({
      contender,
      page,
      files,
      predictions,
      memoryBytes,
      times,
      firsts: /** @type {number[]} */ ([]),
      again: /** @type {number[]} */ ([]),
    });
  }
  compare(competitors);
  const sizes = await Promise.all(competitors.map(({ files }) => sizesOf(files)));

  for (let start = 0; start < starts; start++) {
    console.error(`fresh pages, ${start + 1} of ${starts}`);
    for (const { contender, firsts } of competitors) {
      const { page, first } = await open(await browser.newContext(), server.origin, contender);
      firsts.push(first);
      await page.context().close();
    }
  }
  for (const { contender, again } of competitors) {
    console.error(`later visits, ${contender.name}`);
    again.push(...(await laterVisits(options, server.origin, contender, starts)));
  }
  for (let round = 0; round < rounds; round++) {
    if (round % 5 === 0) console.error(`round ${round + 1} of ${rounds}`);
    // Each begins once, so that none always follows the same.
    const at = round % competitors.length;
    for (const { page, times } of [...competitors.slice(at), ...competitors.slice(0, at)]) {
      for (const size of SIZES) times[size]?.push(await call(page, "round", size, TURN_MS));
    }
  }

  return competitors.map(({ contender, times, firsts, again, memoryBytes }, i) => {
    const of = (/** @type {number} */ size) => (times[size] ?? []).flat();
    const { codeBrotliBytes, weightsBytes } = /** @type {NonNullable<typeof sizes[0]>} */ (sizes[i]);
    const row = {
      name: contender.name,
      network: contender.network,
      min_ms_45: rounded(Math.min(...of(45))),
      median_ms_45: rounded(median(of(45))),
      min_ms_120: rounded(Math.min(...of(120))),
      median_ms_120: rounded(median(of(120))),
      first_ms: rounded(Math.min(...firsts)),
      again_ms: rounded(Math.min(...again)),
      code_brotli_bytes: codeBrotliBytes,
      weights_bytes: weightsBytes,
      memory_bytes: memoryBytes,
    };
    const turns = Object.fromEntries(SIZES.map((size) => [size, (times[size] ?? []).map(median)]));
    return { contender, row, turns };
  });
}

/** @param {number} milliseconds */
function rounded(milliseconds) {
  return Number(milliseconds.toFixed(3));
}

/**
 * Times of later visits to a page, in a browser that keeps its caches on disk, as people's do: files of the package, its
 * compiled code. What an engine keeps of compiled WebAssembly it keeps once the code has run for a while.
 *
 * @param {import("playwright-core").LaunchOptions} options
 * @param {string} origin
 * @param {Contender} contender
 * @param {number} n
 */
async function laterVisits(options, origin, contender, n) {
  const profile = await mkdtemp(path.join(os.tmpdir(), "quickdraw-bench-"));
  const { chromium } = await import("playwright-core");
  const context = await chromium.launchPersistentContext(profile, options);
  try {
    for (let visit = 0; visit < WARMING_VISITS; visit++) {
      const { page } = await open(context, origin, contender);
      await call(page, "memory");
      await page.waitForTimeout(SETTLE_MS);
      await page.close();
    }
    const times = [];
    for (let visit = 0; visit < n; visit++) {
      const { page, first } = await open(context, origin, contender);
      times.push(first);
      await page.close();
    }
    return times;
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/**
 * A new page in which a contender has made its first prediction; in a new context nothing is cached.
 *
 * @param {import("playwright-core").BrowserContext} context
 * @param {string} origin
 * @param {Contender} contender
 * @returns {Promise<{ page: Page, first: number }>} `first`: milliseconds to that prediction
 */
async function open(context, origin, { name, module, options }) {
  const page = await context.newPage();
  const broken = new Promise((_, reject) => page.once("pageerror", reject));
  const hash = encodeURIComponent(JSON.stringify({ contender: module, options }));
  try {
    await page.goto(`${origin}/bench/index.html#${hash}`);
    await Promise.race([page.waitForFunction("globalThis.bench !== undefined"), broken]);
    return { page, first: await page.evaluate("bench.first") };
  } catch (error) {
    throw new Problem(`${name}: ${error instanceof Error ? error.message : error}`);
  } finally {
    broken.catch(() => {});
  }
}

/**
 * Calls one of the functions that page/page.mjs offers.
 *
 * @param {Page} page
 * @param {"round" | "predictions" | "memory"} name
 * @param {...number} args
 * @returns {Promise<any>}
 */
function call(page, name, ...args) {
  return page.evaluate(`bench.${name}(${args.join()})`);
}

/**
 * Makes sure that run times which are given the same network compute the same: in float32 the same probabilities.
 *
 * @param {{ contender: Contender, predictions: Prediction[][] }[]} competitors
 */
function compare(competitors) {
  for (const network of ["fast", "tutorial"]) {
    const same = competitors.filter(({ contender }) => contender.network === network);
    const reference = same.find(({ contender }) => contender.arithmetic === "f32");
    if (reference === undefined) continue;
    for (const { contender, predictions } of same) {
      if (contender === reference.contender) continue;
      let [difference, sameFirst] = [0, 0];
      for (const [i, [first]] of predictions.entries()) {
        const [expected] = reference.predictions[i] ?? [];
        if (first === undefined || expected === undefined) throw new Problem(`${contender.name}: no prediction`);
        difference = Math.max(difference, Math.abs(first.probability - expected.probability));
        if (first.label === expected.label) sameFirst++;
      }
      const n = predictions.length;
      const finding =
        `${contender.name}: the top-1 prediction of ${reference.contender.name} for ${sameFirst} of ${n} drawings, ` +
        `probabilities differ by at most ${difference.toExponential(1)}`;
      console.error(finding);
      if (contender.arithmetic === "f32" && !(sameFirst === n && difference < 1e-3)) throw new Problem(finding);
    }
  }
}

/**
 * What a page was given, without the bench's own files.
 *
 * @param {string[]} files
 */
async function sizesOf(files) {
  let [codeBrotliBytes, weightsBytes] = [0, 0];
  for (const file of files) {
    const isIn = (/** @type {string} */ folder) => file.startsWith(folder + path.sep);
    if (isIn(path.join(here, "page"))) continue;
    if (isIn(build) || isIn(path.join(packageFolder, "model"))) weightsBytes += (await stat(file)).size;
    else codeBrotliBytes += await brotliBytes(file);
  }
  return { codeBrotliBytes, weightsBytes };
}

/**
 * The size of a file as a web server sends it, compressed as well as can be. That takes half a minute for the largest and
 * is kept.
 *
 * @param {string} file
 */
async function brotliBytes(file) {
  const bytes = await readFile(file);
  const kept = path.join(build, "brotli", createHash("sha256").update(bytes).digest("hex"));
  const compress = async () => {
    if (existsSync(kept)) return Number(await readFile(kept, "utf8"));
    console.error(`compressing ${path.basename(file)}`);
    const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    const { length } = await promisify(brotliCompress)(bytes, { params });
    await mkdir(path.dirname(kept), { recursive: true });
    await writeFile(kept, String(length));
    return length;
  };
  const known = compressed.get(kept) ?? compress();
  compressed.set(kept, known);
  return known;
}
