/*
 * The package's own files: where they lie beside its code. Each address stands by itself, so that bundlers find it.
 * Of this module there is one more for each build that has its files elsewhere: `files.NAME.ts`.
 */

import { located } from "./located.js";
import type { ModuleKind } from "./simd.js";

/** `model/model.json`: the build puts the text here, which is one request less and no file that a bundler compiles. */
declare const SHIPPED_MODEL_JSON: string;

/** What this module gives: addresses or bytes. */
export type OwnFile = URL | Uint8Array;

/** The module for int8, the same for engines with relaxed SIMD, or the one that has float32 too. */
export async function ownModule(kind: ModuleKind): Promise<OwnFile> {
  return located(() => {
    switch (kind) {
      case "int8":
        return new URL("../pkg/quickdraw_wasm_bg.wasm", import.meta.url);
      case "relaxed":
        return new URL("../pkg/quickdraw_wasm_relaxed_bg.wasm", import.meta.url);
      case "float32":
        return new URL("../pkg/quickdraw_wasm_float32_bg.wasm", import.meta.url);
    }
  });
}

/** The shipped model. */
export async function ownModel(): Promise<{ readonly modelJson: Uint8Array; readonly weights: OwnFile }> {
  const weights = located(() => new URL("../model/weights.safetensors", import.meta.url));
  return { modelJson: new TextEncoder().encode(SHIPPED_MODEL_JSON), weights };
}
