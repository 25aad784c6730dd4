/** Drawings as pictures: SVG for the page and for files, PNG for files. */
import { makeSvg } from "../element";
import type { Stroke } from "../recognition";
import { drawStroke, type NibPoint } from "../nib";
import type { InkStroke } from "../pad";

/** Room around a drawing, as a fraction of its larger side. */
const MARGIN = 0.08;
/** The larger side of a PNG, in pixels. */
const PNG_SIZE = 1200;

interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The box around strokes, with a margin. */
export function boxAround(strokes: readonly Stroke[]): Box {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of strokes.flat()) {
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  if (left > right) return { x: 0, y: 0, width: 1, height: 1 };
  const margin = Math.max(MARGIN * Math.max(right - left, bottom - top), 4);
  return { x: left - margin, y: top - margin, width: right - left + 2 * margin, height: bottom - top + 2 * margin };
}

/** The path of a stroke: curves through the midpoints, as the nib draws them. */
export function pathOf(stroke: Stroke): string {
  const n = (value: number) => String(Math.round(value * 10) / 10);
  const [first] = stroke;
  const last = stroke.at(-1);
  if (!first || !last) return "";
  if (stroke.length === 1) return `M${n(first.x)} ${n(first.y)}h0`;
  const curves = stroke.slice(1, -1).map((point, i) => {
    const next = stroke[i + 2] ?? point;
    return `Q${n(point.x)} ${n(point.y)} ${n((point.x + next.x) / 2)} ${n((point.y + next.y) / 2)}`;
  });
  return `M${n(first.x)} ${n(first.y)}${curves.join("")}L${n(last.x)} ${n(last.y)}`;
}

/** A small picture of strokes for the page; the last `nNew` strokes have a class of their own. */
export function sketch(strokes: readonly Stroke[], box = boxAround(strokes), nNew = 0): SVGElement {
  const lines = strokes.map((stroke, i) =>
    makeSvg("path", {
      d: pathOf(stroke),
      class: i >= strokes.length - nNew ? "new" : "",
      "vector-effect": "non-scaling-stroke",
    }),
  );
  return makeSvg(
    "svg",
    { class: "sketch", viewBox: `${box.x} ${box.y} ${box.width} ${box.height}`, "aria-hidden": "true" },
    ...lines,
  );
}

/** An SVG file, ink on paper: in the dark the ink is light. Each stroke has the mean of its widths. */
export function toSvg(strokes: readonly InkStroke[], ink: string, paper: string): string {
  const { x, y, width, height } = boxAround(strokes);
  const paths = strokes.map((stroke) => {
    const mean = stroke.reduce((sum, point) => sum + point.width, 0) / stroke.length;
    return `<path d="${pathOf(stroke)}" stroke-width="${mean.toFixed(1)}"/>`;
  });
  const [left, top, across, down] = [x, y, width, height].map((value) => value.toFixed(1));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${left} ${top} ${across} ${down}">` +
    `<rect x="${left}" y="${top}" width="${across}" height="${down}" fill="${paper}"/>` +
    `<g fill="none" stroke="${ink}" stroke-linecap="round" stroke-linejoin="round">${paths.join("")}</g></svg>\n`
  );
}

/** A PNG file: the ink as it is on the sheet, on the sheet's paper. */
export function toPng(strokes: readonly (readonly NibPoint[])[], ink: string, paper: string): Promise<Blob> {
  const { x, y, width, height } = boxAround(strokes);
  const scale = PNG_SIZE / Math.max(width, height);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  if (!context) return Promise.reject(new Error("no 2d context"));
  context.fillStyle = paper;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.setTransform(scale, 0, 0, scale, -x * scale, -y * scale);
  context.strokeStyle = ink;
  context.fillStyle = ink;
  for (const stroke of strokes) drawStroke(context, stroke);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG"))), "image/png"),
  );
}
