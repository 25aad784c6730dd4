/** What the page may weigh. How long it may take is measured by `npm run timing`: timing.ts. */
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { expect, open, test, type Sent } from "./page.ts";

const ASSETS = new URL("../dist/assets/", import.meta.url);

/** All code of the page without the recogniser: neither the package's worker, which has two sides, nor what it traces pictures with. */
const MOST_JS_BYTES = 60 * 1024;

/** All that a first visit loads before the page is ready, as it comes over the network: fonts, pictures, recogniser and weights. */
const MOST_FIRST_VISIT_BYTES = 2000 * 1024;
/** The same without the recogniser and its weights: what the page needs for its looks. */
const MOST_LOOKS_BYTES = 200 * 1024;

test("the page's code is under 60 KB, compressed", () => {
  const files = readdirSync(ASSETS).filter(
    (name) => name.endsWith(".js") && !/^(worker-thread|recogniser|tracer)-/.test(name),
  );
  const bytes = files.map((name) => gzipSync(readFileSync(new URL(name, ASSETS))).length);
  expect(files.length).toBeGreaterThan(0);
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(MOST_JS_BYTES);
});

test.describe("a first visit", () => {
  for (const [locale, mostLooks] of [
    ["en-US", MOST_LOOKS_BYTES],
    ["ko-KR", MOST_LOOKS_BYTES + 160 * 1024],
  ] as const) {
    test.describe(locale, () => {
      // What the service worker fetches for later comes on top, from the browser's own cache where the server allows it.
      test.use({ locale, serviceWorkers: "block" });

      test("loads no more than it shows", async ({ page, site }) => {
        await open(page, site);
        await page.evaluate(() => document.fonts.ready.then(() => undefined));
        await page.waitForLoadState("networkidle");
        const total = (sent: readonly Sent[]) => sent.reduce((sum, { bytes }) => sum + bytes, 0);
        const looks = site.sent.filter(({ path }) => !/wasm|safetensors|worker-thread|recogniser/.test(path));
        console.log(
          `${locale}: ${total(site.sent)} bytes, ${total(looks)} of them for its looks\n${site.sent.map(({ path, bytes }) => `  ${bytes} ${path}`).join("\n")}`,
        );
        expect(total(looks)).toBeLessThan(mostLooks);
        // Other views come with their code and their style when they are first wanted.
        expect(
          site.sent.filter(({ path }) =>
            /(game|summary|card|lesson|book-view|inside|reasons|confusions|tracer)-/.test(path),
          ),
        ).toEqual([]);
        expect(total(site.sent)).toBeLessThan(MOST_FIRST_VISIT_BYTES + mostLooks - MOST_LOOKS_BYTES);
      });
    });
  }

  test("installs nothing that only the other language needs", async ({ page, site }) => {
    await open(page, site);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const korean = site.sent.filter(({ path }) => path.includes("gowun")).reduce((sum, { bytes }) => sum + bytes, 0);
    expect(korean).toBeGreaterThan(0);
    expect(korean).toBeLessThan(80 * 1024);
  });
});

test("every underline is written so that all browsers draw it: WebKit knows no shorthand with colour or breadth", () => {
  const css = readdirSync(ASSETS)
    .filter((name) => name.endsWith(".css"))
    .map((name) => readFileSync(new URL(name, ASSETS), "utf8"))
    .join("");
  expect(css).toContain("text-decoration-line:underline");
  expect(
    [...css.matchAll(/text-decoration:([^;}]*)/g)]
      .map(([, value]) => value)
      .filter((value) => !/^(none|underline)$/.test(value ?? "")),
  ).toEqual([]);
});
