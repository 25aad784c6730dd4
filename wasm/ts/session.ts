/* A drawing that grows while it is classified: points come one by one, and strokes are taken back. */

import { QuickdrawError } from "./error.js";
import type { ClassifyOptions } from "./options.js";
import { type PackedStrokes, coordinate } from "./strokes.js";

/** Options of {@link Session.classify}: `isPenDown` follows from the drawing, which is never simplified. */
export type SessionOptions = Omit<ClassifyOptions, "isPenDown" | "isSimplified">;

/** How many points there is room for at first. */
const FIRST_CAPACITY = 1024;

/**
 * A drawing on its way: it tells its classifier what the pen does, and `classify` guesses what it shows so far.
 *
 * The predictions are those that `classify` of the classifier has for the same strokes and the same `isPenDown`.
 *
 * @typeParam P What `classify` gives: predictions, or with a worker a promise of them.
 */
export class Session<P> {
  readonly #classify: (strokes: PackedStrokes, options: ClassifyOptions) => P;
  #points = new Float32Array(2 * FIRST_CAPACITY);
  #nPoints = 0;
  /** The index of each stroke's first point. */
  #offsets: number[] = [];
  #isPenDown = false;

  /** @internal */
  constructor(classify: (strokes: PackedStrokes, options: ClassifyOptions) => P) {
    this.#classify = classify;
  }

  /** Whether a stroke has begun and not ended. */
  get isPenDown(): boolean {
    return this.#isPenDown;
  }

  /** The strokes that there are, the one that has not ended too. */
  get nStrokes(): number {
    return this.#offsets.length;
  }

  /** Their points. */
  get nPoints(): number {
    return this.#nPoints;
  }

  /** A copy of the strokes, as `classify` of a classifier takes them. */
  get strokes(): PackedStrokes {
    return { points: this.#points.slice(0, 2 * this.#nPoints), offsets: Uint32Array.from(this.#offsets) };
  }

  /**
   * Begins a stroke at a point. One that has not ended ends.
   *
   * @throws QuickdrawError `invalid-strokes`; the drawing then stays as it was, with `addPoint` too.
   */
  beginStroke(x: number, y: number): void {
    this.#check(x, y, this.#offsets.length, 0);
    this.#offsets.push(this.#nPoints);
    this.#isPenDown = true;
    this.#push(x, y);
  }

  /**
   * Adds a point to the stroke that has begun.
   *
   * @throws QuickdrawError `invalid-strokes`, also if none has begun.
   */
  addPoint(x: number, y: number): void {
    if (!this.#isPenDown) {
      throw new QuickdrawError(
        "invalid-strokes",
        "no stroke has begun: call beginStroke(x, y) where the pen comes down",
      );
    }
    const stroke = this.#offsets.length - 1;
    this.#check(x, y, stroke, this.#nPoints - this.#offsets[stroke]!);
    this.#push(x, y);
  }

  /** Ends the stroke that has begun; does nothing if none has. */
  endStroke(): void {
    this.#isPenDown = false;
  }

  /** Takes the last stroke back, ended or not. False if there is none. */
  undoStroke(): boolean {
    const first = this.#offsets.pop();
    if (first === undefined) return false;
    this.#nPoints = first;
    this.#isPenDown = false;
    return true;
  }

  /** Takes everything back. */
  clear(): void {
    this.#offsets = [];
    this.#nPoints = 0;
    this.#isPenDown = false;
  }

  /**
   * Guesses what the drawing shows so far, as `classify` of the classifier.
   *
   * @throws QuickdrawError As that, `invalid-strokes` also if there is no stroke yet.
   */
  classify(options: SessionOptions = {}): P {
    const strokes = { points: this.#points.subarray(0, 2 * this.#nPoints), offsets: this.#offsets };
    return this.#classify(strokes, { ...options, isSimplified: false, isPenDown: this.#isPenDown });
  }

  #check(x: unknown, y: unknown, stroke: number, point: number): void {
    coordinate(x, "x", stroke, point);
    coordinate(y, "y", stroke, point);
  }

  #push(x: number, y: number): void {
    if (2 * this.#nPoints === this.#points.length) {
      const more = new Float32Array(2 * this.#points.length);
      more.set(this.#points);
      this.#points = more;
    }
    this.#points[2 * this.#nPoints] = x;
    this.#points[2 * this.#nPoints + 1] = y;
    this.#nPoints += 1;
  }
}
