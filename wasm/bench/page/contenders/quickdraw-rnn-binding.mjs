// The package's compiled part, for what its public face does not offer: another arithmetic than the weights suggest.

import init, { Classifier } from "/package/pkg/quickdraw_wasm.js";

import { best } from "../network.mjs";

/**
 * @param {{ model?: string, int8: boolean }} options
 * @returns {Promise<import("../page.mjs").Guess>}
 */
export async function load({ model = "/package/model/", int8 }) {
  const bytes = async (/** @type {string} */ name) =>
    new Uint8Array(await (await fetch(new URL(name, new URL(model, location.href)))).arrayBuffer());
  const [modelJson, weights] = await Promise.all([
    bytes("model.json"),
    bytes("weights.safetensors"),
    init({ module_or_path: "/package/pkg/quickdraw_wasm_bg.wasm" }),
  ]);
  const classifier = new Classifier(modelJson, weights, int8);
  const { labels } = classifier;
  return (strokes) => best(classifier.probabilities(strokes, true), labels);
}
