/** Everything that was taught, on slips beside the card, and what one may do with it. */
import type { Desk } from "../desk";
import { element, make } from "../element";
import { save } from "../keep/keeper";
import { sketch } from "../keep/picture";
import { strokesOf } from "../keep/ndjson";
import type { Language } from "../language/language";
import type { Category } from "../recognition";
import { readFile } from "./categories";

const FILE_NAME = "my-categories.json";
/** A row has room for so many slips. */
const MOST_SLIPS = 6;
/** No honest file is larger. */
const MOST_BYTES = 16 * 2 ** 20;

export class TaughtList {
  readonly #desk: Desk;
  readonly #onMore: (label: string) => void;
  readonly #section = element("taught");
  readonly #items = element("taught-items");
  readonly #note = element("taught-note");
  readonly #undo = element<HTMLButtonElement>("taught-undo");
  readonly #save = element<HTMLButtonElement>("taught-save");
  readonly #try = element("taught-try");
  readonly #file = element<HTMLInputElement>("taught-file");
  readonly #among = element("among");
  #noteIn: ((language: Language) => string) | undefined;
  #before: readonly Category[] | undefined;

  /** `onMore` is called when a category is to be shown more drawings. */
  constructor(desk: Desk, onMore: (label: string) => void) {
    this.#desk = desk;
    this.#onMore = onMore;
    this.#undo.addEventListener("click", () => {
      if (this.#before) desk.categories.set(this.#before);
      desk.learn();
      this.#say(undefined);
      this.#save.focus();
    });
    this.#save.addEventListener("click", () => {
      if (!desk.learnt) return;
      save(new Blob([desk.categories.toFile(desk.learnt)], { type: "application/json" }), FILE_NAME);
      this.#say((language) => language.saved(FILE_NAME));
    });
    element("taught-open").addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => {
      const file = this.#file.files?.[0];
      if (file) void this.#read(file);
      this.#file.value = "";
    });
    for (const button of this.#amongButtons) {
      button.addEventListener("click", () => {
        desk.categories.ownOnly = button.dataset["among"] === "own";
        this.write();
      });
    }
  }

  /** `taught` is the category that a lesson just ended with. */
  show(taught: string | undefined): void {
    this.#section.hidden = false;
    this.#before = undefined;
    this.#noteIn = undefined;
    if (taught !== undefined && !this.#desk.categories.isKept) this.#noteIn = (language) => language.notKept;
  }

  hide(): void {
    this.#section.hidden = true;
  }

  write(): void {
    const { language, categories, learnt } = this.#desk;
    const number = new Intl.NumberFormat(language.tag);
    this.#items.replaceChildren(...categories.all.map((category) => this.#item(category, number)));
    this.#items.hidden = categories.all.length === 0;
    this.#try.hidden = categories.all.length === 0;
    this.#note.textContent = this.#noteIn?.(language) ?? (categories.hasMoreThanIsLearnt ? language.newestLearnt : "");
    this.#undo.hidden = this.#before === undefined;
    this.#save.disabled = categories.all.length === 0 || learnt === undefined;
    this.#among.hidden = categories.all.length < 2;
    for (const button of this.#amongButtons)
      button.setAttribute("aria-pressed", String((button.dataset["among"] === "own") === categories.ownOnly));
  }

  get #amongButtons(): readonly HTMLButtonElement[] {
    return [...this.#among.querySelectorAll<HTMLButtonElement>("button")];
  }

  #item({ label, drawings }: Category, number: Intl.NumberFormat): HTMLElement {
    const { language } = this.#desk;
    const name = language.name(label);
    const more = make("button", "", language.more);
    more.type = "button";
    more.dataset["testid"] = "more";
    more.setAttribute("aria-label", `${language.more}: ${name}`);
    more.addEventListener("click", () => this.#onMore(label));
    const forget = make("button", "", language.forget);
    forget.type = "button";
    forget.dataset["testid"] = "forget";
    forget.setAttribute("aria-label", `${language.forget}: ${name}`);
    forget.addEventListener("click", () => this.#forget(label));
    const slips = make(
      "span",
      "taught-slips",
      ...drawings.slice(-MOST_SLIPS).map((drawing) => sketch(strokesOf(drawing))),
    );
    const item = make(
      "li",
      "",
      make("span", "taught-name", name),
      make("span", "taught-count", language.drawings(drawings.length, number.format(drawings.length))),
      slips,
      make("span", "taught-actions", more, forget),
    );
    item.dataset["testid"] = "taught-item";
    item.dataset["label"] = label;
    return item;
  }

  #forget(label: string): void {
    const { categories } = this.#desk;
    this.#before = categories.all;
    categories.remove(label);
    this.#noteIn = (language) => language.forgot(label);
    this.#desk.learn();
    // The button that had the focus is gone.
    this.#undo.focus();
  }

  async #read(file: Blob): Promise<void> {
    const { categories: found, nUnread } = readFile(file.size > MOST_BYTES ? "" : await file.text().catch(() => ""));
    this.#before = undefined;
    if (found.length === 0) {
      this.#say((language) => language.categoriesBroken);
      return;
    }
    this.#desk.categories.add(...found);
    const { isKept } = this.#desk.categories;
    this.#noteIn = (language) => (isKept ? language.categoriesOpened(found.length, nUnread) : language.notKept);
    this.#desk.learn();
  }

  #say(note: ((language: Language) => string) | undefined): void {
    this.#noteIn = note;
    this.#before = undefined;
    this.write();
  }
}
