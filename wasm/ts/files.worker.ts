/* In the worker's program: the page hands it all files, or their addresses, so that it need not know where it lies. */

import { QuickdrawError } from "./error.js";
import type { SentModules } from "./messages.js";
import type { ModuleKind } from "./simd.js";

export type OwnFile = URL | Uint8Array;

let modules: SentModules = {};

/** What the page sent. */
export function handModules(sent: SentModules): void {
  modules = sent;
}

export async function ownModule(kind: ModuleKind): Promise<OwnFile> {
  const module = modules[kind];
  if (module === undefined && kind === "float32") {
    throw new QuickdrawError(
      "unsupported",
      "float32 needs the module quickdraw_wasm_float32, which is not beside this code: name it with the option `wasm`",
    );
  }
  if (module === undefined) throw notHanded();
  return typeof module === "string" ? new URL(module) : module;
}

export async function ownModel(): Promise<{ readonly modelJson: Uint8Array; readonly weights: OwnFile }> {
  throw notHanded();
}

function notHanded(): QuickdrawError {
  return new QuickdrawError("internal", "the worker was not told where the package's files are");
}
