import type { QuickdrawError } from "../error.js";
import { badSvg } from "./error.js";
import { NumberReader } from "./numbers.js";
import type { Pen, Point } from "./pen.js";

/** How many numbers each command of a path takes. */
const N_ARGUMENTS: Readonly<Record<string, number>> = { M: 2, L: 2, H: 1, V: 1, C: 6, S: 4, Q: 4, T: 2, A: 7, Z: 0 };

/** Draws the subpaths of a path's `d`. */
export function drawPath(pen: Pen, d: string, at: number): void {
  const reader = new NumberReader(d);
  const fail = (expected: string): QuickdrawError =>
    badSvg(`element at character ${at}: d: ${reader.found()}, expected ${expected}`);
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
