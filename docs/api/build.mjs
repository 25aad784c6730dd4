// The package's API as pages, in dist/: made by typedoc from the comments in wasm/ts, its settings in typedoc.json. What
// is exported without a comment, or a link that leads nowhere, is an error. What has not changed is not made again.

import { createHash } from "node:crypto";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { run, runMain } from "../../.ci/command.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const pages = path.join(here, "dist");

/** Where the pages are, once they are made. */
export async function buildPages() {
  const typedoc = path.dirname(require.resolve("typedoc/package.json"));
  const wasm = path.join(here, "../../wasm");
  const inputs = [path.join(here, "typedoc.json"), path.join(typedoc, "package.json")];
  // The documents that the README links to travel with it.
  for (const name of ["ts", "docs", "model", "README.md", "LICENSE"])
    inputs.push(...(await filesOf(path.join(wasm, name))));
  const hash = createHash("sha256");
  for (const file of inputs) hash.update(`${path.basename(file)}\0`).update(await readFile(file));
  const digest = hash.digest("hex");
  const stamp = path.join(pages, ".inputs.sha256");
  if ((await readFile(stamp, "utf8").catch(() => "")) !== digest) {
    await run(process.execPath, [path.join(typedoc, "bin", "typedoc")], { cwd: here });
    await writeFile(stamp, digest);
  }
  return pages;
}

/** A file, or all files in a folder. @param {string} place */
async function filesOf(place) {
  if (!(await stat(place)).isDirectory()) return [place];
  const entries = await readdir(place, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await runMain(buildPages);
