// The package itself.

/**
 * @param {{ model?: string, arithmetic?: "int8" | "f32" }} options those of `Classifier.load`
 * @returns {Promise<import("../page.mjs").Guess>}
 */
export async function load(options) {
  const { Classifier } = await import("/package/dist/index.js");
  const classifier = await Classifier.load(options);
  return (strokes) => classifier.classify(strokes, { isSimplified: true });
}
