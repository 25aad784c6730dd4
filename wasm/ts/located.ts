/* Addresses beside this package's code. */

import { QuickdrawError, messageOf } from "./error.js";
import { isRelative } from "./sources.js";

/** An address relative to `import.meta.url`, which some runtimes and bundlers do not have. */
export function located(address: () => URL): URL {
  try {
    const url = address();
    return isRelative(url) ? new URL(url.href, globalThis.location?.origin) : url;
  } catch (cause) {
    throw new QuickdrawError(
      "unsupported",
      "this package does not find its own files here, because its code has no address (import.meta.url): name them " +
        `with the options \`wasm\`, \`model\` and \`worker\`, or import quickdraw-rnn/inline: ${messageOf(cause)}`,
      { cause },
    );
  }
}
