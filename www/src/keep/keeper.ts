/** Keeps drawings and brings them back: files in and out, and links that hold the drawing themselves. */
import type { Desk } from "../desk";
import { element } from "../element";
import type { Language } from "../language/language";
import type { Stroke } from "../messages";
import { encodeDrawing } from "./link";
import { readDrawings, writeDrawing, type Record } from "./ndjson";
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
  #shown = 0;
  #noteIn: (language: Language) => string = () => "";

  constructor(desk: Desk, open: (strokes: readonly Stroke[]) => void) {
    this.#desk = desk;
    this.#open = open;
    for (const button of this.#savers) button.addEventListener("click", () => void this.#save(button.dataset["save"] ?? ""));
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
    const { pad, predictions: [best] } = this.#desk;
    const { strokes } = pad;
    const style = getComputedStyle(element("sheet"));
    let blob: Blob;
    if (format === "svg") blob = new Blob([toSvg(strokes, style.color, style.backgroundColor)], { type: "image/svg+xml" });
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
    // A file that cannot be read holds no drawing either.
    this.#records = await readDrawings(file).catch(() => []);
    if (this.#records.length > 0) this.#show(0);
    else this.say((language) => language.fileBroken);
  }

  #show(i: number): void {
    const record = this.#records[i];
    if (!record) return;
    this.#shown = i;
    const n = this.#records.length;
    this.#open(record.strokes);
    this.say((language) => language.opened(i + 1, n, record.word));
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
