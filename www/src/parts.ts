/** A drawing in parts: its strokes, or pieces of them where they are few. Points are counted through all strokes. */

/** The points from the `from`th on, up to the `to`th, which is none of them. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** About so many parts a drawing has; strokes are cut into pieces, or taken together, to that end. */
const PARTS = 12;
/** A piece of a stroke has at least so many points. */
const FEWEST_POINTS = 4;

export function partsOf(strokes: readonly (readonly unknown[])[]): Range[] {
  const total = strokes.reduce((n, stroke) => n + stroke.length, 0);
  const wanted = Math.max(FEWEST_POINTS, total / PARTS);
  const ends: number[] = [];
  let at = 0;
  let begun = 0;
  for (const stroke of strokes) {
    // Strokes of a few points each are one part together.
    if (at > begun && at - begun + stroke.length > wanted) ends.push((begun = at));
    const nPieces = Math.max(1, Math.floor(stroke.length / wanted));
    if (nPieces > 1)
      for (let i = 1; i <= nPieces; i++) ends.push((begun = at + Math.round((stroke.length * i) / nPieces)));
    at += stroke.length;
  }
  if (at > begun) ends.push(at);
  return ends.map((to, i) => ({ from: ends[i - 1] ?? 0, to }));
}

/** The drawing without a part; what is left of a stroke on both sides of it is two strokes. */
export function without<Point>(strokes: readonly (readonly Point[])[], { from, to }: Range): Point[][] {
  return pieces(strokes, [
    { from: 0, to: from },
    { from: to, to: Infinity },
  ]);
}

/** A part with the point at which the pen went on, so that no gap is left between two pieces of a stroke. */
export function drawnPart<Point>(strokes: readonly (readonly Point[])[], { from, to }: Range): Point[][] {
  return pieces(strokes, [{ from, to: to + 1 }]).filter(
    (stroke, i, all) => stroke.length > 1 || all.length === 1 || i < all.length - 1,
  );
}

function pieces<Point>(strokes: readonly (readonly Point[])[], ranges: readonly Range[]): Point[][] {
  const found: Point[][] = [];
  let at = 0;
  for (const stroke of strokes) {
    for (const { from, to } of ranges) {
      const piece = stroke.slice(Math.max(0, from - at), Math.max(0, to - at));
      if (piece.length > 0) found.push(piece);
    }
    at += stroke.length;
  }
  return found;
}
