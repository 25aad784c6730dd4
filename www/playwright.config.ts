import { defineConfig } from "@playwright/test";
import { chromiumFlags, findChromium } from "../.ci/chromium.mjs";

/** The same pixels on every machine, as far as that goes: no fonts adapted to its screen, no colours to its profile. */
const steadyPixels = ["--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb"];

export default defineConfig({
  testDir: "tests",
  testMatch: "*.test.ts",
  // One page at a time: a model that guesses wants a core for itself.
  workers: 1,
  retries: 0,
  forbidOnly: true,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: "list",
  snapshotPathTemplate: "{testDir}/views/{arg}{ext}",
  use: {
    locale: "en-US",
    colorScheme: "light",
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath: await findChromium(), args: [...chromiumFlags, ...steadyPixels] },
    screenshot: "only-on-failure",
  },
});
