import type { QuickdrawError } from "../error.js";
import { MAX_POINTS } from "../strokes.js";
import { badSvg } from "./error.js";
import { isLength, NumberReader, pixels } from "./numbers.js";
import { IDENTITY, type Matrix } from "./transform.js";
import type { Attributes } from "./xml.js";

export type Point = readonly [x: number, y: number];

/** Pixels of a picture that does not say how large it is. */
const DEFAULT_SIDE = 300;

/** Draws lines and curves as strokes of points. */
export class Pen {
  readonly strokes: number[][][] = [];
  /** From the coordinates of the shape to those of the picture. */
  matrix: Matrix = IDENTITY;
  /** The size of the picture; `side` is what its percentages of lengths without a direction are of. */
  width = DEFAULT_SIDE;
  height = DEFAULT_SIDE;
  side = DEFAULT_SIDE;

  /** The left and the top edge of the picture. */
  #corner: Point = [0, 0];
  #tolerance: number | undefined;
  /** Where the pen is, and where its subpath began, in coordinates of the shape. */
  #at: Point = [0, 0];
  #start: Point = [0, 0];
  #stroke: number[][] | undefined;
  /** Points so far, also those that were where the point before was. */
  #nPoints = 0;

  constructor(tolerance: number | undefined) {
    this.#tolerance = tolerance;
  }

  get at(): Point {
    return this.#at;
  }

  /** Takes the size of the picture from its element. */
  measure(attributes: Attributes): void {
    const viewBox = new NumberReader(attributes.get("viewBox") ?? "");
    const [x, y, width, height] = [viewBox.number(), viewBox.number(), viewBox.number(), viewBox.number()];
    if (x !== undefined && y !== undefined && isLength(width) && isLength(height)) {
      this.#corner = [x, y];
      [this.width, this.height] = [width, height];
    } else {
      const [widthInPixels, heightInPixels] = [pixels(attributes.get("width")), pixels(attributes.get("height"))];
      if (isLength(widthInPixels)) this.width = widthInPixels;
      if (isLength(heightInPixels)) this.height = heightInPixels;
    }
    this.side = Math.hypot(this.width, this.height) / Math.SQRT2;
    this.#tolerance ??= Math.max(this.width, this.height) / 1000;
  }

  /** Whether a rectangle covers the picture. */
  isWhole(x: number, y: number, width: number, height: number): boolean {
    if (this.matrix.some((value, index) => value !== IDENTITY[index])) return false;
    const [left, top] = this.#corner;
    return x <= left && y <= top && x + width >= left + this.width && y + height >= top + this.height;
  }

  moveTo(to: Point): void {
    this.lift();
    this.#at = to;
    this.#start = to;
  }

  lineTo(to: Point): void {
    this.#begin();
    this.#at = to;
    this.#add(this.#placed(to));
  }

  /** Back to where the subpath began, which ends there. */
  close(): void {
    this.lineTo(this.#start);
    this.lift();
  }

  /** Ends the stroke. */
  lift(): void {
    this.#stroke = undefined;
  }

  quadraticTo([x1, y1]: Point, to: Point): void {
    const [x0, y0] = this.#at;
    const [x2, y2] = to;
    const first: Point = [x0 + (2 / 3) * (x1 - x0), y0 + (2 / 3) * (y1 - y0)];
    this.cubicTo(first, [x2 + (2 / 3) * (x1 - x2), y2 + (2 / 3) * (y1 - y2)], to);
  }

  cubicTo(first: Point, second: Point, to: Point): void {
    const [p0, p1, p2, p3] = [this.#placed(this.#at), this.#placed(first), this.#placed(second), this.#placed(to)];
    this.#begin();
    this.#at = to;
    // The distance between a cubic curve and n chords of it is at most 3/4 of this over n squared.
    const bend = Math.max(bendOf(p0, p1, p2), bendOf(p1, p2, p3));
    const n = Math.ceil(Math.sqrt((0.75 * bend) / this.#tolerance!)) || 1;
    if (!(n <= MAX_POINTS)) throw tooLarge();
    for (let step = 1; step < n; step++) {
      const t = step / n;
      const s = 1 - t;
      const [a, b, c, d] = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
      this.#add([a * p0[0] + b * p1[0] + c * p2[0] + d * p3[0], a * p0[1] + b * p1[1] + c * p2[1] + d * p3[1]]);
    }
    this.#add(p3);
  }

  /** An arc as SVG's path command A has it; `rotation` in degrees. (SVG 2, appendix B.2.4 and B.2.5.) */
  arcTo(rx: number, ry: number, rotation: number, isLarge: boolean, isPositive: boolean, to: Point): void {
    const [x0, y0] = this.#at;
    [rx, ry] = [Math.abs(rx), Math.abs(ry)];
    const [cos, sin] = [Math.cos((rotation * Math.PI) / 180), Math.sin((rotation * Math.PI) / 180)];
    // The start as seen from the middle between both ends, along the axes of the ellipse, in units of its radii.
    const [dx, dy] = [(x0 - to[0]) / 2, (y0 - to[1]) / 2];
    const [x, y] = [(cos * dx + sin * dy) / rx, (cos * dy - sin * dx) / ry];
    const distance = Math.hypot(x, y);
    if (!(rx > 0 && ry > 0) || !(distance > 0 && distance < Infinity)) {
      this.lineTo(to);
      return;
    }
    if (distance > 1) [rx, ry] = [rx * distance, ry * distance];
    const scale = distance > 1 ? 1 / distance : 1;
    const [ux, uy] = [x * scale, y * scale];
    // On the unit circle: its middle lies beside the middle of the chord.
    const length = Math.min(distance, 1);
    const offset = ((isLarge === isPositive ? -1 : 1) * Math.sqrt(1 - length * length)) / length;
    const [mx, my] = [offset * uy, -offset * ux];
    const from = Math.atan2(uy - my, ux - mx);
    let sweep = Math.atan2(-uy - my, -ux - mx) - from;
    if (isPositive && sweep < 0) sweep += 2 * Math.PI;
    if (!isPositive && sweep > 0) sweep -= 2 * Math.PI;

    const [cx, cy] = [(x0 + to[0]) / 2, (y0 + to[1]) / 2];
    const onEllipse = (u: number, v: number): Point => {
      const [along, across] = [(u + mx) * rx, (v + my) * ry];
      return [cx + cos * along - sin * across, cy + sin * along + cos * across];
    };
    // A quarter of an ellipse and a cubic curve are 3 parts in 10,000 of the radius apart.
    const n = Math.max(1, Math.ceil(Math.abs(sweep) / (Math.PI / 2) - 1e-9));
    const reach = (4 / 3) * Math.tan(sweep / n / 4);
    for (let part = 0; part < n; part++) {
      const [a, b] = [from + (sweep * part) / n, from + (sweep * (part + 1)) / n];
      const [cosA, sinA, cosB, sinB] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
      const end = part === n - 1 ? to : onEllipse(cosB, sinB);
      this.cubicTo(
        onEllipse(cosA - reach * sinA, sinA + reach * cosA),
        onEllipse(cosB + reach * sinB, sinB - reach * cosB),
        end,
      );
    }
  }

  /** Begins a stroke where the pen is, if it is not on the paper already. */
  #begin(): void {
    if (this.#stroke !== undefined) return;
    this.#stroke = [[], []];
    this.strokes.push(this.#stroke);
    this.#start = this.#at;
    this.#add(this.#placed(this.#at));
  }

  #placed([x, y]: Point): Point {
    const [a, b, c, d, e, f] = this.matrix;
    return [a * x + c * y + e, b * x + d * y + f];
  }

  #add([x, y]: Point): void {
    if (++this.#nPoints > MAX_POINTS) throw tooLarge();
    const [xs, ys] = this.#stroke as [number[], number[]];
    if (xs.length > 0 && xs[xs.length - 1] === x && ys[ys.length - 1] === y) return;
    xs.push(x);
    ys.push(y);
  }
}

/** How much a line through three points bends in the middle. */
function bendOf([x0, y0]: Point, [x1, y1]: Point, [x2, y2]: Point): number {
  return Math.hypot(x0 - 2 * x1 + x2, y0 - 2 * y1 + y2);
}

function tooLarge(): QuickdrawError {
  return badSvg(`its lines have more than ${MAX_POINTS} points: expected at most as many, or a larger \`tolerance\``);
}
