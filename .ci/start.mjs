// `npm start`: everything that the page needs is built, and the page is served. `--dev` serves the sources instead, and
// shows changes at once.

import { npm, runMain } from "./command.mjs";
import { checkNode, checkRust, installNpmDependencies } from "./tools.mjs";

await runMain(async () => {
  checkNode();
  await checkRust();
  await installNpmDependencies();
  await npm(["run", "build", "--workspace", "wasm"]);
  if (process.argv.includes("--dev")) {
    await npm(["run", "dev", "--workspace", "www"]);
  } else {
    // What is built works without the network after the first visit, which the development server does not.
    await npm(["run", "build", "--workspace", "www"]);
    await npm(["run", "preview", "--workspace", "www"]);
  }
});
