// The package as npm users get it: packed and unpacked into another folder's node_modules.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, realpath, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { npm } from "../../.ci/command.mjs";

/**
 * @returns {Promise<{ folder: string, installed: string, report: { files: { path: string }[], size: number } }>} the new
 * folder, the package in it, and what npm says of it; whoever asks removes the folder
 */
export async function installPacked() {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), "quickdraw-pack-")));
  // What is packed was built before the tests: without its scripts, npm does not build it again.
  const output = await npm(["pack", "--json", "--ignore-scripts", "--pack-destination", folder], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    capture: true,
  });
  const parsed = JSON.parse(output);
  // npm 11 lists the packages, later ones name them.
  const report = Array.isArray(parsed) ? parsed[0] : Object.values(parsed)[0];
  await promisify(execFile)("tar", ["-xzf", report.filename], { cwd: folder });
  const installed = path.join(folder, "node_modules", "quickdraw-rnn");
  await mkdir(path.dirname(installed));
  await rename(path.join(folder, "package"), installed);
  return { folder, installed, report };
}
