import { defineConfig } from "@playwright/test";
import { chromiumFlags, findChromium } from "../.ci/chromium.mjs";

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
  use: {
    locale: "en-US",
    colorScheme: "light",
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath: await findChromium(), args: chromiumFlags },
    screenshot: "only-on-failure",
  },
});
