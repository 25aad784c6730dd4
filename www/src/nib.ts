/**
 * The nib: how a stroke looks on paper.
 *
 * It is a broad nib held aslant, so that a line swells and thins as it turns. A pen that reports pressure is obeyed; for a mouse or a
 * finger a quick movement leaves a thinner line.
 */

/** A point of the pen's way with the width of the line there; both in CSS pixels of the unscaled sheet. */
export interface NibPoint {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  /** When the pen was there, on the page's clock; drawings from elsewhere have no times. */
  readonly timeMs?: number;
}

/** The widest line of a pen at full pressure, in CSS pixels. */
export const WIDEST = 7;
/** The direction, in radians from the x axis, in which the line is thinnest, and how much of its width is left there. */
const NIB_ANGLE = -Math.PI / 5;
const NIB_EDGE = 0.55;
/** What is left of the width at no pressure, or at great speed. */
const LIGHTEST = 0.5;
/** At this speed, in CSS pixels a millisecond, a line is halfway to its lightest. */
const HALFWAY_SPEED = 1.8;
/** How much of the previous width stays in the next one: ink does not change its breadth within a hair. */
const INERTIA = 0.8;

/** The width of the line at a new point, (dx, dy) and `durationMs` after the point before, where the line is `previous` wide. */
export function nibWidth(
  event: PointerEvent,
  dx: number,
  dy: number,
  durationMs: number,
  previous: number | undefined,
): number {
  const distance = Math.hypot(dx, dy);
  const weight =
    event.pointerType === "pen" && event.pressure > 0
      ? event.pressure
      : 1 / (1 + distance / Math.max(durationMs, 1) / HALFWAY_SPEED);
  return widthOf(dx, dy, weight, previous);
}

function widthOf(dx: number, dy: number, weight: number, previous: number | undefined): number {
  const edge =
    dx !== 0 || dy !== 0 ? NIB_EDGE + (1 - NIB_EDGE) * Math.abs(Math.sin(Math.atan2(dy, dx) - NIB_ANGLE)) : 0.8;
  const wanted = WIDEST * edge * (LIGHTEST + (1 - LIGHTEST) * weight);
  return previous === undefined ? wanted : INERTIA * previous + (1 - INERTIA) * wanted;
}

/** The widths of a line whose speed and pressure nobody knows: an even hand. */
export function steadyWidths(points: readonly { readonly x: number; readonly y: number }[]): NibPoint[] {
  const stroke: NibPoint[] = [];
  points.forEach(({ x, y }, i) => {
    const before = points[i - 1];
    const [dx, dy] = before ? [x - before.x, y - before.y] : [0, 0];
    stroke.push({ x, y, width: widthOf(dx, dy, 0.75, stroke.at(-1)?.width) });
  });
  return stroke;
}

/** Draws a stroke with the context's current stroke and fill style: curves through the midpoints, corners rounded by a hair only. */
export function drawStroke(context: CanvasRenderingContext2D, stroke: readonly NibPoint[]): void {
  drawCurves(context, stroke, 0);
  drawEnd(context, stroke);
}

/** Draws the part of a stroke that more points change no more, from the `from`th point on; gives back from where to go on next time. */
export function drawCurves(context: CanvasRenderingContext2D, stroke: readonly NibPoint[], from: number): number {
  context.lineCap = "round";
  context.lineJoin = "round";
  let i = Math.max(from, 1);
  for (; i < stroke.length - 1; i++) {
    const [start, point, end] = [joint(stroke, i - 1), stroke[i], joint(stroke, i)];
    if (!start || !point || !end) break;
    context.beginPath();
    context.lineWidth = point.width;
    context.moveTo(start.x, start.y);
    context.quadraticCurveTo(point.x, point.y, end.x, end.y);
    context.stroke();
  }
  return i;
}

/** Draws what `drawCurves` leaves: the straight way to the last point, or the dot of a stroke that has no other. */
export function drawEnd(context: CanvasRenderingContext2D, stroke: readonly NibPoint[]): void {
  const last = stroke.at(-1);
  if (!last) return;
  context.beginPath();
  if (stroke.length === 1) {
    context.arc(last.x, last.y, last.width * 0.6, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  const start = joint(stroke, stroke.length - 2) ?? last;
  context.lineCap = "round";
  context.lineWidth = last.width;
  context.moveTo(start.x, start.y);
  context.lineTo(last.x, last.y);
  context.stroke();
}

/** Where the curve around the `i`th point ends: halfway to the next; the first point itself is the beginning. */
function joint(stroke: readonly NibPoint[], i: number): { x: number; y: number } | undefined {
  const [point, next] = [stroke[i], stroke[i + 1]];
  return point && next && i > 0 ? { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 } : point;
}
