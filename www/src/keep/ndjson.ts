/** Drawings as Quick, Draw! keeps them, one JSON object a line, and back; the package's reader and writer do the work. */
import { parseNdjson, toNdjson } from "quickdraw-rnn/formats";
import type { Simplified, Stroke } from "../recognition";
import type { InkStroke } from "../pad";

export interface Record {
  /** What the drawing is to show, where the line says so. */
  readonly word: string | undefined;
  readonly strokes: readonly Stroke[];
}

/** The data set's files have hundreds of megabytes; so much of one is read. */
export const MOST_BYTES = 4 * 2 ** 20;
const MOST_RECORDS = 1000;
/** Decimals of a coordinate, in CSS pixels. */
const DECIMALS = 1;

/**
 * A line of the data set's raw form: x, y and, where the drawing was drawn here, the milliseconds since its first point. It has no word:
 * nobody was asked for anything, and what the model guessed is not what it is.
 */
export function writeDrawing(strokes: readonly InkStroke[]): string {
  const points = strokes.flat();
  const least = (of: (point: InkStroke[number]) => number) =>
    points.reduce((least, point) => Math.min(least, of(point)), Infinity);
  const [left, top] = [least(({ x }) => x), least(({ y }) => y)];
  const start = points[0]?.timeMs ?? 0;
  const isTimed = points.every(({ timeMs }) => timeMs !== undefined);
  const fixed = (value: number) => Number(value.toFixed(DECIMALS));
  const drawing = strokes.map((stroke) => [
    stroke.map(({ x }) => fixed(x - left)),
    stroke.map(({ y }) => fixed(y - top)),
    ...(isTimed ? [stroke.map(({ timeMs = 0 }) => Math.round(timeMs - start))] : []),
  ]);
  return toNdjson([{ timestamp: new Date().toISOString(), drawing }]);
}

/** The drawings at the beginning of a file; other lines are skipped. */
export async function readDrawings(file: Blob): Promise<Record[]> {
  const records: Record[] = [];
  // The last line of a part of a file is a part of a line, and as such no drawing.
  for (const { word, drawing } of parseNdjson(await file.slice(0, MOST_BYTES).text(), { onBadLine: () => undefined })) {
    records.push({ word: word === "" ? undefined : word, strokes: strokesOf(drawing) });
    if (records.length >= MOST_RECORDS) break;
  }
  return records;
}

/** What is read of each line of a text; lines of which nothing can be read are kept as they are. */
export function readLines<T>(
  text: string,
  readLine: (line: string) => T | undefined,
): { readonly found: T[]; readonly unread: string[] } {
  const found: T[] = [];
  const unread: string[] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const value = readLine(line);
    if (value === undefined) unread.push(line);
    else found.push(value);
  }
  return { found, unread };
}

/** Strokes of the data set's form as points. */
export function strokesOf(drawing: Simplified): Stroke[] {
  return drawing.map(([xs = [], ys = []]) => xs.map((x, i) => ({ x, y: ys[i] ?? 0 })));
}
