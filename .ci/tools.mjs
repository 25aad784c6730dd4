// The tools that the repository builds with: found, or named with where to get them.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import { Problem, npm, root, run } from "./command.mjs";

/** The platform that browsers are for Rust. */
export const WASM_TARGET = "wasm32-unknown-unknown";

/** WebAssembly with a system's interface, for tests that Node runs. */
export const WASI_TARGET = "wasm32-wasip1";

const RUST_MISSING = "Rust is missing: install it from https://rustup.rs, open a new terminal and try again";

/** Checks that this Node is new enough for the page's build. */
export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new Problem(`Node ${process.versions.node} is too old: install Node 20.19 or later from https://nodejs.org`);
}

/** Checks that Rust is there and compiles for browsers; adds what that needs through rustup. */
export async function checkRust() {
  await run("cargo", ["--version"], { missing: RUST_MISSING });
  await addTarget(WASM_TARGET);
}

/**
 * Adds a target of Rust through rustup, unless it is there.
 *
 * @param {string} target
 */
export async function addTarget(target) {
  const libraries = await run("rustc", ["--print", "target-libdir", "--target", target], {
    capture: true,
    missing: RUST_MISSING,
  });
  if (existsSync(libraries.trim())) return;
  console.log(`adding Rust's target ${target}`);
  await run("rustup", ["target", "add", target], {
    missing:
      `Rust's target ${target} is missing, and so is rustup, which would add it: install Rust from ` +
      "https://rustup.rs, or the target with the package manager that Rust came from",
  });
}

/** Installs the npm dependencies of the workspaces, unless those that the lock file names are there already. */
export async function installNpmDependencies() {
  const stamp = path.join(root, "node_modules", ".quickdraw-installed");
  const state = await dependencyState();
  const installed = await readFile(stamp, "utf8").catch(() => "");
  if (installed === state) return console.log("npm dependencies are up to date");
  await npm([process.env["CI"] ? "ci" : "install", "--no-audit", "--no-fund"], {
    // The tests find a browser by themselves.
    env: { ...process.env, PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: "1" },
  });
  await mkdir(path.dirname(stamp), { recursive: true });
  await writeFile(stamp, await dependencyState());
}

/** A fingerprint of everything that decides what `npm install` installs here. */
async function dependencyState() {
  const hash = createHash("sha256");
  hash.update(`${process.platform} ${process.arch} ${process.versions.modules}\n`);
  for (const file of [
    "package.json",
    "package-lock.json",
    "wasm/package.json",
    "www/package.json",
    "docs/api/package.json",
  ]) {
    hash.update(await readFile(path.join(root, file)).catch(() => ""));
  }
  return hash.digest("hex");
}
