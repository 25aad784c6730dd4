// onnxruntime-web on the processor, one thread; the network as native-train exports it.

import { IMAGE_SIDE, imageOf, inkOf, likeliest, readCard } from "../network.mjs";

/**
 * @param {{ card: string, onnx: string }} options
 * @returns {Promise<import("../page.mjs").Guess>}
 */
export async function load({ card, onnx }) {
  const ort = await import("/peers/onnxruntime-web/dist/ort.wasm.bundle.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.simd = true;
  ort.env.wasm.wasmPaths = "/peers/onnxruntime-web/dist/";
  const create = ort.InferenceSession.create(onnx, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  const [{ config, labels, temperature }, session] = await Promise.all([readCard(card), create]);
  const format = config.ink ?? "tutorial";
  return async (strokes) => {
    const { rows, nRows, nColumns } = inkOf(strokes, format);
    const image = () => new ort.Tensor("float32", imageOf(rows), [1, 1, IMAGE_SIDE, IMAGE_SIDE]);
    const { logits } = await session.run({
      ink: new ort.Tensor("float32", rows, [1, nRows, nColumns]),
      lengths: new ort.Tensor("int64", BigInt64Array.of(BigInt(nRows)), [1]),
      ...(config.image_conv && { image: image() }),
    });
    return likeliest(logits.data, labels, temperature);
  };
}
