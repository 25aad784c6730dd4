// The compiled module at the door. One process instantiates it once, so these tests build on each other: each refusal
// must leave the next attempt free to succeed.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { fixtureFolder } from "./fixture.mjs";

test("a module that is not this package's is refused, and the next attempt succeeds", async () => {
  let calls = 0;
  const { fetch } = globalThis;
  const { validate, compile } = WebAssembly;
  globalThis.fetch = () => assert.fail("nothing is fetched");
  WebAssembly.compile = (...args) => {
    calls++;
    return compile(...args);
  };
  const { Classifier, QuickdrawError } = await import("quickdraw-rnn");
  assert.equal(calls, 0, "importing has no effect");
  globalThis.fetch = fetch;

  const refused = async (wasm, code, message) => {
    for (const options of [{ wasm }, { wasm, model: fixtureFolder }]) {
      await assert.rejects(Classifier.load(options), (error) => {
        assert.ok(error instanceof QuickdrawError, `${error}`);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    }
  };

  WebAssembly.validate = () => false;
  await refused(undefined, "unsupported", /needs WebAssembly with SIMD/);
  WebAssembly.validate = validate;
  const own = globalThis.WebAssembly;
  delete globalThis.WebAssembly;
  await refused(undefined, "unsupported", /needs WebAssembly, which is missing/);
  globalThis.WebAssembly = own;

  const page = new TextEncoder().encode("<!doctype html><title>Not found</title>");
  const emptyModule = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
  const pkg = new URL("../pkg/quickdraw_wasm_float32_bg.wasm", import.meta.url);
  const module = await readFile(pkg);
  await refused(new URL("missing.wasm", import.meta.url), "load-failed", /missing\.wasm could not be read/);
  await refused(`data:text/html,${encodeURIComponent("<html></html>")}`, "load-failed", /is a web page/);
  await refused(page, "invalid-wasm", /the given module is not a WebAssembly module/);
  await refused(module.subarray(0, 1000), "invalid-wasm", /is not a WebAssembly module/);
  await refused(emptyModule, "invalid-wasm", /is not the module of this package/);
  await refused(await WebAssembly.compile(emptyModule), "invalid-wasm", /is not the module of this package/);
  await refused(7, "invalid-options", /option `wasm`: found (7|null), expected a URL/);
  await refused(null, "invalid-options", /option `wasm`: found (7|null), expected a URL/);

  const before = calls;
  const classifiers = await Promise.all([
    Classifier.load({ wasm: pkg, model: fixtureFolder }),
    Classifier.load({ wasm: module, model: fixtureFolder }),
    Classifier.load({ model: fixtureFolder }),
  ]);
  assert.equal(calls, before + 1, "all share one instance");
  for (const classifier of classifiers) assert.ok(classifier.classify([[{ x: 0, y: 0 }]]).length > 0);
});

// Each of these has a process of its own, and in it the package for the first time.
describe("the module comes from", () => {
  const own = new URL("../pkg/quickdraw_wasm_bg.wasm", import.meta.url);
  let server;
  let address;
  before(async () => {
    const bytes = await readFile(own);
    server = createServer((request, response) => {
      const types = { ".txt": "text/plain", wasm: "application/wasm" };
      const ending = Object.keys(types).find((ending) => request.url.endsWith(ending));
      response.setHeader("content-type", types[ending] ?? "text/html");
      if (request.url.startsWith("/module")) return response.end(bytes);
      if (request.url.startsWith("/cut"))
        return response.writeHead(200, { "content-length": 100 }).write("\0asm", () => response.destroy());
      if (request.url === "/nonsense.wasm") return response.end("\0asm and nothing else");
      if (request.url.startsWith("/page")) return response.end("<!DOCTYPE html><title>An app</title>");
      response.writeHead(404).end("<!DOCTYPE html><title>Not here</title>");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    address = `http://127.0.0.1:${server.address().port}`;
  });
  after(() => server.close());

  /** What a program prints that has `own`, `address` and `readFile`. */
  async function printed(program) {
    const text = `
      import { readFile } from "node:fs/promises";
      import { Classifier } from "quickdraw-rnn";
      const own = new URL(${JSON.stringify(own.href)});
      const address = ${JSON.stringify(address)};
      const strokes = [[{ x: 0, y: 0 }, { x: 90, y: 10 }]];
      ${program}`;
    const cwd = new URL("..", import.meta.url);
    return (await promisify(execFile)(process.execPath, ["--input-type=module", "-e", text], { cwd })).stdout.trim();
  }

  for (const [name, source] of Object.entries({
    "a file's address": "own.href",
    "a server, whatever it calls the file": "`${address}/module.txt`",
    "a URL": "new URL('/module', address)",
    "an answer": "await fetch(`${address}/module`)",
    "an answer on its way": "fetch(`${address}/module`)",
    bytes: "await readFile(own)",
    "a buffer": "Uint8Array.from(await readFile(own)).buffer",
    "a compiled module": "await WebAssembly.compile(await readFile(own))",
  })) {
    test(name, async () => {
      const program = `
        let nAsked = 0;
        const { fetch, WebAssembly: { compile } } = globalThis;
        const wasm = ${source};
        globalThis.fetch = (...call) => (nAsked++, fetch(...call));
        const classifier = await Classifier.load({ wasm });
        console.log(classifier.classify(strokes).length, nAsked);`;
      const asks = /^`|^new URL/.test(source);
      assert.equal(await printed(program), `5 ${asks ? 1 : 0}`);
    });
  }

  test("the option for weights in float32, also after the module for int8", async () => {
    const program = `
      const model = ${JSON.stringify(fixtureFolder.href)};
      const load = (wasm) => Classifier.load({ model, wasm }).then(({ arithmetic }) => arithmetic, ({ code, message }) => code + " " + message);
      console.log((await Classifier.load()).arithmetic);
      console.log(await load(own));
      console.log(await load(new URL("quickdraw_wasm_float32_bg.wasm", own)));`;
    const [shipped, refused, found] = (await printed(program)).split("\n");
    assert.deepEqual([shipped, found], ["int8", "f32"]);
    assert.match(refused, /^invalid-wasm .* has float32 weights, and float32 needs the module quickdraw_wasm_float32 /);
  });

  test("a server that calls it what it is, and it is compiled while it arrives", async () => {
    const program = `
      // Node compiles a module of its own for the first answer.
      await fetch(address + "/none");
      const { compile, compileStreaming } = WebAssembly;
      const calls = [];
      WebAssembly.compile = (bytes) => (calls.push("compile"), compile(bytes));
      WebAssembly.compileStreaming = (answer) => (calls.push("stream"), compileStreaming(answer));
      const load = async (wasm) => {
        const seen = [];
        const onProgress = ({ loadedBytes, totalBytes }) => seen.push([loadedBytes, totalBytes]);
        const found = await Classifier.load({ wasm, onProgress }).then(
          (classifier) => classifier.classify(strokes).length,
          ({ code, message }) => code + " " + message.replaceAll(address, ""),
        );
        console.log(calls.splice(0).join() || "neither", found, seen.length > 3, seen.at(-1)?.[0] > 1.5e6);
      };
      await load(address + "/none.wasm");
      await load(address + "/page.wasm");
      await load(address + "/cut.wasm");
      await load(fetch(address + "/nonsense.wasm"));
      await load(fetch(address + "/module.wasm"));`;
    const lines = (await printed(program)).split("\n");
    assert.match(lines[0], /^neither load-failed .*none\.wasm could not be fetched: the server answered 404/);
    assert.match(lines[1], /^stream load-failed .*page\.wasm is a web page/);
    assert.match(lines[2], /^stream load-failed .*cut\.wasm could not be fetched/);
    assert.match(lines[3], /^stream,compile invalid-wasm .*nonsense\.wasm is not a WebAssembly module: .*version/);
    assert.equal(lines[4], "stream 5 true true");
  });

  test("nowhere, and it is said why; the next load succeeds", async () => {
    const program = `
      for (const wasm of ["/none", "/page", "/cut"]) {
        for (const source of [address + wasm, fetch(address + wasm)]) {
          await Classifier.load({ wasm: source }).then(
            () => console.log("loaded"),
            ({ code, message }) => console.log(code, message.replaceAll(address, "")),
          );
        }
      }
      console.log((await Classifier.load()).classify(strokes).length);`;
    const lines = (await printed(program)).split("\n");
    const expected = [
      /none could not be fetched: the server answered 404/,
      /page is a web page/,
      /cut could not be fetched/,
    ];
    for (const [index, message] of expected.entries()) {
      for (const line of lines.slice(2 * index, 2 * index + 2)) {
        assert.match(line, /^load-failed /);
        assert.match(line, message);
      }
    }
    assert.deepEqual(lines.slice(6), ["5"]);
  });

  test("an answer that does not come after all, but the module was there already", async () => {
    const program = `
      await Classifier.load();
      const later = await Classifier.load({ wasm: Promise.reject(new Error("offline")) });
      await new Promise((resolve) => setTimeout(resolve));
      console.log(later.classify(strokes).length);`;
    assert.equal(await printed(program), "5");
  });
});

describe("what the platform lacks is said with a code:", () => {
  /** The code and message of the error that a program in a process of its own ends with. */
  async function failure(program) {
    const text = `import { Classifier } from "quickdraw-rnn";
      import { createWorkerClassifier } from "quickdraw-rnn/worker";
      const load = async (call) => call().then(() => console.log("loaded"), (error) =>
        console.log(error.constructor.name, error.code, error.message));
      ${program}`;
    const cwd = new URL("..", import.meta.url);
    return (await promisify(execFile)(process.execPath, ["--input-type=module", "-e", text], { cwd })).stdout.trim();
  }

  for (const name of ["TextDecoder", "TextEncoder"]) {
    test(name, async () => {
      const found = await failure(`delete globalThis.${name}; await load(() => Classifier.load());`);
      assert.match(found, new RegExp(`^QuickdrawError unsupported .*needs ${name}, which is missing here.*node:util`));
    });
  }

  test("fetch", async () => {
    const found = await failure(
      'delete globalThis.fetch; await load(() => Classifier.load({ wasm: "http://127.0.0.1:9/" }));',
    );
    assert.match(found, /^QuickdrawError unsupported .*fetch is missing here/);
  });

  // What Cloudflare's runtime, Chromium and Firefox say.
  for (const message of [
    "Wasm code generation disallowed by embedder",
    "Refused to compile or instantiate WebAssembly module because 'unsafe-eval' is not an allowed source of script",
    "call to WebAssembly.compile() blocked by CSP",
  ]) {
    test(`leave to compile: ${message}`, async () => {
      const found = await failure(`
        WebAssembly.compile = async () => { throw new WebAssembly.CompileError(${JSON.stringify(message)}); };
        await load(() => Classifier.load());`);
      assert.match(found, /^QuickdrawError unsupported WebAssembly may not be compiled here: .*option `wasm`: /);
      assert.ok(found.includes(message), found);
    });
  }

  test("workers", async () => {
    const found = await failure(`
      Object.defineProperty(process, "versions", { value: {} });
      await load(() => createWorkerClassifier({ model: { modelJson: new Uint8Array(1), weights: new Uint8Array(1) } }));`);
    assert.match(found, /^QuickdrawError unsupported there are no workers here/);
  });

  test("custom elements", async () => {
    const { definePad } = await import("quickdraw-rnn/pad");
    assert.throws(() => definePad(), {
      name: "QuickdrawError",
      code: "unsupported",
      message: /no custom elements here/,
    });
  });

  test("a Worker of the application's own that is none", async () => {
    const found = await failure(`await load(() => createWorkerClassifier({ worker: () => undefined }));`);
    assert.match(found, /^QuickdrawError invalid-options option `worker`: the function gave no Worker/);
  });

  test("URLs and windows of jsdom are taken for what they are", async () => {
    const found = await failure(`
      // URLs of another implementation, which Node does not know.
      const { URL: NodeUrl } = globalThis;
      globalThis.URL = class URL {
        #url;
        constructor(...parts) { this.#url = new NodeUrl(...parts.map(String)); }
        get href() { return this.#url.href; }
        get protocol() { return this.#url.protocol; }
        get pathname() { return this.#url.pathname; }
        set pathname(value) { this.#url.pathname = value; }
        toString() { return this.#url.href; }
        get [Symbol.toStringTag]() { return "URL"; }
      };
      globalThis.document = { baseURI: "http://localhost/" };
      await load(async () => (await Classifier.load()).dispose());
      await load(async () => (await createWorkerClassifier()).dispose());
      await load(() => Classifier.load({ model: new NodeUrl("file:///no/model") }));`);
    const lines = found.split("\n");
    assert.deepEqual(lines.slice(0, 2), ["loaded", "loaded"]);
    assert.match(lines[2], /^QuickdrawError load-failed file:\/\/\/no\/model\/\S+ could not be read/);
  });
});

test("code without an address names the options that help", async () => {
  const { build } = await import("esbuild");
  const entry =
    'export { Classifier } from "quickdraw-rnn"; export { createWorkerClassifier } from "quickdraw-rnn/worker";';
  const stdin = { contents: entry, resolveDir: new URL("..", import.meta.url).pathname };
  const define = { "import.meta.url": "undefined" };
  const { outputFiles } = await build({
    stdin,
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    define,
    logLevel: "silent",
  });
  const { Classifier, createWorkerClassifier } = await import(
    `data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`
  );
  for (const load of [Classifier.load, createWorkerClassifier]) {
    await assert.rejects(load(), {
      code: "unsupported",
      message: /import\.meta\.url.*`wasm`, `model` and `worker`.*inline/,
    });
  }
});
