// `node .ci/import-circles.mjs`: files that import each other in a circle, of the Rust crates and of
// the TypeScript. It prints each circle and ends with 1.
//
// What counts between two files is what `use`, `crate::`, `super::` and relative imports lead to. A
// name that a file only hands on (`pub use`) leads to where it is defined; `mod` is no import, nor is
// `import type`, of which nothing is left when the program runs.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { Problem, root, runMain } from "./command.mjs";

const CRATES = ["core/src", "native-train/src", "wasm/src"];
const SCRIPTS = ["wasm/ts", "www/src"];

/** @typedef {Map<string, Set<string>>} Graph The files that a file imports. */

/**
 * A use tree as paths with the names that they get: `a::{b, c as d}` is a::b as b and a::c as d.
 *
 * @param {string} tree
 * @returns {{ path: string[], name: string }[]}
 */
export function pathsOf(tree) {
  const text = tree.trim();
  const open = text.indexOf("{");
  if (open < 0) {
    const [whole = "", alias] = text.split(/\s+as\s+/);
    const segments = whole
      .split("::")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    if (segments.at(-1) === "self") segments.pop();
    return [{ path: segments, name: alias ?? segments.at(-1) ?? "" }];
  }
  const prefix = text
    .slice(0, open)
    .split("::")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const parts = [];
  let [depth, begin] = [0, open + 1];
  for (let at = open + 1; at < text.length; at += 1) {
    const isEnd = depth === 0 && (text[at] === "," || text[at] === "}");
    if (isEnd) {
      parts.push(text.slice(begin, at));
      begin = at + 1;
    }
    if (text[at] === "{") depth += 1;
    if (text[at] === "}") depth -= 1;
  }
  return parts
    .filter((part) => part.trim() !== "")
    .flatMap((part) => {
      return pathsOf(part).map(({ path: rest, name }) => ({
        path: [...prefix, ...rest],
        name: name === "" ? (prefix.at(-1) ?? "") : name,
      }));
    });
}

/**
 * What a Rust file imports: its paths, each with the inline modules that it stands in.
 *
 * @param {string} text
 */
export function rustImports(text) {
  const code = text.replaceAll(/\/\/.*$/gm, "").replaceAll(/"(?:[^"\\\n]|\\.)*"/g, '""');
  /** @type {{ path: string[], name?: string, inline: string[] }[]} */
  const imports = [];
  /** @type {(part: string, inline: string[]) => void} */
  const read = (part, inline) => {
    const rest = part.replaceAll(/\buse\s+([^;]+);/g, (_, tree) => {
      imports.push(...pathsOf(tree).map((found) => ({ ...found, inline })));
      return "";
    });
    for (const [found] of rest.matchAll(/(?<![\w$:])(?:crate|super)(?:::\w+)+/g))
      imports.push({ path: found.split("::"), inline });
  };
  const outside = code.replaceAll(/^(?:pub(?:\([a-z]+\))? )?mod (\w+) \{\n([\s\S]*?)^\}/gm, (_, name, body) => {
    read(body, [name]);
    return "";
  });
  read(outside, []);
  return imports;
}

/**
 * The imports between the files of a crate.
 *
 * @param {Record<string, string>} texts By path from the crate's `src`.
 * @returns {Graph}
 */
export function rustGraph(texts) {
  /** @type {Map<string, string>} Files by the path of their module. */
  const files = new Map();
  /** @type {Map<string, ReturnType<typeof rustImports>>} */
  const imports = new Map();
  for (const [file, text] of Object.entries(texts)) {
    const segments = file.replace(/\.rs$/, "").split("/");
    if (segments.at(-1) === "mod" || file === "lib.rs") segments.pop();
    if (file === "main.rs") continue;
    files.set(segments.join("::"), file);
    imports.set(segments.join("::"), rustImports(text));
  }
  /** @type {(module: string[], path: string[], seen: Set<string>) => string | undefined} */
  const resolve = (module, segments, seen) => {
    let at = [...module];
    let rest = [...segments];
    if (rest[0] === "crate") [at, rest] = [[], rest.slice(1)];
    else if (rest[0] === "self") rest = rest.slice(1);
    else if (rest[0] !== "super" && !files.has([...at, rest[0]].join("::"))) return undefined; // another crate, or its own
    while (rest[0] === "super") [at, rest] = [at.slice(0, -1), rest.slice(1)];
    while (rest[0] !== undefined && files.has([...at, rest[0]].join("::")))
      [at, rest] = [[...at, rest[0]], rest.slice(1)];
    const here = at.join("::");
    const [name] = rest;
    const key = `${here} ${name}`;
    if (name !== undefined && !seen.has(key)) {
      seen.add(key);
      const own = (imports.get(here) ?? []).filter(({ inline }) => inline.length === 0);
      const handedOn = own.find((found) => found.name === name && found.path.at(-1) !== "*");
      const found = handedOn && resolve(at, [...handedOn.path, ...rest.slice(1)], seen);
      if (found !== undefined) return found;
    }
    return files.get(here);
  };
  /** @type {Graph} */
  const graph = new Map();
  for (const [module, file] of files) {
    const at = module === "" ? [] : module.split("::");
    const to = (imports.get(module) ?? []).map(({ path: segments, inline }) => {
      // Out of an inline module the first `super` leads to the file itself.
      return resolve([...at, ...inline], segments.at(-1) === "*" ? segments.slice(0, -1) : segments, new Set());
    });
    graph.set(file, new Set(to.filter((found) => found !== undefined && found !== file)));
  }
  return graph;
}

/**
 * The imports between files of TypeScript.
 *
 * @param {Record<string, string>} texts By path.
 * @returns {Graph}
 */
export function scriptGraph(texts) {
  const graph = Object.entries(texts).map(([file, text]) => {
    const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "");
    const values = code.replaceAll(/\b(?:import|export) type\b[^;]*?\bfrom\s*["'][^"']*["']/g, "");
    const names = [...values.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']*)["']/g)].map(([, name = ""]) => name);
    const to = names.map((name) => {
      const whole = path.posix.join(path.posix.dirname(file), name);
      return [whole, whole.replace(/\.js$/, ".ts"), `${whole}.ts`, `${whole}/index.ts`].find((found) => found in texts);
    });
    return /** @type {[string, Set<string>]} */ ([
      file,
      new Set(to.filter((found) => found !== undefined && found !== file)),
    ]);
  });
  return new Map(graph);
}

/**
 * A shortest circle of each group of files that import each other, and the group.
 *
 * @param {Graph} graph
 * @returns {{ circle: string[], files: string[] }[]}
 */
export function circlesOf(graph) {
  /** @type {(from: string) => Map<string, string>} The file before each on a shortest way. */
  const reach = (from) => {
    /** @type {Map<string, string>} */
    const before = new Map();
    for (let next = [from]; next.length > 0; ) {
      next = next.flatMap((file) => {
        const found = [...(graph.get(file) ?? [])].filter((to) => !before.has(to));
        for (const to of found) before.set(to, file);
        return found;
      });
    }
    return before;
  };
  const ways = new Map([...graph.keys()].map((file) => [file, reach(file)]));
  const inCircles = [...graph.keys()].filter((file) => ways.get(file)?.has(file));
  /** @type {Set<string>} */
  const done = new Set();
  return inCircles.flatMap((file) => {
    if (done.has(file)) return [];
    const files = inCircles.filter((other) => ways.get(file)?.has(other) && ways.get(other)?.has(file));
    for (const other of files) done.add(other);
    const circles = files.map((start) => {
      const circle = [start];
      for (let at = ways.get(start)?.get(start); at !== undefined && at !== start; at = ways.get(start)?.get(at))
        circle.unshift(at);
      return [start, ...circle];
    });
    return [{ circle: circles.sort((a, b) => a.length - b.length)[0] ?? [], files }];
  });
}

/**
 * @param {string} folder
 * @param {RegExp} pattern
 * @param {string} [within]
 * @returns {Record<string, string>}
 */
function textsOf(folder, pattern, within = "") {
  const here = path.join(root, folder, within);
  if (!existsSync(here)) throw new Problem(`${folder}: there is no such folder`);
  return Object.assign(
    {},
    ...readdirSync(here, { withFileTypes: true }).map((entry) => {
      const name = path.posix.join(within, entry.name);
      if (entry.isDirectory()) return entry.name === "node_modules" ? {} : textsOf(folder, pattern, name);
      return pattern.test(name) ? { [name]: readFileSync(path.join(here, entry.name), "utf8") } : {};
    }),
  );
}

async function main() {
  const graphs = [
    ...CRATES.map((folder) => ({ folder, graph: rustGraph(textsOf(folder, /\.rs$/)) })),
    ...SCRIPTS.map((folder) => ({ folder, graph: scriptGraph(textsOf(folder, /\.ts$/)) })),
  ];
  const complaints = graphs.flatMap(({ folder, graph }) => {
    return circlesOf(graph).flatMap(({ circle, files }) => {
      const whole = files.map((file) => `${folder}/${file}`);
      const others =
        whole.length > circle.length - 1
          ? `\n    of ${whole.length} files that reach each other: ${whole.join(", ")}`
          : "";
      return [`${circle.map((file) => `${folder}/${file}`).join(" -> ")}${others}`];
    });
  });
  if (complaints.length > 0) throw new Problem(`files import each other in a circle:\n${complaints.join("\n")}`);
  const n = graphs.reduce((sum, { graph }) => sum + graph.size, 0);
  console.log(`${n} files, of which none import each other in a circle`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await runMain(main);
