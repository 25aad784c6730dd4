/* Where a file lies in, its bytes out. The same road in browsers, workers and Node. */

import { QuickdrawError, messageOf } from "./error.js";

/** Turns what a user of the package calls an address into a URL. */
export async function resolveUrl(address: string | URL): Promise<URL> {
  if (address instanceof URL) return address;
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    if (page !== undefined) return new URL(address, page);
    // Two letters at least: `C:` is a drive.
    if (/^[a-z][a-z0-9+.-]+:/i.test(address)) return new URL(address);
    const { pathToFileURL } = await nodeModule<typeof import("node:url")>("node:url");
    return pathToFileURL(address);
  } catch (cause) {
    throw new QuickdrawError("invalid-options", `"${address}" is not a URL: ${messageOf(cause)}`, { cause });
  }
}

/** Reads a file from the network or, in Node, from the disk. */
export async function readBytes(url: URL): Promise<Uint8Array> {
  const bytes = url.protocol === "file:" ? await readFile(url) : await fetchBytes(url);
  const beginning = new TextDecoder().decode(bytes.subarray(0, 64)).trimStart();
  if (/^<(!doctype|html)/i.test(beginning)) {
    throw new QuickdrawError(
      "load-failed",
      `${shown(url)} is a web page: the server has no such file and answers with a page instead`,
    );
  }
  return bytes;
}

/** A URL as messages show it: data URLs can be megabytes long. */
export function shown(url: URL): string {
  return url.href.length > 200 ? `${url.href.slice(0, 200)}...` : url.href;
}

async function readFile(url: URL): Promise<Uint8Array> {
  try {
    const { readFile } = await nodeModule<typeof import("node:fs/promises")>("node:fs/promises");
    return await readFile(url);
  } catch (cause) {
    throw new QuickdrawError("load-failed", `${shown(url)} could not be read: ${messageOf(cause)}`, { cause });
  }
}

async function fetchBytes(url: URL): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new QuickdrawError("load-failed", `${shown(url)} could not be fetched: ${messageOf(cause)}`, { cause });
  }
  const status = `${response.status} ${response.statusText}`.trim();
  throw new QuickdrawError("load-failed", `${shown(url)} could not be fetched: the server answered ${status}`);
}

/**
 * Imports a module of Node's own. Bundlers for browsers must not look for it, so its name is no literal here; browsers
 * never come this way.
 */
async function nodeModule<T>(name: string): Promise<T> {
  return (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as T;
}
