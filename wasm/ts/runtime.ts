/* The WebAssembly module: found, checked and instantiated once. */

import instantiate from "../pkg/quickdraw_wasm.js";

import { QuickdrawError, messageOf } from "./error.js";
import { FileProgress } from "./loading.js";
import { readBytes, readResponse, resolveUrl, shown } from "./read.js";

/** Where the module comes from when it is not the file beside this package's code. */
export type WasmSource =
  | string
  | URL
  | ArrayBuffer
  | Uint8Array
  | WebAssembly.Module
  | Response
  | PromiseLike<Response>;

/** A module whose only function uses one SIMD instruction: valid exactly where SIMD is. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** The same for the relaxed dot product, which Chrome has since 114 and Firefox since 146. */
const RELAXED_SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65, 0,
  253, 15, 253, 147, 2, 11,
]);

/** The module on its way, or there. */
export interface Runtime {
  readonly ready: Promise<void>;
  readonly progress: FileProgress;
}

let runtime: Runtime | undefined;

/**
 * Makes the module ready for use. All callers share one instance; after a failure the next call tries again.
 */
export function loadRuntime(source: WasmSource | undefined): Runtime {
  if (runtime !== undefined) return runtime;
  const progress = new FileProgress();
  const ready = start(source, progress).catch((error: unknown) => {
    runtime = undefined;
    throw error;
  });
  runtime = { ready, progress };
  return runtime;
}

async function start(source: WasmSource | undefined, progress: FileProgress): Promise<void> {
  if (typeof WebAssembly !== "object") {
    throw new QuickdrawError("unsupported", "quickdraw-rnn needs WebAssembly, which is missing or switched off here");
  }
  if (!WebAssembly.validate(SIMD_PROBE)) {
    throw new QuickdrawError(
      "unsupported",
      "quickdraw-rnn needs WebAssembly with SIMD: Chrome 96, Firefox 89, Safari 16.4 or later",
    );
  }
  const wasm = source === undefined ? ownModule() : source;
  if (wasm instanceof WebAssembly.Module) {
    progress.finish(0);
    return instantiateModule(wasm, "the given module");
  }
  if (typeof wasm === "string" || wasm instanceof URL) {
    const url = await resolveUrl(wasm);
    return instantiateModule(await compile(await readBytes(url, progress), shown(url)), shown(url));
  }
  if (wasm instanceof Uint8Array || wasm instanceof ArrayBuffer) {
    progress.finish(wasm.byteLength);
    return instantiateModule(await compile(wasm, "the given module"), "the given module");
  }
  const { name, bytes } = await readResponse(wasm, progress);
  return instantiateModule(await compile(bytes, name), name);
}

/** The fastest of this package's modules that runs here. Each address stands by itself, so that bundlers find it. */
function ownModule(): URL {
  return WebAssembly.validate(RELAXED_SIMD_PROBE)
    ? new URL("../pkg/quickdraw_wasm_relaxed_bg.wasm", import.meta.url)
    : new URL("../pkg/quickdraw_wasm_bg.wasm", import.meta.url);
}

async function compile(bytes: ArrayBuffer | Uint8Array, name: string): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes as BufferSource);
  } catch (cause) {
    throw new QuickdrawError("invalid-wasm", `${name} is not a WebAssembly module: ${messageOf(cause)}`, { cause });
  }
}

async function instantiateModule(module: WebAssembly.Module, name: string): Promise<void> {
  // The binding keeps any module that can be instantiated, and would not take another after it.
  if (!WebAssembly.Module.exports(module).some((exported) => exported.name === "classifier_new")) {
    throw new QuickdrawError("invalid-wasm", `${name} is not the module of this package: it has no classifier`);
  }
  try {
    await instantiate({ module_or_path: module });
  } catch (cause) {
    throw new QuickdrawError("invalid-wasm", `${name} is not the module of this package: ${messageOf(cause)}`, {
      cause,
    });
  }
}
