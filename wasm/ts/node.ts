/* Modules of Node's own. */

/**
 * Imports a module of Node's own. Bundlers for browsers must not look for it, so its name is no literal here; browsers
 * never come this way.
 */
export async function nodeModule<T>(name: string): Promise<T> {
  return (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as T;
}
