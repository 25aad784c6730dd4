/** What the page says, in every language it speaks. English and Korean sentences live in their own files, one object each. */
import type { Obstacle, Prediction } from "../messages";
import { ENGLISH } from "./english";
import { KOREAN } from "./korean";

export interface Language {
  /** BCP 47 tag. */
  readonly tag: string;
  readonly description: string;
  readonly pad: string;
  readonly guesses: string;
  readonly languages: string;
  readonly undo: string;
  readonly clear: string;
  readonly anotherIdea: string;
  readonly tryAgain: string;
  readonly loading: string;
  readonly invitation: string;
  /** Stands in for a guess where none can be made; an obstacle's text says why. */
  readonly speechless: string;
  readonly privacy: string;
  /** Around the link to the data set. */
  readonly attribution: { readonly before: string; readonly link: string; readonly after: string };
  readonly obstacles: Readonly<Record<Obstacle, string>>;
  /** The category's name as it stands beside its bar. */
  name(label: string): string;
  /** Something to draw for somebody who does not know what. */
  idea(label: string): string;
  /** The guess in words; `predictions` is not empty, best first. */
  sentence(predictions: readonly Prediction[]): string;
  /** What the model is; `accuracy` is the share of test drawings that it names at the first guess, where known. */
  model(nCategories: string, accuracy: string | undefined): string;
}

const LANGUAGES: readonly Language[] = [ENGLISH, KOREAN];

const STORAGE_KEY = "quickdraw-rnn.language";

/** The language chosen here before, else the first of the browser's languages that the page speaks, else English. */
export function preferredLanguage(): Language {
  for (const tag of [remembered(), ...navigator.languages]) {
    const language = LANGUAGES.find((each) => tag?.toLowerCase().split("-")[0] === each.tag);
    if (language) return language;
  }
  return ENGLISH;
}

/** The language with this tag, remembered for the next visit. */
export function chooseLanguage(tag: string): Language {
  const language = LANGUAGES.find((each) => each.tag === tag) ?? ENGLISH;
  try {
    localStorage.setItem(STORAGE_KEY, language.tag);
  } catch {
    // Without storage (a private window, blocked cookies) the choice lasts as long as the page.
  }
  return language;
}

function remembered(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}
