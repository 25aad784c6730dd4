/* The package's own files, within its code. */

import { nodeModule } from "./node.js";
import { QuickdrawError } from "./error.js";
import type { ModuleKind } from "./simd.js";

declare const SHIPPED_MODEL_JSON: string;
/** The int8 module for all engines, with gzip and in base64: one is enough for a file that has everything. */
declare const INLINE_MODULE: string;
/** The weights in base64; they hardly get smaller with gzip. */
declare const INLINE_WEIGHTS: string;

export type OwnFile = URL | Uint8Array;

export async function ownModule(kind: ModuleKind): Promise<OwnFile> {
  if (kind === "float32") {
    throw new QuickdrawError(
      "unsupported",
      "quickdraw-rnn/inline computes in int8 alone: for float32 give quickdraw_wasm_float32_bg.wasm as option `wasm`",
    );
  }
  return unzipped(bytesOf(INLINE_MODULE));
}

export async function ownModel(): Promise<{ readonly modelJson: Uint8Array; readonly weights: OwnFile }> {
  return { modelJson: new TextEncoder().encode(SHIPPED_MODEL_JSON), weights: bytesOf(INLINE_WEIGHTS) };
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

async function unzipped(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  if (typeof DecompressionStream === "function") {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  // Bun and jsdom.
  if (typeof process === "object" && process.versions?.node) {
    const { gunzipSync } = await nodeModule<typeof import("node:zlib")>("node:zlib");
    return gunzipSync(bytes);
  }
  throw new QuickdrawError(
    "unsupported",
    "quickdraw-rnn/inline needs DecompressionStream: Chrome 80, Firefox 113, Safari 16.4 or later",
  );
}
