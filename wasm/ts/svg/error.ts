import { QuickdrawError } from "../error.js";

/** The error for what is not an SVG picture with lines. */
export function badSvg(message: string): QuickdrawError {
  return new QuickdrawError("invalid-strokes", `the SVG: ${message}`);
}
