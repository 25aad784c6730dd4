/** `npm run timing`: how long the page takes on this machine. */
import { defineConfig } from "@playwright/test";
import config from "./playwright.config";

export default defineConfig(config, { testMatch: "timing.ts" });
