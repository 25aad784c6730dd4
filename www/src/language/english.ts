import { confidenceOf } from "./confidence";
import type { Language } from "./language";

/** Labels that "a" or "an" by the first letter does not suit. */
const PHRASES: Readonly<Record<string, string>> = {
  "The Eiffel Tower": "the Eiffel Tower",
  "The Great Wall of China": "the Great Wall of China",
  "The Mona Lisa": "the Mona Lisa",
  asparagus: "asparagus",
  binoculars: "binoculars",
  bread: "bread",
  broccoli: "broccoli",
  camouflage: "camouflage",
  drums: "drums",
  eyeglasses: "eyeglasses",
  "flip flops": "flip flops",
  grapes: "grapes",
  grass: "grass",
  headphones: "headphones",
  hourglass: "an hourglass",
  lightning: "lightning",
  matches: "matches",
  moon: "the moon",
  ocean: "the ocean",
  pants: "pants",
  peas: "peas",
  pliers: "pliers",
  rain: "rain",
  rollerskates: "roller skates",
  scissors: "scissors",
  shorts: "shorts",
  stairs: "stairs",
  stitches: "stitches",
  sun: "the sun",
  toothpaste: "toothpaste",
  underwear: "underwear",
  yoga: "yoga",
};

/** The label as one would say it in a sentence: "a cat", "an owl", "scissors", "the sun". */
export function englishPhrase(label: string): string {
  return PHRASES[label] ?? `${/^[aeiou]/.test(label) ? "an" : "a"} ${label}`;
}

export const ENGLISH: Language = {
  tag: "en",
  description: "Draw something, and a small neural network guesses what it is while you draw.",
  pad: "Drawing pad. Draw with mouse, pen or finger.",
  guesses: "Guesses",
  languages: "Language",
  undo: "Undo",
  clear: "Clear",
  anotherIdea: "Another idea",
  tryAgain: "Try again",
  loading: "Sharpening the pencil…",
  invitation: "Draw something.",
  speechless: "I cannot guess right now.",
  privacy: "Your drawings never leave this device.",
  attribution: { before: "Trained on ", link: "Quick, Draw! data", after: " by Google, CC BY 4.0." },
  obstacles: {
    unsupported: "This browser cannot run the model: it needs WebAssembly with SIMD. A current Chrome, Edge, Firefox or Safari has it.",
    model: "The model could not be loaded. You can go on drawing; check the connection and try again.",
    worker: "Guessing keeps failing. Your drawing is still here; try again, or reload the page.",
  },
  name: (label) => label,
  idea: (label) => `How about ${englishPhrase(label)}?`,
  sentence([best, second]) {
    if (!best) return "";
    const first = englishPhrase(best.label);
    const other = second && englishPhrase(second.label);
    switch (confidenceOf(best)) {
      case "certain":
        return `Oh, I know: ${first}!`;
      case "likely":
        return other ? `I see ${first}, or ${other}…` : `I see ${first}.`;
      case "unsure":
        return other ? `Perhaps ${first}? Or ${other}?` : `Perhaps ${first}?`;
    }
  },
  model: (nCategories, accuracy) =>
    `A small recurrent neural network reads your strokes in the order in which you draw them. It knows ${nCategories} categories` +
    (accuracy ? ` and names ${accuracy} of test drawings at the first guess.` : "."),
};
