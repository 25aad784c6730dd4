/*
 * Types of the platform in this package's declarations: those of the DOM's or of Node's library, where a project has one,
 * and otherwise what every such value is at least. So the declarations hold without either.
 */

/** Only a name for what is not declared here: no value is of this type by chance. */
interface Undeclared<Name extends string> {
  readonly [Symbol.toStringTag]: Name;
}

type Global<Name extends string, Least> = typeof globalThis extends { readonly [N in Name]: { prototype: infer T } }
  ? T
  : Least;

/** An `AbortSignal`. */
export type PlatformAbortSignal = Global<"AbortSignal", { readonly aborted: boolean }>;
/** A `Blob`, or a `File`. */
export type PlatformBlob = Global<"Blob", Undeclared<"Blob">>;
/** An element of a page. */
export type PlatformElement = Global<"HTMLElement", object>;
/** An `ImageBitmap`. */
export type PlatformImageBitmap = Global<"ImageBitmap", Undeclared<"ImageBitmap">>;
/** A `PointerEvent`. */
export type PlatformPointerEvent = Global<
  "PointerEvent",
  { readonly clientX: number; readonly clientY: number; readonly pressure: number }
>;
/** A `Response` of `fetch`. */
export type PlatformResponse = Global<"Response", Undeclared<"Response">>;
/** A `URL`. */
export type PlatformUrl = Global<"URL", { readonly href: string }>;
/** A `Worker` of a browser. */
export type PlatformWorker = Global<"Worker", { postMessage(message: unknown): void }>;
/** A compiled `WebAssembly.Module`. */
export type PlatformModule = typeof globalThis extends {
  readonly WebAssembly: { readonly Module: { prototype: infer T } };
}
  ? T
  : Undeclared<"WebAssembly.Module">;
