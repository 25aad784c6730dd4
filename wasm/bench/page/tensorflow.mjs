// TensorFlow.js with its WebAssembly backend, one thread: the two scripts that its manual names.

/** @type {Promise<any> | undefined} */
let loaded;

/** @returns {Promise<any>} the global `tf` */
export function tensorFlow() {
  loaded ??= start();
  return loaded;
}

async function start() {
  const scripts = ["tfjs/dist/tf.min.js", "tfjs-backend-wasm/dist/tf-backend-wasm.min.js"];
  await Promise.all(scripts.map(addScript));
  const { tf } = /** @type {any} */ (globalThis);
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  tf.wasm.setWasmPaths("/peers/@tensorflow/tfjs-backend-wasm/dist/");
  await tf.setBackend("wasm");
  return tf;
}

/** @param {string} file */
function addScript(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `/peers/@tensorflow/${file}`;
    // In the order in which they are added.
    script.async = false;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${script.src} could not be loaded`));
    document.head.append(script);
  });
}
