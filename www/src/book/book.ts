/**
 * The book: of every category that was recognised the best of the visitor's own drawings, kept in this browser, a line of ndjson each.
 * What cannot be read is kept as it is: another version of the page may read it.
 */
import { parseNdjson } from "quickdraw-rnn/formats";
import { decodeDrawing, encodeDrawing } from "../keep/link";
import { readLines, strokesOf } from "../keep/ndjson";
import { isKnown } from "../language/korean-names";
import type { Stroke } from "../recognition";
import type { InkStroke } from "../pad";
import { onRememberedElsewhere, recall, remember } from "../storage";

/** A place of the book that is filled. */
export interface Page {
  readonly label: string;
  /** How sure the model was. */
  readonly probability: number;
  readonly timestamp: string;
  readonly strokes: readonly Stroke[];
}

export class Book {
  #pages = new Map<string, Page>();
  #unread: string[] = [];
  /** Whether the last change will be there on the next visit. */
  isKept = true;

  /** `onElsewhere` is called when another window has changed the book. */
  constructor(onElsewhere: () => void) {
    this.#recall();
    onRememberedElsewhere("book", () => {
      this.#recall();
      onElsewhere();
    });
  }

  get size(): number {
    return this.#pages.size;
  }

  of(label: string): Page | undefined {
    return this.#pages.get(label);
  }

  /** Keeps a drawing where it is the first or the best of its category; says which. Drawings from elsewhere are not the visitor's. */
  offer(label: string, drawn: readonly InkStroke[], probability: number): "new" | "better" | undefined {
    if (!isKnown(label) || !drawn.every((stroke) => stroke.every(({ timeMs }) => timeMs !== undefined)))
      return undefined;
    const before = this.#pages.get(label);
    if (before && before.probability >= probability) return undefined;
    // As in a link: on a grid, without points that nobody sees.
    const strokes = decodeDrawing(encodeDrawing(drawn));
    if (!strokes) return undefined;
    this.#pages.set(label, { label, probability, timestamp: new Date().toISOString(), strokes });
    this.#keep();
    return before ? "better" : "new";
  }

  /** All that is kept, as a file. */
  toFile(): string {
    return [...Array.from(this.#pages.values(), write), ...this.#unread].map((line) => `${line}\n`).join("");
  }

  /** Takes what a file holds, where it is new or better; says how many drawings could be read, and how many lines could not. */
  addFile(text: string): { readonly nRead: number; readonly nUnread: number } {
    const { found: pages, unread } = readLines(text, readLine);
    for (const page of pages) {
      const before = this.#pages.get(page.label);
      if (!before || before.probability < page.probability) this.#pages.set(page.label, page);
    }
    if (pages.length > 0) this.#keep();
    return { nRead: pages.length, nUnread: unread.length };
  }

  #recall(): void {
    const { found: pages, unread } = readLines(recall("book") ?? "", readLine);
    this.#pages = new Map(pages.map((page) => [page.label, page]));
    this.#unread = unread;
  }

  #keep(): void {
    this.isKept = remember("book", this.toFile());
  }
}

/** A line of the data set's raw form, and how sure the model was. */
function write({ label, probability, timestamp, strokes }: Page): string {
  const drawing = strokes.map((stroke) => [stroke.map(({ x }) => x), stroke.map(({ y }) => y)]);
  return JSON.stringify({
    word: label,
    recognized: true,
    timestamp,
    probability: Math.round(1e4 * probability) / 1e4,
    drawing,
  });
}

function readLine(line: string): Page | undefined {
  for (const { word = "", recognized, timestamp = "", drawing } of parseNdjson(line, { onBadLine: () => undefined })) {
    const { probability } = JSON.parse(line) as { probability?: unknown };
    if (
      !isKnown(word) ||
      recognized !== true ||
      typeof probability !== "number" ||
      !(probability >= 0 && probability <= 1)
    )
      return undefined;
    return { label: word, probability, timestamp, strokes: strokesOf(drawing) };
  }
  return undefined;
}
