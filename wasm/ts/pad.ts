/**
 * A place to draw in: `definePad()`, then `<quickdraw-pad>` in the page. It needs a DOM, but no model: whoever uses it
 * hands it a classifier, or only listens to what is drawn.
 *
 * @module quickdraw-rnn/pad
 */

import type { Prediction } from "./classifier.js";
import { QuickdrawError } from "./error.js";
import type { ClassifyOptions, EmbedOptions } from "./options.js";
import { type FollowedPen, followPen } from "./pen.js";
import type { PlatformElement } from "./platform.js";
import { type Point, type Strokes, readExactStrokes } from "./strokes.js";

export { QuickdrawError } from "./error.js";
export type { QuickdrawErrorCode } from "./error.js";
export { followPen } from "./pen.js";
export type { FollowedPen, PenEvents } from "./pen.js";

/** What the pad needs of a classifier: `Classifier` has it, and so has the one in a worker. */
export interface PadClassifier {
  /** The most probable labels, now or later. */
  classify(strokes: Strokes, options?: ClassifyOptions): readonly Prediction[] | Promise<readonly Prediction[]>;
  /** Whether they do not say what the drawing is. */
  isUncertain(predictions: readonly Prediction[], options?: Pick<EmbedOptions, "isPenDown">): boolean;
}

/** The detail of a `guess` event. */
export interface PadGuess {
  /** The most probable labels, best first; none of an empty pad. */
  readonly predictions: readonly Prediction[];
  /** As `Classifier.isUncertain`. */
  readonly isUncertain: boolean;
  /** Whether the last stroke goes on. */
  readonly isPenDown: boolean;
}

/**
 * The element. It dispatches `change` when a stroke ends and after `undo`, `redo`, `clear`; `guess`, a
 * `CustomEvent<PadGuess>`, as the classifier answers; and `error`, an `ErrorEvent`, if it fails. In a form its value is
 * the drawing as JSON, `[[x...], [y...]]` a stroke, or nothing while it is empty.
 */
export interface QuickdrawPad extends PlatformElement {
  /** What guesses; without one the pad only draws. */
  classifier: PadClassifier | undefined;
  /** The only labels to guess; undefined: all. */
  labels: readonly string[] | undefined;
  /** The drawing, in CSS pixels from the upper left corner. */
  get strokes(): readonly (readonly Point[])[];
  /** Takes strokes of any form; it can be undone. */
  set strokes(strokes: Strokes | readonly []);
  /** What a form sends. */
  readonly value: string;
  /** Takes the last change back; false if there is none. */
  undo(): boolean;
  /** Does again what was taken back; false if there is nothing. */
  redo(): boolean;
  /** Empties the pad. */
  clear(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "quickdraw-pad": QuickdrawPad;
  }
}

type Stroke = readonly Point[];

const NAMES = { en: "Drawing area", ko: "그림판" } as const;

const STYLE = `
  :host { display: inline-block; width: 300px; height: 300px; color-scheme: light dark; color: CanvasText;
    background: Canvas; border: 1px solid; box-sizing: border-box; touch-action: none; user-select: none; cursor: crosshair; }
  :host([hidden]) { display: none; }
  :host(:focus-visible) { outline: 2px solid Highlight; outline-offset: 2px; }
  canvas { display: block; width: 100%; height: 100%; }`;

/**
 * Registers the element, once; calling it again does nothing.
 *
 * @throws QuickdrawError `unsupported` where there are no custom elements
 */
export function definePad(name = "quickdraw-pad"): void {
  if (typeof customElements !== "object" || typeof HTMLElement !== "function") {
    throw new QuickdrawError("unsupported", "there are no custom elements here: call definePad() in a browser's page");
  }
  if (customElements.get(name) === undefined) customElements.define(name, padClass());
}

/** The class, made when it is asked for: servers have nothing that it could extend. */
function padClass(): CustomElementConstructor {
  return class extends HTMLElement implements QuickdrawPad {
    static readonly formAssociated = true;
    static readonly observedAttributes = ["lang"];

    readonly #internals = this.attachInternals();
    readonly #canvas = document.createElement("canvas");
    readonly #resized = new ResizeObserver(() => this.#draw());
    readonly #dark = matchMedia("(prefers-color-scheme: dark)");
    readonly #redraw = (): void => this.#draw();

    #classifier: PadClassifier | undefined;
    #labels: readonly string[] | undefined;
    #strokes: readonly Stroke[] = [];
    #past: (readonly Stroke[])[] = [];
    #future: (readonly Stroke[])[] = [];
    /** The points of the stroke that goes on. */
    #current: Point[] | undefined;
    #pen: FollowedPen | undefined;
    #isDisabled = false;
    #frame = 0;
    /** Guesses of a drawing that is no longer there are not told. */
    #nDrawings = 0;
    #nAsked = 0;
    #nTold = 0;

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      root.append(this.#canvas);
      this.#internals.role = "img";
      this.addEventListener("keydown", (event) => this.#key(event));
    }

    connectedCallback(): void {
      if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
      // Set before the element was defined, they hide what is inherited.
      for (const name of ["labels", "strokes", "classifier"]) {
        if (!Object.hasOwn(this, name)) continue;
        const value: unknown = Reflect.get(this, name);
        Reflect.deleteProperty(this, name);
        Reflect.set(this, name, value);
      }
      this.attributeChangedCallback();
      this.#pen = followPen(this, {
        onDown: (event) => {
          if (this.#isDisabled) return false;
          this.#current = [];
          this.#add([event]);
          return true;
        },
        onMove: (events) => this.#add(events),
        onUp: () => this.#up(),
        onCancel: () => this.#cancel(),
      });
      this.#resized.observe(this);
      this.#dark.addEventListener("change", this.#redraw);
    }

    disconnectedCallback(): void {
      this.#cancel();
      this.#pen?.stop();
      this.#resized.disconnect();
      this.#dark.removeEventListener("change", this.#redraw);
      cancelAnimationFrame(this.#frame);
      this.#frame = 0;
    }

    attributeChangedCallback(): void {
      const language = this.closest("[lang]")?.getAttribute("lang") ?? navigator.language;
      this.#internals.ariaLabel = language.startsWith("ko") ? NAMES.ko : NAMES.en;
    }

    formResetCallback(): void {
      this.clear();
    }

    formDisabledCallback(isDisabled: boolean): void {
      this.#isDisabled = isDisabled;
      if (isDisabled) this.#cancel();
    }

    get classifier(): PadClassifier | undefined {
      return this.#classifier;
    }

    set classifier(classifier: PadClassifier | undefined) {
      this.#classifier = classifier;
      if (this.#strokes.length > 0) void this.#guess(false);
    }

    get labels(): readonly string[] | undefined {
      return this.#labels;
    }

    set labels(labels: readonly string[] | undefined) {
      this.#labels = labels;
      if (this.#strokes.length > 0) void this.#guess(false);
    }

    get strokes(): readonly Stroke[] {
      return this.#strokes;
    }

    set strokes(strokes: Strokes | readonly []) {
      const isEmpty = Array.isArray(strokes) && strokes.length === 0;
      const { points, offsets } = isEmpty ? { points: [], offsets: [] } : readExactStrokes(strokes);
      const ends = [...offsets].slice(1).concat(points.length / 2);
      const read = Array.from(offsets, (start, stroke) =>
        Array.from({ length: ends[stroke]! - start }, (_, index) => {
          const at = 2 * (start + index);
          return { x: points[at]!, y: points[at + 1]! };
        }),
      );
      this.#cancel();
      this.#change(read);
    }

    get value(): string {
      if (this.#strokes.length === 0) return "";
      return JSON.stringify(this.#strokes.map((stroke) => [stroke.map(({ x }) => x), stroke.map(({ y }) => y)]));
    }

    undo(): boolean {
      return this.#travel(this.#past, this.#future);
    }

    redo(): boolean {
      return this.#travel(this.#future, this.#past);
    }

    clear(): void {
      this.#cancel();
      if (this.#strokes.length > 0) this.#change([]);
    }

    #travel(from: (readonly Stroke[])[], to: (readonly Stroke[])[]): boolean {
      this.#cancel();
      const strokes = from.pop();
      if (strokes === undefined) return false;
      to.push(this.#strokes);
      this.#show(strokes);
      return true;
    }

    #change(strokes: readonly Stroke[]): void {
      this.#past.push(this.#strokes);
      this.#future = [];
      this.#show(strokes);
    }

    #show(strokes: readonly Stroke[]): void {
      this.#strokes = strokes;
      this.#nDrawings += 1;
      this.#internals.setFormValue(this.value === "" ? null : this.value);
      this.#draw();
      this.dispatchEvent(new Event("change", { bubbles: true }));
      void this.#guess(false);
    }

    #up(): void {
      const points = this.#current;
      this.#current = undefined;
      if (points !== undefined) this.#change([...this.#strokes, points]);
    }

    /** Takes back the stroke that goes on. */
    #cancel(): void {
      this.#pen?.lift();
      if (this.#current === undefined) return;
      this.#current = undefined;
      this.#nDrawings += 1;
      this.#draw();
      void this.#guess(false);
    }

    #key(event: KeyboardEvent): void {
      const { key, ctrlKey, metaKey, shiftKey, altKey } = event;
      const isCommand = (ctrlKey || metaKey) && !altKey;
      const letter = key.toLowerCase();
      if (isCommand && (letter === "y" || (letter === "z" && shiftKey))) this.redo();
      else if (isCommand && letter === "z") this.undo();
      else if (key === "Escape" && this.#current !== undefined) this.#cancel();
      else if (key === "Delete" && !this.#isDisabled) this.clear();
      else return;
      event.preventDefault();
    }

    #add(events: readonly PointerEvent[]): void {
      const { left, top } = this.#canvas.getBoundingClientRect();
      for (const { clientX, clientY } of events) this.#current?.push({ x: clientX - left, y: clientY - top });
      // Screens show a picture 60 to 120 times a second, pens have more points.
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        this.#draw();
        if (this.#current !== undefined) void this.#guess(true);
      });
    }

    async #guess(isPenDown: boolean): Promise<void> {
      const classifier = this.#classifier;
      if (classifier === undefined) return;
      const [nDrawings, nAsked] = [this.#nDrawings, ++this.#nAsked];
      const strokes = isPenDown ? [...this.#strokes, this.#current!] : this.#strokes;
      try {
        const options = { isPenDown, ...(this.#labels !== undefined && { allow: this.#labels }) };
        const predictions = strokes.length === 0 ? [] : await classifier.classify(strokes, options);
        if (nDrawings !== this.#nDrawings || nAsked < this.#nTold) return;
        this.#nTold = nAsked;
        const detail: PadGuess = {
          predictions,
          isUncertain: classifier.isUncertain(predictions, { isPenDown }),
          isPenDown,
        };
        this.dispatchEvent(new CustomEvent("guess", { detail, bubbles: true }));
      } catch (error) {
        if ((error as { code?: unknown }).code === "superseded") return;
        this.dispatchEvent(new ErrorEvent("error", { error, message: String(error) }));
      }
    }

    #draw(): void {
      const { clientWidth, clientHeight } = this;
      const scale = globalThis.devicePixelRatio || 1;
      // Setting a canvas's size empties it.
      this.#canvas.width = Math.round(clientWidth * scale);
      this.#canvas.height = Math.round(clientHeight * scale);
      const pen = this.#canvas.getContext("2d");
      if (pen === null) return;
      pen.scale(scale, scale);
      pen.strokeStyle = getComputedStyle(this).color;
      pen.lineWidth = 3;
      pen.lineCap = "round";
      pen.lineJoin = "round";
      pen.beginPath();
      for (const stroke of [...this.#strokes, ...(this.#current === undefined ? [] : [this.#current])]) {
        const [first] = stroke;
        if (first === undefined) continue;
        pen.moveTo(first.x, first.y);
        // A line of no length shows its round ends: a tap is a dot.
        for (const { x, y } of stroke.length === 1 ? stroke : stroke.slice(1)) pen.lineTo(x, y);
      }
      pen.stroke();
    }
  };
}
