/* Strokes as users have them in, two arrays of numbers out: nothing else of the user's is read after this. */

import { QuickdrawError, messageOf } from "./error.js";

/** A point of a stroke; y points down, as on a screen. Any unit will do. */
export interface Point {
  /** To the right. */
  readonly x: number;
  /** Down. */
  readonly y: number;
}

/** The coordinates of a stroke along one axis. */
export type Coordinates = readonly number[] | Float32Array | Float64Array | Int32Array | Int16Array | Uint8Array;

/** All points of a drawing in one array, as they lie in a buffer. */
export interface PackedStrokes {
  /** x and y of each point in turn. */
  readonly points: Float32Array;
  /**
   * For each stroke the index of its first point, counted in points: the first is 0, each is more than the one before,
   * and the last stroke ends with the last point.
   */
  readonly offsets: Uint32Array | readonly number[];
}

/**
 * The strokes of a drawing in the order in which they were drawn: lists of points, the data set's `[[x...], [y...]]`
 * with an optional third list, the times, which is ignored, or all points in one array.
 */
export type Strokes = readonly (readonly Point[])[] | readonly (readonly Coordinates[])[] | PackedStrokes;

/** Strokes as the compiled recogniser takes them: see {@link PackedStrokes}. */
export interface Packed {
  readonly points: Float32Array;
  readonly offsets: Uint32Array;
}

/**
 * How many points a drawing may have. A scribble has some thousand; a million take about a second and 100 MB of memory,
 * which WebAssembly never gives back.
 */
export const MAX_POINTS = 1_000_000;

/** No screen or tablet has coordinates beyond this, and core takes none. */
const LARGEST_COORDINATE = 1e7;

/**
 * Reads strokes of any form. Every value is read once and checked, so that the compiled recogniser, which could not be
 * used again after an exception in its midst, never meets a getter or a proxy.
 *
 * @throws QuickdrawError `invalid-strokes`, with the stroke and the point.
 */
export function readStrokes(strokes: unknown): Packed {
  const { points, offsets } = readExactStrokes(strokes);
  const isPacked = isTyped(points, "Float32Array");
  return { points: isPacked ? points : Float32Array.from(points), offsets: Uint32Array.from(offsets) };
}

/**
 * Reads drawings one by one.
 *
 * @throws QuickdrawError `invalid-strokes`, with the drawing, the stroke and the point; `invalid-options` if these are no
 * drawings.
 */
export function* readDrawings(drawings: unknown): Generator<Packed> {
  const isIterable = typeof drawings === "object" && drawings !== null && Symbol.iterator in drawings;
  if (!isIterable) {
    throw new QuickdrawError("invalid-options", `drawings: found ${kind(drawings)}, expected an array of drawings`);
  }
  let index = 0;
  for (const strokes of drawings as Iterable<unknown>) {
    let read: Packed;
    try {
      read = readStrokes(strokes);
    } catch (cause) {
      if (!(cause instanceof QuickdrawError)) throw cause;
      throw new QuickdrawError(cause.code, `drawing ${index} (counted from 0): ${cause.message}`, { cause });
    }
    yield read;
    index += 1;
  }
}

/** Strokes with every digit, and what stands where times of them may be. */
export interface ExactStrokes {
  /** x and y of each point in turn. */
  readonly points: ArrayLike<number> & Iterable<number>;
  /** As {@link PackedStrokes}. */
  readonly offsets: ArrayLike<number> & Iterable<number>;
  /** The third list of each stroke that has one, unread. */
  readonly times: readonly unknown[];
}

/** As {@link readStrokes}, for those who need more than the recogniser does. */
export function readExactStrokes(strokes: unknown): ExactStrokes {
  try {
    return Array.isArray(strokes) ? readList(strokes) : { ...readPacked(strokes), times: [] };
  } catch (cause) {
    if (cause instanceof QuickdrawError) throw cause;
    throw new QuickdrawError("invalid-strokes", `the strokes could not be read: ${messageOf(cause)}`, { cause });
  }
}

function readList(strokes: readonly unknown[]): ExactStrokes {
  const n = strokes.length;
  checkSize(n, "strokes");
  const points: number[] = [];
  const offsets: number[] = [];
  const times: unknown[] = [];
  for (let stroke = 0; stroke < n; stroke++) {
    const value: unknown = strokes[stroke];
    if (!Array.isArray(value)) {
      throw invalid(`${place(stroke)}: found ${kind(value)}, expected an array of points { x, y } or [[x...], [y...]]`);
    }
    const start = points.length;
    offsets.push(start / 2);
    const first: unknown = value[0];
    if (isList(first)) times[stroke] = readChannels(value, first, stroke, points);
    else readPoints(value, first, stroke, points);
    if (points.length === start) throw invalid(`${place(stroke)} has no points: expected at least one`);
  }
  if (offsets.length === 0) throw invalid("the drawing has no strokes: expected at least one");
  return { points, offsets, times };
}

function readPoints(list: readonly unknown[], first: unknown, stroke: number, points: number[]): void {
  const n = list.length;
  checkSize(points.length / 2 + n, "points");
  for (let point = 0; point < n; point++) {
    const value = point === 0 ? first : list[point];
    if (typeof value !== "object" || value === null || isList(value)) {
      throw invalid(`${place(stroke, point)}: found ${kind(value)}, expected { x, y }`);
    }
    const { x, y } = value as { x?: unknown; y?: unknown };
    if (x === undefined || y === undefined) {
      throw invalid(
        `${place(stroke, point)}: missing field \`${x === undefined ? "x" : "y"}\`, expected { x, y } of numbers`,
      );
    }
    points.push(coordinate(x, "x", stroke, point), coordinate(y, "y", stroke, point));
  }
}

/** Gives the third list, unread. */
function readChannels(lists: readonly unknown[], x: ArrayLike<unknown>, stroke: number, points: number[]): unknown {
  const nLists = lists.length;
  if (nLists !== 2 && nLists !== 3) {
    throw invalid(`${place(stroke)} has ${nLists} lists: expected 2 (x, y) or 3 (x, y, time)`);
  }
  const y = lists[1];
  if (!isList(y)) throw invalid(`${place(stroke)}: y is ${kind(y)}, expected an array of numbers`);
  const n = x.length;
  if (n !== y.length) throw invalid(`${place(stroke)} has ${n} x and ${y.length} y: expected as many of each`);
  checkSize(points.length / 2 + n, "points");
  for (let point = 0; point < n; point++) {
    points.push(coordinate(x[point], "x", stroke, point), coordinate(y[point], "y", stroke, point));
  }
  return nLists === 3 ? lists[2] : undefined;
}

function readPacked(strokes: unknown): Packed {
  if (typeof strokes !== "object" || strokes === null) throw notStrokes(strokes);
  const { points, offsets } = strokes as { points?: unknown; offsets?: unknown };
  if (points === undefined && offsets === undefined) throw notStrokes(strokes);
  if (!isTyped(points, "Float32Array")) {
    throw invalid(`strokes.points: found ${kind(points)}, expected a Float32Array of x and y in turn`);
  }
  if (!isTyped(offsets, "Uint32Array") && !Array.isArray(offsets)) {
    throw invalid(`strokes.offsets: found ${kind(offsets)}, expected a Uint32Array or an array of numbers`);
  }
  const nValues = points.length;
  const nStrokes = offsets.length;
  if (nValues === 0) {
    throw invalid("strokes.points is empty, or its buffer was transferred: expected x and y of at least one point");
  }
  if (nValues % 2 !== 0) throw invalid(`strokes.points has ${nValues} numbers: expected x and y of each point`);
  if (nStrokes === 0) throw invalid("strokes.offsets is empty, or its buffer was transferred: expected at least one");
  const nPoints = nValues / 2;
  checkSize(nPoints, "points");
  if (nStrokes > nPoints) {
    throw invalid(
      `strokes.offsets has ${nStrokes} strokes, strokes.points ${nPoints} points: expected one each or more`,
    );
  }

  const starts = new Uint32Array(nStrokes);
  for (let stroke = 0; stroke < nStrokes; stroke++) {
    const start: unknown = offsets[stroke];
    const least = stroke === 0 ? 0 : starts[stroke - 1]! + 1;
    const most = stroke === 0 ? 0 : nPoints - 1;
    if (typeof start !== "number" || !Number.isInteger(start) || start < least || start > most) {
      const expected =
        stroke === 0 ? "0" : `an integer from ${least}, one more than before, to ${most}, the last point`;
      throw invalid(`strokes.offsets[${stroke}]: found ${shownValue(start)}, expected ${expected}`);
    }
    starts[stroke] = start;
  }
  // What reads as a list of numbers may run a program of its own.
  if (points.length !== nValues) throw invalid("strokes.points changed its length while strokes.offsets was read");
  for (let stroke = 0, point = 0; point < nPoints; point++) {
    while (point === starts[stroke + 1]) stroke += 1;
    coordinate(points[2 * point], "x", stroke, point - starts[stroke]!);
    coordinate(points[2 * point + 1], "y", stroke, point - starts[stroke]!);
  }
  return { points, offsets: starts };
}

/** Checks a coordinate. */
export function coordinate(value: unknown, axis: string, stroke: number, point: number): number {
  if (typeof value !== "number") {
    throw invalid(`${place(stroke, point)}: ${axis}: invalid type: ${shownValue(value)}, expected a number`);
  }
  // Written so that NaN, for which every comparison is false, does not pass.
  if (!(Math.abs(value) <= LARGEST_COORDINATE)) {
    throw invalid(
      `${place(stroke, point)}: ${axis} is ${value}, expected finite numbers of at most ${LARGEST_COORDINATE} in magnitude`,
    );
  }
  return value;
}

function checkSize(found: number, what: "strokes" | "points"): void {
  if (found > MAX_POINTS) {
    throw invalid(`the drawing has ${found} ${what} or more: expected at most ${MAX_POINTS} points in all its strokes`);
  }
}

/** Whether a value is an array, or a typed one. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Whether a value is a typed array of this kind, also one of another window. */
function isTyped(value: unknown, name: "Float32Array"): value is Float32Array;
function isTyped(value: unknown, name: "Uint32Array"): value is Uint32Array;
function isTyped(value: unknown, name: string): boolean {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === `[object ${name}]`;
}

function place(stroke: number, point?: number): string {
  return `stroke ${stroke}${point === undefined ? "" : `, point ${point}`} (counted from 0)`;
}

function notStrokes(value: unknown): QuickdrawError {
  return invalid(`strokes: found ${kind(value)}, expected an array of strokes or { points, offsets }`);
}

function invalid(message: string): QuickdrawError {
  return new QuickdrawError("invalid-strokes", message);
}

/** What JavaScript calls a value, for messages. */
function kind(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** A value with its type, for messages. */
function shownValue(value: unknown): string {
  if (typeof value === "string") return `string "${value.slice(0, 40)}"`;
  return typeof value === "number" ? String(value) : kind(value);
}
