/* What a value is that may stand for a file: an address, bytes, an answer of a server, a compiled module. */

import type { FileSource } from "./options.js";
import type { PlatformModule, PlatformUrl } from "./platform.js";

export function isAddress(value: unknown): value is string | PlatformUrl {
  return typeof value === "string" || isUrl(value);
}

/** Also one of another window or of jsdom. */
export function isUrl(value: unknown): value is PlatformUrl {
  return tag(value) === "[object URL]" && typeof (value as URL).href === "string";
}

/** Whether a URL is only a path on the page's server: in Turbopack's builds `new URL("...", import.meta.url)` is one. */
export function isRelative(url: PlatformUrl): boolean {
  return (url as URL).protocol === "";
}

function tag(value: unknown): string {
  return Object.prototype.toString.call(value);
}

/** Also where there is no WebAssembly. */
export function isModule(value: unknown): value is PlatformModule {
  return typeof WebAssembly === "object" && value instanceof WebAssembly.Module;
}

/** Whether a value is a file in memory, or an answer that brings one. */
export function isFileSource(value: unknown): value is FileSource {
  return isBytes(value) || isAnswer(value);
}

/** Also of another window. */
export function isBytes(value: unknown): value is ArrayBuffer | Uint8Array {
  return tag(value) === "[object ArrayBuffer]" || tag(value) === "[object Uint8Array]";
}

/** Whether a value is a server's answer, or a promise that may bring one. */
export function isAnswer(value: unknown): value is Response | PromiseLike<Response> {
  return isResponse(value) || typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

/** Also one of another implementation of fetch. */
export function isResponse(value: unknown): value is Response {
  return typeof (value as Response | null | undefined)?.arrayBuffer === "function" && "ok" in (value as Response);
}
