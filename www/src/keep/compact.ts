/** What links are made of: strokes without points that nobody sees, and bytes as text. */

/** The points that are as far from the one before as `nearest`, and the last. */
export function thinned<Point extends { readonly x: number; readonly y: number }>(
  stroke: readonly Point[],
  nearest: number,
): Point[] {
  const kept: Point[] = [];
  stroke.forEach((point, i) => {
    const last = kept.at(-1);
    if (!last || i === stroke.length - 1 || Math.hypot(point.x - last.x, point.y - last.y) >= nearest) kept.push(point);
  });
  return kept;
}

/** Bytes as base64url. */
export function textOf(bytes: Iterable<number>): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes that `textOf` wrote; throws for text that is no base64url. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}
