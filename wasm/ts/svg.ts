/*
 * The lines of an SVG picture as strokes, without a DOM: an XML scanner that reads the text once from front to back, and
 * the geometry of SVG's shapes. Nothing is looked up, loaded or run.
 */

import { QuickdrawError } from "./error.js";
import { checkObject, invalid } from "./options.js";
import { MAX_POINTS, readStrokes } from "./strokes.js";

/** Options of {@link parseSvg}. */
export interface ParseSvgOptions {
  /**
   * How far the points of a curve's stroke may lie beside the curve, in units of the picture's `viewBox`. Default: 1/1000
   * of the larger side of the picture.
   */
  readonly tolerance?: number;
}

/** The longest text that is read, in characters. */
const MAX_LENGTH = 32_000_000;

/** How deep elements may lie within each other. */
const MAX_DEPTH = 1000;

/** Pixels of a picture that does not say how large it is. */
const DEFAULT_SIDE = 300;

/** [a, b, c, d, e, f] as SVG has it: x' = a x + c y + e, y' = b x + d y + f. */
type Matrix = readonly [number, number, number, number, number, number];

type Point = readonly [x: number, y: number];

const IDENTITY: Matrix = [1, 0, 0, 1, 0, 0];

/** Elements whose content is part of the picture. What lies in others (defs, clipPath, mask, text) is left out. */
const CONTAINERS = new Set(["svg", "g", "a", "switch"]);

const SHAPES = new Set(["path", "polyline", "polygon", "line", "rect", "circle", "ellipse"]);

const ATTRIBUTES = new Set(
  ["viewBox", "width", "height", "transform", "style", "class", "display", "fill", "stroke", "d", "points"].concat(
    ["x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry"],
  ),
);

/**
 * The strokes of an SVG picture, in its order: each subpath of a path, each polyline, polygon, line, rectangle, circle
 * and ellipse is one. Transformations are applied, curves become points.
 *
 * Left out is what is not seen: `display="none"`, shapes with neither `fill` nor `stroke`, and a filled rectangle as
 * large as the picture, which is its paper. Style sheets, `use`, text and images are not read; of a nested `svg` only
 * its place.
 *
 * @returns `[[x...], [y...]]` a stroke, in units of the picture's `viewBox`.
 * @throws QuickdrawError `invalid-strokes` if this is not SVG, has no lines or more than a drawing may have;
 * `invalid-options`
 */
export function parseSvg(text: string, options: ParseSvgOptions = {}): number[][][] {
  checkObject(options, "parseSvg(text, { tolerance })");
  const { tolerance } = options;
  if (tolerance !== undefined && !(Number.isFinite(tolerance) && tolerance > 0)) {
    throw invalid("tolerance", tolerance, "a number above 0");
  }
  if (typeof text !== "string") throw invalid("text", text, "the text of an SVG picture");
  if (text.length > MAX_LENGTH) throw bad(`it has ${text.length} characters, expected at most ${MAX_LENGTH}`);

  const pen = new Pen(tolerance);
  /** The elements that are open, and what those within inherit; undefined within elements that are left out. */
  const open: { readonly name: string; readonly state: State | undefined }[] = [];
  let prefix: string | undefined;
  for (const tag of tags(text)) {
    const around = open.at(-1);
    if (tag.kind === "end") {
      if (around?.name !== tag.name) throw bad(`character ${tag.at}: found </${tag.name.slice(0, 40)}>, ${closes(around)}`);
      open.pop();
      if (open.length === 0) break;
      continue;
    }
    // Some programs write every name with a prefix; foreign ones have another.
    const colon = tag.name.indexOf(":") + 1;
    if (prefix === undefined) {
      prefix = tag.name.slice(0, colon);
      if (tag.name.slice(colon) !== "svg") throw bad(`it begins with <${tag.name.slice(0, 40)}>, expected <svg>`);
      pen.measure(tag.attributes);
    }
    const name = tag.name.startsWith(prefix) ? tag.name.slice(prefix.length) : "";
    const outer = open.length === 0 ? INITIAL_STATE : around?.state;
    let state: State | undefined;
    if (outer !== undefined && (CONTAINERS.has(name) || SHAPES.has(name))) {
      state = inherit(outer, name, tag.attributes, open.length > 0, tag.at);
      if (state !== undefined && SHAPES.has(name)) {
        if (isVisible(state)) drawShape(pen, name, tag.attributes, state, tag.at);
        state = undefined;
      }
    }
    if (tag.isEmpty) {
      if (open.length === 0) break;
      continue;
    }
    if (open.length === MAX_DEPTH) throw bad(`elements lie more than ${MAX_DEPTH} levels deep within each other`);
    open.push({ name: tag.name, state });
  }
  if (prefix === undefined) throw bad("found no element, expected <svg>");
  if (open.length > 0) throw bad(`the text ends within <${open.at(-1)!.name.slice(0, 40)}>`);
  if (pen.strokes.length === 0) throw bad("it has no lines: expected at least one path or other shape");
  readStrokes(pen.strokes);
  return pen.strokes;
}

/** What an element passes on to those within. */
interface State {
  readonly matrix: Matrix;
  readonly hasFill: boolean;
  readonly hasStroke: boolean;
  /** Whether a style sheet may say otherwise. */
  readonly hasClass: boolean;
}

const INITIAL_STATE: State = { matrix: IDENTITY, hasFill: true, hasStroke: false, hasClass: false };

function isVisible({ hasFill, hasStroke, hasClass }: State): boolean {
  return hasFill || hasStroke || hasClass;
}

/** The state within an element, or for a shape its own; undefined if it is not shown. */
function inherit(
  outer: State,
  name: string,
  attributes: Attributes,
  isNested: boolean,
  at: number,
): State | undefined {
  const style = readStyle(attributes.get("style"));
  // As in CSS: what `style` says comes before attributes.
  const property = (property: string): string | undefined => style.get(property) ?? attributes.get(property)?.trim();
  if (property("display") === "none") return undefined;
  const paints = (paint: string | undefined, inherited: boolean): boolean =>
    paint === undefined || paint === "inherit" ? inherited : paint !== "none" && paint !== "transparent";
  let matrix = outer.matrix;
  if (name === "svg" && isNested) {
    matrix = multiply(matrix, [1, 0, 0, 1, number(attributes, "x", 0, at), number(attributes, "y", 0, at)]);
  }
  const transform = attributes.get("transform");
  if (transform !== undefined) matrix = multiply(matrix, readTransform(transform, at));
  return {
    matrix,
    hasFill: paints(property("fill"), outer.hasFill),
    hasStroke: paints(property("stroke"), outer.hasStroke),
    hasClass: outer.hasClass || attributes.has("class"),
  };
}

/** The properties of a `style` attribute. */
function readStyle(style: string | undefined): Map<string, string> {
  const properties = new Map<string, string>();
  for (const declaration of style?.split(";") ?? []) {
    const colon = declaration.indexOf(":");
    if (colon >= 0) properties.set(declaration.slice(0, colon).trim(), declaration.slice(colon + 1).trim());
  }
  return properties;
}

function multiply([a, b, c, d, e, f]: Matrix, [g, h, i, j, k, l]: Matrix): Matrix {
  return [a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j, a * k + c * l + e, b * k + d * l + f];
}

function readTransform(text: string, at: number): Matrix {
  const fail = (index: number): QuickdrawError =>
    bad(`element at character ${at}: transform: found \`${text.slice(index, index + 20)}\`, expected matrix, translate, scale, rotate, skewX or skewY with numbers in parentheses`);
  const call = /[\s,]*(matrix|translate|scale|rotate|skewX|skewY)\s*\(([^()]*)\)/y;
  let matrix = IDENTITY;
  let end = 0;
  for (let match = call.exec(text); match !== null; match = call.exec(text)) {
    const reader = new NumberReader(match[2]!);
    const values: number[] = [];
    // No function has more than 6.
    while (!reader.isAtEnd() && values.length < 7) values.push(reader.number() ?? NaN);
    const step = transformation(match[1]!, values);
    if (step === undefined || !values.every(Number.isFinite)) throw fail(end);
    matrix = multiply(matrix, step);
    end = call.lastIndex;
  }
  if (!/^[\s,]*$/.test(text.slice(end))) throw fail(end);
  return matrix;
}

/** The matrix of one of SVG's functions; undefined if it cannot have so many numbers. */
function transformation(name: string, values: readonly number[]): Matrix | undefined {
  const [a = 0, b, c] = values;
  const n = values.length;
  const radians = (a * Math.PI) / 180;
  switch (name) {
    case "matrix":
      return n === 6 ? (values as unknown as Matrix) : undefined;
    case "translate":
      return n === 1 || n === 2 ? [1, 0, 0, 1, a, b ?? 0] : undefined;
    case "scale":
      return n === 1 || n === 2 ? [a, 0, 0, b ?? a, 0, 0] : undefined;
    case "rotate": {
      if (n !== 1 && n !== 3) return undefined;
      const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
      const [x, y] = [b ?? 0, c ?? 0];
      return [cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y];
    }
    case "skewX":
      return n === 1 ? [1, 0, Math.tan(radians), 1, 0, 0] : undefined;
    default:
      return n === 1 ? [1, Math.tan(radians), 0, 1, 0, 0] : undefined;
  }
}

/** Draws the outline of a shape. */
function drawShape(pen: Pen, name: string, attributes: Attributes, state: State, at: number): void {
  pen.matrix = state.matrix;
  const value = (attribute: string, whole = pen.side): number => number(attributes, attribute, whole, at);
  if (name === "path") {
    drawPath(pen, attributes.get("d") ?? "", at);
  } else if (name === "polyline" || name === "polygon") {
    drawPolyline(pen, attributes.get("points") ?? "", name === "polygon", at);
  } else if (name === "line") {
    pen.moveTo([value("x1", pen.width), value("y1", pen.height)]);
    pen.lineTo([value("x2", pen.width), value("y2", pen.height)]);
  } else if (name === "rect") {
    const [x, y, width, height] = [value("x", pen.width), value("y", pen.height), value("width", pen.width), value("height", pen.height)];
    if (!(width > 0 && height > 0) || (!state.hasStroke && pen.isWhole(x, y, width, height))) return;
    const [rx, ry] = [attributes.has("rx") ? value("rx") : value("ry"), attributes.has("ry") ? value("ry") : value("rx")];
    drawRect(pen, x, y, width, height, Math.min(Math.max(rx, 0), width / 2), Math.min(Math.max(ry, 0), height / 2));
  } else {
    const [rx, ry] = name === "circle" ? [value("r"), value("r")] : [value("rx"), value("ry")];
    if (rx > 0 && ry > 0) drawEllipse(pen, value("cx", pen.width), value("cy", pen.height), rx, ry);
  }
  pen.lift();
}

function drawPolyline(pen: Pen, text: string, isClosed: boolean, at: number): void {
  const reader = new NumberReader(text);
  let isFirst = true;
  while (!reader.isAtEnd()) {
    const x = reader.number();
    const y = reader.number();
    if (x === undefined || y === undefined) throw bad(`element at character ${at}: points: ${reader.found()}, expected pairs of numbers`);
    if (isFirst) pen.moveTo([x, y]);
    // A polyline of one point is a dot.
    pen.lineTo([x, y]);
    isFirst = false;
  }
  if (isClosed && !isFirst) pen.close();
}

function drawRect(pen: Pen, x: number, y: number, width: number, height: number, rx: number, ry: number): void {
  const [right, bottom] = [x + width, y + height];
  const corner = (to: Point): void => {
    if (rx > 0 && ry > 0) pen.arcTo(rx, ry, 0, false, true, to);
  };
  const [dx, dy] = rx > 0 && ry > 0 ? [rx, ry] : [0, 0];
  pen.moveTo([x + dx, y]);
  pen.lineTo([right - dx, y]);
  corner([right, y + dy]);
  pen.lineTo([right, bottom - dy]);
  corner([right - dx, bottom]);
  pen.lineTo([x + dx, bottom]);
  corner([x, bottom - dy]);
  pen.lineTo([x, y + dy]);
  corner([x + dx, y]);
  pen.close();
}

function drawEllipse(pen: Pen, cx: number, cy: number, rx: number, ry: number): void {
  pen.moveTo([cx + rx, cy]);
  for (const to of [[cx, cy + ry], [cx - rx, cy], [cx, cy - ry], [cx + rx, cy]] as const) {
    pen.arcTo(rx, ry, 0, false, true, to);
  }
}

/** How many numbers each command of a path takes. */
const N_ARGUMENTS: Readonly<Record<string, number>> = { M: 2, L: 2, H: 1, V: 1, C: 6, S: 4, Q: 4, T: 2, A: 7, Z: 0 };

function drawPath(pen: Pen, d: string, at: number): void {
  const reader = new NumberReader(d);
  const fail = (expected: string): QuickdrawError => bad(`element at character ${at}: d: ${reader.found()}, expected ${expected}`);
  let letter = "";
  /** Where the tangent of a curve before comes from, for the smooth curves C S and Q T. */
  let control: Point | undefined;
  let before = "";
  while (!reader.isAtEnd()) {
    const found = reader.letter();
    if (found !== undefined) letter = found;
    // After the numbers of a command more of them repeat it; those of a move are lines.
    else if (letter === "M") letter = "L";
    else if (letter === "m") letter = "l";
    const command = letter.toUpperCase();
    const n = N_ARGUMENTS[command];
    if (n === undefined || (found === undefined && n === 0)) throw fail("a command of a path, one of MLHVCSQTAZ");
    if (before === "" && command !== "M") throw fail("M or m, where the path begins");

    const values: number[] = [];
    for (let index = 0; index < n; index++) {
      const isFlag = command === "A" && (index === 3 || index === 4);
      const value = isFlag ? reader.flag() : reader.number();
      if (value === undefined) throw fail(isFlag ? "0 or 1" : "a number");
      values.push(value);
    }
    const [x0, y0] = pen.at;
    const isRelative = letter !== command;
    const point = (index: number): Point =>
      isRelative ? [x0 + values[index]!, y0 + values[index + 1]!] : [values[index]!, values[index + 1]!];
    const mirrored = (commands: string): Point =>
      control !== undefined && commands.includes(before) ? [2 * x0 - control[0], 2 * y0 - control[1]] : [x0, y0];

    let next: Point | undefined;
    if (command === "M") pen.moveTo(point(0));
    else if (command === "L") pen.lineTo(point(0));
    else if (command === "H") pen.lineTo([isRelative ? x0 + values[0]! : values[0]!, y0]);
    else if (command === "V") pen.lineTo([x0, isRelative ? y0 + values[0]! : values[0]!]);
    else if (command === "C") pen.cubicTo(point(0), (next = point(2)), point(4));
    else if (command === "S") pen.cubicTo(mirrored("CS"), (next = point(0)), point(2));
    else if (command === "Q") pen.quadraticTo((next = point(0)), point(2));
    else if (command === "T") pen.quadraticTo((next = mirrored("QT")), point(0));
    else if (command === "A") pen.arcTo(values[0]!, values[1]!, values[2]!, values[3] === 1, values[4] === 1, point(5));
    else pen.close();
    control = next;
    before = command;
  }
}

/** Draws lines and curves as strokes of points. */
class Pen {
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
      this.cubicTo(onEllipse(cosA - reach * sinA, sinA + reach * cosA), onEllipse(cosB + reach * sinB, sinB - reach * cosB), end);
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

const NUMBER = /[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/y;
const FLAG = /[01]/y;
const LETTER = /[A-Za-z]/y;
const SEPARATORS = /[\s,]*/y;

/** Reads numbers off a text from front to back, as SVG separates them. */
class NumberReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    this.#skip();
    return this.#at === this.#text.length;
  }

  /** The next number; undefined if there is something else. */
  number(): number | undefined {
    const found = this.#match(NUMBER);
    return found === undefined ? undefined : Number(found);
  }

  /** A flag, 0 or 1, which needs no separator behind it. */
  flag(): number | undefined {
    const found = this.#match(FLAG);
    return found === undefined ? undefined : Number(found);
  }

  letter(): string | undefined {
    return this.#match(LETTER);
  }

  /** What stands here, for messages. */
  found(): string {
    const rest = this.#text.slice(this.#at, this.#at + 20);
    return rest === "" ? "found its end" : `found \`${rest}\` at character ${this.#at}`;
  }

  #skip(): void {
    this.#match(SEPARATORS, false);
  }

  #match(pattern: RegExp, skips = true): string | undefined {
    if (skips) this.#skip();
    const start = this.#at;
    pattern.lastIndex = start;
    if (!pattern.test(this.#text)) return undefined;
    this.#at = pattern.lastIndex;
    return this.#text.slice(start, this.#at);
  }
}

/** A length in pixels or percent of `whole`; 0 where it is missing. */
function number(attributes: Attributes, name: string, whole: number, at: number): number {
  const text = attributes.get(name);
  if (text === undefined) return 0;
  const percentage = /^\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)%\s*$/.exec(text)?.[1];
  const value = percentage === undefined ? pixels(text) : (Number(percentage) / 100) * whole;
  if (value === undefined || !Number.isFinite(value)) {
    throw bad(`element at character ${at}: ${name}: found \`${text.slice(0, 40)}\`, expected a number`);
  }
  return value;
}

/** A number with or without `px`; undefined if this is none. */
function pixels(text: string | undefined): number | undefined {
  const trimmed = (text ?? "").trim();
  const value = trimmed.endsWith("px") ? trimmed.slice(0, -2) : trimmed;
  return value === "" || !Number.isFinite(Number(value)) ? undefined : Number(value);
}

function isLength(value: number | undefined): value is number {
  return value !== undefined && value > 0 && value < Infinity;
}

type Attributes = ReadonlyMap<string, string>;

interface Tag {
  readonly kind: "start" | "end";
  readonly name: string;
  readonly attributes: Attributes;
  /** Whether the element has no content: `<path/>`. */
  readonly isEmpty: boolean;
  /** Where the tag begins in the text, in characters. */
  readonly at: number;
}

const NO_ATTRIBUTES: Attributes = new Map();

/** The tags of an XML text in turn. What lies between them, comments and declarations are passed over. */
function* tags(text: string): Generator<Tag, void, undefined> {
  let at = text.indexOf("<");
  while (at >= 0) {
    let end: number;
    if (text.startsWith("<!--", at)) {
      end = after(text, "-->", at + 4, at);
    } else if (text.startsWith("<![CDATA[", at)) {
      end = after(text, "]]>", at + 9, at);
    } else if (text.startsWith("<?", at)) {
      end = after(text, "?>", at + 2, at);
    } else if (text.startsWith("<!", at)) {
      end = afterDeclaration(text, at);
    } else {
      const scanner = new TagScanner(text, at);
      yield scanner.tag();
      end = scanner.end;
    }
    at = text.indexOf("<", end);
  }
}

/** Where the text goes on after a mark. */
function after(text: string, mark: string, from: number, at: number): number {
  const found = text.indexOf(mark, from);
  if (found < 0) throw bad(`character ${at}: \`${text.slice(at, at + 9)}\` has no \`${mark}\``);
  return found + mark.length;
}

/** Where the text goes on after `<!DOCTYPE ... [ ... ]>`. Its entities are not expanded. */
function afterDeclaration(text: string, at: number): number {
  let depth = 0;
  for (let index = at + 2; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"' || character === "'") index = after(text, character, index + 1, at) - 1;
    else if (character === "[") depth += 1;
    else if (character === "]") depth -= 1;
    else if (text.startsWith("<!--", index)) index = after(text, "-->", index + 4, at) - 1;
    else if (character === ">" && depth <= 0) return index + 1;
  }
  throw bad(`character ${at}: \`${text.slice(at, at + 9)}\` has no \`>\``);
}

const ELEMENT_NAME = /[^\s<>/="'!?&]+/y;
const ATTRIBUTE_NAME = /[^\s<>/="']+/y;
const SPACE = /\s*/y;

/** Reads one tag. */
class TagScanner {
  /** Where the text goes on after the tag. */
  end: number;
  readonly #text: string;
  readonly #start: number;

  constructor(text: string, start: number) {
    this.#text = text;
    this.#start = start;
    this.end = start + 1;
  }

  tag(): Tag {
    const kind = this.#take("/") ? "end" : "start";
    const name = this.#match(ELEMENT_NAME);
    if (name === undefined) throw this.#fail("the name of an element");
    const attributes = kind === "end" ? NO_ATTRIBUTES : this.#attributes();
    this.#match(SPACE);
    const isEmpty = kind === "start" && this.#take("/");
    if (!this.#take(">")) throw this.#fail("`>` or an attribute");
    return { kind, name, attributes, isEmpty, at: this.#start };
  }

  #attributes(): Attributes {
    const attributes = new Map<string, string>();
    for (;;) {
      this.#match(SPACE);
      const name = this.#match(ATTRIBUTE_NAME);
      if (name === undefined) return attributes;
      this.#match(SPACE);
      if (!this.#take("=")) throw this.#fail("`=` and the attribute's value");
      this.#match(SPACE);
      const quote = this.#text[this.end];
      if (quote !== '"' && quote !== "'") throw this.#fail("an attribute's value in quotes");
      const start = this.end + 1;
      this.end = after(this.#text, quote, start, this.end);
      if (!ATTRIBUTES.has(name) || attributes.has(name)) continue;
      attributes.set(name, decoded(this.#text.slice(start, this.end - 1)));
    }
  }

  #take(character: string): boolean {
    if (this.#text[this.end] !== character) return false;
    this.end += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    const start = this.end;
    pattern.lastIndex = start;
    if (!pattern.test(this.#text)) return undefined;
    this.end = pattern.lastIndex;
    return this.#text.slice(start, this.end);
  }

  #fail(expected: string): QuickdrawError {
    const found = this.#text.slice(this.end, this.end + 20);
    return bad(`character ${this.end}: found ${found === "" ? "the end of the text" : `\`${found}\``}, expected ${expected}`);
  }
}

/** An attribute's value with XML's own entities and characters given by number in their place. */
function decoded(value: string): string {
  const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return value.replace(/&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));/g, (whole, hex, decimal, name) => {
    if (name !== undefined) return named[name]!;
    const code = hex === undefined ? Number(decimal) : parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** What was expected where an element ends with another's name. */
function closes(open: { readonly name: string } | undefined): string {
  return open === undefined ? "expected <svg>" : `expected </${open.name.slice(0, 40)}>`;
}

function tooLarge(): QuickdrawError {
  return bad(`its lines have more than ${MAX_POINTS} points: expected at most as many, or a larger \`tolerance\``);
}

function bad(message: string): QuickdrawError {
  return new QuickdrawError("invalid-strokes", `the SVG: ${message}`);
}
