/*
 * The lines of an SVG picture as strokes, without a DOM: an XML scanner (svg/xml.ts) that reads the text once from front
 * to back, and the geometry of SVG's shapes (svg/shapes.ts, svg/path.ts, svg/pen.ts). Nothing is looked up, loaded or run.
 */

import { checkObject, invalid } from "./options.js";
import { readStrokes } from "./strokes.js";
import { badSvg } from "./svg/error.js";
import { readLength } from "./svg/numbers.js";
import { Pen } from "./svg/pen.js";
import { drawShape, SHAPES } from "./svg/shapes.js";
import { IDENTITY, type Matrix, multiply, readTransform } from "./svg/transform.js";
import { type Attributes, tags } from "./svg/xml.js";

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

/** Elements whose content is part of the picture. What lies in others (defs, clipPath, mask, text) is left out. */
const CONTAINERS = new Set(["svg", "g", "a", "switch"]);

/** The attributes that are read. */
const ATTRIBUTES: ReadonlySet<string> = new Set(
  ["viewBox", "width", "height", "transform", "style", "class", "display", "fill", "stroke", "d", "points"].concat([
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
  ]),
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
  if (text.length > MAX_LENGTH) throw badSvg(`it has ${text.length} characters, expected at most ${MAX_LENGTH}`);

  const pen = new Pen(tolerance);
  /** The elements that are open, and what those within inherit; undefined within elements that are left out. */
  const open: { readonly name: string; readonly state: State | undefined }[] = [];
  let prefix: string | undefined;
  for (const tag of tags(text, ATTRIBUTES)) {
    const around = open.at(-1);
    if (tag.kind === "end") {
      if (around?.name !== tag.name)
        throw badSvg(`character ${tag.at}: found </${tag.name.slice(0, 40)}>, ${closes(around)}`);
      open.pop();
      if (open.length === 0) break;
      continue;
    }
    // Some programs write every name with a prefix; foreign ones have another.
    const colon = tag.name.indexOf(":") + 1;
    if (prefix === undefined) {
      prefix = tag.name.slice(0, colon);
      if (tag.name.slice(colon) !== "svg") throw badSvg(`it begins with <${tag.name.slice(0, 40)}>, expected <svg>`);
      pen.measure(tag.attributes);
    }
    const name = tag.name.startsWith(prefix) ? tag.name.slice(prefix.length) : "";
    const outer = open.length === 0 ? INITIAL_STATE : around?.state;
    let state: State | undefined;
    if (outer !== undefined && (CONTAINERS.has(name) || SHAPES.has(name))) {
      state = inherit(outer, name, tag.attributes, open.length > 0, tag.at);
      if (state !== undefined && SHAPES.has(name)) {
        if (isVisible(state)) {
          pen.matrix = state.matrix;
          drawShape(pen, name, tag.attributes, state.hasStroke, tag.at);
        }
        state = undefined;
      }
    }
    if (tag.isEmpty) {
      if (open.length === 0) break;
      continue;
    }
    if (open.length === MAX_DEPTH) throw badSvg(`elements lie more than ${MAX_DEPTH} levels deep within each other`);
    open.push({ name: tag.name, state });
  }
  if (prefix === undefined) throw badSvg("found no element, expected <svg>");
  if (open.length > 0) throw badSvg(`the text ends within <${open.at(-1)!.name.slice(0, 40)}>`);
  if (pen.strokes.length === 0) throw badSvg("it has no lines: expected at least one path or other shape");
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
function inherit(outer: State, name: string, attributes: Attributes, isNested: boolean, at: number): State | undefined {
  const style = readStyle(attributes.get("style"));
  // As in CSS: what `style` says comes before attributes.
  const property = (property: string): string | undefined => style.get(property) ?? attributes.get(property)?.trim();
  if (property("display") === "none") return undefined;
  const paints = (paint: string | undefined, inherited: boolean): boolean =>
    paint === undefined || paint === "inherit" ? inherited : paint !== "none" && paint !== "transparent";
  let matrix = outer.matrix;
  if (name === "svg" && isNested) {
    matrix = multiply(matrix, [1, 0, 0, 1, readLength(attributes, "x", 0, at), readLength(attributes, "y", 0, at)]);
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

/** What was expected where an element ends with another's name. */
function closes(open: { readonly name: string } | undefined): string {
  return open === undefined ? "expected <svg>" : `expected </${open.name.slice(0, 40)}>`;
}
