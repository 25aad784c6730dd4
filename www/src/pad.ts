/**
 * The pad: the pen that the package follows in, strokes out, ink on the canvas.
 *
 * Strokes are kept in CSS pixels around the centre of the sheet, so that a sheet of another size (a turned phone, a dragged window)
 * shows the same drawing in its middle, made smaller where it would not fit. What the strokes mean is not the pad's business.
 */
import { type FollowedPen, followPen } from "quickdraw-rnn/pad";
import type { Stroke } from "./recognition";
import { drawCurves, drawEnd, drawStroke, nibWidth, steadyWidths, WIDEST, type NibPoint } from "./nib";

/** Room in CSS pixels that stays free around a drawing that had to be made smaller. */
const MARGIN = 16;
/** Movements shorter than this many CSS pixels say nothing about the drawing. */
const SHORTEST_MOVE = 0.5;

/** So many steps can be taken back; a page that is open for days must not keep all that was ever drawn on it. */
const MOST_STEPS = 200;

/** How much of the sheet a drawing from elsewhere fills. */
const LOADED_FRACTION = 0.78;

export type InkStroke = readonly NibPoint[];

/** A sheet put aside, with what can be taken back and brought again. */
export interface Sheet {
  readonly strokes: readonly InkStroke[];
  readonly past: readonly (readonly InkStroke[])[];
  readonly future: readonly (readonly InkStroke[])[];
}

export const EMPTY_SHEET: Sheet = { strokes: [], past: [], future: [] };

export interface PadEvents {
  /** The pen moved on paper; the stroke in progress is part of `pad.strokes`. */
  onInk(): void;
  /** The drawing changed as a whole: a stroke ended, or was taken back, or the sheet was cleared. */
  onDrawing(): void;
}

/** What one hears of the pen. */
export interface PadSounds {
  /** The pen moved on paper, at so many CSS pixels a millisecond. */
  onPenMove(speed: number): void;
  onPenUp(): void;
}

export class Pad {
  /** Silent until somebody listens. */
  sounds: PadSounds | undefined;

  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  /** All ink that further points change no more, so that a frame costs only the tip of the stroke in progress. */
  readonly #dried = document.createElement("canvas");
  readonly #events: PadEvents;
  #finished: readonly InkStroke[] = [];
  /** What `undo` goes back to, the newest last. */
  #history: (readonly InkStroke[])[] = [];
  /** What `redo` brings back, the next one last. */
  #future: (readonly InkStroke[])[] = [];
  /** What is shown instead of the drawing. */
  #shown: readonly InkStroke[] | null = null;
  #locked = false;
  #current: NibPoint[] = [];
  /** From where on the stroke in progress has not dried. */
  #wetFrom = 0;
  #ink = "";
  /** Where the sheet is in the window; asking for it lays out the page, so it is asked for once a stroke. */
  #sheet: DOMRect | undefined;
  /** What the canvas shows besides `#dried`; undefined if it is another picture altogether. */
  #tip: Rectangle | undefined;
  readonly #pen: FollowedPen;
  #lastMoveMs = 0;
  #scale = 1;
  #pixelRatio = 1;
  #frame = 0;

  constructor(canvas: HTMLCanvasElement, events: PadEvents) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser gives no 2d context for the canvas");
    this.#canvas = canvas;
    this.#context = context;
    this.#events = events;

    this.#pen = followPen(canvas, {
      onDown: (event) => this.#down(event),
      onMove: (events) => {
        for (const event of events) this.#append(event);
        this.#events.onInk();
      },
      onUp: () => this.#endStroke(),
      onCancel: () => this.#dropStroke(),
    });
    new ResizeObserver(() => this.#fit()).observe(canvas);
    // Zooming changes the pixel ratio, sometimes without changing the canvas's size.
    window.addEventListener("resize", () => this.#fit());
    window.addEventListener("scroll", () => (this.#sheet = undefined), { passive: true });
    this.#fit();
  }

  /** The drawing as it is now, the stroke in progress included; safe to keep. */
  get strokes(): readonly InkStroke[] {
    return this.#current.length > 0 ? [...this.#finished, [...this.#current]] : this.#finished;
  }

  get isEmpty(): boolean {
    return this.#finished.length === 0 && this.#current.length === 0;
  }

  /** Whether a pen is on the paper. */
  get isDrawing(): boolean {
    return this.#pen.isDown;
  }

  get canUndo(): boolean {
    if (this.#locked) return false;
    return this.#history.length > 0 || this.#current.length > 0;
  }

  get canRedo(): boolean {
    return !this.#locked && this.#future.length > 0;
  }

  /** Takes back the stroke in progress, else the last stroke or the last `clear` or `load`. */
  undo(): void {
    if (!this.canUndo) return;
    if (this.#current.length > 0) {
      this.#liftPen();
    } else {
      this.#future.push(this.#finished);
      this.#finished = this.#history.pop() ?? [];
    }
    this.#changed();
  }

  /** Brings back what `undo` took. */
  redo(): void {
    const next = this.#future.at(-1);
    if (!next || !this.canRedo || this.isDrawing) return;
    this.#future.pop();
    this.#history.push(this.#finished);
    this.#finished = next;
    this.#changed();
  }

  /** Takes a fresh sheet. */
  clear(): void {
    if (!this.canClear) return;
    this.#liftPen();
    if (this.#finished.length > 0) this.#remember();
    this.#finished = [];
    this.#changed();
  }

  /** Puts a drawing from elsewhere, in any unit, into the middle of the sheet, in place of the one that is there. */
  load(strokes: readonly Stroke[]): void {
    this.#liftPen();
    const points = strokes.flat();
    if (points.length === 0) return;
    const [left, right] = extent(points.map(({ x }) => x));
    const [top, bottom] = extent(points.map(({ y }) => y));
    const { clientWidth, clientHeight } = this.#canvas;
    const scale =
      LOADED_FRACTION * Math.min(clientWidth / Math.max(right - left, 1), clientHeight / Math.max(bottom - top, 1));
    if (!this.isEmpty) this.#remember();
    this.#future = [];
    this.#finished = strokes
      .filter((stroke) => stroke.length > 0)
      .map((stroke) =>
        steadyWidths(
          stroke.map(({ x, y }) => ({ x: (x - (left + right) / 2) * scale, y: (y - (top + bottom) / 2) * scale })),
        ),
      );
    this.#changed();
  }

  /** Takes the sheet off the pad and puts another one there. */
  exchange(sheet: Sheet): Sheet {
    this.#liftPen();
    const before = { strokes: this.#finished, past: this.#history, future: this.#future };
    this.#finished = sheet.strokes;
    this.#history = [...sheet.past];
    this.#future = [...sheet.future];
    this.#shown = null;
    this.#fit();
    return before;
  }

  /** Shows other strokes instead of the drawing, or with `null` the drawing again. The pen draws on the drawing all the same. */
  show(strokes: readonly InkStroke[] | null): void {
    this.#shown = strokes;
    this.#requestFrame();
  }

  get canClear(): boolean {
    return !this.isEmpty && !this.#locked;
  }

  /** A locked pad takes no ink and gives none back; the stroke in progress ends. */
  set locked(locked: boolean) {
    if (locked === this.#locked) return;
    this.#locked = locked;
    this.#canvas.classList.toggle("locked", locked);
    if (locked && this.isDrawing) this.#endStroke();
  }

  /** Paints the drawing anew: the colour of the ink comes from the style sheet and may have changed. */
  repaint(): void {
    this.#repaint();
  }

  #down(event: PointerEvent): boolean {
    if (this.#locked) return false;
    // No text is selected, and the focus stays. After it WebKitGTK would tell nothing more of a pen.
    if (event.pointerType !== "pen") event.preventDefault();
    this.#sheet = undefined;
    this.#lastMoveMs = event.timeStamp;
    this.#append(event);
    this.#events.onInk();
    return true;
  }

  /** The stroke in progress was none. */
  #dropStroke(): void {
    this.#liftPen();
    this.#changed();
  }

  #endStroke(): void {
    const [stroke, wetFrom] = [this.#current, this.#wetFrom];
    this.#liftPen();
    if (stroke.length > 0) {
      this.#remember();
      this.#finished = [...this.#finished, stroke];
      const context = this.#dip(this.#dried);
      if (context) {
        drawCurves(context, stroke, wetFrom);
        drawEnd(context, stroke);
      }
      // Where another picture is shown, all is painted anew.
      this.#tip &&= this.#around(stroke, wetFrom, this.#tip);
    }
    this.#requestFrame();
    this.#events.onDrawing();
  }

  /** Keeps the drawing as it is now for `undo`; what had been undone is gone. */
  #remember(): void {
    this.#history.push(this.#finished);
    if (this.#history.length > MOST_STEPS) this.#history.shift();
    this.#future = [];
  }

  /** The drawing as a whole is another one. */
  #changed(): void {
    this.#shown = null;
    this.#fit();
    this.#events.onDrawing();
  }

  #liftPen(): void {
    this.#pen.lift();
    this.sounds?.onPenUp();
    this.#current = [];
    this.#wetFrom = 0;
  }

  /** Adds a sample of the pen's way. Outside the sheet the pen slides along its edge: the model sees what the eye sees. */
  #append(event: PointerEvent): void {
    const sheet = (this.#sheet ??= this.#canvas.getBoundingClientRect());
    const clamp = (value: number, end: number) => Math.min(Math.max(value, 0), end);
    const x = (clamp(event.clientX - sheet.left, sheet.width) - sheet.width / 2) / this.#scale;
    const y = (clamp(event.clientY - sheet.top, sheet.height) - sheet.height / 2) / this.#scale;
    const last = this.#current.at(-1);
    const [dx, dy] = last ? [x - last.x, y - last.y] : [0, 0];
    if (last && Math.hypot(dx, dy) < SHORTEST_MOVE) return;
    if (last) this.sounds?.onPenMove(Math.hypot(dx, dy) / Math.max(event.timeStamp - this.#lastMoveMs, 1));
    this.#current.push({
      x,
      y,
      width: nibWidth(event, dx, dy, event.timeStamp - this.#lastMoveMs, last?.width),
      timeMs: event.timeStamp,
    });
    this.#lastMoveMs = event.timeStamp;
    this.#requestFrame();
  }

  /** Gives the canvas the pixels of its present size and lays the drawing into it. */
  #fit(): void {
    this.#sheet = undefined;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0 || height === 0) return;
    let furthestX = 1;
    let furthestY = 1;
    for (const stroke of this.strokes) {
      for (const point of stroke) {
        furthestX = Math.max(furthestX, Math.abs(point.x));
        furthestY = Math.max(furthestY, Math.abs(point.y));
      }
    }
    const fits = furthestX <= width / 2 && furthestY <= height / 2;
    this.#scale = fits ? 1 : Math.min((width / 2 - MARGIN) / furthestX, (height / 2 - MARGIN) / furthestY);
    this.#pixelRatio = window.devicePixelRatio || 1;
    for (const canvas of [this.#canvas, this.#dried]) {
      canvas.width = Math.round(width * this.#pixelRatio);
      canvas.height = Math.round(height * this.#pixelRatio);
    }
    this.#repaint();
  }

  #repaint(): void {
    this.#ink = getComputedStyle(this.#canvas).color;
    const context = this.#dip(this.#dried);
    if (context) {
      clear(context);
      for (const stroke of this.#finished) drawStroke(context, stroke);
    }
    this.#wetFrom = 0;
    this.#tip = undefined;
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#paint();
  }

  #requestFrame(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint(): void {
    const context = this.#dip(this.#canvas);
    if (!context) return;
    if (this.#shown) {
      clear(context);
      for (const stroke of this.#shown) drawStroke(context, stroke);
      this.#tip = undefined;
      return;
    }
    const dried = this.#dip(this.#dried);
    const changed = this.#around(this.#current, this.#wetFrom, this.#tip);
    if (dried) this.#wetFrom = drawCurves(dried, this.#current, this.#wetFrom);
    // Only where something changed is the canvas painted anew.
    const { left, top, right, bottom } =
      this.#tip && changed ? changed : { left: 0, top: 0, right: this.#canvas.width, bottom: this.#canvas.height };
    const [width, height] = [right - left, bottom - top];
    if (width > 0 && height > 0) {
      context.save();
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(left, top, width, height);
      context.drawImage(this.#dried, left, top, width, height, left, top, width, height);
      context.restore();
    }
    drawEnd(context, this.#current);
    this.#tip = this.#around(this.#current, this.#wetFrom) ?? { left: 0, top: 0, right: 0, bottom: 0 };
  }

  /** The canvas's pixels that a stroke may touch from its `from`th point on, together with those of another rectangle. */
  #around(stroke: InkStroke, from: number, other?: Rectangle): Rectangle | undefined {
    const points = stroke.slice(Math.max(from - 2, 0));
    if (points.length === 0) return other;
    const scale = this.#scale * this.#pixelRatio;
    const [centreX, centreY] = [this.#canvas.width / 2, this.#canvas.height / 2];
    const [left, right] = extent(points.map(({ x }) => x));
    const [top, bottom] = extent(points.map(({ y }) => y));
    const room = Math.ceil(WIDEST * scale) + 2;
    const found = {
      left: Math.max(Math.floor(left * scale + centreX) - room, 0),
      top: Math.max(Math.floor(top * scale + centreY) - room, 0),
      right: Math.min(Math.ceil(right * scale + centreX) + room, this.#canvas.width),
      bottom: Math.min(Math.ceil(bottom * scale + centreY) + room, this.#canvas.height),
    };
    if (!other || other.right <= other.left) return found;
    return {
      left: Math.min(found.left, other.left),
      top: Math.min(found.top, other.top),
      right: Math.max(found.right, other.right),
      bottom: Math.max(found.bottom, other.bottom),
    };
  }

  /** A canvas's context, ready for ink: its colour, and the sheet's centre as origin. */
  #dip(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
    const context = canvas === this.#canvas ? this.#context : canvas.getContext("2d");
    if (!context) return null;
    const scale = this.#scale * this.#pixelRatio;
    context.setTransform(scale, 0, 0, scale, canvas.width / 2, canvas.height / 2);
    context.strokeStyle = this.#ink;
    context.fillStyle = this.#ink;
    return context;
  }
}

/** In pixels of a canvas. */
interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function clear(context: CanvasRenderingContext2D): void {
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  context.restore();
}

function extent(values: readonly number[]): [least: number, most: number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  return [least, most];
}
