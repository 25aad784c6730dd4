/** What the page may weigh, and how long it may take. */
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { FIGURES } from "./figures.ts";
import { draw, expect, guessed, open, test } from "./page.ts";

const ASSETS = new URL("../dist/assets/", import.meta.url);

/** All code of the page without the recogniser: neither its worker nor its WebAssembly. */
const MOST_JS_BYTES = 60 * 1024;

test("the page's code is under 60 KB, compressed", () => {
  const files = readdirSync(ASSETS).filter((name) => name.endsWith(".js") && !name.startsWith("guess-worker"));
  const bytes = files.map((name) => gzipSync(readFileSync(new URL(name, ASSETS))).length);
  expect(files.length).toBeGreaterThan(0);
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(MOST_JS_BYTES);
});

test("from a warm server the pad takes ink within a second", async ({ page, site }) => {
  await open(page, site);
  await page.reload();
  // The module's end is the pad's beginning: it runs before the page's DOMContentLoaded.
  const readyMs = await page.evaluate(() => (performance.getEntriesByType("navigation")[0] as PerformanceNavigationTiming).domContentLoadedEventEnd);
  expect(readyMs).toBeLessThan(1000);
});

test("a long scribble blocks the page for no longer than 50 ms, and leaves no memory behind", async ({ page, site, context, browser }) => {
  await open(page, site);
  await draw(page, FIGURES.line);
  await guessed(page);
  const session = await context.newCDPSession(page);
  const heap = async () => {
    await session.send("HeapProfiler.collectGarbage");
    return page.evaluate(() => (performance as unknown as { memory: { usedJSHeapSize: number } }).memory.usedJSHeapSize);
  };
  const before = await heap();
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
  for (let i = 0; i < 2; i++) {
    await draw(page, FIGURES.clock);
    await page.keyboard.press("Escape");
  }
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  expect((await heap()) - before).toBeLessThan(2 * 2 ** 20);

  // The processor's time, since on a busy machine a task waits for other programs; tasks of the page's own thread.
  const own = trace.traceEvents.filter(({ name, args }) => name === "thread_name" && args?.name === "CrRendererMain");
  const tasks = trace.traceEvents.filter((event) => event.name.endsWith("RunTask") && own.some(({ pid, tid }) => event.pid === pid && event.tid === tid));
  expect(tasks.filter(({ tdur }) => tdur !== undefined).length).toBeGreaterThan(100);
  expect(tasks.map(({ tdur = 0 }) => tdur / 1000).filter((ms) => ms > 50)).toEqual([]);
});

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** The processor's time in microseconds, without that in which the thread waited. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}
