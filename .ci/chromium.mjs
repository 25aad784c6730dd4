// Where a Chromium is, for the tests of the page.

import { existsSync } from "node:fs";
import path from "node:path";

import { onPath, Problem, run } from "./command.mjs";

/** Switches for a browser that tests drive: no window, and no conversation of its own with the network. */
export const chromiumFlags = [
  // Chromium's sandbox refuses to run as root.
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/**
 * Finds Chrome, Chromium or Edge: the one that CHROME_PATH names, one of the machine, or Playwright's own. On Debian,
 * root gets Debian's installed.
 *
 * @returns {Promise<string>} the path of the program
 */
export async function findChromium() {
  const named = process.env["CHROME_PATH"];
  if (named) {
    if (existsSync(named)) return named;
    throw new Problem(`CHROME_PATH names ${named}, which does not exist`);
  }
  const found = onThisMachine() ?? (await playwrightsOwn());
  if (found !== undefined) return found;

  if (process.platform === "linux" && process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
    console.log("no Chromium found: installing Debian's");
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update"], { env });
    await run("apt-get", ["install", "-y", "--no-install-recommends", "chromium"], { env });
    const installed = onThisMachine();
    if (installed !== undefined) return installed;
  }
  throw new Problem(
    `no Chrome, Chromium or Edge found for the tests of the page: ${advice()}, or set CHROME_PATH to the program of one`,
  );
}

function onThisMachine() {
  return candidates().find((candidate) => existsSync(candidate));
}

/** @returns {string[]} */
function candidates() {
  const { env } = process;
  if (process.platform === "darwin") {
    const programs = [
      "Google Chrome.app/Contents/MacOS/Google Chrome",
      "Chromium.app/Contents/MacOS/Chromium",
      "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ];
    const folders = ["/Applications", path.join(env["HOME"] ?? "", "Applications")];
    return folders.flatMap((folder) => programs.map((program) => path.join(folder, program)));
  }
  if (process.platform === "win32") {
    const programs = [
      "Google\\Chrome\\Application\\chrome.exe",
      "Chromium\\Application\\chrome.exe",
      "Microsoft\\Edge\\Application\\msedge.exe",
    ];
    const folders = [env["ProgramFiles"], env["ProgramFiles(x86)"], env["LOCALAPPDATA"]].filter((folder) => folder);
    return programs.flatMap((program) => folders.map((folder) => path.join(/** @type {string} */ (folder), program)));
  }
  const names = ["google-chrome-stable", "google-chrome", "chromium", "chromium-browser", "microsoft-edge-stable"];
  return names.flatMap((name) => onPath(name) ?? []);
}

/** The browser that `npx playwright install chromium` puts on a machine. */
async function playwrightsOwn() {
  try {
    const { chromium } = await import("playwright-core");
    const program = chromium.executablePath();
    return existsSync(program) ? program : undefined;
  } catch {
    // Without Playwright, or on a system that it has no browser for, there is none.
    return undefined;
  }
}

function advice() {
  if (process.platform === "linux") return "install one (Debian, Ubuntu: sudo apt install chromium)";
  if (process.platform === "darwin") return "install one (brew install --cask google-chrome)";
  return "install Chrome from https://www.google.com/chrome";
}
