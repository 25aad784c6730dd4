/* In the worker's program: the page hands it all files, or their addresses, so that it need not know where it lies. */

import { QuickdrawError } from "./error.js";

export type OwnFile = URL | Uint8Array;

export async function ownModule(): Promise<OwnFile> {
  throw notHanded();
}

export async function ownModel(): Promise<{ readonly modelJson: Uint8Array; readonly weights: OwnFile }> {
  throw notHanded();
}

function notHanded(): QuickdrawError {
  return new QuickdrawError("internal", "the worker was not told where the package's files are");
}
