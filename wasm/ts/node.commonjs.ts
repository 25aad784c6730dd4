/* Node's own modules, for CommonJS: Jest's modules can `require`, but not `import()`. */

declare const require: (name: string) => unknown;

export async function nodeModule<T>(name: string): Promise<T> {
  return require(name) as T;
}

export function hiddenInNode<N extends "TextDecoder" | "TextEncoder">(name: N): (typeof globalThis)[N] | undefined {
  return (require("node:util") as typeof globalThis)[name];
}
