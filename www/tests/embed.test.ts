/** The way from the page to the reader's own: exactly what it says is done, with what it links to. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { build, preview } from "vite";
import { npm } from "../../.ci/command.mjs";
import { FIGURES, hasty } from "./figures.ts";
import { draw, expect, open, test } from "./page.ts";

test("the package is installed from the page, and the program that it shows recognises a drawing", async ({
  page,
  site,
  browser,
}) => {
  await open(page, site);
  const embed = page.getByTestId("embed");
  await embed.locator("summary").click();
  const [install = "", program = ""] = await embed.locator("code").allTextContents();
  expect(install).toBe(`npm install ${site.url}quickdraw-rnn.tgz`);

  const folder = await mkdtemp(path.join(tmpdir(), "quickdraw-embed-"));
  const app = { root: folder, configFile: false as const, logLevel: "error" as const };
  const files = {
    "package.json": '{ "private": true }',
    "index.html":
      '<!doctype html><title>Mine</title><canvas width="600" height="600"></canvas><script type="module" src="/main.js"></script>',
    "main.js": program,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
  await npm([...install.split(" ").slice(1), "--no-audit", "--no-fund", "--no-update-notifier"], {
    cwd: folder,
    capture: true,
  });
  await build(app);
  const server = await preview({ ...app, preview: { port: 0, host: "127.0.0.1", open: false } });
  // The page's own rules, one server alone, do not hold for somebody else's page.
  const context = await browser.newContext();
  try {
    const mine = await context.newPage();
    const said: string[] = [];
    mine.on("console", (message) => said.push(message.text()));
    const address = server.httpServer.address();
    if (address === null || typeof address === "string") throw new Error("the preview server listens on no port");
    await mine.goto(`http://127.0.0.1:${address.port}/`);
    await mine.waitForFunction(() => document.querySelector("canvas")!.onpointermove !== null);
    // Point by point: the program takes one point of an event, and a slow machine's browser joins those that wait for it.
    await draw(mine, hasty(FIGURES.star), { x: 80, y: 80, size: 440 }, 1);
    await expect.poll(() => said.at(-1)).toMatch(/^star 0\.\d+/);
  } finally {
    await context.close();
    await server.close();
    await rm(folder, { recursive: true });
  }
});
