// What the dependencies may be, and what is known against them.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { onPath, Problem, root } from "./command.mjs";

/** How long a registry may take to answer. */
const TIMEOUT_MS = 180_000;

/**
 * Licences and sources of all crates (deny.toml), and advisories against crates and against the npm packages that users
 * of ours install. What is not installed or not reachable is said, and no failure.
 */
export async function checkDependencies() {
  if (onPath("cargo-deny") === undefined) {
    console.log("note: cargo-deny is not installed: crates are not checked");
  } else {
    // Crates for GPUs and other systems, which no build here needs, are fetched to be read.
    const offline = /failed to download|download of .* failed|failed to get/;
    await check("cargo-deny", ["check", "licenses", "bans", "sources"], offline, "crates.io is not reachable");
    const unreachable = /failed to fetch advisory database/;
    await check("cargo-deny", ["check", "advisories"], unreachable, "RustSec's advisories are not reachable");
  }
  const unreachable = /audit endpoint returned an error|ENOTFOUND|EAI_AGAIN|ECONNREFUSED/;
  await check("npm", ["audit", "--omit=dev"], unreachable, "npm's advisories are not reachable");
}

/**
 * Runs a program; shows `note` if it fails by what `excuse` describes, or takes too long.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {RegExp} excuse
 * @param {string} note
 */
async function check(program, args, excuse, note) {
  try {
    await promisify(execFile)(program, args, { cwd: root, timeout: TIMEOUT_MS, shell: process.platform === "win32" });
  } catch (error) {
    const { message, stdout = "", stderr = "", killed = false } = /** @type {any} */ (error);
    const printed = `${message}\n${stdout}\n${stderr}`;
    if (!killed && !excuse.test(printed)) throw new Problem(printed.trim());
    console.log(`note: ${note}`);
  }
}
