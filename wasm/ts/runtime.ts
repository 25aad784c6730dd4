/* The WebAssembly modules: found, checked and instantiated once each. */

import * as float32Binding from "../pkg/quickdraw_wasm_float32.js";
import * as int8Binding from "../pkg/quickdraw_wasm.js";

import { QuickdrawError, messageOf } from "./error.js";
import { ownModule } from "./files.js";
import { FileProgress } from "./loading.js";
import type { Arithmetic } from "./options.js";
import type { PlatformModule, PlatformResponse, PlatformUrl } from "./platform.js";
import { type OnResponse, readBytes, readResponse, resolveUrl, shown } from "./read.js";
import { hasSimd, int8Module } from "./simd.js";
import { isAnswer, isBytes, isUrl } from "./sources.js";
import { checkText } from "./text.js";

/** Where the module comes from when it is not the file beside this package's code. */
export type WasmSource =
  | string
  | PlatformUrl
  | ArrayBuffer
  | Uint8Array
  | PlatformModule
  | PlatformResponse
  | PromiseLike<PlatformResponse>;

/** How messages say which file has float32. */
export const NEEDS_FLOAT32 = "float32 needs the module quickdraw_wasm_float32";

/** A classifier within a module. */
export interface CompiledClassifier {
  readonly int8: boolean;
  readonly labels: string[];
  readonly threshold: number | undefined;
  readonly penDownThreshold: number | undefined;
  probabilities(points: Float32Array, offsets: Uint32Array, isSimplified: boolean, isPenDown: boolean): Float32Array;
  embedding(points: Float32Array, offsets: Uint32Array, isSimplified: boolean, isPenDown: boolean): Float32Array;
  /** Probabilities, then the embedding. */
  outputs(points: Float32Array, offsets: Uint32Array, isSimplified: boolean, isPenDown: boolean): Float32Array;
  free(): void;
}

/** What a module has; told here, because the types of the binding do not travel with the package. */
export interface Binding {
  readonly Classifier: new (modelJson: Uint8Array, weights: Uint8Array, int8?: boolean) => CompiledClassifier;
  simplify(points: Float32Array, offsets: Uint32Array): unknown;
  trace(width: number, height: number, rgba: Uint8Array): unknown;
}

/** Twice the same code: each keeps one module. */
const bindings = { int8: int8Binding, f32: float32Binding };

/** A module on its way, or there. */
export interface Runtime {
  readonly ready: Promise<Binding>;
  readonly progress: FileProgress;
}

const runtimes = new Map<Arithmetic, Runtime>();

/**
 * Makes a module ready for use that has this arithmetic. All callers share one instance; after a failure the next call
 * tries again.
 */
export function loadRuntime(source: WasmSource | undefined, arithmetic: Arithmetic): Runtime {
  const known = runtimes.get(arithmetic);
  if (known !== undefined) return known;
  const progress = new FileProgress();
  const ready = start(source, arithmetic, progress).then(
    () => bindings[arithmetic],
    (error: unknown) => {
      runtimes.delete(arithmetic);
      throw error;
    },
  );
  const runtime = { ready, progress };
  runtimes.set(arithmetic, runtime);
  return runtime;
}

async function start(source: WasmSource | undefined, arithmetic: Arithmetic, progress: FileProgress): Promise<void> {
  if (typeof WebAssembly !== "object") {
    throw new QuickdrawError("unsupported", "quickdraw-rnn needs WebAssembly, which is missing or switched off here");
  }
  if (!hasSimd()) {
    throw new QuickdrawError(
      "unsupported",
      "quickdraw-rnn needs WebAssembly with SIMD: Chrome 96, Firefox 89, Safari 16.4 or later",
    );
  }
  checkText();
  const wasm = source ?? (await ownModule(arithmetic === "f32" ? "float32" : int8Module()));
  const instantiateModule = (module: WebAssembly.Module, name: string): Promise<void> =>
    instantiate(module, name, arithmetic);
  const streamed = new StreamedModule();
  if (typeof wasm === "string" || isUrl(wasm)) {
    const url = await resolveUrl(wasm);
    const bytes = await readBytes(url, progress, undefined, streamed.onResponse);
    return instantiateModule((await streamed.module) ?? (await compile(bytes, shown(url))), shown(url));
  }
  if (isBytes(wasm)) {
    progress.finish(wasm.byteLength);
    return instantiateModule(await compile(wasm, "the given module"), "the given module");
  }
  if (isAnswer(wasm)) {
    const { name, bytes } = await readResponse(wasm, progress, undefined, streamed.onResponse);
    return instantiateModule((await streamed.module) ?? (await compile(bytes, name)), name);
  }
  progress.finish(0);
  return instantiateModule(wasm, "the given module");
}

/** A module that is compiled while its bytes arrive, where the server calls it `application/wasm`. */
class StreamedModule {
  /** Undefined if it could not be compiled so: its bytes then say why. */
  module: Promise<WebAssembly.Module | undefined> | undefined;

  // Chrome keeps what it compiles beside the answer in its cache: it gets the answer itself, the reader a copy.
  readonly onResponse: OnResponse = (response) => {
    const type = response.headers?.get("content-type");
    if (type !== "application/wasm" || typeof WebAssembly.compileStreaming !== "function") return response;
    const copy = response.clone();
    this.module = WebAssembly.compileStreaming(response).catch(() => undefined);
    return copy;
  };
}

async function compile(bytes: ArrayBuffer | Uint8Array, name: string): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes as BufferSource);
  } catch (cause) {
    const message = messageOf(cause);
    // What engines say where a policy, or Cloudflare, lets no bytes become code.
    if (/Content.Security.Policy|\bCSP\b|unsafe-eval|disallowed by embedder/i.test(message)) {
      throw new QuickdrawError(
        "unsupported",
        `WebAssembly may not be compiled here: allow 'wasm-unsafe-eval' in the Content-Security-Policy, or give a \
compiled WebAssembly.Module as option \`wasm\`: ${message}`,
        { cause },
      );
    }
    throw new QuickdrawError("invalid-wasm", `${name} is not a WebAssembly module: ${message}`, { cause });
  }
}

async function instantiate(module: WebAssembly.Module, name: string, arithmetic: Arithmetic): Promise<void> {
  // The binding keeps any module that can be instantiated, and would not take another after it.
  const exports = WebAssembly.Module.exports(module).map((exported) => exported.name);
  if (!exports.includes("classifier_new")) {
    throw new QuickdrawError("invalid-wasm", `${name} is not the module of this package: it has no classifier`);
  }
  if (arithmetic === "f32" && !exports.includes("float32")) {
    throw new QuickdrawError("invalid-wasm", `${name} computes in int8 alone, ${NEEDS_FLOAT32}`);
  }
  try {
    await bindings[arithmetic].default({ module_or_path: module });
  } catch (cause) {
    throw new QuickdrawError("invalid-wasm", `${name} is not the module of this package: ${messageOf(cause)}`, {
      cause,
    });
  }
}
