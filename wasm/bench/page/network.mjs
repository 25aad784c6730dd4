// What run times that know nothing of drawings need around a network: its card, ink, and predictions from logits.
//
// The ink is that of core/src/ink.rs. Users of the package never compute it in JavaScript; here it lets other run times
// start from the same strokes, and the bench compares their guesses with the package's.

/** @param {string | URL} address of model.json */
export async function readCard(address) {
  const { config, labels, calibration } = await (await fetch(address)).json();
  return { config, labels, temperature: calibration?.temperature ?? 1 };
}

/**
 * @param {import("./page.mjs").Strokes} strokes
 * @param {"tutorial" | "absolute"} format
 * @returns {{ rows: Float32Array, nRows: number, nColumns: number }}
 */
export function inkOf(strokes, format) {
  const [lower, upper] = [
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ];
  let nPoints = 0;
  for (const stroke of strokes) {
    nPoints += stroke[0].length;
    for (let axis = 0; axis < 2; axis++) {
      for (const value of stroke[axis]) {
        if (value < lower[axis]) lower[axis] = value;
        if (value > upper[axis]) upper[axis] = value;
      }
    }
  }
  const isAbsolute = format === "absolute";
  const extent = [upper[0] - lower[0], upper[1] - lower[1]];
  const scale = isAbsolute ? Array(2).fill(Math.max(...extent) / 2 || 1) : extent.map((side) => side || 1);
  const origin = isAbsolute ? lower.map((value, axis) => value + extent[axis] / 2) : lower;
  const nColumns = isAbsolute ? 5 : 3;
  // The tutorial's first point has no predecessor and no row.
  const nRows = isAbsolute ? nPoints : nPoints - 1;
  const rows = new Float32Array(nRows * nColumns);
  let before = [(strokes[0][0][0] - origin[0]) / scale[0], (strokes[0][1][0] - origin[1]) / scale[1]];
  let row = isAbsolute ? 0 : -1;
  for (const [xs, ys] of strokes) {
    for (let i = 0; i < xs.length; i++, row++) {
      const point = [(xs[i] - origin[0]) / scale[0], (ys[i] - origin[1]) / scale[1]];
      if (row >= 0) {
        const at = row * nColumns;
        rows[at] = point[0] - before[0];
        rows[at + 1] = point[1] - before[1];
        rows[at + 2] = i === xs.length - 1 ? 1 : 0;
        if (isAbsolute) rows.set(point, at + 3);
      }
      before = point;
    }
  }
  return { rows, nRows, nColumns };
}

/** Pixels along a side of an image. */
export const IMAGE_SIDE = 28;

/**
 * The image of an absolute ink: that of core/src/raster.rs.
 *
 * @param {Float32Array} rows
 * @returns {Float32Array}
 */
export function imageOf(rows) {
  const image = new Float32Array(IMAGE_SIDE * IMAGE_SIDE);
  const pixelsPerUnit = (127.5 * IMAGE_SIDE) / 304;
  const reach = (8 * IMAGE_SIDE) / 304 + 0.5;
  /** @type {[number, number] | undefined} */
  let before;
  for (let at = 0; at < rows.length; at += 5) {
    const [x, y] = [3, 4].map((column) => IMAGE_SIDE / 2 + rows[at + column] * pixelsPerUnit);
    const [fromX, fromY] = before ?? [x, y];
    const [dx, dy] = [x - fromX, y - fromY];
    const squaredLength = dx * dx + dy * dy;
    const lastRow = Math.min(IMAGE_SIDE, Math.ceil(Math.max(y, fromY) + reach));
    const lastColumn = Math.min(IMAGE_SIDE, Math.ceil(Math.max(x, fromX) + reach));
    for (let row = Math.max(0, Math.floor(Math.min(y, fromY) - reach)); row < lastRow; row++) {
      for (let column = Math.max(0, Math.floor(Math.min(x, fromX) - reach)); column < lastColumn; column++) {
        const [u, v] = [column + 0.5 - fromX, row + 0.5 - fromY];
        const along = squaredLength > 0 ? Math.min(1, Math.max(0, (u * dx + v * dy) / squaredLength)) : 0;
        const coverage = Math.min(1, reach - Math.sqrt((u - along * dx) ** 2 + (v - along * dy) ** 2));
        const pixel = row * IMAGE_SIDE + column;
        if (coverage > image[pixel]) image[pixel] = coverage;
      }
    }
    before = rows[at + 2] === 0 ? [x, y] : undefined;
  }
  return image;
}

/**
 * The five likeliest labels, as the package gives them.
 *
 * @param {ArrayLike<number>} logits
 * @param {readonly string[]} labels
 * @param {number} temperature
 * @returns {import("./page.mjs").Prediction[]}
 */
export function likeliest(logits, labels, temperature) {
  const largest = Math.max(.../** @type {number[]} */ (logits));
  const powers = Float64Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
  const sum = powers.reduce((total, power) => total + power, 0);
  return best(
    powers.map((power) => power / sum),
    labels,
  );
}

/**
 * @param {ArrayLike<number>} probabilities
 * @param {readonly string[]} labels
 */
export function best(probabilities, labels) {
  const order = Array.from(labels.keys()).sort((a, b) => probabilities[b] - probabilities[a]);
  return order.slice(0, 5).map((index) => ({ label: labels[index], probability: probabilities[index] }));
}
