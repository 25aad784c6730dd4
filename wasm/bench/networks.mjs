// The networks of the bench as files: model folders, and what other run times read instead.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import { Problem, run } from "../../.ci/command.mjs";
import { random } from "./page/random.mjs";

const quantizeScript = path.join(import.meta.dirname, "quantize.py");

/** The TensorFlow tutorial's network. */
const tutorial = {
  n_classes: 345,
  num_layers: 3,
  num_nodes: 128,
  num_conv: [48, 64, 96],
  conv_len: [5, 5, 3],
  conv_stride: [1, 1, 1],
  conv_activation: "none",
  cell_type: "lstm",
  pooling: "sum",
  ink: "tutorial",
};

/**
 * Writes a model folder of the tutorial's network, with random weights in 8 bits.
 *
 * @param {string} folder
 * @param {string[]} labels
 */
export async function writeTutorial(folder, labels) {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "model.json"), JSON.stringify({ format: 1, config: tutorial, labels }));
  await writeFile(path.join(folder, "weights.safetensors"), safetensors(randomTensors(tutorial)));
}

/** @typedef {{ name: string, dtype: "F32" | "I8", shape: number[], values: Float32Array | Int8Array }} Tensor */

/**
 * The tensors of a network whose rows have three columns and whose steps are summed up: matrices in 8 bits, with a scale
 * for each column, and biases.
 *
 * @param {typeof tutorial} config
 * @returns {Tensor[]}
 */
function randomTensors({ n_classes, num_layers, num_nodes: h, num_conv, conv_len }) {
  const next = random(1);
  /** @type {Tensor[]} */
  const tensors = [];
  const bias = (/** @type {string} */ name, /** @type {Float32Array} */ values) =>
    tensors.push({ name, dtype: "F32", shape: [values.length], values });
  const matrix = (/** @type {string} */ name, /** @type {number[]} */ shape, /** @type {number} */ limit) => {
    const columns = shape.filter((_, axis) => axis !== shape.length - 2);
    const size = (/** @type {number[]} */ sides) => sides.reduce((product, side) => product * side, 1);
    const scales = new Float32Array(size(columns)).fill(limit / 127);
    const values = Int8Array.from({ length: size(shape) }, () => Math.round((next() * 2 - 1) * 127));
    tensors.push({ name: `${name}.scale`, dtype: "F32", shape: columns, values: scales });
    tensors.push({ name, dtype: "I8", shape, values });
  };
  const glorot = (/** @type {number} */ fanIn, /** @type {number} */ fanOut) => Math.sqrt(6 / (fanIn + fanOut));

  let channels = 3;
  for (const [i, filters] of num_conv.entries()) {
    const length = conv_len[i] ?? 1;
    matrix(`convs.${i}.weight`, [length * channels, filters], glorot(length * channels, length * filters));
    bias(`convs.${i}.bias`, new Float32Array(filters));
    channels = filters;
  }
  for (let i = 0; i < num_layers; i++) {
    const limit = glorot(channels + h, 4 * h);
    matrix(`lstms.${i}.input`, [channels, 8 * h], limit);
    matrix(`lstms.${i}.recurrent`, [2, h, 4 * h], limit);
    // The forget gates begin open.
    bias(
      `lstms.${i}.bias`,
      Float32Array.from({ length: 8 * h }, (_, k) => (Math.floor(k / h) % 4 === 1 ? 1 : 0)),
    );
    channels = 2 * h;
  }
  matrix("dense.weight", [channels, n_classes], glorot(channels, n_classes));
  bias("dense.bias", new Float32Array(n_classes));
  return tensors;
}

/**
 * @param {Tensor[]} tensors
 * @returns {Buffer}
 */
function safetensors(tensors) {
  // Wide types come first, so that every tensor is aligned.
  const sorted = [...tensors].sort((a, b) => b.values.BYTES_PER_ELEMENT - a.values.BYTES_PER_ELEMENT);
  let end = 0;
  const entries = sorted.map(({ name, dtype, shape, values }) => {
    const data_offsets = [end, (end += values.byteLength)];
    return [name, { dtype, shape, data_offsets }];
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const header = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = sorted.map(({ values }) => Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  return Buffer.concat([length, header, ...data]);
}

/**
 * Writes weights for the layers of DoodleNet: float32, one tensor after the other.
 *
 * @param {string} file
 */
export async function writeDoodleNet(file) {
  const next = random(2);
  /** Inputs, outputs of each layer. */
  const layers = [
    [9, 16],
    [144, 16],
    [144, 32],
    [288, 32],
    [288, 64],
    [576, 64],
    [576, 512],
    [512, 345],
  ];
  const values = layers.flatMap(([inputs = 0, outputs = 0]) => {
    const limit = Math.sqrt(6 / inputs);
    return [...Array.from({ length: inputs * outputs }, () => (next() * 2 - 1) * limit), ...Array(outputs).fill(0)];
  });
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, Float32Array.from(values));
}

/**
 * The model of a folder as ONNX, made if it has not been made before.
 *
 * @param {{ model: string, build: string, nativeTrain: string | undefined }} where `nativeTrain`: a built program, instead
 * of one that cargo builds
 * @returns {Promise<string>} the file
 */
export async function exportOnnx({ model, build, nativeTrain }) {
  const sources = [path.join(model, "model.json"), path.join(model, "weights.safetensors"), quantizeScript];
  const hash = createHash("sha256");
  for (const source of sources) hash.update(await readFile(source));
  const folder = path.join(build, hash.digest("hex").slice(0, 16));
  const file = path.join(folder, "f32.onnx");
  if (existsSync(file)) return file;

  const exported = path.join(folder, "exported");
  const args = ["export", "--format", "onnx", "--model", model, "--out", exported];
  await rm(exported, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  console.error(`writing ${path.basename(model)} as ONNX`);
  if (nativeTrain === undefined) {
    const missing =
      "cargo was not found: install Rust (https://rustup.rs), or name a built native-train by --native-train";
    await run("cargo", ["run", "--release", "--quiet", "-p", "native-train", "--", ...args], {
      capture: true,
      missing,
    });
  } else {
    await run(nativeTrain, args, { capture: true, missing: `--native-train: ${nativeTrain} was not found` });
  }
  await rename(path.join(exported, "model.onnx"), file);
  await rm(exported, { recursive: true });
  return file;
}

/**
 * An ONNX model with the weights of its large products in 8 bits, made by onnxruntime if it has not been made before.
 *
 * @param {string} onnx
 * @param {string | undefined} python a Python with the packages onnxruntime and onnx; without it, the machine's if it has them
 * @returns {Promise<string | undefined>} the file, or nothing without such a Python
 */
export async function quantizeOnnx(onnx, python) {
  const file = onnx.replace(/f32\.onnx$/, "int8.onnx");
  if (existsSync(file)) return file;
  try {
    await run(python ?? "python3", [quantizeScript, onnx, file], { capture: true });
    return file;
  } catch (error) {
    if (!(error instanceof Problem) || python !== undefined) throw error;
    console.error("no onnxruntime-web int8: --python must name a Python with the packages onnxruntime and onnx");
    return undefined;
  }
}
