/* Which platform this is. */

/** Whether this is Node, or Bun or Deno, which have its modules. */
export const isNode = (): boolean => typeof process === "object" && process.versions?.node !== undefined;
