// Counts the WebAssembly memory of whatever runs in the page. To be imported before it.

/** @type {Set<WebAssembly.Memory>} */
const memories = new Set();

WebAssembly.Memory = class extends WebAssembly.Memory {
  /** @param {WebAssembly.MemoryDescriptor} descriptor */
  constructor(descriptor) {
    super(descriptor);
    memories.add(this);
  }
};

for (const name of /** @type {const} */ (["instantiate", "instantiateStreaming"])) {
  const original = /** @type {(...args: unknown[]) => Promise<any>} */ (WebAssembly[name]);
  Object.assign(WebAssembly, {
    [name]: async (/** @type {unknown[]} */ ...args) => {
      const result = await original(...args);
      for (const value of Object.values((result.instance ?? result).exports)) {
        if (value instanceof Object && String(value) === "[object WebAssembly.Memory]") memories.add(value);
      }
      return result;
    },
  });
}

/** The size of all memories together. */
export function memoryBytes() {
  return [...memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
}
