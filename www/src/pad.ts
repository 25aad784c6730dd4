/**
 * The pad: pointer events in, strokes out, ink on the canvas.
 *
 * Strokes are kept in CSS pixels around the centre of the sheet, so that a sheet of another size (a turned phone, a dragged window)
 * shows the same drawing in its middle, made smaller where it would not fit. What the strokes mean is not the pad's business.
 */
import { drawStroke, nibWidth, type NibPoint } from "./nib";

/** Room in CSS pixels that stays free around a drawing that had to be made smaller. */
const MARGIN = 16;
/** Movements shorter than this many CSS pixels say nothing about the drawing. */
const SHORTEST_MOVE = 0.5;

type InkStroke = readonly NibPoint[];

export interface PadEvents {
  /** The pen moved on paper; the stroke under way is part of `pad.strokes`. */
  onInk(): void;
  /** The drawing changed as a whole: a stroke ended, or was taken back, or the sheet was cleared. */
  onDrawing(): void;
}

export class Pad {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  /** Finished strokes, so that a frame costs only the stroke under way. */
  readonly #dried = document.createElement("canvas");
  readonly #events: PadEvents;
  #finished: readonly InkStroke[] = [];
  /** What `undo` goes back to, the newest last. */
  #history: (readonly InkStroke[])[] = [];
  #current: NibPoint[] = [];
  #pointerId: number | null = null;
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

    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    // The browser may take a touch away (a gesture of the system); what was drawn until then stays.
    canvas.addEventListener("pointercancel", (event) => this.#up(event));
    canvas.addEventListener("lostpointercapture", (event) => this.#up(event));
    // A long press must neither open a menu nor start Safari's magnifier.
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });

    new ResizeObserver(() => this.#fit()).observe(canvas);
    // Zooming changes the pixel ratio, sometimes without changing the canvas's size.
    window.addEventListener("resize", () => this.#fit());
    this.#fit();
  }

  /** The drawing as it is now, the stroke under way included; safe to keep. */
  get strokes(): readonly InkStroke[] {
    return this.#current.length > 0 ? [...this.#finished, [...this.#current]] : this.#finished;
  }

  get isEmpty(): boolean {
    return this.#finished.length === 0 && this.#current.length === 0;
  }

  /** Whether a pen is on the paper. */
  get isDrawing(): boolean {
    return this.#pointerId !== null;
  }

  get canUndo(): boolean {
    return this.#history.length > 0 || this.#current.length > 0;
  }

  /** Takes back the stroke under way, else the last stroke or the last `clear`. */
  undo(): void {
    if (!this.canUndo) return;
    if (this.#current.length > 0) this.#liftPen();
    else this.#finished = this.#history.pop() ?? [];
    this.#repaint();
    this.#events.onDrawing();
  }

  /** Takes a fresh sheet. */
  clear(): void {
    if (this.isEmpty) return;
    this.#liftPen();
    if (this.#finished.length > 0) this.#history.push(this.#finished);
    this.#finished = [];
    this.#repaint();
    this.#events.onDrawing();
  }

  /** Paints the drawing anew: the colour of the ink comes from the style sheet and may have changed. */
  repaint(): void {
    this.#repaint();
  }

  #down(event: PointerEvent): void {
    if (this.#pointerId !== null || event.button !== 0) return;
    event.preventDefault();
    this.#pointerId = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#lastMoveMs = event.timeStamp;
    this.#append(event);
    this.#events.onInk();
  }

  #move(event: PointerEvent): void {
    if (event.pointerId !== this.#pointerId) return;
    if (event.buttons === 0) {
      // The button went up where no event could tell us.
      this.#up(event);
      return;
    }
    const coalesced = event.getCoalescedEvents?.() ?? [];
    for (const sample of coalesced.length > 0 ? coalesced : [event]) this.#append(sample);
    this.#events.onInk();
  }

  #up(event: PointerEvent): void {
    if (event.pointerId !== this.#pointerId) return;
    const stroke = this.#current;
    this.#liftPen();
    if (stroke.length > 0) {
      this.#history.push(this.#finished);
      this.#finished = [...this.#finished, stroke];
      this.#dry(stroke);
    }
    this.#requestFrame();
    this.#events.onDrawing();
  }

  #liftPen(): void {
    const pointerId = this.#pointerId;
    this.#pointerId = null;
    this.#current = [];
    if (pointerId !== null && this.#canvas.hasPointerCapture(pointerId)) this.#canvas.releasePointerCapture(pointerId);
  }

  /** Adds a sample of the pen's way. Outside the sheet the pen slides along its edge: the model sees what the eye sees. */
  #append(event: PointerEvent): void {
    const sheet = this.#canvas.getBoundingClientRect();
    const clamp = (value: number, end: number) => Math.min(Math.max(value, 0), end);
    const x = (clamp(event.clientX - sheet.left, sheet.width) - sheet.width / 2) / this.#scale;
    const y = (clamp(event.clientY - sheet.top, sheet.height) - sheet.height / 2) / this.#scale;
    const last = this.#current.at(-1);
    const [dx, dy] = last ? [x - last.x, y - last.y] : [0, 0];
    if (last && Math.hypot(dx, dy) < SHORTEST_MOVE) return;
    this.#current.push({ x, y, width: nibWidth(event, dx, dy, event.timeStamp - this.#lastMoveMs, last?.width) });
    this.#lastMoveMs = event.timeStamp;
    this.#requestFrame();
  }

  /** Gives the canvas the pixels of its present size and lays the drawing into it. */
  #fit(): void {
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
    const context = this.#dried.getContext("2d");
    context?.setTransform(1, 0, 0, 1, 0, 0);
    context?.clearRect(0, 0, this.#dried.width, this.#dried.height);
    for (const stroke of this.#finished) this.#dry(stroke);
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#paint();
  }

  #dry(stroke: InkStroke): void {
    const context = this.#dried.getContext("2d");
    if (!context) return;
    this.#dip(context);
    drawStroke(context, stroke);
  }

  #requestFrame(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint(): void {
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#context.drawImage(this.#dried, 0, 0);
    this.#dip(this.#context);
    drawStroke(this.#context, this.#current);
  }

  /** Readies a context for ink: its colour, and the sheet's centre as origin. */
  #dip(context: CanvasRenderingContext2D): void {
    const ink = getComputedStyle(this.#canvas).color;
    const scale = this.#scale * this.#pixelRatio;
    context.setTransform(scale, 0, 0, scale, this.#canvas.width / 2, this.#canvas.height / 2);
    context.strokeStyle = ink;
    context.fillStyle = ink;
  }
}
