/* Numbers and lengths as SVG writes them. */

import { badSvg } from "./error.js";
import type { Attributes } from "./xml.js";

const NUMBER = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const FLAG = /[01]/y;
const LETTER = /[A-Za-z]/y;
const SEPARATORS = /[\s,]*/y;

/** Reads numbers off a text from front to back, as SVG separates them. */
export class NumberReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    this.#skip();
    return this.#at === this.#text.length;
  }

  /** The next number; undefined if there is something else. */
  number(): number | undefined {
    const found = this.#match(NUMBER);
    return found === undefined ? undefined : Number(found);
  }

  /** A flag, 0 or 1, which needs no separator behind it. */
  flag(): number | undefined {
    const found = this.#match(FLAG);
    return found === undefined ? undefined : Number(found);
  }

  letter(): string | undefined {
    return this.#match(LETTER);
  }

  /** What stands here, for messages. */
  found(): string {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    return rest === "" ? "found its end" : `found \`${rest}\` at character ${this.#at}`;
  }

  #skip(): void {
    this.#match(SEPARATORS, false);
  }

  #match(pattern: RegExp, skips = true): string | undefined {
    if (skips) this.#skip();
    const start = this.#at;
    pattern.lastIndex = start;
    if (!pattern.test(this.#text)) return undefined;
    this.#at = pattern.lastIndex;
    return this.#text.slice(start, this.#at);
  }
}

/** A length in pixels or percent of `whole`; 0 where it is missing. */
export function readLength(attributes: Attributes, name: string, whole: number, at: number): number {
  const text = attributes.get(name);
  if (text === undefined) return 0;
  const percentage = /^\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)%\s*$/.exec(text)?.[1];
  const value = percentage === undefined ? pixels(text) : (Number(percentage) / 100) * whole;
  if (value === undefined || !Number.isFinite(value)) {
    throw badSvg(`element at character ${at}: ${name}: found \`${text.slice(0, 40)}\`, expected a number`);
  }
  return value;
}

/** A number with or without `px`; undefined if this is none. */
export function pixels(text: string | undefined): number | undefined {
  const trimmed = (text ?? "").trim();
  const value = trimmed.endsWith("px") ? trimmed.slice(0, -2) : trimmed;
  return value === "" || !Number.isFinite(Number(value)) ? undefined : Number(value);
}

export function isLength(value: number | undefined): value is number {
  return value !== undefined && value > 0 && value < Infinity;
}
