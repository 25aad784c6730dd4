/* The package's own files, within its code. */

import { nodeModule } from "./node.js";
import { QuickdrawError } from "./error.js";

declare const SHIPPED_MODEL_JSON: string;
/** The module for all engines, with gzip and in base64: a second one for some engines would be 0.4 MB more for all. */
declare const INLINE_MODULE: string;
/** The weights in base64; they hardly get smaller with gzip. */
declare const INLINE_WEIGHTS: string;

export type OwnFile = URL | Uint8Array;

export async function ownModule(): Promise<OwnFile> {
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
