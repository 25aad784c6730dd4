/** An hour of drawing in half a minute: what the page holds must not grow with what was drawn. */
import type { Page } from "@playwright/test";
import { FIGURES, type Figure } from "./figures.ts";
import { expect, guesses, open, test, WORKER_PROGRAM } from "./page.ts";

// A small sheet is painted quickly.
test.use({ serviceWorkers: "block", viewport: { width: 400, height: 640 } });

/** Three drawings a minute. */
const DRAWINGS = 180;
/** Until then caches fill, and the steps that can be taken back. */
const WARM_UP = 60;
/** A machine on which it all takes longer than this draws less. */
const LONGEST_MS = 24_000;

/** Prepended to the worker: makes known how much memory WebAssembly has. */
const WATCH_MEMORY = `
const memories = [];
for (const name of ["instantiate", "instantiateStreaming"]) {
  const original = WebAssembly[name];
  WebAssembly[name] = async (...args) => {
    const result = await original.apply(WebAssembly, args);
    for (const each of Object.values((result.instance ?? result).exports)) if (each instanceof WebAssembly.Memory) memories.push(each);
    return result;
  };
}
self.wasmBytes = () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
`;

/** Draws figures in turn, as fast as they are guessed: after every few points the guess is awaited. Gives back how many were drawn. */
function drawMany(page: Page, n: number, longestMs: number): Promise<{ drawings: number; guesses: number }> {
  const figures: Figure[] = Object.values(FIGURES);
  return page.evaluate(
    async ({ figures, n, longestMs }) => {
      const pad = document.querySelector<HTMLCanvasElement>("#pad")!;
      const list = document.querySelector("#guesses")!;
      const answered = () =>
        new Promise<void>((resolve) => {
          if (list.getAttribute("aria-busy") !== "true") return resolve();
          const observer = new MutationObserver(() => {
            if (list.getAttribute("aria-busy") === "true") return;
            observer.disconnect();
            resolve();
          });
          observer.observe(list, { attributes: true });
        });
      const { left, top, width, height } = pad.getBoundingClientRect();
      const size = 0.7 * Math.min(width, height);
      const start = Date.now();
      let [drawings, asked] = [0, 0];
      for (; drawings < n && Date.now() - start < longestMs; drawings++) {
        for (const stroke of figures[drawings % figures.length]!) {
          const send = (type: string, [x, y]: readonly [number, number], buttons: number) =>
            pad.dispatchEvent(
              new PointerEvent(type, {
                pointerId: 1,
                pointerType: "mouse",
                isPrimary: true,
                bubbles: true,
                cancelable: true,
                button: type === "pointermove" ? -1 : 0,
                buttons,
                clientX: left + (width - size) / 2 + (x * size) / 100,
                clientY: top + (height - size) / 2 + (y * size) / 100,
              }),
            );
          for (const [i, point] of stroke.entries()) {
            send(i === 0 ? "pointerdown" : "pointermove", point, 1);
            if (i % 8 > 0) continue;
            asked += 1;
            await answered();
          }
          send("pointerup", stroke.at(-1)!, 0);
          await answered();
        }
        // Some drawings are taken back a little, then all are cleared away; frames are painted.
        if (drawings % 3 === 0) document.querySelector<HTMLElement>("#undo")!.click();
        document.querySelector<HTMLElement>("#clear")!.click();
        await new Promise(requestAnimationFrame);
      }
      return { drawings, guesses: asked };
    },
    { figures, n, longestMs },
  );
}

test("an hour of drawing leaves no memory behind, neither the page's nor WebAssembly's", async ({
  page,
  site,
  context,
}, testInfo) => {
  await page.route(WORKER_PROGRAM, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${WATCH_MEMORY}${await response.text()}` });
  });
  await page.addInitScript(() => {
    // An hour of pauses between guesses need not be waited for.
    const now = performance.now.bind(performance);
    performance.now = () => 100 * now();
    // The pen is made by the test: the browser knows none that could be captured.
    HTMLCanvasElement.prototype.setPointerCapture = () => undefined;
  });
  await open(page, site);
  const session = await context.newCDPSession(page);
  const memory = async () => {
    // Twice: what finalizers hold is free after the first.
    for (let i = 0; i < 2; i++) await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    const { nodes } = await session.send("Memory.getDOMCounters");
    const wasm = await page.workers()[0]!.evaluate(() => (self as unknown as { wasmBytes(): number }).wasmBytes());
    return { heap: usedSize, nodes, wasm };
  };
  await drawMany(page, WARM_UP, LONGEST_MS / 2);
  const before = await memory();
  const drawn = await drawMany(page, DRAWINGS, LONGEST_MS);
  const after = await memory();
  const text = `${drawn.drawings} drawings, ${drawn.guesses} guesses: heap ${before.heap} -> ${after.heap} bytes, WebAssembly ${before.wasm} -> ${after.wasm}, nodes ${before.nodes} -> ${after.nodes}`;
  testInfo.annotations.push({ type: "memory", description: text });
  console.log(text);
  expect(drawn.drawings).toBeGreaterThan(5);
  expect(before.wasm).toBeGreaterThan(0);
  expect(after.wasm).toBe(before.wasm);
  expect(after.heap - before.heap).toBeLessThan(500_000);
  expect(after.nodes - before.nodes).toBeLessThan(50);
  await expect(guesses(page)).toHaveCount(0);
});
