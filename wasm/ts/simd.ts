/* What the engine can compute with. */

/** The modules of this package: int8 for all engines, int8 for those with relaxed SIMD, and float32 as well as int8. */
export type ModuleKind = "int8" | "relaxed" | "float32";

/** A module whose only function uses one SIMD instruction: valid exactly where SIMD is. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** The same for the relaxed dot product, which Chrome has since 114 and Firefox since 146. */
const RELAXED_SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15, 65, 0, 253, 15, 65,
  0, 253, 15, 253, 147, 2, 11,
]);

/** Whether the engine has SIMD, which this package cannot do without. */
export function hasSimd(): boolean {
  return WebAssembly.validate(SIMD_PROBE);
}

/** The fastest module for int8 that runs here. Without any WebAssembly the one for all engines: to load it will say so. */
export function int8Module(): ModuleKind {
  return typeof WebAssembly === "object" && WebAssembly.validate(RELAXED_SIMD_PROBE) ? "relaxed" : "int8";
}
