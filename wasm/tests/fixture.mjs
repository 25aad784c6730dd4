// The small model with random weights that the Rust tests of core use too, and what it makes of some drawings there.

import { readFile } from "node:fs/promises";

export const fixtureFolder = new URL("../../core/tests/fixtures/classifier/", import.meta.url);

/** @returns {Promise<{ modelJson: Uint8Array, weights: Uint8Array }>} */
export async function fixtureFiles() {
  const [modelJson, weights] = await Promise.all([
    readFile(new URL("model.json", fixtureFolder)),
    readFile(new URL("weights.safetensors", fixtureFolder)),
  ]);
  return { modelJson, weights };
}

/**
 * The same model, as one that was trained with unfinished drawings: it reads whether the pen is down.
 *
 * @returns {Promise<{ modelJson: Uint8Array, weights: Uint8Array }>}
 */
export async function penFixtureFiles() {
  const { modelJson, weights } = await fixtureFiles();
  const card = JSON.parse(new TextDecoder().decode(modelJson));
  const json = JSON.stringify({ ...card, config: { ...card.config, pen_state: true } });
  return { modelJson: new TextEncoder().encode(json), weights };
}

/**
 * Drawings in simplified form, and for each the probabilities that the native build finds, in the order of the labels.
 *
 * @returns {Promise<{ drawing: number[][][], probabilities: number[] }[]>}
 */
export async function fixtureCases() {
  return JSON.parse(await readFile(new URL("expected.json", fixtureFolder), "utf8")).cases;
}
