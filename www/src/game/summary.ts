/** The end of a game: all drawings on the desk, and of each what the model made of it. */
import type { Desk } from "../desk";
import { element, make } from "../element";
import { GuessList } from "../guess-list";
import { confusionsOf } from "../inside/confusions";
import { copy } from "../keep/keeper";
import { sketch } from "../keep/picture";
import type { Outcome } from "./game";
import { writePrompts } from "./prompts";

/** Categories named as similar. */
const MOST_SIMILAR = 5;
/** A runner-up below this probability is chance. */
const LEAST_RUNNER_UP = 0.02;

export interface SummaryEvents {
  onAgain(): void;
  /** The visitor wants to see how the guess for this drawing came about. */
  onLookInside(outcome: Outcome): void;
}

export class Summary {
  readonly #desk: Desk;
  readonly #events: SummaryEvents;
  readonly #section = element("summary");
  #outcomes: readonly Outcome[] = [];
  #bestScore = 0;
  #copied = "";

  constructor(desk: Desk, events: SummaryEvents) {
    this.#desk = desk;
    this.#events = events;
  }

  show(outcomes: readonly Outcome[], bestScore: number): void {
    this.#outcomes = outcomes;
    this.#bestScore = bestScore;
    this.#copied = "";
    this.#section.hidden = false;
    this.write();
    this.#section.querySelector<HTMLElement>("h2")?.focus();
    window.scrollTo(0, 0);
  }

  hide(): void {
    this.#section.hidden = true;
    this.#section.replaceChildren();
  }

  write(): void {
    if (this.#section.hidden) return;
    const { language } = this.#desk;
    const n = this.#outcomes.filter((outcome) => outcome.recognised).length;
    const of = this.#outcomes.length;
    const title = make("h2", "", language.score(n, of));
    title.id = "summary-title";
    title.tabIndex = -1;
    title.dataset["testid"] = "score";
    const best = this.#bestScore > n ? ` ${language.bestScore(this.#bestScore, of)}` : "";
    const slips = make("ol", "slips", ...this.#outcomes.map((outcome) => this.#slip(outcome)));
    const again = make("button", "seal-button", language.again);
    again.type = "button";
    again.dataset["testid"] = "again";
    again.addEventListener("click", () => this.#events.onAgain());
    const challenge = make("button", "", language.challenge);
    challenge.type = "button";
    challenge.dataset["testid"] = "challenge";
    challenge.addEventListener("click", () => void this.#challenge());
    const free = make("a", "", language.drawFreely);
    free.href = "#draw";
    const note = make("p", "note", this.#copied);
    note.setAttribute("role", "status");
    note.dataset["testid"] = "summary-note";
    this.#section.replaceChildren(title, make("p", "hint", language.summaryHint + best), slips, make("div", "summary-actions", again, challenge, free), note);
  }

  #slip(outcome: Outcome): HTMLElement {
    const { language } = this.#desk;
    const [best] = outcome.predictions;
    const result = outcome.recognised
      ? language.recognisedAfter(new Intl.NumberFormat(language.tag, { maximumFractionDigits: 0 }).format(Math.max(1, outcome.seconds)))
      : !best
        ? language.nothingDrawn
        : best.label === outcome.label
          ? language.almost(new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 }).format(best.probability))
          : language.thought(best.label);
    const button = make(
      "button",
      `slip ${outcome.recognised ? "recognised" : "missed"}`,
      sketch(outcome.strokes),
      make("span", "slip-name", language.name(outcome.label)),
      make("span", "slip-result", result),
    );
    button.type = "button";
    button.dataset["testid"] = "slip";
    button.dataset["label"] = outcome.label;
    button.addEventListener("click", () => void this.#open(outcome));
    return make("li", "", button);
  }

  async #challenge(): Promise<void> {
    const url = new URL(location.href);
    url.hash = `play=${writePrompts(this.#outcomes.map((outcome) => outcome.label))}`;
    const copied = await copy(url.href);
    if (!copied) history.replaceState(null, "", url);
    this.#copied = copied ? this.#desk.language.challengeCopied : this.#desk.language.linkInAddressBar;
    const note = this.#section.querySelector(".note");
    if (note) note.textContent = this.#copied;
  }

  async #open(outcome: Outcome): Promise<void> {
    const { language } = this.#desk;
    const similar = await this.#similar(outcome);
    const title = make("h2", "", language.name(outcome.label));
    title.id = "slip-title";
    const guesses = make("ol", "guesses");
    new GuessList(guesses).show(outcome.predictions, language);
    const look = make("button", "", language.lookInside);
    look.type = "button";
    look.dataset["testid"] = "slip-look";
    const close = make("button", "seal-button", language.close);
    close.type = "button";
    close.dataset["testid"] = "slip-close";
    const words = make("div", "slip-words", title);
    if (outcome.predictions.length > 0) words.append(make("h3", "", language.whatIThought), guesses);
    else words.append(make("p", "", language.nothingDrawn));
    if (similar.length > 0) {
      const list = make("p", "similar", similar.map((label) => language.name(label)).join(", "));
      list.dataset["testid"] = "similar";
      words.append(make("h3", "", language.similar), list);
    }
    const actions = make("div", "slip-actions", close);
    if (outcome.strokes.length > 0) actions.append(look);
    words.append(actions);
    const dialog = make("dialog", "slip-dialog", ...(outcome.strokes.length > 0 ? [sketch(outcome.strokes)] : []), words);
    dialog.dataset["testid"] = "slip-dialog";
    dialog.setAttribute("aria-labelledby", "slip-title");
    dialog.lang = language.tag;
    close.addEventListener("click", () => dialog.close());
    look.addEventListener("click", () => {
      dialog.close();
      this.#events.onLookInside(outcome);
    });
    // A click beside the slip puts it back, too.
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  /** What this drawing was almost taken for, then what the category is often taken for. */
  async #similar(outcome: Outcome): Promise<string[]> {
    const typical = (await confusionsOf(outcome.label)).of.map(({ label }) => label);
    const runnersUp = outcome.predictions.filter(({ probability }) => probability >= LEAST_RUNNER_UP).map(({ label }) => label);
    return [...new Set([...typical, ...runnersUp])].filter((label) => label !== outcome.label).slice(0, MOST_SIMILAR);
  }
}
