// The crates that the module is compiled from, with their licences: what their authors ask to travel
// with it. For another program of the workspace, `node wasm/scripts/notices.mjs native-train TARGET`
// prints the same.

import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { Problem, run, runMain } from "../../.ci/command.mjs";
import { WASM_TARGET } from "../../.ci/tools.mjs";

/** Files of a crate that say how it is licensed. */
const NOTICE = /^(licen[sc]e|copying|notice|unlicense)/i;

/**
 * Names, versions and licences of all crates in a program, and each text of a licence once, with the
 * crates it came with. Macros run at build time and are in no program.
 *
 * @param {string} [crate]
 * @param {string} [target]
 * @returns {Promise<string>}
 */
export async function notices(crate = "quickdraw-wasm", target = WASM_TARGET) {
  const tree = ["tree", "-p", crate, "-e", "normal,no-proc-macro", "--target", target];
  const metadata = ["metadata", "--format-version", "1", "--filter-platform", target];
  const [names, described] = await Promise.all([
    run("cargo", [...tree, "--locked", "--prefix", "none", "--format", "{p}"], { capture: true }),
    run("cargo", [...metadata, "--locked"], { capture: true }),
  ]);
  /** @type {{ name: string, version: string, license: string | null, manifest_path: string, source: string | null }[]} */
  const packages = JSON.parse(described).packages;
  const inProgram = new Set(names.split("\n").map((line) => line.replace(/^(\S+) v(\S+).*/, "$1 $2")));
  const crates = packages
    .filter(({ name, version, source }) => source !== null && inProgram.has(`${name} ${version}`))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  if (crates.length === 0) throw new Problem(`cargo tree names no crate of ${crate}`);

  /** @type {Map<string, string[]>} */
  const cratesOfText = new Map();
  for (const { name, version, manifest_path } of crates) {
    const folder = path.dirname(manifest_path);
    for (const file of (await readdir(folder)).filter((file) => NOTICE.test(file)).sort()) {
      const text = (await readFile(path.join(folder, file), "utf8").catch(() => "")).replaceAll("\r\n", "\n").trim();
      if (text === "") continue;
      cratesOfText.set(text, [...(cratesOfText.get(text) ?? []), `${name} ${version}`]);
    }
  }
  const list = crates.map(({ name, version, license }) => `${name} ${version}: ${license ?? "see its text"}`);
  const rule = "-".repeat(80);
  const texts = [...cratesOfText].map(([text, of]) => `${rule}\n${of.join(", ")}\n${rule}\n\n${text}\n`);
  const what = crate === "quickdraw-wasm" ? "The WebAssembly module" : crate;
  return `${what} contains code of these Rust crates:\n\n${list.join("\n")}\n\n${texts.join("\n")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await runMain(async () => console.log(await notices(process.argv[2], process.argv[3])));
}
