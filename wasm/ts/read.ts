/* Where a file lies in, its bytes out. The same in browsers, workers and Node. */

import { QuickdrawError, messageOf } from "./error.js";
import { type FileProgress, throwIfAborted } from "./loading.js";
import { nodeModule } from "./node.js";
import type { FileSource } from "./options.js";
import { isAddress, isAnswer, isRelative, isResponse, isUrl } from "./sources.js";

/** Turns what a user of the package calls an address into a URL. */
export async function resolveUrl(address: string | URL): Promise<URL> {
  if (isUrl(address) && !isRelative(address)) return address;
  const page = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    if (page !== undefined) return new URL(address, page);
    // Two letters at least: `C:` is a drive.
    const text = String(address);
    if (/^[a-z][a-z0-9+.-]+:/i.test(text)) return new URL(text);
    const { pathToFileURL } = await nodeModule<typeof import("node:url")>("node:url");
    return pathToFileURL(text);
  } catch (cause) {
    throw new QuickdrawError("invalid-options", `"${address}" is not a URL: ${messageOf(cause)}`, { cause });
  }
}

/** Is handed the answer of a server that has the file; what is read is what it gives back. */
export type OnResponse = (response: Response) => Response;

/** Reads a file from the network or, in Node, from the disk. */
export async function readBytes(
  url: URL,
  progress: FileProgress,
  signal?: AbortSignal,
  onResponse?: OnResponse,
): Promise<Uint8Array> {
  const isFile = url.protocol === "file:";
  const bytes = isFile ? await readFile(url, signal) : await fetchBytes(url, progress, signal, onResponse);
  return finished(bytes, shown(url), progress);
}

/** Reads what a server answers, when it does. */
export async function readResponse(
  source: Response | PromiseLike<Response>,
  progress: FileProgress,
  signal?: AbortSignal,
  onResponse?: OnResponse,
): Promise<{ name: string; bytes: Uint8Array }> {
  let response: Response;
  try {
    response = await source;
  } catch (cause) {
    throw new QuickdrawError("load-failed", `the given answer did not come: ${messageOf(cause)}`, { cause });
  }
  if (!isResponse(response)) {
    throw new QuickdrawError("invalid-options", "the given promise brought no Response: expected what fetch() gives");
  }
  const name = response.url === "" ? "the given answer" : response.url;
  const bytes = await readBody(response, name, progress, signal, onResponse);
  return { name, bytes: finished(bytes, name, progress) };
}

/** The bytes of a file in memory, at an address, or of one that a server's answer brings. */
export async function readSource(
  source: FileSource,
  progress: FileProgress,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (isAddress(source)) return readBytes(await resolveUrl(source), progress, signal);
  if (isAnswer(source)) return (await readResponse(source, progress, signal)).bytes;
  progress.finish(source.byteLength);
  // A buffer that was transferred looks empty, and can neither be read nor sent.
  if (source.byteLength === 0) return new Uint8Array();
  return source instanceof Uint8Array ? source : new Uint8Array(source);
}

/** A URL as messages show it: data URLs can be megabytes long. */
export function shown(url: URL): string {
  return url.href.length > 200 ? `${url.href.slice(0, 200)}...` : url.href;
}

function finished(bytes: Uint8Array, name: string, progress: FileProgress): Uint8Array {
  // What matters is ASCII, perhaps behind the mark of UTF-8.
  const beginning = String.fromCharCode(...bytes.subarray(0, 64))
    .replace("\xEF\xBB\xBF", "")
    .trimStart();
  if (/^<(!doctype|html)/i.test(beginning)) {
    throw new QuickdrawError(
      "load-failed",
      `${name} is a web page: the server has no such file and answers with a page instead`,
    );
  }
  progress.finish(bytes.length);
  return bytes;
}

async function readFile(url: URL, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    const { readFile } = await nodeModule<typeof import("node:fs/promises")>("node:fs/promises");
    const { fileURLToPath } = await nodeModule<typeof import("node:url")>("node:url");
    // jsdom's URLs are not Node's.
    return await readFile(fileURLToPath(url.href), signal === undefined ? {} : { signal });
  } catch (cause) {
    throwIfAborted(signal);
    throw new QuickdrawError("load-failed", `${shown(url)} could not be read: ${messageOf(cause)}`, { cause });
  }
}

async function fetchBytes(
  url: URL,
  progress: FileProgress,
  signal: AbortSignal | undefined,
  onResponse: OnResponse | undefined,
): Promise<Uint8Array> {
  if (typeof fetch !== "function") {
    throw new QuickdrawError(
      "unsupported",
      `${shown(url)} cannot be fetched: fetch is missing here; give its bytes instead`,
    );
  }
  let response: Response;
  try {
    response = await fetch(url.href, signal === undefined ? {} : { signal });
  } catch (cause) {
    throwIfAborted(signal);
    throw new QuickdrawError("load-failed", `${shown(url)} could not be fetched: ${messageOf(cause)}`, { cause });
  }
  return readBody(response, shown(url), progress, signal, onResponse);
}

async function readBody(
  answer: Response,
  name: string,
  progress: FileProgress,
  signal: AbortSignal | undefined,
  onResponse: OnResponse | undefined,
): Promise<Uint8Array> {
  if (!answer.ok) {
    const status = `${answer.status} ${answer.statusText}`.trim();
    throw new QuickdrawError("load-failed", `${name} could not be fetched: the server answered ${status}`);
  }
  try {
    const response = onResponse === undefined ? answer : onResponse(answer);
    // The length that a server names is that of what it sends, which may be compressed.
    const length = response.headers?.get("content-encoding") ? null : response.headers?.get("content-length");
    if (length && /^\d+$/.test(length)) progress.expect(Number(length));
    if (!response.body) return new Uint8Array(await response.arrayBuffer());

    const reader = response.body.getReader();
    const chunks: Uint8Array[] = [];
    let nBytes = 0;
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      if (signal?.aborted) await reader.cancel();
      throwIfAborted(signal);
      chunks.push(chunk.value);
      nBytes += chunk.value.length;
      progress.add(chunk.value.length);
    }
    return joined(chunks, nBytes);
  } catch (cause) {
    throwIfAborted(signal);
    throw new QuickdrawError("load-failed", `${name} could not be fetched: ${messageOf(cause)}`, { cause });
  }
}

function joined(chunks: readonly Uint8Array[], nBytes: number): Uint8Array {
  const bytes = new Uint8Array(nBytes);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
