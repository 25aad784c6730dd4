/* A load as its callers see it: the bytes that arrive, and a signal that ends the waiting. */

import type { PlatformAbortSignal } from "./platform.js";

/** How far a load is. */
export interface LoadProgress {
  /** Bytes of the module and of the model that are there. */
  readonly loadedBytes: number;
  /** Bytes of all of them; undefined while a server has not said, or compresses what it sends. */
  readonly totalBytes: number | undefined;
}

/** The bytes of one file as they arrive. */
export class FileProgress {
  readonly listeners = new Set<() => void>();

  #loadedBytes = 0;
  #totalBytes: number | undefined;

  get loadedBytes(): number {
    return this.#loadedBytes;
  }

  get totalBytes(): number | undefined {
    return this.#totalBytes;
  }

  /** What the sender says before anything has arrived. */
  expect(totalBytes: number): void {
    this.#totalBytes = totalBytes;
  }

  add(nBytes: number): void {
    this.#loadedBytes += nBytes;
    // A length that is exceeded was that of a compressed file.
    if (this.#totalBytes !== undefined && this.#loadedBytes > this.#totalBytes) this.#totalBytes = undefined;
    this.#tell();
  }

  /** The file is there with all its bytes. */
  finish(nBytes: number): void {
    this.#loadedBytes = nBytes;
    this.#totalBytes = nBytes;
    this.#tell();
  }

  /** Takes over the progress of another file, until the function that it gives is called. */
  follow(other: FileProgress): () => void {
    const take = (): void => {
      this.#loadedBytes = other.loadedBytes;
      this.#totalBytes = other.totalBytes;
      this.#tell();
    };
    other.listeners.add(take);
    take();
    return () => void other.listeners.delete(take);
  }

  #tell(): void {
    for (const listener of this.listeners) listener();
  }
}

/** Reports the progress of several files as one while a promise is pending, and once more when it is fulfilled. */
export async function watched<T>(
  promise: Promise<T>,
  files: readonly FileProgress[],
  onProgress: (progress: LoadProgress) => void,
): Promise<T> {
  const tell = (): void => {
    let loadedBytes = 0;
    let totalBytes: number | undefined = 0;
    for (const file of files) {
      loadedBytes += file.loadedBytes;
      totalBytes = file.totalBytes === undefined || totalBytes === undefined ? undefined : totalBytes + file.totalBytes;
    }
    report(onProgress, { loadedBytes, totalBytes });
  };
  for (const file of files) file.listeners.add(tell);
  try {
    const value = await promise;
    tell();
    return value;
  } finally {
    for (const file of files) file.listeners.delete(tell);
  }
}

/** Calls a listener. As with listeners of events, what it throws is reported as uncaught, and the load goes on. */
export function report(onProgress: ((progress: LoadProgress) => void) | undefined, progress: LoadProgress): void {
  try {
    onProgress?.(progress);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** A promise that rejects with the signal's reason once the signal is aborted; what it waits for goes on. */
export function abortable<T>(promise: Promise<T>, signal: PlatformAbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(reasonOf(signal));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Why a signal was aborted; Firefox 89 to 96 and Chrome 96 and 97 do not say. */
export function reasonOf(signal: PlatformAbortSignal): unknown {
  return signal.reason ?? new DOMException("the load was aborted", "AbortError");
}

export function throwIfAborted(signal: PlatformAbortSignal | undefined): void {
  if (signal?.aborted) throw reasonOf(signal);
}
