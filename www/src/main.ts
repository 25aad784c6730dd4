/** The page: one desk, its views, and the address that says which. */
import "./style/base.css";
import "./style/desk.css";
import { aboutEmbedding, aboutModel } from "./about";
import type { BookView } from "./book/book-view";
import { Desk } from "./desk";
import { element } from "./element";
import { FreeDrawing } from "./free";
import { promptsOf, today } from "./game/day";
import type { Game, Outcome, Plan } from "./game/game";
import { readPrompts } from "./game/prompts";
import { decodeRace } from "./game/race";
import type { Summary } from "./game/summary";
import { decodeDrawing } from "./keep/link";
import { isKnown, KOREAN_NAMES } from "./language/korean-names";
import { chooseLanguage, preferredLanguage, type Language } from "./language/language";
import { loaded } from "./later";
import { TEST_ACCURACY } from "./model-figures";
import type { InkStroke } from "./pad";
import type { Lesson } from "./teach/lesson";
import { applyTheme, chosenTheme, chooseTheme, followSystem, type Theme } from "./theme";

type View = "draw" | "play" | "summary" | "teach" | "book";

const deskPlace = element("desk");
const problem = element("problem");
const problemText = element("problem-text");
const modelText = element("model");
const aboutText = element("about-text");
const embedText = element("embed-text");
const languageButtons = [...document.querySelectorAll<HTMLButtonElement>("[data-language]")];
const themeButtons = [...document.querySelectorAll<HTMLButtonElement>("button[data-theme]")];
const modeLinks = [...document.querySelectorAll<HTMLAnchorElement>("[data-mode]")];

const voiceButton = element<HTMLButtonElement>("voice");

let lettersOf: Language | undefined;
/** All views but free drawing are loaded when they are first wanted, with their style. */
let bookView: BookView | undefined;
let lesson: Lesson | undefined;
let games: { readonly game: Game; readonly summary: Summary } | undefined;
/** How often the visitor has gone somewhere: a view that comes when they are elsewhere is not shown. */
let nVisits = 0;

const desk = new Desk(preferredLanguage(), () => write());
const free = new FreeDrawing(desk, (strokes) => {
  history.pushState(null, "", "#teach");
  teach(strokes);
});

function view(name: View): void {
  document.body.dataset["view"] = name;
  deskPlace.hidden = name === "summary" || name === "book";
  if (name !== "summary") games?.summary.hide();
  if (name !== "book") bookView?.hide();
  for (const link of modeLinks) {
    if (link.dataset["mode"] === (name === "summary" ? "play" : name)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Loads a view and shows it; where it cannot be had, there is free drawing. */
async function visit<T>(load: () => Promise<T>, show: (loaded: T) => void): Promise<void> {
  const n = ++nVisits;
  const view = await loaded(load);
  if (n !== nVisits) return;
  if (view) show(view);
  else draw();
}

function draw(): void {
  nVisits += 1;
  if (document.body.dataset["view"] === "draw") return;
  view("draw");
  desk.mode = free;
}

async function loadGames(): Promise<NonNullable<typeof games>> {
  const [{ Game }, { Summary }] = await Promise.all([import("./game/game"), import("./game/summary")]);
  // Whoever asked meanwhile has the same: a second game would listen to the same buttons.
  if (games) return games;
  const game = new Game(desk, {
    onEnd(outcomes, plan, bestScore) {
      view("summary");
      summary.show(outcomes, plan, bestScore);
    },
    onOthers() {
      history.replaceState(null, "", "#play");
      play(undefined);
    },
  });
  const summary = new Summary(desk, {
    onAgain() {
      history.pushState(null, "", "#play");
      play(undefined);
    },
    onLookInside(outcome: Outcome) {
      draw();
      free.open(outcome.strokes);
      void free.lookInside();
      history.pushState(null, "", "#draw");
    },
  });
  return (games = { game, summary });
}

function play(plan: Plan | undefined): void {
  void visit(loadGames, ({ game }) => {
    view("play");
    game.prepare(plan);
    desk.mode = game;
    window.scrollTo(0, 0);
  });
}

/** Goes to the lessons; a drawing that comes along is the first of the next one. */
function teach(brought: readonly InkStroke[] = []): void {
  if (document.body.dataset["view"] === "teach") return;
  const load = async () => {
    const { Lesson } = await import("./teach/lesson");
    return (lesson ??= new Lesson(desk));
  };
  void visit(load, (lesson) => {
    view("teach");
    desk.mode = lesson;
    lesson.bring(brought);
    window.scrollTo(0, 0);
  });
}

function openBook(): void {
  const load = async () => {
    const { BookView } = await import("./book/book-view");
    return (bookView ??= new BookView(desk.book, desk.language, (strokes) => {
      history.pushState(null, "", "#draw");
      draw();
      free.open(strokes);
    }));
  };
  void visit(load, (book) => {
    // Free drawing rests beneath the book.
    desk.mode = free;
    view("book");
    book.show();
    write();
  });
}

/** A race against what a link holds. */
async function race(text: string): Promise<void> {
  const n = ++nVisits;
  const rival = await decodeRace(text);
  if (n !== nVisits) return;
  if (rival) {
    play({ prompts: rival.map(({ label }) => label), rival });
    return;
  }
  draw();
  free.say((language) => language.raceBroken);
}

/** Goes where the address points. */
function follow(): void {
  const [name, value] = location.hash.slice(1).split("=", 2);
  if (name === "play") {
    const prompts = value === undefined ? undefined : readPrompts(value, isKnown);
    play(prompts && { prompts });
    return;
  }
  if (name === "day") {
    const day = today();
    play({ prompts: promptsOf(day), day });
    return;
  }
  if (name === "race") {
    void race(value ?? "");
    return;
  }
  if (name === "book") {
    openBook();
    return;
  }
  if (name === "teach") {
    teach();
    return;
  }
  draw();
  if (name !== "drawing") return;
  const strokes = decodeDrawing(value ?? "");
  if (strokes) free.open(strokes);
  else free.say((language) => language.linkBroken);
}

/** Writes everything that depends on the language or on the model's state. */
function write(): void {
  const { language, nCategories, obstacle } = desk;
  document.documentElement.lang = language.tag;
  document.title = language.title;
  void loadLetters(language);
  for (const each of document.querySelectorAll<HTMLElement>("[data-text]"))
    each.textContent = text(language, each.dataset["text"]);
  for (const each of document.querySelectorAll<HTMLElement>("[data-name]"))
    each.setAttribute("aria-label", text(language, each.dataset["name"]));
  for (const button of languageButtons)
    button.setAttribute("aria-pressed", String(button.dataset["language"] === language.tag));
  for (const button of themeButtons)
    button.setAttribute("aria-pressed", String(button.dataset["theme"] === chosenTheme()));
  document.querySelector('meta[name="description"]')?.setAttribute("content", language.description);
  element("attribution-before").textContent = language.attribution.before;
  element("attribution-link").textContent = language.attribution.link;
  element("attribution-after").textContent = language.attribution.after;
  const number = new Intl.NumberFormat(language.tag);
  const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
  modelText.textContent =
    nCategories === undefined
      ? ""
      : language.model(
          number.format(nCategories),
          TEST_ACCURACY === undefined ? undefined : percent.format(TEST_ACCURACY),
        );
  aboutText.replaceChildren(...aboutModel(language));
  embedText.replaceChildren(...aboutEmbedding(language));
  problem.hidden = obstacle === undefined;
  problemText.textContent = obstacle === undefined ? "" : language.obstacles[obstacle];
  games?.summary.write();
  bookView?.write(language);
  voiceButton.setAttribute("aria-pressed", String(desk.voice.isOn));
  desk.voice.tag = language.tag;
  desk.write();
}

/** Loads the style sheet of the Korean letters; nothing waits for it. */
async function loadLetters(language: Language): Promise<void> {
  if (lettersOf === language) return;
  lettersOf = language;
  // Without them the page is written in the system's letters.
  const letters = await import("./letters").catch(() => undefined);
  if (language.tag !== "ko") return;
  // Sentences that are made of parts have their letters in the source of the function that makes them.
  const texts = [
    ...Object.values(language),
    ...Object.values(language.obstacles),
    ...Object.values(language.attribution),
  ].map(String);
  await letters?.keepLetters([...texts, ...Object.values(KOREAN_NAMES)].join("")).catch(() => undefined);
}

/** The text that index.html asks for by name. */
function text(language: Language, name = ""): string {
  const found: unknown = language[name as keyof Language];
  if (typeof found !== "string") throw new Error(`no text "${name}" in ${language.tag}`);
  return found;
}

for (const button of languageButtons) {
  button.addEventListener("click", () => {
    desk.language = chooseLanguage(button.dataset["language"] ?? "");
    desk.announcer.hush();
    write();
    // A narrow page shows only the other language's button.
    if (button.offsetParent === null) languageButtons.find((other) => other.offsetParent !== null)?.focus();
  });
}
for (const button of themeButtons) {
  button.addEventListener("click", () => {
    chooseTheme(button.dataset["theme"] as Theme);
    desk.pad.repaint();
    write();
  });
}
voiceButton.addEventListener("click", () => {
  desk.voice.isOn = !desk.voice.isOn;
  write();
});
for (const link of modeLinks) {
  link.addEventListener("click", (event) => {
    // The address says so already, but the visitor wants another game.
    if (link.hash === location.hash && document.body.dataset["view"] === "summary") {
      event.preventDefault();
      play(undefined);
    }
  });
}
element("try-again").addEventListener("click", () => {
  desk.start();
  write();
});
window.addEventListener("keydown", (event) => {
  if (
    event.defaultPrevented ||
    event.altKey ||
    document.querySelector("dialog[open]") ||
    ["summary", "book"].includes(document.body.dataset["view"] ?? "")
  )
    return;
  // Where one writes a name, these keys are the text's.
  if (event.target instanceof HTMLInputElement) return;
  const withControl = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (withControl && key === "z") event.shiftKey ? desk.pad.redo() : desk.pad.undo();
  else if (withControl && key === "y") desk.pad.redo();
  else if (!withControl && key === "delete") desk.pad.clear();
  else if (key === "enter" && event.target === document.body && lesson?.onEnter()) {
    // Kept.
  } else return;
  event.preventDefault();
});
window.addEventListener("hashchange", follow);
followSystem(() => desk.pad.repaint());

applyTheme();
follow();
write();
desk.start();
