/** Drawings out of files: ndjson and SVG, whose strokes are there, and pictures of pixels, whose lines are traced. */
import { parseSvg } from "quickdraw-rnn/formats";
import { loaded } from "../later";
import { MOST_BYTES, readDrawings, type Record, strokesOf } from "./ndjson";

/** So much of a file shows of which kind it is. */
const HEAD_BYTES = 512;

export interface Opened {
  readonly records: readonly Record[];
  /** Whether the strokes were traced: nobody drew them so. */
  readonly isTraced: boolean;
}

/** What a file holds, whatever its name says; no records if that is no drawing. Undefined where the code that reads it is missing. */
export async function openFile(file: Blob): Promise<Opened | undefined> {
  const head = await file.slice(0, HEAD_BYTES).text();
  // Of the formats of pictures each has a byte 0 near its beginning, and no text has one.
  if (head.includes("\0")) {
    const tracer = await loaded(() => import("./tracer"));
    return tracer && { records: record(await tracer.strokesFromImage(file)), isTraced: true };
  }
  if (!/^\ufeff?\s*</.test(head)) return { records: await readDrawings(file), isTraced: false };
  // A part of an SVG is none.
  return { records: file.size > MOST_BYTES ? [] : record(parseSvg(await file.text())), isTraced: false };
}

/** A drawing as the only one of its file; nothing of an empty picture. */
function record(drawing: number[][][]): Record[] {
  return drawing.length === 0 ? [] : [{ word: undefined, strokes: strokesOf(drawing) }];
}
