/* Node's own modules. */

/**
 * Imports a module of Node's own. Bundlers for browsers must not look for it, so its name is no literal here; browsers
 * never come this way.
 */
export async function nodeModule<T>(name: string): Promise<T> {
  return (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as T;
}

/** What Node has although it is no global variable here. A module could only wait for it. */
export function hiddenInNode<N extends "TextDecoder" | "TextEncoder">(_name: N): (typeof globalThis)[N] | undefined {
  return undefined;
}
