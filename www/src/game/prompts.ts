/** What the game asks for: categories that one can draw in 20 seconds and knows at once. */
import { IDEAS } from "../ideas";

export const ROUNDS = 6;

export const PROMPTS: readonly string[] = [
  ...IDEAS,
  "airplane", "alarm clock", "angel", "anvil", "arm", "axe", "backpack", "banana", "baseball", "basketball", "bat", "bed", "bee", "book",
  "bowtie", "bread", "broom", "bus", "camel", "camera", "candle", "car", "carrot", "castle", "chair", "circle", "clock", "cloud", "compass",
  "cookie", "cow", "crab", "crown", "cup", "diamond", "dog", "dolphin", "donut", "door", "duck", "ear", "elephant", "envelope", "eye",
  "feather", "fence", "flamingo", "fork", "frying pan", "giraffe", "grapes", "guitar", "hamburger", "hammer", "hand", "hat", "headphones",
  "helicopter", "hexagon", "hourglass", "jacket", "kangaroo", "knife", "leaf", "lightning", "lion", "lipstick", "lollipop", "mermaid", "moon",
  "mouse", "moustache", "nose", "owl", "palm tree", "panda", "pants", "parachute", "pear", "pencil", "penguin", "piano", "pig", "pineapple",
  "pizza", "rabbit", "radio", "rhinoceros", "river", "saw", "scorpion", "shark", "sheep", "shoe", "shovel", "skateboard", "skull", "snake",
  "sock", "spider", "spoon", "square", "squirrel", "stairs", "strawberry", "suitcase", "sword", "t-shirt", "table", "teapot", "television",
  "tent", "toothbrush", "traffic light", "triangle", "trombone", "truck", "watermelon", "whale", "wheel", "wine glass", "zebra", "zigzag",
];

/** Different prompts by chance. */
export function choosePrompts(n = ROUNDS): string[] {
  const left = [...PROMPTS];
  return Array.from({ length: n }, () => left.splice(Math.floor(Math.random() * left.length), 1)[0] ?? "cat");
}

/** The prompts of a link to a game; undefined where it names none. */
export function readPrompts(text: string, isLabel: (label: string) => boolean): string[] | undefined {
  let labels: string[];
  try {
    labels = decodeURIComponent(text).split(",");
  } catch {
    return undefined;
  }
  return labels.length <= ROUNDS && labels.every(isLabel) ? labels : undefined;
}

export function writePrompts(labels: readonly string[]): string {
  return labels.map(encodeURIComponent).join(",");
}
