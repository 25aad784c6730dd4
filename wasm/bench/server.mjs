// A server for the pages of the bench, which remembers what each was given.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";

/** @type {Record<string, string>} */
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/**
 * @param {Record<string, string>} folders what lies under each first part of an address
 * @returns {Promise<{ origin: string, takeServed: () => string[], close: () => void }>} `takeServed`: the files that were
 * asked for since it was last called, each once
 */
export async function serve(folders) {
  /** @type {Set<string>} */
  let served = new Set();
  const server = createServer(async (request, response) => {
    const [, first = "", ...rest] = decodeURIComponent(new URL(request.url ?? "/", "http://bench").pathname).split("/");
    const folder = folders[first];
    const file = path.join(folder ?? "", ...rest);
    try {
      if (folder === undefined || rest.includes("..")) throw new Error("outside the folders");
      const body = await readFile(file);
      served.add(file);
      response.writeHead(200, {
        "Content-Type": types[path.extname(file)] ?? "application/octet-stream",
        "Content-Length": body.length,
        "Cache-Control": "max-age=3600",
        // Together they give the page a clock of 5 microseconds instead of 100.
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    origin: `http://127.0.0.1:${port}`,
    takeServed: () => {
      const files = [...served];
      served = new Set();
      return files;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
