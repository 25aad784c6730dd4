import { defineConfig } from "@playwright/test";
import { chromiumFlags, findChromium } from "../.ci/chromium.mjs";
import base from "./playwright.base";

/** The same pixels on every machine, as far as that goes: no fonts adapted to its screen, no colours to its profile. */
const steadyPixels = ["--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb"];

export default defineConfig(base, {
  testMatch: "*.test.ts",
  snapshotPathTemplate: "{testDir}/views/{arg}{ext}",
  use: {
    locale: "en-US",
    colorScheme: "light",
    viewport: { width: 1280, height: 800 },
    launchOptions: { executablePath: await findChromium(), args: [...chromiumFlags, ...steadyPixels] },
    screenshot: "only-on-failure",
  },
});
