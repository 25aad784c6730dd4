/* Modules of Node's own, for CommonJS: Jest's modules can `require`, but not `import()`. */

declare const require: (name: string) => unknown;

export async function nodeModule<T>(name: string): Promise<T> {
  return require(name) as T;
}
