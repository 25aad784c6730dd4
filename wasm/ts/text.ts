/*
 * The platform's TextDecoder and TextEncoder, not asked for before they are needed. The compiled recogniser's binding makes
 * one of each when it is imported, which must do nothing, also where there are none: the build puts these in their place.
 */

export class TextDecoder {
  readonly #options: ConstructorParameters<typeof globalThis.TextDecoder>;
  #decoder: globalThis.TextDecoder | undefined;

  constructor(...options: ConstructorParameters<typeof globalThis.TextDecoder>) {
    this.#options = options;
  }

  decode(bytes?: Uint8Array): string {
    if (bytes === undefined) return "";
    this.#decoder ??= new globalThis.TextDecoder(...this.#options);
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
    return (this.#encoder ??= new globalThis.TextEncoder());
  }
}
