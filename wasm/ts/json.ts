/* JSON of unknown origin. */

import { type QuickdrawError, messageOf } from "./error.js";

/** How deep lists may lie within each other; a drawing needs 4 levels with its record, saved categories 4 as well. */
const MAX_DEPTH = 64;

/**
 * Reads a text of JSON. Lists that lie too deep within each other are refused before: reading millions of levels takes
 * gigabytes in some engines and overflows the stack in others.
 *
 * @param bad makes the error of a message
 */
export function parseJson(text: string, bad: (message: string) => QuickdrawError): unknown {
  if (isDeep(text)) throw bad(`lists lie more than ${MAX_DEPTH} levels deep within each other`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bad(`not JSON: ${messageOf(cause).slice(0, 200)}`);
  }
}

function isDeep(text: string): boolean {
  let depth = 0;
  let isString = false;
  for (let index = 0; index < text.length; index++) {
    const character = text.charCodeAt(index);
    if (isString) {
      if (character === 0x5c /* \ */) index += 1;
      else if (character === 0x22 /* " */) isString = false;
    } else if (character === 0x22) {
      isString = true;
    } else if (character === 0x5b /* [ */ || character === 0x7b /* { */) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (character === 0x5d /* ] */ || character === 0x7d /* } */) {
      depth -= 1;
    }
  }
  return false;
}
