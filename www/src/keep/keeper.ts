/** Keeps drawings and brings them back: files in and out, and links that hold the drawing themselves. */
import type { Desk } from "../desk";
import { element } from "../element";
import type { Language } from "../language/language";
import type { Stroke } from "../recognition";
import { encodeDrawing } from "./link";
import { writeDrawing, type Record } from "./ndjson";
import { openFile } from "./open";
import { toPng, toSvg } from "./picture";

export class Keeper {
  readonly #desk: Desk;
  readonly #open: (strokes: readonly Stroke[]) => void;
  readonly #note = element("note");
  readonly #file = element<HTMLInputElement>("file");
  readonly #next = element<HTMLButtonElement>("next-drawing");
  readonly #drop = element("drop");
  readonly #copy = element<HTMLButtonElement>("copy-link");
  readonly #savers = [...document.querySelectorAll<HTMLButtonElement>("[data-save]")];
  #records: readonly Record[] = [];
  #isTraced = false;
  #nReads = 0;
  #shown = 0;
  #noteIn: (language: Language) => string = () => "";

  constructor(desk: Desk, open: (strokes: readonly Stroke[]) => void) {
    this.#desk = desk;
    this.#open = open;
    for (const button of this.#savers)
      button.addEventListener("click", () => void this.#save(button.dataset["save"] ?? ""));
    this.#copy.addEventListener("click", () => void this.#copyLink());
    element("open").addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => {
      const file = this.#file.files?.[0];
      if (file) void this.#read(file);
      // The same file may be opened once more.
      this.#file.value = "";
    });
    this.#next.addEventListener("click", () => this.#show((this.#shown + 1) % this.#records.length));
    this.#takeDrops();
    window.addEventListener("paste", (event) => this.#paste(event));
  }

  /** What was last said about keeping is no longer of interest. */
  forgetNote(): void {
    if (this.#note.textContent !== "" && this.#records.length === 0) this.say(() => "");
  }

  say(note: (language: Language) => string): void {
    this.#noteIn = note;
    this.write();
  }

  write(): void {
    this.#note.textContent = this.#noteIn(this.#desk.language);
    this.#next.hidden = this.#records.length < 2;
  }

  writeButtons(): void {
    for (const button of [...this.#savers, this.#copy]) button.disabled = this.#desk.pad.isEmpty;
  }

  async #save(format: string): Promise<void> {
    const {
      pad,
      predictions: [best],
    } = this.#desk;
    const { strokes } = pad;
    const style = getComputedStyle(element("sheet"));
    let blob: Blob;
    if (format === "svg")
      blob = new Blob([toSvg(strokes, style.color, style.backgroundColor)], { type: "image/svg+xml" });
    else if (format === "png") blob = await toPng(strokes, style.color, style.backgroundColor);
    else blob = new Blob([writeDrawing(strokes)], { type: "application/x-ndjson" });
    const name = `${(best?.label ?? "drawing").replace(/[^\p{L}\p{N}]+/gu, "-").toLowerCase()}.${format}`;
    save(blob, name);
    this.say((language) => language.saved(name));
  }

  async #copyLink(): Promise<void> {
    history.replaceState(null, "", `#drawing=${encodeDrawing(this.#desk.pad.strokes)}`);
    const copied = await copy(location.href);
    this.say((language) => (copied ? language.linkCopied : language.linkInAddressBar));
  }

  async #read(file: Blob): Promise<void> {
    const n = ++this.#nReads;
    // A file that cannot be read holds no drawing either.
    const opened = await openFile(file).catch((error: unknown) => {
      console.warn(`file not opened: ${String(error)}`);
      return { records: [], isTraced: false };
    });
    if (!opened || n !== this.#nReads) return;
    ({ records: this.#records, isTraced: this.#isTraced } = opened);
    if (this.#records.length > 0) this.#show(0);
    else this.say((language) => language.fileBroken);
  }

  #show(i: number): void {
    const record = this.#records[i];
    if (!record) return;
    this.#shown = i;
    const n = this.#records.length;
    this.#open(record.strokes);
    const isTraced = this.#isTraced;
    this.say((language) => (isTraced ? language.traced : language.opened(i + 1, n, record.word)));
  }

  /** A picture from the clipboard, or the text of a file. */
  #paste(event: ClipboardEvent): void {
    if (document.body.dataset["view"] !== "draw" || event.target instanceof HTMLInputElement) return;
    const data = event.clipboardData;
    const text = data?.getData("text/plain") ?? "";
    // What somebody copied elsewhere is mostly no drawing, and nothing that the page should speak of.
    const file = data?.files[0] ?? (/^\s*[<{]/.test(text) ? new Blob([text]) : undefined);
    if (!file) return;
    event.preventDefault();
    void this.#read(file);
  }

  #takeDrops(): void {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;
    window.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.#drop.hidden = document.body.dataset["view"] !== "draw";
    });
    window.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) this.#drop.hidden = true;
    });
    window.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      // Whatever it is, the browser must not leave the page to show it.
      event.preventDefault();
      this.#drop.hidden = true;
      const file = event.dataTransfer?.files[0];
      if (file && document.body.dataset["view"] === "draw") void this.#read(file);
    });
  }
}

/** Hands the visitor a file. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Whether the clipboard took the text. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
