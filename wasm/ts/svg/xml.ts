/* An XML scanner that reads the text once from front to back. Nothing is looked up, loaded or expanded. */

import type { QuickdrawError } from "../error.js";
import { badSvg } from "./error.js";

export type Attributes = ReadonlyMap<string, string>;

export interface Tag {
  readonly kind: "start" | "end";
  readonly name: string;
  readonly attributes: Attributes;
  /** Whether the element has no content: `<path/>`. */
  readonly isEmpty: boolean;
  /** Where the tag begins in the text, in characters. */
  readonly at: number;
}

const NO_ATTRIBUTES: Attributes = new Map();

/** The tags of an XML text in turn, with the attributes of these names. Text, comments and declarations are skipped. */
export function* tags(text: string, names: ReadonlySet<string>): Generator<Tag, void, undefined> {
  let at = text.indexOf("<");
  while (at >= 0) {
    let end: number;
    if (text.startsWith("<!--", at)) {
      end = after(text, "-->", at + 4, at);
    } else if (text.startsWith("<![CDATA[", at)) {
      end = after(text, "]]>", at + 9, at);
    } else if (text.startsWith("<?", at)) {
      end = after(text, "?>", at + 2, at);
    } else if (text.startsWith("<!", at)) {
      end = afterDeclaration(text, at);
    } else {
      const scanner = new TagScanner(text, at, names);
      yield scanner.tag();
      end = scanner.end;
    }
    at = text.indexOf("<", end);
  }
}

/** Where the text goes on after a mark. */
function after(text: string, mark: string, from: number, at: number): number {
  const found = text.indexOf(mark, from);
  if (found < 0) throw badSvg(`character ${at}: \`${text.slice(at, at + 9)}\` has no \`${mark}\``);
  return found + mark.length;
}

/** Where the text goes on after `<!DOCTYPE ... [ ... ]>`. Its entities are not expanded. */
function afterDeclaration(text: string, at: number): number {
  let depth = 0;
  for (let index = at + 2; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"' || character === "'") index = after(text, character, index + 1, at) - 1;
    else if (character === "[") depth += 1;
    else if (character === "]") depth -= 1;
    else if (text.startsWith("<!--", index)) index = after(text, "-->", index + 4, at) - 1;
    else if (character === ">" && depth <= 0) return index + 1;
  }
  throw badSvg(`character ${at}: \`${text.slice(at, at + 9)}\` has no \`>\``);
}

const ELEMENT_NAME = /[^\s<>/="'!?&]+/y;
const ATTRIBUTE_NAME = /[^\s<>/="']+/y;
const SPACE = /\s*/y;

/** Reads one tag. */
class TagScanner {
  /** Where the text goes on after the tag. */
  end: number;
  readonly #text: string;
  readonly #start: number;
  readonly #names: ReadonlySet<string>;

  constructor(text: string, start: number, names: ReadonlySet<string>) {
    this.#text = text;
    this.#start = start;
    this.#names = names;
    this.end = start + 1;
  }

  tag(): Tag {
    const kind = this.#take("/") ? "end" : "start";
    const name = this.#match(ELEMENT_NAME);
    if (name === undefined) throw this.#fail("the name of an element");
    const attributes = kind === "end" ? NO_ATTRIBUTES : this.#attributes();
    this.#match(SPACE);
    const isEmpty = kind === "start" && this.#take("/");
    if (!this.#take(">")) throw this.#fail("`>` or an attribute");
    return { kind, name, attributes, isEmpty, at: this.#start };
  }

  #attributes(): Attributes {
    const attributes = new Map<string, string>();
    for (;;) {
      this.#match(SPACE);
      const name = this.#match(ATTRIBUTE_NAME);
      if (name === undefined) return attributes;
      this.#match(SPACE);
      if (!this.#take("=")) throw this.#fail("`=` and the attribute's value");
      this.#match(SPACE);
      const quote = this.#text[this.end];
      if (quote !== '"' && quote !== "'") throw this.#fail("an attribute's value in quotes");
      const start = this.end + 1;
      this.end = after(this.#text, quote, start, this.end);
      if (!this.#names.has(name) || attributes.has(name)) continue;
      attributes.set(name, decoded(this.#text.slice(start, this.end - 1)));
    }
  }

  #take(character: string): boolean {
    if (this.#text[this.end] !== character) return false;
    this.end += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    const start = this.end;
    pattern.lastIndex = start;
    if (!pattern.test(this.#text)) return undefined;
    this.end = pattern.lastIndex;
    return this.#text.slice(start, this.end);
  }

  #fail(expected: string): QuickdrawError {
    const found = this.#text.slice(this.end, this.end + 20);
    return badSvg(
      `character ${this.end}: found ${found === "" ? "the end of the text" : `\`${found}\``}, expected ${expected}`,
    );
  }
}

/** An attribute's value with XML's own entities and characters given by number in their place. */
function decoded(value: string): string {
  const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return value.replace(
    /&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));/g,
    (whole, hex, decimal, name) => {
      if (name !== undefined) return named[name]!;
      const code = hex === undefined ? Number(decimal) : parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
