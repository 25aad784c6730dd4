/** The drawing as it was after its first `nPoints` points. */
export function beginning<Point>(strokes: readonly (readonly Point[])[], nPoints: number): Point[][] {
  const begun: Point[][] = [];
  let left = nPoints;
  for (const stroke of strokes) {
    if (left <= 0) break;
    begun.push(stroke.slice(0, left));
    left -= stroke.length;
  }
  return begun;
}

/** Whether the pen was down after the first `nPoints` points: the stroke in progress went on. */
export function isWithinStroke<Point>(strokes: readonly (readonly Point[])[], nPoints: number): boolean {
  let left = nPoints;
  for (const stroke of strokes) {
    if (left < stroke.length) return left > 0;
    left -= stroke.length;
  }
  return false;
}
