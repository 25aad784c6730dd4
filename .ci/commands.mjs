// The flags in docs/reference/commands.md are those that the program itself explains: this writes what
// `native-train COMMAND --help` says into the document.
//
//   node .ci/commands.mjs            writes it
//   node .ci/commands.mjs --check    fails where the document says something else
//
// In the document a help text stands between the lines `<!-- help COMMAND -->` and `<!-- /help -->`.
// The program is target/debug/native-train, or the one that NATIVE_TRAIN names.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { Problem, root, runMain } from "./command.mjs";

const DOCUMENT = "docs/reference/commands.md";
const BLOCK = /(<!-- help (\S+) -->\n)[\s\S]*?(<!-- \/help -->\n)/g;

/**
 * The document with its help texts.
 *
 * @param {string} text
 * @param {(command: string) => string} help
 */
export function render(text, help) {
  return text.replace(BLOCK, (_, begin, command, end) => `${begin}\n\`\`\`text\n${help(command)}\n\`\`\`\n\n${end}`);
}

/**
 * The commands that the program has and the document does not.
 *
 * @param {string} text
 * @param {string} overview What `native-train --help` says.
 */
export function missing(text, overview) {
  const [, list = ""] = /\nCommands:\n([\s\S]*?)\n\n/.exec(overview) ?? [];
  const commands = [...list.matchAll(/^ {2}(\S+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
  if (commands.length === 0) throw new Problem("native-train --help lists no commands");
  const documented = new Set([...text.matchAll(BLOCK)].map(([, , command]) => command));
  return commands.filter((command) => !documented.has(command));
}

/** @param {string[]} args */
function programSays(args) {
  const extension = process.platform === "win32" ? ".exe" : "";
  const program = process.env["NATIVE_TRAIN"] ?? path.join(root, "target", "debug", `native-train${extension}`);
  // No stream is a terminal, whose width the program would take.
  const env = { ...process.env, COLUMNS: "100", NO_COLOR: "1" };
  const { status, stdout, error } = spawnSync(program, args, {
    env,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
  if (error)
    throw new Problem(`${program} cannot be started (${error.message}): \`cargo build -p native-train\` makes it`);
  if (status !== 0) throw new Problem(`${program} ${args.join(" ")} ended with exit code ${status}`);
  return stdout.replace(/[ \t]+$/gm, "").trim();
}

async function main() {
  const file = path.join(root, DOCUMENT);
  const text = readFileSync(file, "utf8");
  const undocumented = missing(text, programSays(["--help"]));
  if (undocumented.length > 0) throw new Problem(`${DOCUMENT} has no help of ${undocumented.join(", ")}`);
  const expected = render(text, (command) => programSays([command, "--help"]));
  if (process.argv.includes("--check")) {
    const lines = expected.split("\n");
    const at = text.split("\n").findIndex((line, index) => line !== lines[index]);
    if (text !== expected)
      throw new Problem(`${DOCUMENT}:${at + 1}: the program says otherwise: node .ci/commands.mjs writes it`);
    console.log(`${DOCUMENT}: as the program says`);
  } else {
    writeFileSync(file, expected);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await runMain(main);
