/** The page: joins the pad, the guesser and what is written beside them. */
import "./style.css";
import { Announcer } from "./announcer";
import { GuessList } from "./guess-list";
import { Guesser } from "./guesser";
import { IDEAS } from "./ideas";
import { confidenceOf } from "./language/confidence";
import { chooseLanguage, preferredLanguage } from "./language/language";
import type { Obstacle, Prediction } from "./messages";
import { TEST_ACCURACY } from "./model-figures";
import { Pad } from "./pad";

/** Guesses while the pen moves come no faster than this: a list that changes with every frame cannot be read. */
const LIVE_GUESS_EVERY_MS = 120;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html lacks #${id}`);
  return found as T;
}

const sentence = element("sentence");
const idea = element("idea");
const anotherIdea = element("another-idea");
const stamp = element("stamp");
const problem = element("problem");
const problemText = element("problem-text");
const undo = element<HTMLButtonElement>("undo");
const clear = element<HTMLButtonElement>("clear");
const modelText = element("model");
const languageButtons = [...document.querySelectorAll<HTMLButtonElement>("[data-language]")];

const guessItems = element("guesses");
const guessList = new GuessList(guessItems);
const announcer = new Announcer(element("announcement"));

let language = preferredLanguage();
let predictions: readonly Prediction[] = [];
let nCategories: number | undefined;
let obstacle: Obstacle | undefined;
let currentIdea = ideaBesides(undefined);
let lastLiveGuessMs = 0;

const guesser = new Guesser({
  onReady(n) {
    nCategories = n;
    obstacle = undefined;
    write();
  },
  onPredictions(newest) {
    predictions = newest;
    writeGuess();
    if (!guesser.isIdle) return;
    guessItems.setAttribute("aria-busy", "false");
    if (!pad.isDrawing) announcer.say(language.sentence(predictions));
  },
  onUnavailable(reason) {
    obstacle = reason;
    guessItems.setAttribute("aria-busy", "false");
    predictions = [];
    write();
  },
});

const pad = new Pad(element<HTMLCanvasElement>("pad"), {
  onInk() {
    const nowMs = performance.now();
    if (nowMs - lastLiveGuessMs >= LIVE_GUESS_EVERY_MS) {
      lastLiveGuessMs = nowMs;
      guess();
    }
    writeTools();
  },
  onDrawing() {
    if (pad.isEmpty) {
      guesser.forget();
      announcer.hush();
      guessItems.setAttribute("aria-busy", "false");
      predictions = [];
      currentIdea = ideaBesides(currentIdea);
      writeGuess();
    } else {
      guess();
    }
    writeTools();
  },
});

/** Asks what the drawing is. The list is busy until it shows what was guessed of this drawing, or of a newer one. */
function guess(): void {
  guessItems.setAttribute("aria-busy", String(obstacle === undefined));
  guesser.guess(pad.strokes);
}

function ideaBesides(last: string | undefined): string {
  const others = IDEAS.filter((label) => label !== last);
  return others[Math.floor(Math.random() * others.length)] ?? "cat";
}

/** Writes everything that depends on the language. */
function write(): void {
  document.documentElement.lang = language.tag;
  for (const each of document.querySelectorAll<HTMLElement>("[data-text]")) {
    each.textContent = language[each.dataset["text"] as "undo" | "clear" | "privacy" | "anotherIdea" | "tryAgain"];
  }
  for (const each of document.querySelectorAll<HTMLElement>("[data-name]")) {
    each.setAttribute("aria-label", language[each.dataset["name"] as "pad" | "guesses" | "languages"]);
  }
  for (const button of languageButtons) button.setAttribute("aria-pressed", String(button.dataset["language"] === language.tag));
  document.querySelector('meta[name="description"]')?.setAttribute("content", language.description);
  element("attribution-before").textContent = language.attribution.before;
  element("attribution-link").textContent = language.attribution.link;
  element("attribution-after").textContent = language.attribution.after;
  const number = new Intl.NumberFormat(language.tag);
  const percent = new Intl.NumberFormat(language.tag, { style: "percent", maximumFractionDigits: 0 });
  modelText.textContent =
    nCategories === undefined
      ? ""
      : language.model(number.format(nCategories), TEST_ACCURACY === undefined ? undefined : percent.format(TEST_ACCURACY));
  problem.hidden = obstacle === undefined;
  problemText.textContent = obstacle === undefined ? "" : language.obstacles[obstacle];
  writeGuess();
  writeTools();
}

function writeGuess(): void {
  const loading = nCategories === undefined && obstacle === undefined;
  const invites = pad.isEmpty && nCategories !== undefined && obstacle === undefined;
  guessList.show(predictions, language);
  if (predictions.length > 0) sentence.textContent = language.sentence(predictions);
  else if (obstacle !== undefined) sentence.textContent = language.speechless;
  else if (loading) sentence.textContent = language.loading;
  else sentence.textContent = pad.isEmpty ? language.invitation : "…";
  const [best] = predictions;
  stamp.hidden = !best || confidenceOf(best) !== "certain";
  stamp.textContent = best ? language.name(best.label) : "";
  idea.hidden = !invites;
  anotherIdea.hidden = !invites;
  idea.textContent = language.idea(currentIdea);
}

function writeTools(): void {
  undo.disabled = !pad.canUndo;
  clear.disabled = pad.isEmpty;
  if (!pad.isEmpty && !idea.hidden) writeGuess();
}

for (const button of languageButtons) {
  button.addEventListener("click", () => {
    language = chooseLanguage(button.dataset["language"] ?? "");
    announcer.hush();
    write();
  });
}
anotherIdea.addEventListener("click", () => {
  currentIdea = ideaBesides(currentIdea);
  writeGuess();
});
element("try-again").addEventListener("click", () => {
  obstacle = undefined;
  nCategories = undefined;
  write();
  guesser.start();
  if (!pad.isEmpty) guess();
});
undo.addEventListener("click", () => pad.undo());
clear.addEventListener("click", () => pad.clear());
window.addEventListener("keydown", (event) => {
  const undoes = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
  const clears = (event.key === "Delete" || event.key === "Escape") && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (undoes) pad.undo();
  else if (clears) pad.clear();
  else return;
  event.preventDefault();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => pad.repaint());

write();
guesser.start();
