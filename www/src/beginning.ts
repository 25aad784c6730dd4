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
