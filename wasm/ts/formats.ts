/**
 * Drawings to and from text: lines of the Quick, Draw! data set, and SVG pictures. No model is needed for any of it.
 *
 * @module quickdraw-rnn/formats
 */

import { QuickdrawError, messageOf } from "./error.js";
import { parseJson } from "./json.js";
import { checkObject, invalid } from "./options.js";
import { MAX_POINTS, type Strokes, isList, readExactStrokes, readStrokes } from "./strokes.js";

export { parseSvg } from "./svg.js";
export type { ParseSvgOptions } from "./svg.js";

/** One line of the data set: a drawing and what is known of it. */
export interface DrawingRecord {
  /** The category that the drawer was asked for, in English. */
  readonly word?: string;
  /** Where the drawer was, two letters. */
  readonly countrycode?: string;
  /** When it was drawn, as the data set writes it. */
  readonly timestamp?: string;
  /** Whether the game recognised it. */
  readonly recognized?: boolean;
  /** What the data set calls the drawing. */
  readonly key_id?: string;
  /** `[[x...], [y...]]` a stroke; in the data set's raw form `[[x...], [y...], [t...]]`, t in milliseconds. */
  readonly drawing: number[][][];
}

/** What {@link toNdjson} writes: a record whose drawing may have any form of strokes. */
export interface NewRecord extends Omit<DrawingRecord, "drawing"> {
  /** The drawing, in any form of strokes. */
  readonly drawing: Strokes;
}

/** Options of {@link parseNdjson}. */
export interface ParseNdjsonOptions {
  /**
   * Called for each line that holds no drawing, with the error and the line, counted from 1; the reading goes on.
   * Default: the first such line ends the reading with its error.
   */
  readonly onBadLine?: (error: QuickdrawError, line: number) => void;
}

/**
 * The longest line that is read, in characters. The largest drawing that is accepted fits: three numbers a point, none
 * of which takes more than 25 characters with its comma.
 */
const MAX_LINE_LENGTH = 80 * MAX_POINTS;

/**
 * Reads lines of the Quick, Draw! data set, simplified or raw, one after the other as they are asked for.
 *
 * The text comes as a whole or in parts, which may end anywhere, also within a line. Blank lines are skipped. Of a
 * line only the fields of {@link DrawingRecord} are read; the numbers stay as they are written.
 *
 * @throws QuickdrawError `invalid-options` at once; `invalid-strokes`, with the line, while it is read.
 */
export function parseNdjson(
  text: string | Iterable<string>,
  options: ParseNdjsonOptions = {},
): Generator<DrawingRecord, void, undefined> {
  checkObject(options, "parseNdjson(text, { onBadLine })");
  const { onBadLine } = options;
  if (onBadLine !== undefined && typeof onBadLine !== "function") throw invalid("onBadLine", onBadLine, "a function");
  if (typeof text !== "string" && typeof text?.[Symbol.iterator] !== "function") {
    throw invalid("text", text, "a string or an iterable of strings");
  }
  return records(typeof text === "string" ? [text] : text, onBadLine);
}

function* records(
  parts: Iterable<string>,
  onBadLine: ParseNdjsonOptions["onBadLine"],
): Generator<DrawingRecord, void, undefined> {
  let number = 0;
  for (const line of lines(parts)) {
    number += 1;
    if (line !== undefined && line.trim() === "") continue;
    let record: DrawingRecord;
    try {
      record = readLine(line);
    } catch (cause) {
      if (!(cause instanceof QuickdrawError)) throw cause;
      const error = new QuickdrawError(cause.code, `line ${number}: ${cause.message}`, { cause });
      if (onBadLine === undefined) throw error;
      onBadLine(error, number);
      continue;
    }
    yield record;
  }
}

/** The lines of a text that comes in parts, without their ends; undefined for a line that is too long to be kept. */
function* lines(parts: Iterable<string>): Generator<string | undefined, void, undefined> {
  // A line of many parts is joined once.
  let pieces: string[] = [];
  let length = 0;
  let isFirst = true;
  const take = (piece: string): void => {
    length += piece.length;
    if (length <= MAX_LINE_LENGTH) pieces.push(piece);
    else pieces = [];
  };
  const line = (): string | undefined => {
    const whole = length <= MAX_LINE_LENGTH ? pieces.join("") : undefined;
    pieces = [];
    length = 0;
    // Editors on some systems begin a file with a byte order mark, which JSON does not know.
    const found = isFirst && whole?.startsWith("\uFEFF") ? whole.slice(1) : whole;
    isFirst = false;
    return found;
  };
  for (const part of parts) {
    if (typeof part !== "string") throw invalid("text", part, "strings");
    let start = 0;
    for (let end = part.indexOf("\n"); end >= 0; end = part.indexOf("\n", start)) {
      take(part.slice(start, end));
      yield line();
      start = end + 1;
    }
    if (start < part.length) take(part.slice(start));
  }
  if (length > 0) yield line();
}

function readLine(line: string | undefined): DrawingRecord {
  if (line === undefined) throw bad(`it is longer than ${MAX_LINE_LENGTH} characters`);
  const value = parseJson(line, bad);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw bad(`found ${shown(value)}, expected a record { word, drawing }`);
  }
  // What JSON.parse makes has its fields itself, also one called `__proto__`.
  const fields = value as Record<string, unknown>;
  const drawing = readDrawing(fields.drawing);
  return { ...readFacts(fields), drawing };
}

/** The fields of a record besides the drawing, those that are there and not null. */
function readFacts(fields: { readonly [name: string]: unknown }): Omit<DrawingRecord, "drawing"> {
  const facts: Record<string, string | boolean> = {};
  for (const name of ["word", "countrycode", "timestamp", "recognized", "key_id"] as const) {
    const value = fields[name];
    if (value === undefined || value === null) continue;
    // Some copies of the data set have these two as numbers.
    const isNumber = (name === "timestamp" || name === "key_id") && Number.isSafeInteger(value);
    const expected = name === "recognized" ? "boolean" : "string";
    if (typeof value !== expected && !isNumber) {
      throw bad(`\`${name}\`: found ${shown(value)}, expected ${expected === "string" ? "a string" : "true or false"}`);
    }
    facts[name] = isNumber ? String(value) : (value as string | boolean);
  }
  return facts;
}

/** Checks a drawing in the data set's form, with or without times. */
function readDrawing(value: unknown): number[][][] {
  if (!Array.isArray(value)) throw bad(`\`drawing\`: found ${shown(value)}, expected [[x...], [y...]] of each stroke`);
  for (const [index, stroke] of value.entries()) {
    if (Array.isArray(stroke) && stroke.length > 0 && !Array.isArray(stroke[0])) {
      throw bad(`stroke ${index} (counted from 0): found ${shown(stroke[0])}, expected [[x...], [y...]]`);
    }
  }
  readStrokes(value);
  for (const [index, stroke] of (value as number[][][]).entries()) readTimes(stroke[2], stroke[0]!.length, index);
  return value as number[][][];
}

/** Checks and copies the times of a stroke, if it has any. */
function readTimes(times: unknown, nPoints: number, stroke: number): number[] | undefined {
  if (times === undefined) return undefined;
  const place = `stroke ${stroke} (counted from 0)`;
  if (!isList(times)) throw bad(`${place}: the times are ${shown(times)}, expected an array of numbers`);
  if (times.length !== nPoints)
    throw bad(`${place} has ${nPoints} x and ${times.length} times: expected as many of each`);
  const read: number[] = [];
  for (let point = 0; point < nPoints; point++) {
    const time = times[point];
    if (typeof time !== "number" || !Number.isFinite(time)) {
      throw bad(`stroke ${stroke}, point ${point} (counted from 0): the time is ${shown(time)}, expected a number`);
    }
    read.push(time);
  }
  return read;
}

/**
 * Writes drawings in the data set's form, a line each: strokes of any form, or records with `word` and other fields.
 *
 * The numbers are written as they are, and the times where strokes have them; {@link parseNdjson} reads the same
 * numbers back.
 *
 * @throws QuickdrawError `invalid-strokes`, with the drawing, counted from 0; `invalid-options` if these are no drawings.
 */
export function toNdjson(drawings: Iterable<Strokes | NewRecord>): string {
  if (typeof drawings !== "object" || drawings === null || typeof drawings[Symbol.iterator] !== "function") {
    throw invalid("drawings", drawings, "an array of drawings, each strokes or { word, drawing }");
  }
  const lines: string[] = [];
  for (const value of drawings) {
    try {
      lines.push(`${JSON.stringify(readRecord(value))}\n`);
    } catch (cause) {
      const { code, message } =
        cause instanceof QuickdrawError ? cause : bad(`it could not be read: ${messageOf(cause)}`);
      throw new QuickdrawError(code, `drawing ${lines.length} (counted from 0): ${message}`, { cause });
    }
  }
  return lines.join("");
}

function readRecord(value: Strokes | NewRecord): DrawingRecord {
  const isRecord = typeof value === "object" && value !== null && "drawing" in value;
  const facts = isRecord ? readFacts(value as unknown as Record<string, unknown>) : {};
  const { points, offsets, times } = readExactStrokes(isRecord ? value.drawing : value);
  // What is written is what was checked: a getter might give something else when it is asked again.
  const drawing = channels(points, offsets).map((stroke, index) => {
    const read = readTimes(times[index], stroke[0]!.length, index);
    return read === undefined ? stroke : [...stroke, read];
  });
  return { ...facts, drawing };
}

function channels(points: ArrayLike<number>, offsets: ArrayLike<number>): number[][][] {
  return Array.from(offsets, (start, stroke) => {
    const x: number[] = [];
    const y: number[] = [];
    for (let point = start; point < (offsets[stroke + 1] ?? points.length / 2); point++) {
      x.push(points[2 * point]!);
      y.push(points[2 * point + 1]!);
    }
    return [x, y];
  });
}

/** Options of {@link toSvg}. */
export interface SvgOptions {
  /** Width and height of the picture in pixels, from 16. Default: 256. */
  readonly size?: number;
  /** Width of the lines in pixels of the picture, at most its size. Default: 1/64 of the size. */
  readonly strokeWidth?: number;
  /** Colour of the lines, as CSS writes colours. Default: `"black"`. */
  readonly color?: string;
  /** Colour of the paper. Default: none, and what lies below shows through. */
  readonly background?: string;
  /** What the picture is called, for those who cannot see it. Default: none. */
  readonly title?: string;
}

/**
 * A drawing as an SVG picture, complete in itself: a square in which the drawing is centred and as large as fits with
 * the width of its lines; one path a stroke, so a stroke of one point is a dot.
 *
 * @throws QuickdrawError `invalid-strokes`, `invalid-options`
 */
export function toSvg(strokes: Strokes, options: SvgOptions = {}): string {
  checkObject(options, "toSvg(strokes, { size })");
  const { size = 256, color = "black", background, title } = options;
  if (!(Number.isFinite(size) && size >= 16 && size <= 1e6))
    throw invalid("size", size, "pixels, a number from 16 to 1000000");
  const { strokeWidth = size / 64 } = options;
  if (!(Number.isFinite(strokeWidth) && strokeWidth > 0 && strokeWidth <= size)) {
    throw invalid("strokeWidth", strokeWidth, `pixels, a number above 0 and at most ${size}`);
  }
  for (const [option, value] of Object.entries({ color, background, title })) {
    if (value !== undefined && typeof value !== "string") throw invalid(option, value, "a string");
  }

  const { points, offsets } = readStrokes(strokes);
  const place = fit(points, size, size - 2 * strokeWidth);
  const paths = channels(points, offsets).map(([x, y]) => {
    const at = x!.map((value, point) => `${shortened(place.x(value))} ${shortened(place.y(y![point]!))}`);
    // A line of no length shows its round ends.
    return `<path d="M${at.length === 1 ? `${at[0]}L${at[0]}` : at.join("L")}"/>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${size} ${size}"${title === undefined ? "" : ' role="img"'}>`,
    ...(title === undefined ? [] : [`<title>${escaped(title)}</title>`]),
    ...(background === undefined ? [] : [`<rect width="${size}" height="${size}" fill="${escaped(background)}"/>`]),
    `<g fill="none" stroke="${escaped(color)}" stroke-width="${strokeWidth}" stroke-linecap="round" stroke-linejoin="round">`,
    ...paths,
    "</g>",
    "</svg>\n",
  ].join("\n");
}

/** Where a drawing's coordinates come to lie when its larger side is made `inner` pixels long and it is centred. */
function fit(points: Float32Array, size: number, inner: number): Record<"x" | "y", (value: number) => number> {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (const [index, value] of points.entries()) {
    low[index % 2] = Math.min(low[index % 2]!, value);
    high[index % 2] = Math.max(high[index % 2]!, value);
  }
  const side = Math.max(high[0]! - low[0]!, high[1]! - low[1]!);
  const scale = side > 0 ? Math.max(inner, 0) / side : 0;
  const along = (axis: 0 | 1) => (value: number) => size / 2 + (value - (low[axis]! + high[axis]!) / 2) * scale;
  return { x: along(0), y: along(1) };
}

/** A number of pixels with at most two decimals. */
function shortened(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Text for the content or an attribute of an XML element. Characters that XML cannot hold become U+FFFD. */
function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\uFFFD")
    .replace(/[&<>"']/g, (character) => entities[character]!);
}

function bad(message: string): QuickdrawError {
  return new QuickdrawError("invalid-strokes", message);
}

/** A value as messages show it. */
function shown(value: unknown): string {
  if (typeof value === "string") return `"${value.slice(0, 40)}"`;
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
