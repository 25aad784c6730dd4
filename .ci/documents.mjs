// `node .ci/documents.mjs`: what every document has to keep to. Links between files and into sections
// of files lead somewhere, lines have at most 100 columns, and the model card has at most 150 lines.
//
// Columns are those of an editor or a terminal: a Hangul syllable takes two. Exempt is what Markdown
// cannot break: rows of tables, and a line that is one link, picture or link definition alone.

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { Problem, root, runMain } from "./command.mjs";

/** Folders that hold no documents of ours. */
const SKIPPED = new Set([
  "node_modules",
  "target",
  "dist",
  "pkg",
  "shared",
  "runs",
  "test-results",
  "playwright-report",
]);

const MAX_COLUMNS = 100;

/** @type {{ [file: string]: number }} */
const MAX_LINES = { "docs/model.md": 150 };

/** Characters that take two columns: Hangul, Chinese and Japanese, full-width forms. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

/** A row of a table; a link, a picture or a link definition by itself, perhaps as an item of a list. */
const UNBREAKABLE = /^\s*(\||([-*>]\s+|\d+\.\s+)?!?\[[^\]]*\](\([^)]*\)|:\s+\S+)[.:,]?$)/;

/**
 * What makes a document longer or wider than it may be, as `file:line: message`.
 *
 * @param {string} file
 * @param {string} text
 * @returns {string[]}
 */
export function checkSize(file, text) {
  const all = text.replace(/\n$/, "").split("\n");
  const maxLines = MAX_LINES[file] ?? Infinity;
  return [
    ...(all.length > maxLines
      ? [`${file}:${maxLines + 1}: ${all.length} lines; at most ${maxLines} were expected`]
      : []),
    ...all.flatMap((line, index) => {
      const width = columnsOf(line);
      if (width <= MAX_COLUMNS || UNBREAKABLE.test(line)) return [];
      return [`${file}:${index + 1}: ${width} columns; at most ${MAX_COLUMNS} were expected`];
    }),
  ];
}

/** @param {string} line */
function columnsOf(line) {
  return [...line].reduce((sum, character) => sum + (WIDE.test(character) ? 2 : 1), 0);
}

/**
 * Lines of Markdown that are prose, with their numbers from 1: neither code nor the YAML head.
 *
 * @param {string} text
 * @returns {[number: number, line: string][]}
 */
function proseOf(text) {
  const lines = text.split("\n");
  const headEnd = lines[0] === "---" ? lines.indexOf("---", 1) : -1;
  let isCode = false;
  return lines.flatMap((line, index) => {
    if (index <= headEnd) return [];
    if (/^\s*```/.test(line)) {
      isCode = !isCode;
      return [];
    }
    const prose = /** @type {[number, string]} */ ([index + 1, line]);
    return isCode ? [] : [prose];
  });
}

/**
 * The anchors that GitHub gives the headings of a document.
 *
 * @param {string} text
 * @returns {Set<string>}
 */
export function anchorsOf(text) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @type {Set<string>} */
  const anchors = new Set();
  for (const [, line] of proseOf(text)) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (heading === undefined) continue;
    const shown = heading.replaceAll(/<!--.*?-->/g, "").replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = shown
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-");
    const n = seen.get(slug) ?? 0;
    seen.set(slug, n + 1);
    anchors.add(n === 0 ? slug : `${slug}-${n}`);
  }
  return anchors;
}

/**
 * The targets of a document's links and pictures within the repository, with their lines.
 *
 * @param {string} text
 * @returns {{ line: number, target: string }[]}
 */
export function linksOf(text) {
  const isOurs = (/** @type {string} */ target) => !/^([a-z][a-z+.-]*:|\/\/)/i.test(target);
  return proseOf(text).flatMap(([line, content]) => {
    const prose = content.replaceAll(/`[^`]*`/g, (code) => " ".repeat(code.length));
    const found = [
      ...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g),
      ...prose.matchAll(/^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$/g),
    ];
    return found.map(([, target = ""]) => ({ line, target })).filter(({ target }) => isOurs(target));
  });
}

/**
 * Links of a document that lead nowhere, as `file:line: message`.
 *
 * @param {string} file Path from the root, with slashes.
 * @param {string} text
 * @param {(file: string) => string | boolean} read The text of a document; of anything else whether it exists.
 * @returns {string[]}
 */
export function checkLinks(file, text, read) {
  return linksOf(text).flatMap(({ line, target }) => {
    const [where = "", anchor] = target.split("#");
    const to = where === "" ? file : path.posix.join(path.posix.dirname(file), decodeURIComponent(where));
    const found = where === "" ? text : read(to);
    if (found === false) return [`${file}:${line}: there is no ${to}`];
    const isMissing =
      anchor !== undefined && typeof found === "string" && !anchorsOf(found).has(decodeURIComponent(anchor));
    return isMissing ? [`${file}:${line}: ${to} has no section #${decodeURIComponent(anchor)}`] : [];
  });
}

/**
 * @param {string} folder Path from the root, with slashes.
 * @returns {string[]}
 */
function documentsIn(folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name.startsWith(".") || SKIPPED.has(entry.name) ? [] : documentsIn(file);
    return entry.isFile() && entry.name.endsWith(".md") ? [file] : [];
  });
}

/** @param {string} file */
function read(file) {
  const full = path.join(root, file);
  if (!existsSync(full)) return false;
  return file.endsWith(".md") && statSync(full).isFile() ? readFileSync(full, "utf8") : true;
}

async function main() {
  const files = documentsIn("");
  const complaints = files.flatMap((file) => {
    const text = readFileSync(path.join(root, file), "utf8");
    return [...checkSize(file, text), ...checkLinks(file, text, read)];
  });
  if (complaints.length > 0) throw new Problem(complaints.join("\n"));
  console.log(`${files.length} documents: links and sizes are as they should be`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await runMain(main);
