// Firefox and WebKit, for the tests that run in every engine: found, started, and driven by one set of calls.
//
// Firefox is driven by Puppeteer over WebDriver BiDi, WebKit (WebKitGTK's own driver, as Debian has it) by Selenium over
// WebDriver, on a screen that only exists in memory.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { userInfo } from "node:os";

import { onPath } from "./command.mjs";

/** @typedef {"firefox" | "webkit"} EngineName */

/**
 * One window of an engine. Functions for {@link evaluate} run in the page: they see their arguments and nothing else.
 *
 * @typedef {object} Engine
 * @property {EngineName} name
 * @property {string} version as the engine says it: `Firefox 153.8.0`
 * @property {() => Promise<string[]>} errors what the page complained of on the console since this was last asked
 * @property {(url: string) => Promise<void>} goto
 * @property {() => Promise<void>} reload
 * @property {<A extends unknown[], R>(fn: (...args: A) => R, ...args: A) => Promise<Awaited<R>>} evaluate
 * @property {(type: PointerType, steps: readonly PointerStep[]) => Promise<void>} pointer real input events, one step
 *   after the other
 * @property {(text: string) => Promise<void>} type real keys, to where the focus is
 * @property {() => Promise<Buffer>} screenshot the window as PNG
 * @property {() => Promise<void>} close
 */

/** @typedef {"mouse" | "touch" | "pen"} PointerType */
/** @typedef {"down" | "up" | readonly [x: number, y: number]} PointerStep a movement is in CSS pixels of the window */

/**
 * The pointers that each driver can move: Firefox's has no pen, WebKitGTK's makes a mouse of a finger.
 *
 * @type {Record<EngineName, PointerType[]>}
 */
export const POINTERS = { firefox: ["mouse", "touch"], webkit: ["mouse", "pen"] };

/** What to install where an engine is missing. */
export const ADVICE = {
  firefox: "no Firefox found (Debian: apt install firefox-esr)",
  webkit: "no WebKit found that can be driven (Debian: apt install webkit2gtk-driver xvfb)",
};

/** Whether an engine is on this machine. @param {EngineName} name */
export function isInstalled(name) {
  return name === "firefox"
    ? findFirefox() !== undefined
    : ["WebKitWebDriver", "Xvfb"].every((program) => onPath(program));
}

/** Starts an engine. @param {EngineName} name @returns {Promise<Engine>} */
export async function startEngine(name) {
  return name === "firefox" ? startFirefox() : startWebKit();
}

/** The size of every window, in CSS pixels. */
const WINDOW = { width: 1024, height: 740 };

function findFirefox() {
  const mac = "/Applications/Firefox.app/Contents/MacOS/firefox";
  return onPath("firefox-esr") ?? onPath("firefox") ?? (existsSync(mac) ? mac : undefined);
}

/** @returns {Promise<Engine>} */
async function startFirefox() {
  const { default: puppeteer } = await import("puppeteer-core");
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: findFirefox(),
    headless: true,
    // As root, Firefox starts only where HOME is root's own, which it is not in containers of GitHub's workflows.
    env: { ...process.env, HOME: userInfo().homedir },
  });
  const page = await browser.newPage();
  await page.setViewport(WINDOW);
  /** @type {string[]} */
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  /** @type {import("puppeteer-core").TouchHandle | undefined} */
  let finger;
  /** @type {readonly [number, number]} */
  let place = [0, 0];
  return {
    name: "firefox",
    version: (await browser.version()).replace(/^firefox\//, "Firefox "),
    errors: async () => errors.splice(0),
    async goto(url) {
      errors.length = 0;
      await page.goto(url);
    },
    reload: async () => void (await page.reload()),
    evaluate: (fn, ...args) => /** @type {Promise<any>} */ (page.evaluate(/** @type {any} */ (fn), ...args)),
    async pointer(type, steps) {
      if (type === "pen") throw new Error("Firefox's driver has no pen");
      for (const step of steps) {
        if (typeof step !== "string") place = step;
        if (type === "mouse") {
          await (typeof step === "string" ? page.mouse[step]() : page.mouse.move(...place));
        } else if (step === "down") {
          finger = await page.touchscreen.touchStart(...place);
        } else if (step === "up") {
          await finger?.end();
          finger = undefined;
        } else {
          await finger?.move(...place);
        }
      }
    },
    type: (text) => page.keyboard.type(text),
    screenshot: async () => Buffer.from(await page.screenshot()),
    close: () => browser.close(),
  };
}

/** @returns {Promise<Engine>} */
async function startWebKit() {
  const { Builder } = await import("selenium-webdriver");
  const { Name, Command } = await import("selenium-webdriver/lib/command.js");
  // A screen of its own: windows of a desktop would be resized by it, and servers have none.
  const screen = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const display = await firstLine(screen, /** @type {import("node:stream").Readable} */ (screen.stdio[3]));
  const port = await freePort();
  const { WAYLAND_DISPLAY: _, ...env } = process.env;
  const driver = spawn("WebKitWebDriver", [`--port=${port}`], {
    stdio: "ignore",
    env: { ...env, DISPLAY: `:${display}`, GDK_BACKEND: "x11" },
  });
  const end = () => {
    driver.kill();
    screen.kill();
  };
  process.once("exit", end);
  await answers(port);
  const browser = await new Builder()
    .usingServer(`http://127.0.0.1:${port}`)
    .withCapabilities({ browserName: "MiniBrowser" })
    .build();
  await browser.manage().setTimeouts({ script: 60_000 });
  await browser
    .manage()
    .window()
    .setRect({ x: 0, y: 0, ...WINDOW });
  const version = (await browser.getCapabilities()).getBrowserVersion();
  /** @type {Engine["evaluate"]} */
  const evaluate = async (fn, ...args) => {
    const script = `
      const done = arguments[arguments.length - 1];
      (async () => (${fn})(...[...arguments].slice(0, -1)))().then(
        (value) => done({ value }),
        (error) => done({ error: String(error) }),
      );`;
    const { value, error } = await /** @type {Promise<any>} */ (browser.executeAsyncScript(script, ...args));
    if (error !== undefined) throw new Error(error);
    return value;
  };
  return {
    name: "webkit",
    version: `WebKitGTK ${version}`,
    // The driver keeps no console: what happens while a page loads is not seen.
    errors: () => evaluate(takeErrors),
    async goto(url) {
      await browser.get(url);
      await evaluate(keepErrors);
    },
    async reload() {
      await browser.navigate().refresh();
      await evaluate(keepErrors);
    },
    evaluate,
    async pointer(type, steps) {
      if (type === "touch") throw new Error("WebKitGTK's driver has no fingers");
      const actions = steps.map((step) =>
        typeof step === "string"
          ? { type: `pointer${step === "up" ? "Up" : "Down"}`, button: 0 }
          : { type: "pointerMove", x: Math.round(step[0]), y: Math.round(step[1]), duration: 0, origin: "viewport" },
      );
      const source = { type: "pointer", id: type, parameters: { pointerType: type }, actions };
      await browser.execute(new Command(Name.ACTIONS).setParameter("actions", [source]));
    },
    type: (text) => browser.actions().sendKeys(text).perform(),
    screenshot: async () => Buffer.from(await browser.takeScreenshot(), "base64"),
    async close() {
      await browser.quit();
      end();
    },
  };
}

/** Runs in the page: from now on, its errors are kept. */
function keepErrors() {
  if ("keptErrors" in window) return;
  /** @type {string[]} */
  const errors = [];
  Object.assign(window, { keptErrors: errors });
  addEventListener("error", ({ message }) => errors.push(message));
  addEventListener("unhandledrejection", ({ reason }) => errors.push(String(reason)));
  addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
    errors.push(`${violatedDirective}: ${blockedURI}`),
  );
  const { error } = console;
  console.error = (...args) => {
    errors.push(args.join(" "));
    error.apply(console, args);
  };
}

/** Runs in the page: the errors that were kept. @returns {string[]} */
function takeErrors() {
  return /** @type {any} */ (window).keptErrors.splice(0);
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {import("node:stream").Readable} stream
 * @returns {Promise<string>}
 */
function firstLine(child, stream) {
  return new Promise((resolve, reject) => {
    let text = "";
    stream.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(text.trim());
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${child.spawnfile} ended with exit code ${code}`)));
  });
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

/** Waits until the driver is ready. @param {number} port */
async function answers(port) {
  for (let i = 0; ; i++) {
    try {
      return void (await fetch(`http://127.0.0.1:${port}/status`));
    } catch (error) {
      if (i === 150) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
