// Applications that use the package without a bundler, and a server for them.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";

/** Nothing but the server's own files, and WebAssembly may be compiled. */
export const STRICT_POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'";

const types = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/**
 * Serves a folder on a free port.
 *
 * @param {string} root
 * @param {string} [policy]
 * @param {Map<string, [status: number, type: string, body?: string]>} [faults] other answers, by the end of the path
 * @param {Record<string, string>} [headers] of every file
 * @returns {Promise<{ origin: string, asked: string[], close: () => void }>} `asked`: the paths that were asked for
 */
export async function serve(root, policy = STRICT_POLICY, faults = new Map(), headers = {}) {
  const asked = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://server");
    asked.push(pathname);
    const fault = [...faults].find(([end]) => pathname.endsWith(end))?.[1];
    if (fault?.[2] !== undefined) return response.writeHead(fault[0], { "content-type": fault[1] }).end(fault[2]);
    const file = path.join(root, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    try {
      const body = await readFile(file);
      const type = fault?.[1] ?? types[path.extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "content-security-policy": policy, ...headers }).end(body);
    } catch {
      response.writeHead(404, { "content-type": "text/html" }).end("<!doctype html>nothing here");
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, asked, close };
}

/** A page that runs one module script. */
export const html = (script) =>
  `<!doctype html><meta charset="utf-8"><title>Test</title><script type="module" src="${script}"></script>`;

/** A program that names the package's files instead of the package. */
export const unbundled = (program) =>
  program
    .replaceAll('"quickdraw-rnn"', '"/quickdraw-rnn/dist/index.js"')
    .replaceAll(/"quickdraw-rnn\/([a-z-]+)"/g, '"/quickdraw-rnn/dist/$1.js"');

/** The drawing of the programs below. */
export const STROKES = [
  [
    { x: 0, y: 0 },
    { x: 90, y: 10 },
    { x: 40, y: 80 },
  ],
];

/** What every page does: one drawing, recognised on the page and in the package's worker, and as a custom class. */
export const page = (options, workerOptions = options) => `
  import { Classifier } from "quickdraw-rnn";
  import { CustomClasses } from "quickdraw-rnn/custom-classes";
  import { parseSvg, toSvg } from "quickdraw-rnn/formats";
  import { createWorkerClassifier } from "quickdraw-rnn/worker";
  const strokes = ${JSON.stringify(STROKES)};
  const run = async () => {
    const here = await Classifier.load(${options});
    const there = await createWorkerClassifier(${workerOptions});
    const custom = new CustomClasses(there);
    await custom.add("mine", strokes);
    const [{ label }] = await custom.classify(parseSvg(toSvg(strokes)), { among: "instead" });
    const found = { here: here.classify(strokes), there: await there.classify(strokes), label };
    there.dispose();
    return found;
  };
  run().then((found) => (window.found = found), (error) => (window.found = { error: String(error) }));
`;

/** What an application offers its test: both ways to load, and what they tell. */
export const loaders = unbundled(`
  import { Classifier } from "quickdraw-rnn";
  import { createWorkerClassifier } from "quickdraw-rnn/worker";
  const strokes = ${JSON.stringify(STROKES)};
  const loaders = { here: (options) => Classifier.load(options), there: (options) => createWorkerClassifier(options) };
  window.load = async (place) => {
    const seen = [];
    try {
      window[place] = await loaders[place]({ onProgress: (progress) => seen.push(progress) });
    } catch ({ code, message }) {
      return { code, message };
    }
    return seen.at(-1);
  };
  window.recognise = (place) => window[place].classify(strokes);
  window.found = true;
`);
