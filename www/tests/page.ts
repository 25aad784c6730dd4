/** A test's page: the built page from a server of its own, and a hand that draws on it. */
import { expect, test as base, type Page, type Request } from "@playwright/test";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { preview, type PreviewServer } from "vite";
import { byHand, type Figure, type Point } from "./figures.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A file that the server sent, and how many bytes it took on the way. */
export interface Sent {
  readonly path: string;
  readonly bytes: number;
}

export interface Site {
  /** The page's address. */
  readonly url: string;
  /** What was sent until now. */
  readonly sent: readonly Sent[];
  /** Ends the server and every connection to it. */
  close(): Promise<void>;
}

/** Serves `dist` on a free port. */
export async function serve(): Promise<Site> {
  const server: PreviewServer = await preview({
    root: ROOT,
    logLevel: "warn",
    preview: { port: 0, host: "127.0.0.1", open: false },
  });
  const address = server.httpServer.address();
  if (address === null || typeof address === "string") throw new Error("the preview server listens on no port");
  const sent: Sent[] = [];
  // A connection sends one answer after the other.
  server.httpServer.prependListener("request", (request: IncomingMessage, response: ServerResponse) => {
    const before = request.socket.bytesWritten;
    response.on("finish", () => sent.push({ path: request.url ?? "", bytes: request.socket.bytesWritten - before }));
  });
  let closed: Promise<void> | undefined;
  return { sent, url: `http://127.0.0.1:${address.port}/`, close: () => (closed ??= server.close()) };
}

interface Fixtures {
  site: Site;
  /** Errors that the test causes on purpose; every other error on the console fails it. */
  expectedErrors: RegExp[];
  /** Checks at the test's end that the page complained of nothing, asked nobody but its own server, and told that one nothing. */
  // biome-ignore lint/suspicious/noConfusingVoidType: how Playwright types a fixture without a value
  conduct: void;
}

export const test = base.extend<Fixtures>({
  site: async ({}, use) => {
    const site = await serve();
    await use(site);
    await site.close();
  },
  expectedErrors: async ({}, use) => use([]),
  conduct: [
    async ({ context, site, expectedErrors }, use) => {
      const errors: string[] = [];
      const requests: Request[] = [];
      context.on("request", (request) => requests.push(request));
      context.on("console", (message) => {
        if (message.type() === "error") errors.push(message.text());
      });
      context.on("weberror", (error) => errors.push(String(error.error())));
      await use();
      expect(errors.filter((error) => !expectedErrors.some((expected) => expected.test(error)))).toEqual([]);
      expect(requests.map((request) => request.url()).filter((url) => !url.startsWith(site.url))).toEqual([]);
      // A file is asked for by its name: nothing about a drawing or a visitor goes along.
      const telling = requests.filter(
        (request) => request.method() !== "GET" || request.postData() !== null || new URL(request.url()).search !== "",
      );
      expect(telling.map((request) => `${request.method()} ${request.url()}`)).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** The program of the package's worker, as the built page has it. */
export const WORKER_PROGRAM = /worker-thread.*\.js/;

const MODEL = JSON.parse(readFileSync(new URL("../../wasm/model/model.json", import.meta.url), "utf8")) as {
  labels: string[];
};

/**
 * Puts a worker in place of the package's that answers as it does, with predictions made up: `predict` is the source of a function of the
 * strokes, as the package packs them, and of the options, which gives `[label, probability]` pairs, most probable first.
 */
export async function replaceWorker(
  page: Page,
  predict: string,
  thresholds = { threshold: 0.7, penDownThreshold: 0.7 },
): Promise<void> {
  const body = `
    const labels = ${JSON.stringify(MODEL.labels)};
    const predict = ${predict};
    const methods = {
      classify: (strokes, options) => predict(strokes, options).map(([label, probability]) => ({ label, probability })),
      probabilities(strokes, options) {
        const values = new Float32Array(labels.length);
        for (const [label, probability] of predict(strokes, options)) values[labels.indexOf(label)] = probability;
        return values;
      },
      embed: () => Float32Array.of(1, 2, 3),
      simplify: ({ points, offsets }) =>
        Array.from(offsets, (start, i) => {
          const stroke = Array.from(points.subarray(2 * start, 2 * (offsets[i + 1] ?? points.length / 2)));
          return [0, 1].map((axis) => stroke.filter((_, at) => at % 2 === axis));
        }),
    };
    onmessage = ({ data: { kind, id, method, strokes, options } }) => {
      if (kind === "load") postMessage({ kind: "loaded", facts: { labels, arithmetic: "int8", ...${JSON.stringify(thresholds)} } });
      if (kind === "call") postMessage({ kind: "value", id, value: methods[method](strokes, options) });
    };`;
  await page.route(WORKER_PROGRAM, (route) => route.fulfill({ contentType: "text/javascript", body }));
}

/** From now on no answer of the package's worker arrives; it throws instead, or is silent. */
export function muteWorker(page: Page, throws: boolean): Promise<void> {
  return page.workers()[0]!.evaluate((throws) => {
    self.postMessage = () => {
      // An error that nobody catches, as a trap is.
      if (throws)
        setTimeout(() => {
          throw new Error("trap");
        });
    };
  }, throws);
}

/** Opens the page and waits until the classifier is loaded. */
export async function open(page: Page, site: Site): Promise<void> {
  await page.goto(site.url);
  await expect(page.getByTestId("model")).not.toBeEmpty();
}

/** Opens the book with these lines in it. */
export async function openBook(page: Page, site: Site, lines: readonly string[]): Promise<void> {
  await page.addInitScript((text) => {
    localStorage.setItem("quickdraw-rnn.book", text);
    StorageManager.prototype.persisted = async () => true;
  }, lines.join("\n"));
  await page.goto(`${site.url}#book`);
  await expect(page.getByTestId("place")).toHaveCount(345);
}

export interface Place {
  /** In CSS pixels from the page's corner. */
  readonly x: number;
  readonly y: number;
  readonly size: number;
}

/** The largest square in the middle of the pad, less a margin. */
export async function middleOfPad(page: Page, share = 0.7): Promise<Place> {
  const pad = await page.getByTestId("pad").boundingBox();
  if (!pad) throw new Error("the pad is not on the page");
  const size = Math.min(pad.width, pad.height) * share;
  return { x: pad.x + (pad.width - size) / 2, y: pad.y + (pad.height - size) / 2, size };
}

/**
 * Draws a figure with the mouse, one real movement for each of its points, `atOnce` of them before the browser has answered: a mouse moves
 * several times a frame, too.
 */
export async function draw(page: Page, figure: Figure, place?: Place, atOnce = 16): Promise<void> {
  const { x, y, size } = place ?? (await middleOfPad(page));
  const move = (point: Point) => page.mouse.move(x + (point[0] * size) / 100, y + (point[1] * size) / 100);
  for (const [first, ...others] of byHand(figure)) {
    await move(first!);
    await page.mouse.down();
    for (let i = 0; i < others.length; i += atOnce) await Promise.all(others.slice(i, i + atOnce).map(move));
    await page.mouse.up();
  }
}

/** Tells the page that its tab is hidden, or seen again. Tabs of a Chromium without a window are never hidden by themselves. */
export async function hide(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    Object.defineProperty(document, "visibilityState", {
      configurable: true,
      get: () => (hidden ? "hidden" : "visible"),
    });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}

/** The items of the list of guesses. */
export const guesses = (page: Page) => page.getByTestId("guesses").locator("li");

/** Waits until the list shows the guesses for the whole drawing. */
export async function guessed(page: Page): Promise<void> {
  await expect(page.getByTestId("guesses")).toHaveAttribute("aria-busy", "false");
  await expect(guesses(page)).toHaveCount(5);
}

/** The labels in the list, best first. */
export async function labels(page: Page): Promise<string[]> {
  return guesses(page).evaluateAll((items) => items.map((item) => item.getAttribute("data-label") ?? ""));
}

/** How many pixels of the pad carry ink, and the box around them in CSS pixels of the pad. */
export async function ink(
  page: Page,
): Promise<{ pixels: number; left: number; top: number; right: number; bottom: number }> {
  return page.getByTestId("pad").evaluate(async (element) => {
    // The pad paints once a frame.
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const canvas = element as HTMLCanvasElement;
    const { data, width } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    const ratio = canvas.width / canvas.clientWidth;
    const found = { pixels: 0, left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
    for (let i = 3; i < data.length; i += 4) {
      if (data[i]! < 128) continue;
      const x = (((i - 3) / 4) % width) / ratio;
      const y = Math.floor((i - 3) / 4 / width) / ratio;
      found.pixels += 1;
      found.left = Math.min(found.left, x);
      found.right = Math.max(found.right, x);
      found.top = Math.min(found.top, y);
      found.bottom = Math.max(found.bottom, y);
    }
    return found;
  });
}
