import { readFileSync, statSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { VitePWA } from "vite-plugin-pwa";
import { npm } from "../.ci/command.mjs";
import { buildPages } from "../docs/api/build.mjs";

const NAME = "Inkling";
const DESCRIPTION = "Draw something, and a small neural network guesses what it is while you draw.";

/** Everything comes from the page's own origin; WebAssembly may be compiled, and nothing else may be evaluated. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "connect-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Puts the policy into the page; only into the built one, since Vite's development server injects styles inline. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content: CONTENT_SECURITY_POLICY },
        injectTo: "head-prepend",
      },
    ],
  };
}

/** What the page links to: the model card, and how to embed the package. */
const DOCUMENTS = { "model-card.txt": "../docs/model.md", "package.txt": "../wasm/README.md" };

/** Markdown without its comments, which are there for programs: those on lines of their own go with their lines. */
function withoutComments(markdown: string): string {
  return markdown.replaceAll(/^<!--[^\n]*-->\n/gm, "").replaceAll(/<!--.*?-->/g, "");
}

/** Puts the documents beside the page, as text, so that they can be read offline, too. The mark in front says that they are UTF-8. */
function documents(): Plugin {
  return {
    name: "documents",
    apply: "build",
    generateBundle() {
      for (const [fileName, path] of Object.entries(DOCUMENTS)) {
        const markdown = readFileSync(new URL(path, import.meta.url), "utf8");
        this.emitFile({ type: "asset", fileName, source: `\ufeff${withoutComments(markdown)}` });
      }
    },
  };
}

/** Puts the pages of the package's API beside the page, in api/. */
function apiPages(): Plugin {
  return {
    name: "api-pages",
    apply: "build",
    async generateBundle() {
      const folder = await buildPages();
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name.startsWith(".")) continue;
        const file = path.join(entry.parentPath, entry.name);
        const fileName = `api/${path.relative(folder, file).replaceAll(path.sep, "/")}`;
        this.emitFile({ type: "asset", fileName, source: await readFile(file) });
      }
    },
  };
}

/** Puts the package beside the page, packed: whoever likes the page installs it from there. It must have been built. */
function embeddable(): Plugin {
  return {
    name: "embeddable",
    apply: "build",
    async generateBundle() {
      const folder = await mkdtemp(path.join(tmpdir(), "quickdraw-page-"));
      await npm(["pack", "--silent", "--ignore-scripts", "--pack-destination", folder], {
        cwd: fileURLToPath(new URL("../wasm", import.meta.url)),
        capture: true,
      });
      for (const file of await readdir(folder)) {
        this.emitFile({
          type: "asset",
          fileName: "quickdraw-rnn.tgz",
          source: await readFile(path.join(folder, file)),
        });
      }
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * Of the Korean typeface's style sheet only the files with Hangul, in one format: a browser loads those whose letters it
 * shows. Everything else is written in the Latin typeface.
 */
function hangulOnly(): Plugin {
  // Syllables, and letters by themselves.
  const range = /U\+(a[c-f]..|[bc]...|d[0-7]..|11..|31[3-8].)/;
  return {
    name: "hangul-only",
    enforce: "pre",
    transform(css, id) {
      if (!id.endsWith("gowun-batang/400.css")) return undefined;
      const faces = css.match(/@font-face \{[^}]*\}/g) ?? [];
      const hangul = faces.filter((face) => range.test(face));
      return hangul.map((face) => face.replace(/, url\([^)]*\.woff\) format\('woff'\)/, "")).join("\n");
    },
  };
}

/**
 * What previews of links show of the page. They want whole addresses: PAGE_URL is where the page will be, with a slash
 * at its end.
 */
function linkPreview(): Plugin {
  const url = process.env["PAGE_URL"] ?? "";
  const property = (name: string, content: string) => ({
    tag: "meta",
    attrs: { property: name, content },
    injectTo: "head" as const,
  });
  return {
    name: "link-preview",
    transformIndexHtml: () => [
      property("og:type", "website"),
      property("og:site_name", NAME),
      property("og:title", `${NAME}: draw, and it guesses`),
      property("og:description", DESCRIPTION),
      property("og:image", `${url}preview.png`),
      property("og:image:width", "1200"),
      property("og:image:height", "630"),
      property("og:image:alt", "A drawing in ink on paper, and beside it what the network takes it for."),
      ...(url === "" ? [] : [property("og:url", url)]),
      { tag: "meta", attrs: { name: "twitter:card", content: "summary_large_image" }, injectTo: "head" },
    ],
  };
}

/** Files that get smaller by compression, with their types. */
const COMPRESSED: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".safetensors": "application/octet-stream",
  ".webmanifest": "application/manifest+json",
};

/** Compresses what the preview serves, each file once. */
function compression(): Plugin {
  return {
    name: "compression",
    configurePreviewServer({ config, middlewares }) {
      const folder = path.resolve(config.root, config.build.outDir);
      const kept = new Map<string, { modifiedMs: number; bytes: Buffer }>();
      middlewares.use((request, response, next) => {
        const name = decodeURIComponent((request.url ?? "/").replace(/[?#].*$/, "")).replace(/\/$/, "/index.html");
        const type = COMPRESSED[path.extname(name)];
        const file = path.join(folder, name);
        const stat =
          type !== undefined && file.startsWith(folder + path.sep)
            ? statSync(file, { throwIfNoEntry: false })
            : undefined;
        if (!stat?.isFile() || !/\bgzip\b/.test(request.headers["accept-encoding"] ?? "") || request.method !== "GET")
          return next();
        let packed = kept.get(file);
        if (packed?.modifiedMs !== stat.mtimeMs)
          kept.set(file, (packed = { modifiedMs: stat.mtimeMs, bytes: gzipSync(readFileSync(file)) }));
        // Files in assets/ carry their content's hash.
        const control = name.startsWith("/assets/") ? "max-age=31536000, immutable" : "no-cache";
        response.writeHead(200, {
          "Content-Type": type,
          "Content-Encoding": "gzip",
          "Content-Length": packed.bytes.length,
          "Cache-Control": control,
          Vary: "Accept-Encoding",
        });
        response.end(packed.bytes);
      });
    },
  };
}

export default defineConfig({
  // Relative addresses: the built page works in any folder of any server.
  base: "./",
  build: {
    target: "es2022",
    // The policy allows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The package's side of its worker is a file of its own: its size is not the page's matter.
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: "recogniser", test: /[\\/]dist[\\/](worker|custom-classes)\.js$/ }] },
      },
    },
  },
  // The package finds its wasm and its model beside its own files, which a bundled copy would have left.
  optimizeDeps: { exclude: ["quickdraw-rnn"] },
  plugins: [
    contentSecurityPolicy(),
    hangulOnly(),
    linkPreview(),
    compression(),
    documents(),
    apiPages(),
    embeddable(),
    VitePWA({
      // A new service worker waits until the last tab is closed: a page that is open keeps the files of its own build.
      registerType: "prompt",
      injectRegister: "script-defer",
      manifest: {
        name: NAME,
        short_name: NAME,
        description: DESCRIPTION,
        theme_color: "#e7dfcd",
        background_color: "#e7dfcd",
        display: "standalone",
        icons: [
          { src: "icon-192.png", sizes: "192x192", type: "image/png" },
          { src: "icon-512.png", sizes: "512x512", type: "image/png" },
          { src: "icon.svg", sizes: "any", type: "image/svg+xml" },
        ],
      },
      workbox: {
        globPatterns: ["**/*.{html,js,css,svg,png,woff2,wasm,json,safetensors,txt,webmanifest}"],
        // Weights and WebAssembly are megabytes; without them nothing works offline.
        // Korean letters are kept when they are read (letters.ts), but those of the language's name; the picture is for
        // others, the page computes in int8, and the pages of the API are for who embeds it.
        globIgnores: ["api/**", "**/gowun-batang-!(117|118)-*", "preview.png", "**/*float32*.wasm"],
        maximumFileSizeToCacheInBytes: 64 * 1024 * 1024,
        clientsClaim: true,
        // The page itself comes from the network while there is one, so that a new build (or a newly trained model) shows at once; the
        // files it names carry their content's hash. Without a network it comes from the cache, with the files of its build.
        directoryIndex: null,
        navigateFallback: null,
        runtimeCaching: [
          {
            urlPattern: ({ request }) => request.mode === "navigate",
            handler: "NetworkOnly",
            options: {
              precacheFallback: { fallbackURL: "index.html" },
              // These run in the service worker. A network that hangs, or a server that fails, is as good as none.
              plugins: [
                {
                  requestWillFetch: async ({ request }) =>
                    new Request(request.url, { redirect: "manual", signal: AbortSignal.timeout(4000) }),
                  fetchDidSucceed: async ({ response }) => {
                    if (response.status >= 500) throw new Error(`the server answers ${response.status}`);
                    return response;
                  },
                },
              ],
            },
          },
          {
            urlPattern: /gowun-batang[^/]*\.woff2$/,
            handler: "CacheFirst",
            options: { cacheName: "korean-letters", matchOptions: { ignoreVary: true } },
          },
        ],
      },
    }),
  ],
});
