/**
 * A round as text for a link, for a friend to race against: what was asked for, what was drawn and when, how it ended.
 *
 * The numbers are compressed JSON as base64url. Coordinates are steps on a grid of 256 along the larger side of a
 * drawing, times hundredths of a second since the drawing began. Whatever a link holds is checked and bounded.
 */
import { beginning } from "../beginning";
import { bytesOf, textOf, thinned } from "../keep/compact";
import { boxAround } from "../keep/picture";
import { isKnown } from "../language/korean-names";
import type { Stroke } from "../recognition";
import type { Outcome } from "./game";
import { ROUNDS } from "./prompts";

/** A drawing of the friend's. */
export interface RivalDrawing {
  readonly label: string;
  readonly recognised: boolean;
  readonly seconds: number;
  /** What the model took it for in the end. */
  readonly guess: string | undefined;
  readonly strokes: readonly Stroke[];
  /** When each stroke began and ended, in seconds since the drawing began. */
  readonly times: readonly (readonly [begin: number, end: number])[];
}

const VERSION = "1";
const GRID = 255;
/** Points nearer to each other than this many steps of the grid, the eye does not tell apart. */
const NEAREST = 3;
const PER_SECOND = 100;
const LONGEST_SECONDS = 60;
/** Nobody draws more in 20 seconds; a link that holds more was made to hang the page. */
const MOST_POINTS = 4000;
const MOST_CHARACTERS = 60_000;
const MOST_BYTES = 200_000;

/** Undefined where the browser cannot compress. */
export async function encodeRace(outcomes: readonly Outcome[]): Promise<string | undefined> {
  if (!("CompressionStream" in globalThis)) return undefined;
  const drawings = outcomes.map((outcome) => {
    const { x: left, y: top, width, height } = boxAround(outcome.strokes);
    const scale = GRID / Math.max(width, height);
    const at = (timeMs: number | undefined) => hundredths(((timeMs ?? outcome.beganMs) - outcome.beganMs) / 1000);
    const strokes = outcome.strokes.map((stroke) => {
      const laid = stroke.map(({ x, y }) => ({ x: Math.round((x - left) * scale), y: Math.round((y - top) * scale) }));
      const kept = thinned(laid, NEAREST);
      // Each point as its way from the one before: small numbers are compressed best.
      const ways = kept.flatMap(({ x, y }, i) => [x - (kept[i - 1]?.x ?? 0), y - (kept[i - 1]?.y ?? 0)]);
      return [at(stroke[0]?.timeMs), at(stroke.at(-1)?.timeMs), ...ways];
    });
    return [
      outcome.label,
      outcome.recognised ? 1 : 0,
      hundredths(outcome.seconds),
      outcome.predictions[0]?.label ?? "",
      strokes,
    ];
  });
  const packed = await through(new Blob([JSON.stringify(drawings)]), new CompressionStream("deflate-raw"), Infinity);
  return packed && VERSION + textOf(packed);
}

/** The drawings that `encodeRace` wrote; undefined for any other text. */
export async function decodeRace(text: string): Promise<RivalDrawing[] | undefined> {
  if (!text.startsWith(VERSION) || text.length > MOST_CHARACTERS || !("DecompressionStream" in globalThis))
    return undefined;
  try {
    const bytes = await through(new Blob([bytesOf(text.slice(1))]), new DecompressionStream("deflate-raw"), MOST_BYTES);
    const read: unknown = bytes && JSON.parse(new TextDecoder().decode(bytes));
    if (!Array.isArray(read) || read.length === 0 || read.length > ROUNDS) return undefined;
    const drawings = read.map(readDrawing);
    const nPoints = drawings.reduce((sum, drawing) => sum + (drawing?.strokes.flat().length ?? 0), 0);
    return nPoints <= MOST_POINTS && drawings.every((drawing) => drawing !== undefined) ? drawings : undefined;
  } catch {
    return undefined;
  }
}

/** What was on the friend's sheet after so many seconds. */
export function drawnUntil({ strokes, times }: RivalDrawing, seconds: number): Stroke[] {
  return strokes.flatMap((stroke, i) => {
    const [begin, end] = times[i] ?? [0, 0];
    if (seconds < begin) return [];
    const part = end > begin ? Math.min(1, (seconds - begin) / (end - begin)) : 1;
    return beginning([stroke], Math.max(1, Math.round(part * stroke.length)));
  });
}

/** Whether a drawing won: it was recognised, and the other one later or not at all. */
export function isQuicker(one: { readonly recognised: boolean; readonly seconds: number }, other: typeof one): boolean {
  return one.recognised && (!other.recognised || one.seconds < other.seconds);
}

function hundredths(seconds: number): number {
  return Math.round(PER_SECOND * Math.min(Math.max(seconds, 0), LONGEST_SECONDS));
}

function readDrawing(value: unknown): RivalDrawing | undefined {
  if (!Array.isArray(value)) return undefined;
  const [label, recognised, seconds, guess, strokes] = value as unknown[];
  const isTime = (time: unknown) => typeof time === "number" && time >= 0 && time <= LONGEST_SECONDS * PER_SECOND;
  const isWay = (way: unknown) => typeof way === "number" && Math.abs(way) <= GRID;
  if (
    typeof label !== "string" ||
    !isKnown(label) ||
    typeof guess !== "string" ||
    (guess !== "" && !isKnown(guess)) ||
    !isTime(seconds)
  )
    return undefined;
  if (!Array.isArray(strokes)) return undefined;
  const found: { stroke: Stroke; time: [number, number] }[] = [];
  for (const each of strokes as unknown[]) {
    if (!Array.isArray(each) || each.length < 4 || each.length % 2 !== 0) return undefined;
    const [begin, end, ...ways] = each as unknown[];
    if (!isTime(begin) || !isTime(end) || !ways.every(isWay)) return undefined;
    const numbers = ways as number[];
    let [x, y] = [0, 0];
    const stroke = Array.from({ length: numbers.length / 2 }, (_, i) => ({
      x: (x += numbers[2 * i] ?? 0),
      y: (y += numbers[2 * i + 1] ?? 0),
    }));
    found.push({ stroke, time: [(begin as number) / PER_SECOND, (end as number) / PER_SECOND] });
  }
  return {
    label,
    recognised: recognised === 1,
    seconds: (seconds as number) / PER_SECOND,
    guess: guess === "" ? undefined : guess,
    strokes: found.map(({ stroke }) => stroke),
    times: found.map(({ time }) => time),
  };
}

/** What comes out of a stream; undefined where it is more than `mostBytes`. */
async function through(
  blob: Blob,
  stream: CompressionStream | DecompressionStream,
  mostBytes: number,
): Promise<Uint8Array | undefined> {
  const reader = blob
    .stream()
    .pipeThrough(stream as ReadableWritablePair<Uint8Array, Uint8Array>)
    .getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    if (length > mostBytes) {
      await reader.cancel();
      return undefined;
    }
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
