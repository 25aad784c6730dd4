/** When things go wrong: no network, no model, no WebAssembly, a worker that dies. */
import { createServer, type ServerResponse } from "node:http";
import { FIGURES } from "./figures.ts";
import { muteWorker, draw, expect, guessed, guesses, ink, open, replaceWorker, test, WORKER_PROGRAM } from "./page.ts";

test("after the first visit the page works without network and server", async ({ page, site, context }) => {
  await open(page, site);
  // Ready means installed: page, code, WebAssembly and weights are in the cache.
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await site.close();
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByTestId("model")).not.toBeEmpty();
  await draw(page, FIGURES.house);
  await guessed(page);
});

for (const [name, answer] of [
  ["hangs", () => undefined],
  ["fails", (response: ServerResponse) => response.writeHead(503).end("out of order")],
] as const) {
  test(`a server that ${name} does not keep the installed page from opening`, async ({
    page,
    site,
    expectedErrors,
  }) => {
    expectedErrors.push(/503/);
    await open(page, site);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await site.close();
    const other = createServer((_, response) => void answer(response));
    await new Promise<void>((resolve) => other.listen(Number(new URL(site.url).port), "127.0.0.1", resolve));
    await page.goto("about:blank");
    await page.goto(site.url);
    await expect(page.getByTestId("model")).not.toBeEmpty();
    other.closeAllConnections();
    other.close();
  });
}

test("who has read Korean once reads it in the page's own letters without network and server, too", async ({
  page,
  site,
  context,
}) => {
  await open(page, site);
  await page.getByTestId("language-ko").click();
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  // As many files as it takes to write all that the page may say.
  const letters = () => page.evaluate(async () => (await (await caches.open("korean-letters")).keys()).length);
  await expect.poll(letters).toBeGreaterThanOrEqual(20);
  await site.close();
  await context.setOffline(true);
  await page.reload();
  await expect(page.getByTestId("model")).not.toBeEmpty();
  await draw(page, FIGURES.house);
  await guessed(page);
  const missing = await page.evaluate(async () => {
    await document.fonts.ready;
    return [...document.fonts].filter(({ status }) => status === "error").map(({ unicodeRange }) => unicodeRange);
  });
  expect(missing).toEqual([]);
});

test("the page can be installed", async ({ page, site, context }) => {
  await open(page, site);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  const session = await context.newCDPSession(page);
  const { errors, data } = await session.send("Page.getAppManifest");
  expect(errors).toEqual([]);
  const { icons, ...manifest } = JSON.parse(data ?? "") as {
    name: string;
    start_url: string;
    display: string;
    icons: { src: string; sizes: string }[];
  };
  expect(manifest).toMatchObject({ name: "Inkling", display: "standalone" });
  for (const { src, sizes } of icons.filter((icon) => icon.sizes !== "any")) {
    const png = await (await context.request.get(new URL(src, site.url).href)).body();
    expect(`${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`).toBe(sizes);
  }
  // Chromium installs nothing in a window without memory, as tests have them; that is all that it has against this page.
  const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
  expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== "in-incognito")).toEqual([]);
});

test("the page's policy lets nothing out and nothing foreign in", async ({ page, site, expectedErrors }) => {
  expectedErrors.push(/Content Security Policy/);
  await open(page, site);
  const violations = await page.evaluate(async () => {
    const found: string[] = [];
    document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
    await fetch("https://example.org/").catch(() => undefined);
    const script = document.createElement("script");
    script.textContent = "window.injected = true";
    document.body.append(script);
    await new Promise((resolve) => setTimeout(resolve));
    return { found, injected: "injected" in window };
  });
  expect(violations.found.sort()).toEqual(["connect-src", "script-src-elem"]);
  expect(violations.injected).toBe(false);
});

test("with a full disk the page works as ever, and remembers as long as it is open", async ({ page, site }) => {
  await page.addInitScript(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
    };
  });
  await open(page, site);
  await page.getByTestId("language-ko").click();
  await expect(page.locator("html")).toHaveAttribute("lang", "ko");
  await page.goto(`${site.url}#play=star`);
  await page.getByTestId("begin").click();
  await draw(page, FIGURES.star);
  await expect(page.getByTestId("score")).toBeVisible();
});

test("a game can be played and looked into without network and server", async ({ page, site, context }) => {
  await open(page, site);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await site.close();
  await context.setOffline(true);
  await page.goto(`${site.url}#play=star`);
  await page.getByTestId("begin").click();
  await draw(page, FIGURES.star);
  await page.getByTestId("slip").click();
  await page.getByTestId("slip-look").click();
  await expect(page.getByTestId("confusions")).not.toBeEmpty();
});

test.describe("without a service worker in between", () => {
  // The failures below are of the network, which the service worker would hide.
  test.use({ serviceWorkers: "block" });

  test("a model that cannot be loaded is said so, and loads on another try; the drawing stays", async ({
    page,
    site,
    expectedErrors,
  }) => {
    expectedErrors.push(/ERR_FAILED/);
    await page.route(/safetensors/, (route) => route.abort());
    await page.goto(site.url);
    await expect(page.getByTestId("problem")).toContainText("could not be loaded");
    await draw(page, FIGURES.house);
    await page.unroute(/safetensors/);
    await page.getByTestId("try-again").click();
    await guessed(page);
    await expect(page.getByTestId("problem")).toBeHidden();
    expect((await ink(page)).pixels).toBeGreaterThan(0);
  });

  test("a browser without WebAssembly's vector instructions gets told what is missing", async ({ page, site }) => {
    await page.route(WORKER_PROGRAM, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `WebAssembly.validate = () => false;\n${await response.text()}` });
    });
    await page.goto(site.url);
    await expect(page.getByTestId("problem")).toContainText("SIMD");
  });

  test("a browser without WebAssembly gets told so, and the pad draws all the same", async ({ page, site }) => {
    await page.route(WORKER_PROGRAM, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: `delete self.WebAssembly;\n${await response.text()}` });
    });
    await page.goto(site.url);
    await expect(page.getByTestId("problem")).toContainText("needs WebAssembly");
    await draw(page, FIGURES.line);
    expect((await ink(page)).pixels).toBeGreaterThan(0);
    await page.getByTestId("mode-play").click();
    await expect(page.getByTestId("begin")).toBeDisabled();
    await expect(page.getByTestId("problem")).toBeVisible();
  });

  test("a worker that crashes over a drawing is replaced, and the drawing asked again", async ({ page, site }) => {
    await open(page, site);
    await draw(page, [FIGURES.house[0]!]);
    await guessed(page);
    const probability = (await guesses(page).first().getAttribute("data-probability"))!;
    await draw(page, [FIGURES.house[1]!]);
    await guessed(page);
    await muteWorker(page, true);
    // Undo asks once. Only the replaced worker can answer, and only if it is asked for the same drawing.
    const replacement = page.waitForEvent("worker");
    await page.getByTestId("undo").click();
    await replacement;
    await expect(guesses(page).first()).toHaveAttribute("data-probability", probability);
    await expect(page.getByTestId("problem")).toBeHidden();
    expect(page.workers()).toHaveLength(1);
  });

  test("a worker that falls silent is replaced", async ({ page, site }) => {
    await page.clock.install();
    await open(page, site);
    await muteWorker(page, false);
    await draw(page, FIGURES.line);
    const replacement = page.waitForEvent("worker");
    await page.clock.fastForward(31_000);
    await replacement;
    await guessed(page);
  });

  test("a worker that crashes again and again is given up with a word, until another try", async ({ page, site }) => {
    await replaceWorker(page, "() => { throw new Error('crash'); }");
    await open(page, site);
    await draw(page, FIGURES.line);
    await expect(page.getByTestId("problem")).toContainText("keeps failing");
    await page.unroute(WORKER_PROGRAM);
    await page.getByTestId("try-again").click();
    await guessed(page);
    await expect(page.getByTestId("problem")).toBeHidden();
  });

  test("what the server no longer has, since the page was published anew, is told, and a reload brings it; the drawing stays", async ({
    page,
    site,
    expectedErrors,
  }) => {
    expectedErrors.push(/404/);
    await page.route(/assets\/(inside|reasons|book-view)-/, (route) => route.fulfill({ status: 404 }));
    await open(page, site);
    await draw(page, FIGURES.house);
    await guessed(page);
    const whole = await ink(page);
    const renewed = page.getByTestId("renewed");
    await page.getByTestId("look").click();
    await expect(renewed).toContainText("newer version");
    await page.getByTestId("reload").click();
    await expect(renewed).toBeHidden();
    await guessed(page);
    expect(await ink(page)).toEqual(whole);

    await page.getByTestId("mode-book").click();
    await expect(renewed).toBeVisible();
    await expect(page.getByTestId("pad")).toBeVisible();

    await page.goto(`${site.url}#play=cat`);
    await page.reload();
    await page.getByTestId("begin").click();
    await draw(page, FIGURES.star);
    await guessed(page);
    await expect(renewed).toBeHidden();
    await page.getByTestId("skip").click();
    await page.getByTestId("slip").first().click();
    await expect(renewed).toBeVisible();
    await expect(page.getByTestId("slip-dialog")).toBeHidden();

    await page.unroute(/assets\/(inside|reasons|book-view)-/);
    await page.goto(`${site.url}#draw`);
    await page.getByTestId("reload").click();
    await page.getByTestId("look").click();
    await expect(page.getByTestId("confusions")).not.toBeEmpty();
    expect(await ink(page)).toEqual(whole);
  });
});
