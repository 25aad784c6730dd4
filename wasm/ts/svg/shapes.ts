import { badSvg } from "./error.js";
import { NumberReader, readLength } from "./numbers.js";
import { drawPath } from "./path.js";
import type { Pen, Point } from "./pen.js";
import type { Attributes } from "./xml.js";

export const SHAPES: ReadonlySet<string> = new Set([
  "path",
  "polyline",
  "polygon",
  "line",
  "rect",
  "circle",
  "ellipse",
]);

/** Draws the outline of a shape; of a rectangle without `stroke` that covers the picture, its paper, nothing. */
export function drawShape(pen: Pen, name: string, attributes: Attributes, hasStroke: boolean, at: number): void {
  const value = (attribute: string, whole = pen.side): number => readLength(attributes, attribute, whole, at);
  if (name === "path") {
    drawPath(pen, attributes.get("d") ?? "", at);
  } else if (name === "polyline" || name === "polygon") {
    drawPolyline(pen, attributes.get("points") ?? "", name === "polygon", at);
  } else if (name === "line") {
    pen.moveTo([value("x1", pen.width), value("y1", pen.height)]);
    pen.lineTo([value("x2", pen.width), value("y2", pen.height)]);
  } else if (name === "rect") {
    const [x, y, width, height] = [
      value("x", pen.width),
      value("y", pen.height),
      value("width", pen.width),
      value("height", pen.height),
    ];
    if (!(width > 0 && height > 0) || (!hasStroke && pen.isWhole(x, y, width, height))) return;
    const [rx, ry] = [
      attributes.has("rx") ? value("rx") : value("ry"),
      attributes.has("ry") ? value("ry") : value("rx"),
    ];
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
    if (x === undefined || y === undefined)
      throw badSvg(`element at character ${at}: points: ${reader.found()}, expected pairs of numbers`);
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
  for (const to of [
    [cx, cy + ry],
    [cx - rx, cy],
    [cx, cy - ry],
    [cx + rx, cy],
  ] as const) {
    pen.arcTo(rx, ry, 0, false, true, to);
  }
}
