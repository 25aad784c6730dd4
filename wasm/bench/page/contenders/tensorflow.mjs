// The same network in the layers of TensorFlow.js, with the weights of the same model folder.

import { IMAGE_SIDE, imageOf, inkOf, likeliest, readCard } from "../network.mjs";
import { tensorFlow } from "../tensorflow.mjs";

/** What batch normalisation adds to a variance. */
const NORM_EPSILON = 1e-3;

/**
 * @param {{ model: string }} options
 * @returns {Promise<import("../page.mjs").Guess>}
 */
export async function load({ model }) {
  const weightsFile = fetch(`${model}weights.safetensors`).then((response) => response.arrayBuffer());
  const [tf, { config, labels, temperature }, file] = await Promise.all([
    tensorFlow(),
    readCard(`${model}model.json`),
    weightsFile,
  ]);
  const tensors = readSafetensors(file);
  const tensor = (/** @type {string} */ name) => {
    const { shape, values } = /** @type {NamedTensor} */ (tensors.get(name));
    return tf.tensor(values, shape);
  };
  const format = config.ink ?? "tutorial";
  const nColumns = format === "absolute" ? 5 : 3;

  let channels = nColumns;
  const convs = config.num_conv.map((/** @type {number} */ filters, /** @type {number} */ i) => {
    const kernelSize = config.conv_len[i];
    const layer = tf.layers.conv1d({
      filters,
      kernelSize,
      strides: config.conv_stride?.[i] ?? 1,
      padding: "valid",
      activation: config.conv_activation === "relu" ? "relu" : "linear",
      kernelInitializer: "zeros",
    });
    layer.build([null, null, channels]);
    const kernel = tf.reshape(tensor(`convs.${i}.weight`), [kernelSize, channels, filters]);
    layer.setWeights([kernel, tensor(`convs.${i}.bias`)]);
    channels = filters;
    const left = (kernelSize - 1) >> 1;
    return (/** @type {any} */ x) =>
      layer.apply(
        tf.pad(x, [
          [0, 0],
          [left, kernelSize - 1 - left],
          [0, 0],
        ]),
      );
  });

  const h = config.num_nodes;
  const lstms = Array.from({ length: config.num_layers }, (_, i) => {
    const lstm = tf.layers.lstm({
      units: h,
      recurrentActivation: "sigmoid",
      returnSequences: true,
      // The layer's own choices take seconds.
      kernelInitializer: "zeros",
      recurrentInitializer: "zeros",
    });
    const layer = tf.layers.bidirectional({ layer: lstm, mergeMode: "concat" });
    layer.build([null, null, i === 0 ? channels : 2 * h]);
    // The four gates stand in the same order on both sides.
    const [input, recurrent, bias] = ["input", "recurrent", "bias"].map((part) => tensor(`lstms.${i}.${part}`));
    const direction = (/** @type {number} */ d) => [
      tf.slice(input, [0, d * 4 * h], [-1, 4 * h]),
      tf.squeeze(tf.slice(recurrent, [d, 0, 0], [1, -1, -1]), [0]),
      tf.slice(bias, [d * 4 * h], [4 * h]),
    ];
    layer.setWeights([...direction(0), ...direction(1)]);
    return layer;
  });

  let depth = 1;
  const imageConvs = (config.image_conv ?? []).map((/** @type {number} */ filters, /** @type {number} */ i) => {
    const strides = config.image_stride[i];
    const layer = tf.layers.conv2d({
      filters,
      kernelSize: 3,
      strides,
      padding: "valid",
      activation: "relu",
      kernelInitializer: "zeros",
    });
    layer.build([null, null, null, depth]);
    // Batch normalisation is another factor for each channel, and another bias.
    const name = (/** @type {string} */ part) => `image_convs.${i}.${part}`;
    const deviation = tf.sqrt(tf.add(tensor(name("norm.running_var")), NORM_EPSILON));
    const factors = tf.div(tensor(name("norm.gamma")), deviation);
    const kernel = tf.reshape(tf.mul(tensor(name("weight")), factors), [3, 3, depth, filters]);
    const centred = tf.sub(tensor(name("bias")), tensor(name("norm.running_mean")));
    layer.setWeights([kernel, tf.add(tf.mul(centred, factors), tensor(name("norm.beta")))]);
    depth = filters;
    return (/** @type {any} */ x) =>
      layer.apply(
        tf.pad(x, [
          [0, 0],
          [1, 1],
          [1, 1],
          [0, 0],
        ]),
      );
  });

  const dense = tf.layers.dense({ units: config.n_classes, kernelInitializer: "zeros" });
  dense.build([null, tensors.get("dense.weight")?.shape[0]]);
  dense.setWeights([tensor("dense.weight"), tensor("dense.bias")]);

  return (strokes) => {
    const { rows, nRows } = inkOf(strokes, format);
    const logits = tf.tidy(() => {
      let x = tf.tensor3d(rows, [1, nRows, nColumns]);
      for (const conv of convs) x = conv(x);
      for (const lstm of lstms) x = lstm.apply(x);
      const branches = config.pooling === "mean_max" ? [tf.mean(x, 1), tf.max(x, 1)] : [tf.sum(x, 1)];
      if (imageConvs.length > 0) {
        let image = tf.tensor4d(imageOf(rows), [1, IMAGE_SIDE, IMAGE_SIDE, 1]);
        for (const conv of imageConvs) image = conv(image);
        branches.push(tf.mean(image, [1, 2]), tf.max(image, [1, 2]));
      }
      return dense.apply(tf.concat(branches, 1)).dataSync();
    });
    return likeliest(logits, labels, temperature);
  };
}

/** @typedef {{ shape: number[], values: Float32Array }} NamedTensor */

/**
 * Tensors in float32 from a model folder's file, in which matrices are I8 with a scale for each column.
 *
 * @param {ArrayBuffer} file
 * @returns {Map<string, NamedTensor>}
 */
function readSafetensors(file) {
  const headerLength = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, headerLength)));
  const bytes = (/** @type {[number, number]} */ [from, to]) =>
    file.slice(8 + headerLength + from, 8 + headerLength + to);
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    if (dtype === "F32") {
      tensors.set(name, { shape, values: new Float32Array(bytes(data_offsets)) });
    } else if (dtype === "I8") {
      const scales = new Float32Array(bytes(header[`${name}.scale`].data_offsets));
      const nColumns = shape.at(-1);
      const matrixSize = shape.at(-2) * nColumns;
      const numbers = new Int8Array(bytes(data_offsets));
      const values = new Float32Array(numbers.length);
      for (let i = 0; i < values.length; i++) {
        values[i] = numbers[i] * scales[Math.floor(i / matrixSize) * nColumns + (i % nColumns)];
      }
      tensors.set(name, { shape, values });
    } else {
      throw new Error(`${name} is of type ${dtype}, which the bench does not read`);
    }
  }
  return tensors;
}
