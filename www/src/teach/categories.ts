/**
 * What the visitor taught: categories with the drawings that they were taught with, kept in this browser. The drawings are the truth; what
 * the classifier makes of them is made anew on every visit, so that another model learns from them too.
 */
import { parseNdjson, toNdjson } from "quickdraw-rnn/formats";
import type { CustomClassesJson } from "quickdraw-rnn/custom-classes";
import type { Among, Category, Simplified } from "../messages";
import { onRememberedElsewhere, recall, remember } from "../storage";

/** Names longer than this fit nowhere on the page. */
export const LONGEST_NAME = 40;
/** So many drawings are learnt in a moment on every visit, and fit into a browser's storage. */
const MOST_DRAWINGS = 1000;

export class Categories {
  #all: readonly Category[] = read(recall("categories") ?? "");
  /** Whether guesses are to be among the visitor's categories alone; not for longer than the page is open. */
  ownOnly = false;
  /** Whether the last change will be there on the next visit. */
  isKept = true;

  /** `onElsewhere` is called when another window has changed the categories. */
  constructor(onElsewhere: () => void) {
    onRememberedElsewhere("categories", () => {
      this.#all = read(recall("categories") ?? "");
      onElsewhere();
    });
  }

  get all(): readonly Category[] {
    return this.#all;
  }

  get among(): Among {
    // Of a single category every drawing would be one.
    return this.ownOnly && this.#all.length > 1 ? "instead" : "beside";
  }

  of(label: string): Category | undefined {
    return this.#all.find((each) => each.label === label);
  }

  /** Replaces everything: what was taken away comes back so. */
  set(all: readonly Category[]): void {
    this.#all = all;
    this.isKept = remember("categories", write(all));
  }

  /** Adds a category, or drawings to one; drawings that are there already are not added again. */
  add(...categories: readonly Category[]): void {
    this.set(merged([...this.#all, ...categories]));
  }

  remove(label: string): void {
    this.set(this.#all.filter((each) => each.label !== label));
  }

  /**
   * The file to keep: what the package's `CustomClasses.fromJSON` reads, and with each category its drawings, which `readFile` reads.
   */
  toFile(classes: CustomClassesJson): string {
    const withDrawings = classes.classes.map((each) => ({ ...each, drawings: this.of(each.label)?.drawings ?? [] }));
    return `${JSON.stringify({ ...classes, classes: withDrawings })}\n`;
  }
}

/** The categories of a file that `toFile` made; none of any other text. */
export function readFile(text: string): Category[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const { classes } = (value ?? {}) as { classes?: unknown };
  if (!Array.isArray(classes)) return [];
  // Each drawing is read as a line of the data set would be.
  const lines = (classes as unknown[]).flatMap((each) => {
    const { label, drawings } = (each ?? {}) as { label?: unknown; drawings?: unknown };
    return Array.isArray(drawings) ? (drawings as unknown[]).map((drawing) => JSON.stringify({ word: label, drawing })) : [];
  });
  return read(lines.join("\n"));
}

/** Lines of the data set's form, one for each drawing. */
function write(all: readonly Category[]): string {
  return toNdjson(all.flatMap(({ label, drawings }) => drawings.map((drawing) => ({ word: label, drawing }))));
}

/** What `write` wrote; lines that hold no drawing with a name are passed over. */
function read(text: string): Category[] {
  const found: Category[] = [];
  for (const { word = "", drawing } of parseNdjson(text, { onBadLine: () => undefined })) {
    const label = word.trim();
    if (label === "" || label.length > LONGEST_NAME || !drawing.flat(2).every((value) => value >= 0 && value <= 255)) continue;
    found.push({ label, drawings: [drawing.map(([xs = [], ys = []]) => [xs, ys])] });
    if (found.length >= MOST_DRAWINGS) break;
  }
  return merged(found);
}

/** One category for each label, with every drawing once. */
function merged(categories: readonly Category[]): Category[] {
  const byLabel = new Map<string, Map<string, Simplified>>();
  for (const { label, drawings } of categories) {
    const known = byLabel.get(label) ?? new Map<string, Simplified>();
    for (const drawing of drawings) known.set(JSON.stringify(drawing), drawing);
    byLabel.set(label, known);
  }
  return Array.from(byLabel, ([label, drawings]) => ({ label, drawings: [...drawings.values()] }));
}
