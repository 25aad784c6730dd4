import type { QuickdrawError } from "../error.js";
import { badSvg } from "./error.js";
import { NumberReader } from "./numbers.js";

/** [a, b, c, d, e, f] as SVG has it: x' = a x + c y + e, y' = b x + d y + f. */
export type Matrix = readonly [number, number, number, number, number, number];

export const IDENTITY: Matrix = [1, 0, 0, 1, 0, 0];

export function multiply([a, b, c, d, e, f]: Matrix, [g, h, i, j, k, l]: Matrix): Matrix {
  return [a * g + c * h, b * g + d * h, a * i + c * j, b * i + d * j, a * k + c * l + e, b * k + d * l + f];
}

export function readTransform(text: string, at: number): Matrix {
  const fail = (index: number): QuickdrawError =>
    badSvg(
      `element at character ${at}: transform: found \`${text.slice(index, index + 20)}\`, expected matrix, translate, scale, rotate, skewX or skewY with numbers in parentheses`,
    );
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
