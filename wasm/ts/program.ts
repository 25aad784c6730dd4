/* Where the worker's program lies: for bundlers a file to copy as it is, complete in itself. */

import { located } from "./located.js";

export function workerProgram(): URL {
  return located(() => new URL("./worker-thread.js", import.meta.url));
}
