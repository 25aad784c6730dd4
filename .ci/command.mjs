// Runs other programs, the same way on Linux, macOS and Windows.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** Something that the user can put right: its message is all there is to show. */
export class Problem extends Error {}

/** Where a program is, by PATH. @param {string} program */
export function onPath(program) {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder);
  return folders.map((folder) => path.join(folder, program)).find((file) => existsSync(file));
}

/** How many of the last characters that a program wrote without a terminal are kept, for {@link lastOutput}. */
const KEPT = 20_000;
let kept = "";

/** The last lines that the last program wrote, unless it wrote to a terminal. @param {number} lines */
export function lastOutput(lines) {
  return kept.trimEnd().split("\n").slice(-lines).join("\n");
}

/**
 * Runs a program to its end and gives back what it wrote to standard output.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{
 *   cwd?: string,
 *   env?: NodeJS.ProcessEnv,
 *   capture?: boolean,
 *   missing?: string,
 * }} [options] `capture`: keep standard output instead of showing it. `missing`: what to tell who has no such program.
 * @returns {Promise<string>}
 */
export function run(program, args, { cwd = root, env = process.env, capture = false, missing } = {}) {
  return new Promise((resolve, reject) => {
    // A terminal is left to the program; what goes to a file or a pipe passes through here, and its end is kept.
    /** @param {NodeJS.WriteStream} stream */
    const mode = (stream) => (stream.isTTY ? "inherit" : "pipe");
    const child = spawn(program, args, {
      cwd,
      env,
      stdio: ["ignore", capture ? "pipe" : mode(process.stdout), mode(process.stderr)],
    });
    kept = "";
    /** @param {Buffer} chunk @param {NodeJS.WriteStream} stream */
    const pass = (chunk, stream) => {
      stream.write(chunk);
      kept = (kept + chunk.toString()).slice(-KEPT);
    };
    /** @type {Buffer[]} */
    const output = [];
    child.stdout?.on("data", (chunk) => (capture ? output.push(chunk) : pass(chunk, process.stdout)));
    child.stderr?.on("data", (chunk) => pass(chunk, process.stderr));
    child.on("error", (error) => {
      const isMissing = /** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT";
      reject(new Problem(isMissing ? (missing ?? `\`${program}\` was not found`) : error.message));
    });
    child.on("close", (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(output).toString());
      const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      reject(new Problem(`${[program, ...args].join(" ")}\n  ${how}`));
    });
  });
}

/**
 * Runs npm.
 *
 * @param {string[]} args
 * @param {Parameters<typeof run>[2]} [options]
 */
export function npm(args, options) {
  // Under `npm run` this is npm's own program: npm.cmd of Windows cannot be started without a shell.
  const cli = process.env["npm_execpath"];
  if (cli?.endsWith(".js")) return run(process.execPath, [cli, ...args], options);
  return process.platform === "win32"
    ? run(process.env["ComSpec"] ?? "cmd.exe", ["/d", "/c", "npm", ...args], options)
    : run("npm", args, options);
}

/**
 * Runs a program of this repository and shows a {@link Problem} as its message alone.
 *
 * @param {() => Promise<void>} main
 */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Problem ? `\nerror: ${error.message}` : error);
    process.exitCode = 1;
  }
}
