// Each example as its reader would have it: the packed package and the tool from npm in a new folder, built, and run
// in headless Chromium, Node or the tool's own runtime, where it must recognise a square.
//
// `npm run test:tools --workspace wasm` runs all and downloads some gigabytes; `-- next bun` those with these names;
// `-- --quick` those that need nothing from npm. The package must have been built.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { chromiumFlags, findChromium } from "../../.ci/chromium.mjs";
import { npm } from "../../.ci/command.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

/**
 * @typedef {object} Example
 * @property {string[]} [folders] those that are laid over each other; by default the one with the example's name
 * @property {string[]} [tools] the packages whose versions count
 * @property {number} [node] the oldest Node that the tools run in; npm brings one where this one is older
 * @property {string} [page] the folder to open in a browser once it is built
 * @property {boolean} [isServer] `npm start` is a server on the port `PORT`
 * @property {boolean} [isDrawn] the page waits for somebody who draws; others have their own square
 * @property {string} [shows] the text that the page's `output` gets: what was recognised
 */

const FOUR = "square, square, square, square";
const THREE = "square, square, square";
const TWO = "square, square";
const drawn = { isDrawn: true, shows: "square" };

/** @type {Record<string, Example>} */
const examples = {
  // Without a tool.
  vanilla: { page: ".", ...drawn },
  whiteboard: { page: ".", ...drawn },
  node: {},
  p5: { tools: ["p5"], page: ".", ...drawn },
  // Libraries, with Vite.
  react: { tools: ["react", "vite"], page: "dist", ...drawn },
  vue: { tools: ["vue", "vite"], page: "dist", ...drawn },
  svelte: { tools: ["svelte", "vite"], page: "dist", ...drawn },
  // Bundlers.
  webpack: { folders: ["tools/program", "tools/webpack"], tools: ["webpack"], page: "dist", shows: TWO },
  rspack: { folders: ["tools/program", "tools/rspack"], tools: ["@rspack/core"], page: "dist", shows: TWO },
  rollup: { folders: ["tools/program", "tools/rollup"], tools: ["rollup"], page: "dist", shows: TWO },
  parcel: { folders: ["tools/program", "tools/parcel"], tools: ["parcel"], page: "dist", shows: TWO },
  esbuild: {
    folders: ["tools/program", "tools/inline", "tools/esbuild"],
    tools: ["esbuild"],
    page: "dist",
    shows: TWO,
  },
  bun: { folders: ["tools/program", "tools/inline", "tools/bun"], tools: ["bun"], page: "dist", shows: TWO },
  // Frameworks; the first names are what the server found.
  next: { folders: ["tools/next"], tools: ["next"], isServer: true, shows: FOUR },
  nuxt: { folders: ["tools/nuxt"], tools: ["nuxt"], isServer: true, shows: THREE },
  sveltekit: { folders: ["tools/sveltekit"], tools: ["@sveltejs/kit", "vite"], isServer: true, shows: FOUR },
  astro: { folders: ["tools/astro"], tools: ["astro"], node: 22, page: "dist", shows: THREE },
  angular: { folders: ["tools/angular"], tools: ["@angular/core"], node: 24, page: "dist/app/browser", shows: TWO },
  // Runtimes.
  "bun-runtime": { folders: ["node", "tools/bun-runtime"], tools: ["bun"] },
  deno: { folders: ["node", "tools/deno"], tools: ["deno"] },
  workerd: { folders: ["tools/workerd"], tools: ["workerd"], node: 22, isServer: true, shows: "square" },
  // Tests and types.
  jest: { folders: ["tools/jest"], tools: ["jest"] },
  vitest: { folders: ["tools/vitest"], tools: ["vitest"] },
  typescript: { folders: ["tools/typescript"], tools: ["typescript"] },
};

/** @param {string[]} names @param {boolean} isQuick */
async function main(names, isQuick) {
  const unknown = names.filter((name) => !(name in examples));
  if (unknown.length > 0)
    throw new Error(`no example is called ${unknown.join(" or ")}; there are ${Object.keys(examples).join(", ")}`);
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), "quickdraw-examples-")));
  const browser = await chromium.launch({ executablePath: await findChromium(), args: chromiumFlags });
  /** @type {string[]} */
  const lines = [];
  let nFailed = 0;
  try {
    const packing = ["pack", "--loglevel=error", "--ignore-scripts", "--pack-destination", folder];
    const packed = (await npm(packing, { cwd: path.dirname(here), capture: true })).trim().split("\n").at(-1) ?? "";
    for (const [name, example] of Object.entries(examples)) {
      const isChosen = names.length > 0 ? names.includes(name) : !isQuick || example.tools === undefined;
      if (!isChosen) continue;
      const start = Date.now();
      const root = path.join(folder, name);
      const versions = [`node ${process.versions.node}`];
      let result = "ok";
      try {
        await install(root, name, example, path.join(folder, packed));
        for (const tool of example.tools ?? []) versions.push(`${tool} ${await versionOf(root, tool)}`);
        await check(root, example, browser);
      } catch (error) {
        console.error(error);
        result = "FAIL";
        nFailed += 1;
      }
      lines.push(`${result.padEnd(5)} ${name.padEnd(12)} ${seconds(start).padStart(5)}  ${versions.join(", ")}`);
      console.log(lines.at(-1));
      await rm(root, { recursive: true, force: true });
    }
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  }
  console.log(`\n${lines.join("\n")}\n${lines.length - nFailed} passed, ${nFailed} failed`);
  if (nFailed > 0) process.exitCode = 1;
}

/**
 * @param {string} root the new folder
 * @param {string} name
 * @param {Example} example
 * @param {string} packed
 */
async function install(root, name, { folders = [name], node }, packed) {
  for (const folder of folders) await cp(path.join(here, folder), root, { recursive: true });
  const isTooOld = node !== undefined && Number(process.versions.node.split(".")[0]) < node;
  const others = isTooOld ? [`node@${node}`] : [];
  await npm(["install", "--no-audit", "--no-fund", "--loglevel=error", packed, ...others], { cwd: root });
}

/** @param {string} root @param {string} tool */
async function versionOf(root, tool) {
  return JSON.parse(await readFile(path.join(root, "node_modules", tool, "package.json"), "utf8")).version;
}

/** @param {string} root @param {Example} example @param {import("playwright-core").Browser} browser */
async function check(root, { page, isServer, isDrawn, shows }, browser) {
  const { scripts = {} } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
  if (scripts.build) await npm(["run", "build"], { cwd: root });
  if (page !== undefined || isServer) {
    const { origin, close } = isServer ? await startServer(root) : await serveFolder(path.join(root, page ?? "."));
    try {
      assert.equal(await outputOf(browser, origin, isDrawn, shows), shows);
    } finally {
      await close();
    }
  } else if (scripts.start) {
    assert.match(await npm(["start"], { cwd: root, capture: true }), /^square [01]\.\d{3}$/m);
  } else {
    await npm(["test"], { cwd: root });
  }
}

/** @type {Record<string, string>} */
const types = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** @param {string} folder */
async function serveFolder(folder) {
  const server = createHttpServer(async ({ url = "/" }, response) => {
    const { pathname } = new URL(url, "http://server");
    const file = path.join(folder, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    const body = await readFile(file).catch(() => undefined);
    const type = types[path.extname(file)] ?? "application/octet-stream";
    response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(undefined)));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${port}/`, close };
}

/** Runs `npm start` until it is closed. @param {string} root */
async function startServer(root) {
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), HOST: "127.0.0.1", CI: "true" };
  // A group of its own: the server is not npm but what npm starts.
  const child = spawn("npm", ["start"], { cwd: root, env, stdio: ["ignore", "inherit", "inherit"], detached: true });
  const end = new Promise((resolve) => child.once("close", resolve));
  const close = async () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    await end;
  };
  const origin = `http://127.0.0.1:${port}/`;
  for (const start = Date.now(); Date.now() - start < 60_000 && child.exitCode === null; ) {
    const answer = await fetch(origin).catch(() => undefined);
    if (answer !== undefined) return { origin, close };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await close();
  throw new Error("`npm start` is no server on the port that PORT names");
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/**
 * Opens a page, draws a square if it waits for one, and gives what it then says.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} origin
 * @param {boolean | undefined} isDrawn
 * @param {string | undefined} shows what it will say in the end, unless it says something else for too long
 */
async function outputOf(browser, origin, isDrawn, shows) {
  const tab = await browser.newPage();
  /** @type {string[]} */
  const complaints = [];
  tab.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  tab.on("pageerror", (error) => complaints.push(String(error)));
  const output = tab.locator("output");
  const says = (/** @type {number} */ timeout) =>
    tab
      .waitForFunction((text) => document.querySelector("output")?.textContent === text, shows, { timeout })
      .then(
        () => true,
        () => false,
      );
  try {
    await tab.goto(origin);
    if (isDrawn) {
      const box = await tab.locator("canvas, svg, quickdraw-pad").first().boundingBox();
      const { x = 0, y = 0 } = box ?? {};
      // What is drawn before the model is there may be lost.
      for (let i = 0; i < 30 && !(await says(1_000)); i++) {
        await tab.mouse.move(x + 50, y + 50);
        await tab.mouse.down();
        for (const [dx, dy] of [
          [250, 54],
          [248, 252],
          [53, 250],
          [51, 52],
        ]) {
          await tab.mouse.move(x + dx, y + dy, { steps: 10 });
        }
        await tab.mouse.up();
      }
    } else {
      await says(30_000);
    }
    const text = await output.textContent({ timeout: 1_000 }).catch(() => "no output");
    return text === shows ? text : [text, ...complaints].join("\n");
  } finally {
    await tab.close();
  }
}

/** @param {number} start */
function seconds(start) {
  return `${Math.round((Date.now() - start) / 1000)} s`;
}

const args = process.argv.slice(2);
await main(
  args.filter((arg) => !arg.startsWith("--")),
  args.includes("--quick"),
);
