/** What the page says, in every language it speaks. English and Korean sentences live in their own files, one object each. */
import type { Obstacle, Prediction } from "../recognition";
import { recall, remember } from "../storage";
import { ENGLISH } from "./english";
import { KOREAN } from "./korean";

export interface Language {
  /** BCP 47 tag. */
  readonly tag: string;
  /** The page's name and what it is, as a window's title. */
  readonly title: string;
  readonly description: string;
  readonly pad: string;
  readonly guesses: string;
  readonly languages: string;
  readonly modes: string;
  readonly draw: string;
  readonly play: string;
  readonly teach: string;
  readonly undo: string;
  readonly redo: string;
  readonly clear: string;
  readonly anotherIdea: string;
  readonly tryAgain: string;
  /** A part of the page is no longer on the server. */
  readonly renewed: string;
  readonly reload: string;
  readonly loading: string;
  readonly invitation: string;
  /** Stands in for a guess where none can be made; an obstacle's text says why. */
  readonly speechless: string;
  readonly privacy: string;
  /** What one may do with a drawing. */
  readonly replay: string;
  readonly copyLink: string;
  readonly lookInside: string;
  readonly saveAs: string;
  readonly open: string;
  readonly nextDrawing: string;
  readonly dropHere: string;
  readonly linkCopied: string;
  /** Where the clipboard is closed to the page. */
  readonly linkInAddressBar: string;
  readonly linkBroken: string;
  readonly fileBroken: string;
  /** The `i`th of `n` drawings of a file was opened; `label` is what it was to show, where the file says so. */
  opened(i: number, n: number, label: string | undefined): string;
  /** The lines of a picture were followed. */
  readonly traced: string;
  saved(file: string): string;
  /** The game. */
  readonly playOffer: string;
  readonly ask: string;
  readonly begin: string;
  readonly skip: string;
  /** Said before the drawing begins. */
  readonly ready: string;
  readonly again: string;
  readonly drawFreely: string;
  readonly challenge: string;
  readonly challengeCopied: string;
  readonly summaryHint: string;
  readonly nothingDrawn: string;
  readonly whatIThought: string;
  readonly similar: string;
  readonly close: string;
  /** What spoke for a guess and what against it. */
  readonly reasonsTitle: string;
  readonly reasonsHint: string;
  reasons(label: string, nFor: number, nAgainst: number): string;
  round(i: number, n: number): string;
  limit(seconds: number): string;
  secondsLeft(seconds: number): string;
  /** What is to be drawn, as it stands on the card. */
  task(label: string): string;
  /** What the model sees while somebody draws, before it is sure of the task. */
  sees(predictions: readonly Prediction[]): string;
  recognised(label: string): string;
  /** The time is up; `best` is what the model thought last. */
  missed(label: string, best: string | undefined): string;
  score(n: number, of: number): string;
  bestScore(n: number, of: number): string;
  recognisedAfter(seconds: string): string;
  thought(label: string): string;
  /** The first guess was right, but not sure enough. */
  almost(probability: string): string;
  /** The six of the day. */
  readonly todaysSix: string;
  /** The way from a game by chance to the six of the day, and back. */
  readonly orToday: string;
  readonly orChance: string;
  /** The way from the middle of a round to another one. */
  readonly orOthers: string;
  date(day: string): string;
  dayTitle(day: string): string;
  readonly dayAgain: string;
  /** Days in a row, and the most there were. */
  streak(n: number, longest: number): string;
  bestDay(n: number, of: number, seconds: string): string;
  readonly share: string;
  /** What is told of a round without telling what was drawn; `streak` is 0 where it is no day's. */
  sharedLine(n: number, of: number, seconds: string, streak: number): string;
  sharedByHand(file: string): string;
  /** Races. */
  readonly raceTitle: string;
  readonly friend: string;
  readonly notSure: string;
  readonly raceBroken: string;
  /** How many drawings were recognised sooner than the other's. */
  raceResult(mine: number, theirs: number): string;
  /** The book. */
  readonly book: string;
  readonly yourBook: string;
  readonly bookHint: string;
  readonly fillBook: string;
  readonly search: string;
  readonly emptyPlace: string;
  readonly bookBroken: string;
  /** The browser may clear what it keeps. */
  readonly bookUnsafe: string;
  bookTitle(n: string, of: string): string;
  bookOpened(nRead: number, nUnread: number): string;
  found(n: number): string;
  newInBook(label: string): string;
  readonly voice: string;
  /** The look inside. */
  readonly insideTitle: string;
  readonly stepsTitle: string;
  readonly chartTitle: string;
  readonly sightTitle: string;
  readonly confusionsTitle: string;
  readonly timingTitle: string;
  readonly looking: string;
  /** The chart in words. */
  chart(nStrokes: number, last: string, probability: string): string;
  stroke(i: number): string;
  raw(nPoints: string, nStrokes: string): string;
  simplified(nPoints: string): string;
  confusions(label: string, nDrawings: string): string;
  noConfusions(label: string): string;
  timing(median: string, slowest: string, n: string): string;
  /** Lessons. */
  readonly teachThis: string;
  readonly lessonPromise: string;
  readonly lessonAsk: string;
  readonly lessonLimit: string;
  readonly lessonBegin: string;
  readonly keepIt: string;
  readonly done: string;
  /** Said before the first lesson, and between lessons. */
  readonly willLearn: string;
  readonly learnt: string;
  /** Asks for the next drawing after `n` of at least `enough`. */
  showMe(label: string, n: number, enough: number): string;
  shown(n: number, enough: number): string;
  /** How many drawings a category was taught with; `text` is the number `n` as it is written. */
  drawings(n: number, text: string): string;
  readonly taughtTitle: string;
  readonly more: string;
  readonly forget: string;
  readonly bringBack: string;
  forgot(label: string): string;
  readonly saveCategories: string;
  readonly openCategories: string;
  /** `nUnread` drawings of the file cannot be read. */
  categoriesOpened(n: number, nUnread: number): string;
  /** Said where there are more drawings than are learnt on every visit. */
  readonly newestLearnt: string;
  readonly categoriesBroken: string;
  readonly notKept: string;
  readonly amongTitle: string;
  readonly amongAll: string;
  readonly amongOwn: string;
  /** What is said of mix-ups where a visitor taught the category. */
  readonly ownConfusions: string;
  /** How the page looks. */
  readonly themes: string;
  readonly themeSystem: string;
  readonly themeLight: string;
  readonly themeDark: string;
  /** About the model. */
  readonly aboutTitle: string;
  readonly modelCard: string;
  /** How to embed the package. */
  readonly embedTitle: string;
  readonly embed: string;
  readonly embedMore: string;
  readonly embedApi: string;
  /** Paragraphs; figures as text. */
  about(
    figures: { readonly n: string; readonly top1: string; readonly top3: string; readonly top5: string } | undefined,
  ): readonly string[];
  /** Around the link to the data set. */
  readonly attribution: { readonly before: string; readonly link: string; readonly after: string };
  readonly obstacles: Readonly<Record<Obstacle, string>>;
  /** The category's name as it stands beside its bar. */
  name(label: string): string;
  /** The label of a category that a visitor calls so: the model's where it knows the name, else the name. */
  label(name: string): string;
  /** Something to draw for somebody who does not know what. */
  idea(label: string): string;
  /** The guess in words; `predictions` is not empty, best first. From `threshold` on it is certain. */
  sentence(predictions: readonly Prediction[], threshold?: number): string;
  /** What the model is; `accuracy` is the fraction of test drawings that it names at the first guess, where known. */
  model(nCategories: string, accuracy: string | undefined): string;
}

const LANGUAGES: readonly Language[] = [ENGLISH, KOREAN];

/** The language chosen here before, else the first of the browser's languages that the page speaks, else English. */
export function preferredLanguage(): Language {
  for (const tag of [recall("language"), ...navigator.languages]) {
    const language = LANGUAGES.find((each) => tag?.toLowerCase().split("-")[0] === each.tag);
    if (language) return language;
  }
  return ENGLISH;
}

/** The language with this tag, remembered for the next visit. */
export function chooseLanguage(tag: string): Language {
  const language = LANGUAGES.find((each) => each.tag === tag) ?? ENGLISH;
  remember("language", language.tag);
  return language;
}
