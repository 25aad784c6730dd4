/** What the tests of the page have in common, whichever engine they run in. */
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "tests",
  // One page at a time: a model that guesses wants a core for itself.
  workers: 1,
  retries: 0,
  forbidOnly: true,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: "list",
});
