/** The end of a game: all drawings on the desk, and of each what the model made of it. */
import "./summary.css";
import type { Desk } from "../desk";
import { element, make } from "../element";
import { GuessList } from "../guess-list";
import { confusionsOf } from "../inside/confusions";
import { copy } from "../keep/keeper";
import { sketch } from "../keep/picture";
import { loaded } from "../later";
import { recordUntil, scoreOf, secondsOf } from "./day";
import type { Outcome, Plan } from "./game";
import { ROUNDS, writePrompts } from "./prompts";
import { encodeRace, isQuicker, type RivalDrawing } from "./race";
import { marksOf, pictureOf, share } from "./share";

const NAME = "Inkling";
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
  #plan: Plan = { prompts: [] };
  #bestScore = 0;
  #note = "";
  #dialog: HTMLDialogElement | undefined;

  constructor(desk: Desk, events: SummaryEvents) {
    this.#desk = desk;
    this.#events = events;
  }

  show(outcomes: readonly Outcome[], plan: Plan, bestScore: number): void {
    this.#outcomes = outcomes;
    this.#plan = plan;
    this.#bestScore = bestScore;
    this.#note = "";
    this.#section.hidden = false;
    this.write();
    this.#section.querySelector<HTMLElement>("h2")?.focus();
    window.scrollTo(0, 0);
  }

  hide(): void {
    this.#section.hidden = true;
    this.#section.replaceChildren();
    // The address may change while a slip is open.
    this.#dialog?.close();
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
    const best = of === ROUNDS && this.#bestScore > n ? language.bestScore(this.#bestScore, of) : "";
    const slips = make(
      "ol",
      "slips",
      ...this.#outcomes.map((outcome, i) => this.#slip(outcome, this.#plan.rival?.[i])),
    );
    const button = (text: string, testId: string, onClick: () => void, className = "") => {
      const made = make("button", className, text);
      made.type = "button";
      made.dataset["testid"] = testId;
      made.addEventListener("click", onClick);
      return made;
    };
    const link = (text: string, href: string) => {
      const made = make("a", "", text);
      made.href = href;
      return made;
    };
    const note = make("p", "note", this.#note);
    note.setAttribute("role", "status");
    note.dataset["testid"] = "summary-note";
    const hints = [this.#kindOfRound(), best, language.summaryHint].filter((hint) => hint !== "");
    this.#section.replaceChildren(
      title,
      make("p", "hint", hints.join(" ")),
      slips,
      make(
        "div",
        "summary-actions",
        button(language.share, "share", () => void this.#share(), "seal-button"),
        button(this.#plan.day ? language.playOffer : language.again, "again", () => this.#events.onAgain()),
        button(language.challenge, "challenge", () => void this.#challenge()),
        link(language.yourBook, "#book"),
        link(language.drawFreely, "#draw"),
      ),
      note,
    );
  }

  /** What is to be said of a round of the day, or of a race. */
  #kindOfRound(): string {
    const { language } = this.#desk;
    const { day, rival } = this.#plan;
    if (rival) {
      const mine = this.#outcomes.filter((outcome, i) => rival[i] && isQuicker(outcome, rival[i])).length;
      const theirs = this.#outcomes.filter((outcome, i) => rival[i] && isQuicker(rival[i], outcome)).length;
      return language.raceResult(mine, theirs);
    }
    if (!day) return "";
    const { nDays, streak, longestStreak, best } = recordUntil(day);
    // The first day has nothing to be compared with.
    if (nDays < 2 || !best) return language.dayTitle(day);
    return [
      language.dayTitle(day),
      language.streak(streak, longestStreak),
      language.bestDay(scoreOf(best), best.recognised.length, this.#seconds(secondsOf(best))),
    ].join(" ");
  }

  #seconds(seconds: number): string {
    return new Intl.NumberFormat(this.#desk.language.tag, { maximumFractionDigits: 0 }).format(Math.max(1, seconds));
  }

  async #share(): Promise<void> {
    const { language } = this.#desk;
    const { day } = this.#plan;
    const n = this.#outcomes.filter(({ recognised }) => recognised).length;
    const seconds = this.#seconds(this.#outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0));
    const streak = day ? recordUntil(day).streak : 0;
    const heading = day ? `${NAME}, ${language.date(day)}` : NAME;
    const line = language.sharedLine(n, this.#outcomes.length, seconds, streak);
    const url = new URL(location.href);
    // The prompts are not told: whoever follows the link has them before them.
    url.hash = day ? "day" : "play";
    const picture = await pictureOf(this.#outcomes, heading, line);
    const name = `${NAME}-${day ?? "round"}.png`.toLowerCase();
    const how = await share(picture, name, `${heading}: ${marksOf(this.#outcomes)} ${line}\n${url.href}`);
    this.#say(how === "saved" ? language.sharedByHand(name) : "");
  }

  #say(note: string): void {
    this.#note = note;
    const place = this.#section.querySelector(".note");
    if (place) place.textContent = note;
  }

  #slip(outcome: Outcome, rival: RivalDrawing | undefined): HTMLElement {
    const { language } = this.#desk;
    const [best] = outcome.predictions;
    const result = outcome.recognised
      ? language.recognisedAfter(this.#seconds(outcome.seconds))
      : !best
        ? language.nothingDrawn
        : best.label === outcome.label
          ? language.almost(
              new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 }).format(
                best.probability,
              ),
            )
          : language.thought(best.label);
    const button = make(
      "button",
      `slip ${outcome.recognised ? "recognised" : "missed"}`,
      sketch(outcome.strokes),
      make("span", "slip-name", language.name(outcome.label)),
      make("span", "slip-result", result),
      ...(rival ? [this.#rival(rival, isQuicker(rival, outcome))] : []),
    );
    button.type = "button";
    button.dataset["testid"] = "slip";
    button.dataset["label"] = outcome.label;
    button.addEventListener("click", () => void this.#open(outcome));
    return make("li", "", button);
  }

  /** The friend's drawing on the visitor's slip. */
  #rival(rival: RivalDrawing, won: boolean): HTMLElement {
    const { language } = this.#desk;
    const result = rival.recognised
      ? language.recognisedAfter(this.#seconds(rival.seconds))
      : rival.strokes.length === 0
        ? language.nothingDrawn
        : rival.guess === undefined || rival.guess === rival.label
          ? language.notSure
          : language.thought(rival.guess);
    const made = make(
      "span",
      `slip-rival${won ? " won" : ""}`,
      sketch(rival.strokes),
      make("span", "", `${language.friend}: `, make("span", "slip-result", result)),
    );
    made.dataset["testid"] = "rival";
    return made;
  }

  async #challenge(): Promise<void> {
    const url = new URL(location.href);
    const race = await encodeRace(this.#outcomes);
    url.hash =
      race === undefined ? `play=${writePrompts(this.#outcomes.map((outcome) => outcome.label))}` : `race=${race}`;
    const copied = await copy(url.href);
    if (!copied) history.replaceState(null, "", url);
    const { language } = this.#desk;
    this.#say(copied ? language.challengeCopied : language.linkInAddressBar);
  }

  async #open(outcome: Outcome): Promise<void> {
    const { language } = this.#desk;
    const [best] = outcome.predictions;
    const similar = await loaded(() => this.#similar(outcome));
    if (!similar) return;
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
    const dialog = make(
      "dialog",
      "slip-dialog",
      ...(outcome.strokes.length > 0 ? [sketch(outcome.strokes)] : []),
      words,
    );
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
    this.#dialog = dialog;
    document.body.append(dialog);
    dialog.showModal();
    if (best && !outcome.recognised) await this.#explain(outcome, [...new Set([outcome.label, best.label])], dialog);
  }

  /** Shows beneath a slip what spoke for its prompt, and for what it was taken for. */
  async #explain({ strokes }: Outcome, labels: readonly string[], dialog: HTMLDialogElement): Promise<void> {
    const { guesser, language } = this.#desk;
    const [shown, parts] = await Promise.all([loaded(() => import("./reasons")), guesser.reasons(strokes, labels)]);
    // The notice is beneath.
    if (!shown) dialog.close();
    else if (parts.length > 0) dialog.append(shown.reasons(strokes, parts, labels, language));
  }

  /** What this drawing was almost taken for, then what the category is often taken for. */
  async #similar(outcome: Outcome): Promise<string[]> {
    const typical = (await confusionsOf(outcome.label)).of.map(({ label }) => label);
    const runnersUp = outcome.predictions
      .filter(({ probability }) => probability >= LEAST_RUNNER_UP)
      .map(({ label }) => label);
    return [...new Set([...typical, ...runnersUp])].filter((label) => label !== outcome.label).slice(0, MOST_SIMILAR);
  }
}
