/* The worker's program within this package's code. */

/** `dist/worker-thread.js`: the build puts the text here. */
declare const INLINE_WORKER: string;

let program: URL | undefined;

export function workerProgram(): URL {
  // Node's own threads take no addresses of Blobs, some browsers no data URLs.
  const make = (): string =>
    typeof Worker === "undefined"
      ? `data:text/javascript,${encodeURIComponent(INLINE_WORKER)}`
      : URL.createObjectURL(new Blob([INLINE_WORKER], { type: "text/javascript" }));
  // Made once and kept: a worker that died is started again.
  return (program ??= new URL(make()));
}
