/** Drawings as Quick, Draw! keeps them, one JSON object a line, and back. */
import type { Prediction, Stroke } from "../messages";

export interface Record {
  /** What the drawing is to show, where the line says so. */
  readonly word: string | undefined;
  readonly strokes: readonly Stroke[];
}

/** The data set's files have hundreds of megabytes; so much of one is read. */
const MOST_BYTES = 4 * 2 ** 20;
const MOST_RECORDS = 1000;
/** Decimals of a coordinate, in CSS pixels. */
const DECIMALS = 1;

/** A line of the data set's form. `best` is what the model guessed: the page did not ask for anything. */
export function toNdjson(strokes: readonly Stroke[], best: Prediction | undefined, recognised: boolean): string {
  const axis = (stroke: Stroke, along: "x" | "y", least: number) => stroke.map((point) => Number((point[along] - least).toFixed(DECIMALS)));
  const points = strokes.flat();
  const left = points.reduce((least, { x }) => Math.min(least, x), Infinity);
  const top = points.reduce((least, { y }) => Math.min(least, y), Infinity);
  const drawing = strokes.map((stroke) => [axis(stroke, "x", left), axis(stroke, "y", top)]);
  return `${JSON.stringify({ word: best?.label ?? "unknown", recognized: recognised, timestamp: new Date().toISOString(), drawing })}\n`;
}

/** The drawings at the beginning of a file; lines that are none are passed over. */
export async function readNdjson(file: Blob): Promise<Record[]> {
  const text = await file.slice(0, MOST_BYTES).text();
  const lines = text.replace(/^\ufeff/, "").split("\n");
  // The last line of a part of a file is a part of a line.
  if (file.size > MOST_BYTES) lines.pop();
  const records: Record[] = [];
  for (const line of lines) {
    if (records.length >= MOST_RECORDS) break;
    const record = readLine(line);
    if (record) records.push(record);
  }
  return records;
}

function readLine(line: string): Record | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { word, drawing } = (value ?? {}) as { word?: unknown; drawing?: unknown };
  if (!Array.isArray(drawing) || drawing.length === 0) return undefined;
  const strokes: Stroke[] = [];
  for (const stroke of drawing as unknown[]) {
    const [xs, ys] = Array.isArray(stroke) ? (stroke as unknown[]) : [];
    if (!isCoordinates(xs) || !isCoordinates(ys) || xs.length !== ys.length || xs.length === 0) return undefined;
    strokes.push(xs.map((x, i) => ({ x, y: ys[i] ?? 0 })));
  }
  return { word: typeof word === "string" && word !== "" ? word : undefined, strokes };
}

const isCoordinates = (values: unknown): values is number[] =>
  Array.isArray(values) && values.every((value) => Number.isFinite(value) && Math.abs(value as number) <= 1e7);
