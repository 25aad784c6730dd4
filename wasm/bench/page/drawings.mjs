// Drawings of a given number of points, in the data set's simplified form; the same in every page and run.

import { random } from "./random.mjs";

const N_DRAWINGS = 4;
const POINTS_PER_STROKE = 15;

/** @type {Map<number, import("./page.mjs").Strokes[]>} */
const made = new Map();

/**
 * @param {number} nPoints points of each drawing
 * @returns {import("./page.mjs").Strokes[]}
 */
export function drawings(nPoints) {
  const known = made.get(nPoints);
  if (known !== undefined) return known;
  const next = random(nPoints);
  const set = Array.from({ length: N_DRAWINGS }, () => wander(nPoints, next));
  made.set(nPoints, set);
  return set;
}

/**
 * Strokes that wander, as a hand does.
 *
 * @param {number} nPoints
 * @param {() => number} next
 */
export function wander(nPoints, next) {
  const strokes = [];
  for (let first = 0; first < nPoints; first += POINTS_PER_STROKE) {
    let [x, y, direction] = [next() * 255, next() * 255, next() * 2 * Math.PI];
    const turn = (next() - 0.5) * 0.8;
    /** @type {number[][]} */
    const stroke = [[], []];
    for (let i = first; i < Math.min(first + POINTS_PER_STROKE, nPoints); i++) {
      stroke[0].push(Math.round(x));
      stroke[1].push(Math.round(y));
      direction += turn + (next() - 0.5) * 0.6;
      x = Math.min(255, Math.max(0, x + Math.cos(direction) * 22));
      y = Math.min(255, Math.max(0, y + Math.sin(direction) * 22));
    }
    strokes.push(stroke);
  }
  return strokes;
}
