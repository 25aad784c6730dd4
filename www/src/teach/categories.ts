/**
 * What the visitor taught: categories with the drawings that they were taught with, kept in this browser. The drawings are the truth; what
 * the classifier makes of them is made anew on every visit, so that another model learns from them too.
 */
import { parseNdjson, toNdjson } from "quickdraw-rnn/formats";
import type { CustomClassesJson } from "quickdraw-rnn/custom-classes";
import { readLines } from "../keep/ndjson";
import type { Among, Category, Simplified } from "../recognition";
import { onRememberedElsewhere, recall, remember } from "../storage";

/** Names longer than this fit nowhere on the page. */
export const LONGEST_NAME = 40;
/** So many drawings are learnt in a moment on every visit. All are kept; of more, each category's newest are learnt. */
const MOST_LEARNT = 1000;

/** What text holds: categories, and the lines that are none. */
interface Found {
  readonly categories: Category[];
  /** Lines that this page cannot read: another version of it may. */
  readonly unread: readonly string[];
}

export class Categories {
  #all: readonly Category[] = [];
  #unread: readonly string[] = [];
  /** Whether guesses are to be among the visitor's categories alone; not for longer than the page is open. */
  ownOnly = false;
  /** Whether the last change will be there on the next visit. */
  isKept = true;

  /** `onElsewhere` is called when another window has changed the categories. */
  constructor(onElsewhere: () => void) {
    this.#recall();
    onRememberedElsewhere("categories", () => {
      this.#recall();
      onElsewhere();
    });
  }

  #recall(): void {
    const { categories, unread } = read(recall("categories") ?? "");
    this.#all = categories;
    this.#unread = unread;
  }

  get all(): readonly Category[] {
    return this.#all;
  }

  /** What the classifier is taught on every visit. */
  get toLearn(): readonly Category[] {
    if (!this.hasMoreThanIsLearnt) return this.#all;
    const most = Math.max(1, Math.floor(MOST_LEARNT / this.#all.length));
    return this.#all.map(({ label, drawings }) => ({ label, drawings: drawings.slice(-most) }));
  }

  get hasMoreThanIsLearnt(): boolean {
    return this.#all.reduce((n, { drawings }) => n + drawings.length, 0) > MOST_LEARNT;
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
    const lines = [write(all).trimEnd(), ...this.#unread].filter((line) => line !== "");
    this.isKept = remember("categories", lines.join("\n"));
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

/** The categories of a file that `toFile` made, and how many of its drawings cannot be read; none of any other text. */
export function readFile(text: string): { readonly categories: Category[]; readonly nUnread: number } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { categories: [], nUnread: 0 };
  }
  const { classes } = (value ?? {}) as { classes?: unknown };
  if (!Array.isArray(classes)) return { categories: [], nUnread: 0 };
  // Each drawing is read as a line of the data set would be.
  const lines = (classes as unknown[]).flatMap((each) => {
    const { label, drawings } = (each ?? {}) as { label?: unknown; drawings?: unknown };
    return Array.isArray(drawings)
      ? (drawings as unknown[]).map((drawing) => JSON.stringify({ word: label, drawing }))
      : [];
  });
  const { categories, unread } = read(lines.join("\n"));
  return { categories, nUnread: unread.length };
}

/** Lines of the data set's form, one for each drawing. */
function write(all: readonly Category[]): string {
  return toNdjson(all.flatMap(({ label, drawings }) => drawings.map((drawing) => ({ word: label, drawing }))));
}

/** What `write` wrote, and the lines that hold no drawing with a name. */
function read(text: string): Found {
  const { found, unread } = readLines(text, readLine);
  return { categories: merged(found), unread };
}

function readLine(line: string): Category | undefined {
  for (const { word = "", drawing } of parseNdjson(line, { onBadLine: () => undefined })) {
    const label = word.trim();
    if (label === "" || label.length > LONGEST_NAME || !drawing.flat(2).every((value) => value >= 0 && value <= 255))
      return undefined;
    return { label, drawings: [drawing.map(([xs = [], ys = []]) => [xs, ys])] };
  }
  return undefined;
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
