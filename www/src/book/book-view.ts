/** The book as a page of places, filled and empty: to look through, to search, to save, and to fill. */
import "./book.css";
import { element, make } from "../element";
import { save } from "../keep/keeper";
import { sketch } from "../keep/picture";
import { writePrompts, ROUNDS } from "../game/prompts";
import { KOREAN_NAMES } from "../language/korean-names";
import type { Language } from "../language/language";
import type { Stroke } from "../recognition";
import type { Book } from "./book";

const FILE_NAME = "my-book.ndjson";
/** No honest file is larger. */
const MOST_BYTES = 16 * 2 ** 20;

const LABELS = Object.keys(KOREAN_NAMES);

export class BookView {
  readonly #book: Book;
  readonly #onOpen: (strokes: readonly Stroke[]) => void;
  readonly #section = element("book");
  readonly #title = make("h2", "");
  readonly #hint = make("p", "hint");
  readonly #fill = make("a", "seal-button");
  readonly #search = make("input", "book-search");
  readonly #save = make("button", "");
  readonly #open = make("button", "");
  readonly #file = make("input", "");
  readonly #note = make("p", "note");
  readonly #places = make("ol", "places");
  #language: Language;
  #noteIn: (language: Language) => string = () => "";

  /** `onOpen` is called with a drawing that the visitor wants on the sheet. */
  constructor(book: Book, language: Language, onOpen: (strokes: readonly Stroke[]) => void) {
    this.#book = book;
    this.#language = language;
    this.#onOpen = onOpen;
    this.#title.id = "book-title";
    this.#title.tabIndex = -1;
    this.#title.dataset["testid"] = "book-title";
    this.#fill.dataset["testid"] = "book-fill";
    this.#search.type = "search";
    this.#search.dataset["testid"] = "book-search";
    this.#search.autocomplete = "off";
    this.#search.addEventListener("input", () => this.#filter());
    this.#save.type = this.#open.type = "button";
    this.#save.dataset["testid"] = "book-save";
    this.#save.addEventListener("click", () => {
      save(new Blob([book.toFile()], { type: "application/x-ndjson" }), FILE_NAME);
      this.#say((language) => language.saved(FILE_NAME));
    });
    this.#open.addEventListener("click", () => this.#file.click());
    this.#file.type = "file";
    this.#file.accept = ".ndjson,application/x-ndjson";
    this.#file.hidden = true;
    this.#file.dataset["testid"] = "book-file";
    this.#file.addEventListener("change", () => {
      const file = this.#file.files?.[0];
      if (file) void this.#read(file);
      this.#file.value = "";
    });
    this.#note.setAttribute("role", "status");
    this.#note.dataset["testid"] = "book-note";
    const tools = make("div", "book-tools", this.#fill, this.#search, this.#save, this.#open, this.#file);
    this.#section.replaceChildren(this.#title, this.#hint, tools, this.#note, this.#places);
  }

  show(): void {
    this.#section.hidden = false;
    this.#search.value = "";
    this.#noteIn = () => "";
    this.write(this.#language);
    this.#title.focus({ preventScroll: true });
    window.scrollTo(0, 0);
    void this.#keepSafe();
  }

  hide(): void {
    this.#section.hidden = true;
  }

  write(language: Language): void {
    this.#language = language;
    if (this.#section.hidden) return;
    const number = new Intl.NumberFormat(language.tag);
    this.#title.textContent = language.bookTitle(number.format(this.#book.size), number.format(LABELS.length));
    this.#hint.textContent = language.bookHint;
    this.#fill.textContent = language.fillBook;
    const missing = LABELS.filter((label) => !this.#book.of(label));
    this.#fill.hidden = missing.length === 0;
    this.#fill.href = `#play=${writePrompts(someOf(missing))}`;
    this.#search.placeholder = language.search;
    this.#search.setAttribute("aria-label", language.search);
    this.#save.textContent = language.saveCategories;
    this.#save.disabled = this.#book.size === 0;
    this.#open.textContent = language.openCategories;
    this.#note.textContent = this.#noteIn(language);
    const order = new Intl.Collator(language.tag).compare;
    // What is there comes before what is missing.
    const isEmpty = (label: string) => Number(!this.#book.of(label));
    const byName = LABELS.map((label) => ({ label, name: language.name(label) })).sort(
      (a, b) => isEmpty(a.label) - isEmpty(b.label) || order(a.name, b.name),
    );
    this.#places.replaceChildren(...byName.map(({ label, name }) => this.#place(label, name)));
    this.#filter();
  }

  #place(label: string, name: string): HTMLElement {
    const page = this.#book.of(label);
    let place: HTMLElement;
    if (page) {
      const button = make("button", "place", sketch(page.strokes), make("span", "place-name", name));
      button.type = "button";
      button.addEventListener("click", () => this.#onOpen(page.strokes));
      place = button;
    } else {
      const link = make(
        "a",
        "place",
        make("span", "place-name", name),
        make("span", "unseen", ` ${this.#language.emptyPlace}`),
      );
      link.href = `#play=${writePrompts([label])}`;
      place = link;
    }
    const item = make("li", page ? "filled" : "", place);
    item.dataset["testid"] = "place";
    item.dataset["label"] = label;
    return item;
  }

  /** Shows what is called so, in either language. */
  #filter(): void {
    const wanted = this.#search.value.trim().toLowerCase();
    let n = 0;
    for (const item of this.#places.children) {
      const label = (item as HTMLElement).dataset["label"] ?? "";
      const isFound = label.toLowerCase().includes(wanted) || (KOREAN_NAMES[label] ?? "").includes(wanted);
      (item as HTMLElement).hidden = !isFound;
      if (isFound) n += 1;
    }
    this.#say(wanted === "" ? this.#noteIn : (language) => language.found(n));
  }

  async #read(file: Blob): Promise<void> {
    const { nRead, nUnread } = this.#book.addFile(file.size > MOST_BYTES ? "" : await file.text().catch(() => ""));
    const { isKept } = this.#book;
    this.#noteIn = (language) =>
      nRead === 0 ? language.bookBroken : isKept ? language.bookOpened(nRead, nUnread) : language.notKept;
    this.#search.value = "";
    this.write(this.#language);
  }

  #say(note: (language: Language) => string): void {
    const text = note(this.#language);
    if (this.#note.textContent !== text) this.#note.textContent = text;
  }

  /** Browsers that run out of space clear what they were not asked to keep. */
  async #keepSafe(): Promise<void> {
    if (this.#book.size === 0 || !navigator.storage?.persist) return;
    const isSafe = (await navigator.storage.persisted()) || (await navigator.storage.persist());
    this.#noteIn = (language) => (!this.#book.isKept ? language.notKept : isSafe ? "" : language.bookUnsafe);
    if (this.#search.value === "") this.#say(this.#noteIn);
  }
}

/** Some of these by chance, as many as a round has. */
function someOf(labels: readonly string[]): string[] {
  const left = [...labels];
  return Array.from(
    { length: Math.min(ROUNDS, left.length) },
    () => left.splice(Math.floor(Math.random() * left.length), 1)[0] ?? "",
  );
}
