// DoodleNet (ml5's doodle recogniser): its layers, with random weights, in TensorFlow.js.

import { best } from "../network.mjs";
import { tensorFlow } from "../tensorflow.mjs";

const SIDE = 28;

/**
 * @param {{ card: string, weights: string, renders: boolean }} options `renders`: each guess draws the strokes first
 * @returns {Promise<import("../page.mjs").Guess>}
 */
export async function load({ card, weights, renders }) {
  const [tf, { labels }, file] = await Promise.all([
    tensorFlow(),
    fetch(card).then((response) => response.json()),
    fetch(weights).then((response) => response.arrayBuffer()),
  ]);
  // Any others would be drawn in vain.
  const zeros = { kernelInitializer: "zeros" };
  const conv = (/** @type {number} */ filters, more = {}) =>
    tf.layers.conv2d({ filters, kernelSize: 3, padding: "same", activation: "relu", ...zeros, ...more });
  const pool = () => tf.layers.maxPooling2d({ poolSize: 2, strides: 2 });
  const model = tf.sequential({
    layers: [
      conv(16, { inputShape: [SIDE, SIDE, 1] }),
      conv(16),
      pool(),
      conv(32),
      conv(32),
      pool(),
      conv(64),
      conv(64),
      pool(),
      tf.layers.flatten(),
      tf.layers.dense({ units: 512, activation: "tanh", ...zeros }),
      tf.layers.dense({ units: labels.length, activation: "softmax", ...zeros }),
    ],
  });
  let at = 0;
  const next = (/** @type {{ shape: number[] }} */ { shape }) => {
    const values = new Float32Array(
      file,
      at,
      shape.reduce((product, side) => product * side, 1),
    );
    at += values.byteLength;
    return tf.tensor(values, shape);
  };
  model.setWeights(model.getWeights().map(next));
  if (at !== file.byteLength) throw new Error(`DoodleNet has ${at} bytes of weights, the file ${file.byteLength}`);

  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  const sameImage = render(context, [
    [
      [20, 230],
      [30, 220],
    ],
    [
      [230, 20],
      [30, 220],
    ],
  ]);
  return (strokes) => {
    const image = renders ? render(context, strokes) : sameImage;
    const probabilities = tf.tidy(() => model.predict(tf.tensor4d(image, [1, SIDE, SIDE, 1])).dataSync());
    return best(probabilities, labels);
  };
}

/**
 * White strokes on black, 0 to 1. ml5 scales a canvas of the page down to these pixels; drawing at once in their size
 * costs less.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("../page.mjs").Strokes} strokes
 */
function render(context, strokes) {
  context.fillStyle = "black";
  context.fillRect(0, 0, SIDE, SIDE);
  context.strokeStyle = "white";
  context.lineWidth = 1.5;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  const scale = (SIDE - 4) / 255;
  for (const [xs, ys] of strokes) {
    context.moveTo(2 + xs[0] * scale, 2 + ys[0] * scale);
    for (let i = 1; i < xs.length; i++) context.lineTo(2 + xs[i] * scale, 2 + ys[i] * scale);
  }
  context.stroke();
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return Float32Array.from({ length: SIDE * SIDE }, (_, i) => data[i * 4] / 255);
}
