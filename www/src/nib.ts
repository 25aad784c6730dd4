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
const WIDEST = 7;
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
export function nibWidth(event: PointerEvent, dx: number, dy: number, durationMs: number, previous: number | undefined): number {
  const distance = Math.hypot(dx, dy);
  const weight = event.pointerType === "pen" && event.pressure > 0 ? event.pressure : 1 / (1 + distance / Math.max(durationMs, 1) / HALFWAY_SPEED);
  return widthOf(dx, dy, weight, previous);
}

function widthOf(dx: number, dy: number, weight: number, previous: number | undefined): number {
  const edge = dx !== 0 || dy !== 0 ? NIB_EDGE + (1 - NIB_EDGE) * Math.abs(Math.sin(Math.atan2(dy, dx) - NIB_ANGLE)) : 0.8;
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
  const first = stroke[0];
  const last = stroke.at(-1);
  if (!first || !last) return;
  if (stroke.length === 1) {
    context.beginPath();
    context.arc(first.x, first.y, first.width * 0.6, 0, 2 * Math.PI);
    context.fill();
    return;
  }
  context.lineCap = "round";
  context.lineJoin = "round";
  let from: { x: number; y: number } = first;
  stroke.forEach((point, i) => {
    const next = stroke[i + 1];
    if (i === 0 || !next) return;
    const to = { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 };
    context.beginPath();
    context.lineWidth = point.width;
    context.moveTo(from.x, from.y);
    context.quadraticCurveTo(point.x, point.y, to.x, to.y);
    context.stroke();
    from = to;
  });
  context.beginPath();
  context.lineWidth = last.width;
  context.moveTo(from.x, from.y);
  context.lineTo(last.x, last.y);
  context.stroke();
}
