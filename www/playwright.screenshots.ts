/** `npm run screenshots`: takes the pictures of the page that the documents show, into docs/. */
import { defineConfig } from "@playwright/test";
import config from "./playwright.config";

export default defineConfig(config, { testMatch: "screenshots.ts" });
