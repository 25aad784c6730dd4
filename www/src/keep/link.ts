/**
 * A drawing as text for a link, and back: strokes in the address's fragment, which no server gets to see.
 *
 * The points are laid on a grid of 1024 steps along the larger side; each is written as its way from the point before, in one or two
 * bytes an axis (zigzag, seven bits a byte, the eighth says that another follows), the bytes as base64url. A stroke begins with its
 * number of points. The first character is the version.
 */
import type { Stroke } from "../recognition";
import { bytesOf, textOf, thinned } from "./compact";

const VERSION = "1";
const GRID = 1023;
/** Points nearer to each other than this many steps of the grid, the eye does not tell apart. */
const NEAREST = 5;
/** Links that are much longer than this do not arrive whole everywhere; a large drawing is thinned until it is in so many bytes. */
const MOST_BYTES = 12_000;
/** No drawing is thinned further than to this distance. */
const FURTHEST = 80;
/** More points than this nobody draws; a link that holds more was made to hang the page. */
const MOST_POINTS = 50_000;

export function encodeDrawing(strokes: readonly Stroke[]): string {
  const points = strokes.flat();
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of points) {
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  const scale = GRID / Math.max(right - left, bottom - top, 1e-9);
  const laid = strokes.map((stroke) =>
    stroke.map(({ x, y }) => ({ x: Math.round((x - left) * scale), y: Math.round((y - top) * scale) })),
  );
  let bytes = written(laid, NEAREST);
  for (let nearest = 2 * NEAREST; bytes.length > MOST_BYTES && nearest <= FURTHEST; nearest *= 2)
    bytes = written(laid, nearest);
  return VERSION + textOf(bytes);
}

function written(strokes: readonly (readonly { x: number; y: number }[])[], nearest: number): number[] {
  const bytes: number[] = [];
  let [lastX, lastY] = [0, 0];
  for (const stroke of strokes) {
    const kept = thinned(stroke, nearest);
    write(bytes, kept.length);
    for (const { x, y } of kept) {
      write(bytes, zigzag(x - lastX));
      write(bytes, zigzag(y - lastY));
      [lastX, lastY] = [x, y];
    }
  }
  return bytes;
}

/** The strokes that `encodeDrawing` wrote; undefined for any other text. */
export function decodeDrawing(text: string): Stroke[] | undefined {
  if (!text.startsWith(VERSION)) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = bytesOf(text.slice(1));
  } catch {
    return undefined;
  }
  const strokes: Stroke[] = [];
  let at = 0;
  let left = MOST_POINTS;
  let [x, y] = [0, 0];
  const read = () => {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return undefined;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const n = read();
    if (n === undefined || n === 0 || (left -= n) < 0) return undefined;
    const stroke: { x: number; y: number }[] = [];
    for (let i = 0; i < n; i++) {
      const [dx, dy] = [read(), read()];
      if (dx === undefined || dy === undefined) return undefined;
      x += unzigzag(dx);
      y += unzigzag(dy);
      stroke.push({ x, y });
    }
    strokes.push(stroke);
  }
  return strokes.length > 0 ? strokes : undefined;
}

const zigzag = (value: number) => (value << 1) ^ (value >> 31);
const unzigzag = (value: number) => (value >>> 1) ^ -(value & 1);

function write(bytes: number[], value: number): void {
  let left = value;
  while (left >= 0x80) {
    bytes.push((left & 0x7f) | 0x80);
    left >>>= 7;
  }
  bytes.push(left);
}
