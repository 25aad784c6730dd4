/** `npm run test:engine`: the page in Firefox or WebKit, as ENGINE says. */
import { defineConfig } from "@playwright/test";
import base from "./playwright.base";

export default defineConfig(base, { testMatch: "*.engine.ts" });
