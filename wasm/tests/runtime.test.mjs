// The compiled module at the door. One process instantiates it once, so these tests build on each other: each refusal
// must leave the next attempt free to succeed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

test("what is no module of this package is refused, and the next attempt succeeds", async () => {
  let calls = 0;
  const { fetch } = globalThis;
  const { validate, compile } = WebAssembly;
  globalThis.fetch = () => assert.fail("nothing is fetched");
  WebAssembly.compile = (...args) => (calls++, compile(...args));
  const { Classifier, QuickdrawError } = await import("quickdraw-rnn");
  assert.equal(calls, 0, "importing has no effect");
  globalThis.fetch = fetch;

  const { fixtureFolder } = await import("./fixture.mjs");
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
  const pkg = new URL("../pkg/quickdraw_wasm_bg.wasm", import.meta.url);
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
