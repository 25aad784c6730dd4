/*
 * The platform's TextDecoder and TextEncoder, not asked for before they are needed. The compiled recogniser's binding makes
 * one of each when it is imported, which must do nothing, also where there are none: the build puts these in their place.
 */

import { QuickdrawError } from "./error.js";
import { hiddenInNode } from "./node.js";

/** The platform's constructor; jsdom has none of these, and so hides those of Node. */
function platform<N extends "TextDecoder" | "TextEncoder">(name: N): (typeof globalThis)[N] {
  const found = globalThis[name] ?? hiddenInNode(name);
  if (typeof found === "function") return found;
  throw new QuickdrawError(
    "unsupported",
    `quickdraw-rnn needs ${name}, which is missing here; in Jest's jsdom, set globalThis.${name} to that of node:util`,
  );
}

/** @throws QuickdrawError `unsupported` where one of them is missing: in the midst of the compiled recogniser it is too late. */
export function checkText(): void {
  platform("TextDecoder");
  platform("TextEncoder");
}

export class TextDecoder {
  readonly #options: ConstructorParameters<typeof globalThis.TextDecoder>;
  #decoder: globalThis.TextDecoder | undefined;

  constructor(...options: ConstructorParameters<typeof globalThis.TextDecoder>) {
    this.#options = options;
  }

  decode(bytes?: Uint8Array): string {
    if (bytes === undefined) return "";
    this.#decoder ??= new (platform("TextDecoder"))(...this.#options);
    return this.#decoder.decode(bytes);
  }
}

export class TextEncoder {
  #encoder: globalThis.TextEncoder | undefined;

  encode(text: string): Uint8Array {
    return this.#real().encode(text);
  }

  encodeInto(text: string, bytes: Uint8Array): { read: number; written: number } {
    return this.#real().encodeInto(text, bytes);
  }

  #real(): globalThis.TextEncoder {
    return (this.#encoder ??= new (platform("TextEncoder"))());
  }
}
