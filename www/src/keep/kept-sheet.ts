/** The drawing on the sheet over a reload of the page. */
import { EMPTY_SHEET, type InkStroke, type Sheet } from "../pad";
import { keepInTab, keptInTab } from "../storage";

export function keepSheet(strokes: readonly InkStroke[]): void {
  keepInTab("sheet", strokes.length > 0 ? strokes : undefined);
}

/** The sheet that was kept, with nothing to take back; an empty one where there is none that can be read. */
export function keptSheet(): Sheet {
  const kept = keptInTab("sheet");
  if (!areStrokes(kept)) return EMPTY_SHEET;
  // The page's clock begins anew with the page; the drawing goes on.
  const lastMs = kept.at(-1)?.at(-1)?.timeMs ?? 0;
  const laterMs = performance.now() - lastMs;
  const strokes = kept.map((stroke) =>
    stroke.map((point) => (point.timeMs === undefined ? point : { ...point, timeMs: point.timeMs + laterMs })),
  );
  return { ...EMPTY_SHEET, strokes };
}

/** Whether a value that was kept, by this version of the page or another one, is a drawing. */
export function areStrokes(value: unknown): value is InkStroke[] {
  return (
    Array.isArray(value) && value.every((stroke) => Array.isArray(stroke) && stroke.length > 0 && stroke.every(isPoint))
  );
}

function isPoint(value: unknown): boolean {
  const { x, y, width, timeMs } = (value ?? {}) as { x?: unknown; y?: unknown; width?: unknown; timeMs?: unknown };
  return [x, y, width].every(Number.isFinite) && (timeMs === undefined || Number.isFinite(timeMs));
}
