/**
 * A picture of a sketch as strokes: `await strokesFromImage(blob)`, then `classifier.classify(strokes)`.
 *
 * @module quickdraw-rnn/image
 */

import { QuickdrawError, messageOf } from "./error.js";
import { invalid } from "./options.js";
import type { PlatformBlob, PlatformImageBitmap } from "./platform.js";
import { type WasmSource, loadRuntime } from "./runtime.js";

export { QuickdrawError } from "./error.js";
export type { QuickdrawErrorCode } from "./error.js";
export type { WasmSource } from "./runtime.js";

/** Pixels as an `ImageData` has them: from the top left, red, green, blue and alpha of each. */
export interface Pixels {
  /** Pixels in a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** Four bytes a pixel. */
  readonly data: Uint8ClampedArray | Uint8Array;
}

/** Options of {@link strokesFromImage}. */
export interface ImageOptions {
  /** As that of `Classifier.load`, with which the module is shared. */
  readonly wasm?: WasmSource;
}

/** Larger pictures are drawn smaller before their pixels are read: lines are traced at half of this. */
const LARGEST_SIDE = 1024;

/**
 * Traces the lines of a picture, dark on light or light on dark: a scan, a photograph, a PNG of a sketch.
 *
 * Order and direction of the strokes are guessed. Of an empty picture there are none.
 *
 * @returns strokes as `[[x...], [y...]]`, in the picture's pixels
 * @throws QuickdrawError `invalid-image` if it cannot be read; `invalid-options`; `unsupported` where a file or bitmap is
 * given and there is no canvas; and what loading the module throws. All of them as a rejection.
 */
export async function strokesFromImage(
  image: Pixels | PlatformImageBitmap | PlatformBlob,
  options: ImageOptions = {},
): Promise<number[][][]> {
  if (typeof options !== "object" || options === null) throw invalid("options", options, "an object");
  const { pixels, scale } = await read(image);
  const { width, height, data } = pixels;
  const binding = await loadRuntime(options.wasm, "int8").ready;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let strokes: number[][][];
  try {
    strokes = binding.trace(width, height, bytes) as number[][][];
  } catch (cause) {
    const isOurs = (cause as { code?: string }).code === "invalid-image";
    const message = isOurs ? messageOf(cause) : `the recogniser failed: ${messageOf(cause)}`;
    throw new QuickdrawError(isOurs ? "invalid-image" : "internal", message, { cause });
  }
  return scale === 1 ? strokes : strokes.map((axes) => axes.map((values) => values.map((value) => value * scale)));
}

/** The pixels of an image, and how many of the image's are one of these. */
async function read(image: unknown): Promise<{ pixels: Pixels; scale: number }> {
  if (isPixels(image)) return { pixels: image, scale: 1 };
  const tag = Object.prototype.toString.call(image);
  if (tag === "[object ImageBitmap]") return readBitmap(image as ImageBitmap);
  if (tag !== "[object Blob]" && tag !== "[object File]") {
    throw new QuickdrawError("invalid-image", "expected an ImageData, an ImageBitmap or a Blob that holds a picture");
  }
  if (typeof createImageBitmap !== "function") throw noCanvas();
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(image as Blob);
  } catch (cause) {
    const { type } = image as Blob;
    const advice = /svg/.test(type) ? "; the strokes of an SVG are read by parseSvg of quickdraw-rnn/formats" : "";
    const message = `the picture cannot be read${type && ` as ${type}`}: ${messageOf(cause)}${advice}`;
    throw new QuickdrawError("invalid-image", message, { cause });
  }
  try {
    return readBitmap(bitmap);
  } finally {
    bitmap.close();
  }
}

function isPixels(image: unknown): image is Pixels {
  const { width, height, data } = Object(image) as Partial<Pixels>;
  const isSize = (size: unknown): boolean =>
    Number.isInteger(size) && (size as number) >= 0 && (size as number) < 2 ** 31;
  return isSize(width) && isSize(height) && (data instanceof Uint8ClampedArray || data instanceof Uint8Array);
}

function readBitmap(bitmap: ImageBitmap): { pixels: Pixels; scale: number } {
  const scale = Math.max(1, Math.max(bitmap.width, bitmap.height) / LARGEST_SIDE);
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side / scale))) as [
    number,
    number,
  ];
  const pen = canvas(width, height).getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D | null;
  if (pen === null) throw noCanvas();
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, width, height);
  return { pixels: pen.getImageData(0, 0, width, height), scale };
}

function canvas(width: number, height: number): OffscreenCanvas | HTMLCanvasElement {
  if (typeof OffscreenCanvas === "function") return new OffscreenCanvas(width, height);
  if (typeof document !== "object") throw noCanvas();
  return Object.assign(document.createElement("canvas"), { width, height });
}

function noCanvas(): QuickdrawError {
  return new QuickdrawError(
    "unsupported",
    "there is no canvas here to read pictures with: decode it and give its pixels",
  );
}
