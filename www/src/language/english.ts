import { confidenceOf, secondOf } from "./confidence";
import { isKnown, KOREAN_NAMES } from "./korean-names";
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

/** The label as one would say it in a sentence: "a cat", "an owl", "scissors", "the sun"; what a visitor taught is quoted. */
export function englishPhrase(label: string): string {
  if (!isKnown(label)) return `“${label}”`;
  return PHRASES[label] ?? `${/^[aeiou]/.test(label) ? "an" : "a"} ${label}`;
}

export const ENGLISH: Language = {
  tag: "en",
  title: "Inkling: draw, and it guesses",
  description: "Draw something, and a small neural network guesses what it is while you draw.",
  pad: "Drawing pad. Draw with mouse, pen or finger.",
  guesses: "Guesses",
  languages: "Language",
  modes: "Mode",
  draw: "Draw",
  play: "Play",
  teach: "Teach",
  undo: "Undo",
  redo: "Redo",
  clear: "Clear",
  anotherIdea: "Another idea",
  tryAgain: "Try again",
  renewed:
    "This part of the page could not be loaded: there may be a newer version of it. Reload it; your drawing stays.",
  reload: "Reload",
  loading: "Sharpening the pencil…",
  invitation: "Draw, and I’ll guess.",
  speechless: "I cannot guess right now.",
  privacy: "Your drawings never leave this device.",
  replay: "Replay",
  copyLink: "Copy link",
  lookInside: "Look inside",
  saveAs: "Save as",
  open: "Open…",
  nextDrawing: "Next drawing",
  dropHere: "Drop the drawing here.",
  linkCopied: "The link is copied. The drawing is in the link itself, on no server.",
  linkInAddressBar: "The link is in the address bar. The drawing is in the link itself, on no server.",
  linkBroken: "This link holds no drawing that I can read.",
  fileBroken: "I found no drawing in this: I read pictures (PNG, JPEG, SVG) and Quick, Draw! ndjson.",
  opened: (i, n, label) =>
    (n > 1 ? `Drawing ${i} of ${n}` : "Opened") + (label === undefined ? "." : ` (prompt: ${label}).`),
  traced: "I followed the lines of the picture.",
  saved: (file) => `Saved ${file}.`,
  playOffer: "Play six rounds",
  ask: "Draw",
  begin: "Got it",
  skip: "Skip",
  ready: "Ready when you are.",
  again: "Play again",
  drawFreely: "Draw freely",
  challenge: "Challenge a friend",
  challengeCopied:
    "The link is copied. Whoever opens it races against your drawings; they are in the link itself, on no server.",
  summaryHint: "Choose a drawing to see what I thought of it.",
  nothingDrawn: "nothing drawn",
  whatIThought: "What I thought",
  similar: "I often mix it up with",
  close: "Close",
  reasonsTitle: "What I looked at",
  reasonsHint: "Red lines spoke for it: without them I would have been less sure. Dashed lines spoke against it.",
  reasons(label, nFor, nAgainst) {
    const parts = (n: number) => (n === 0 ? "nothing" : n === 1 ? "1 part" : `${n} parts`);
    return `${englishPhrase(label)}: ${parts(nFor)} for it, ${parts(nAgainst)} against it`;
  },
  round: (i, n) => `Drawing ${i} of ${n}`,
  limit: (seconds) => `in under ${seconds} seconds`,
  secondsLeft: (seconds) => `${seconds} seconds left.`,
  task: englishPhrase,
  sees(predictions) {
    const [best, second] = [predictions[0], secondOf(predictions)];
    if (!best) return "…";
    const [first, other] = [englishPhrase(best.label), second && englishPhrase(second.label)];
    return other ? `I see ${first}, or ${other}…` : `I see ${first}…`;
  },
  recognised: (label) => `Oh, I know: ${englishPhrase(label)}!`,
  missed: (label, best) =>
    best === undefined || best === label
      ? `I was not sure enough of ${englishPhrase(label)}.`
      : `I took it for ${englishPhrase(best)}.`,
  score(n, of) {
    if (of === 1)
      return n === 1 ? "I recognised your drawing!" : "I did not recognise your drawing. That may well be my fault.";
    if (n === of) return `I recognised all ${of} of your drawings!`;
    if (n === 0) return `I recognised none of your ${of} drawings. That may well be my fault.`;
    return `I recognised ${n} of your ${of} drawings.`;
  },
  bestScore: (n, of) => `Your best round: ${n} of ${of}.`,
  recognisedAfter: (seconds) => `after ${seconds} s`,
  thought: (label) => `I saw ${englishPhrase(label)}`,
  almost: (probability) => `almost: ${probability}`,
  todaysSix: "Draw today’s six",
  orToday: "or today’s six, the same for everybody",
  orChance: "or six by chance",
  orOthers: "or six others",
  date: (day) => new Intl.DateTimeFormat("en", { day: "numeric", month: "long" }).format(new Date(`${day}T12:00:00`)),
  dayTitle: (day) => `The six of ${ENGLISH.date(day)}.`,
  dayAgain: "You have played them: this round does not count.",
  streak: (n, longest) =>
    `${n === 1 ? "1 day" : `${n} days`} in a row${longest > n ? ` (your longest run: ${longest})` : ""}.`,
  bestDay: (n, of, seconds) => `Your best day: ${n} of ${of} in ${seconds} s.`,
  share: "Share",
  sharedLine: (n, of, seconds, streak) =>
    `${n} of ${of} recognised, ${seconds} s in all${streak > 1 ? `, ${streak} days in a row` : ""}`,
  sharedByHand: (file) => `The picture is saved as ${file}, and a line to go with it is copied.`,
  raceTitle: "A race against a friend.",
  friend: "your friend",
  notSure: "I was not sure",
  raceBroken: "This link holds no race that I can read.",
  raceResult(mine, theirs) {
    if (mine + theirs === 0) return "Neither of you was quicker.";
    const times = (n: number) => ["never", "once", "twice"][n] ?? `${n} times`;
    const score = `You were quicker ${times(mine)}, your friend ${times(theirs)}.`;
    if (mine === theirs) return `A tie! ${score}`;
    return mine > theirs ? `You win the race! ${score}` : `Your friend wins the race. ${score}`;
  },
  book: "Book",
  yourBook: "Your book",
  bookHint: "Whatever I recognise gets a place here, with your best drawing of it.",
  fillBook: "Draw what is missing",
  search: "Search",
  emptyPlace: "(empty)",
  bookBroken: "This file holds no page of a book: I expected one that was saved here.",
  bookUnsafe: "When it runs out of space, this browser may clear your book. A file would keep it.",
  bookTitle: (n, of) => `Your book: ${n} of ${of}`,
  bookOpened: (nRead, nUnread) =>
    (nRead === 1 ? "1 drawing was in the file." : `${nRead} drawings were in the file.`) +
    (nUnread === 0 ? "" : ` I could not read ${nUnread} of its lines.`),
  found: (n) => (n === 0 ? "Nothing is called so." : n === 1 ? "1 place" : `${n} places`),
  newInBook: (label) => `New in your book: ${englishPhrase(label)}.`,
  voice: "voice and sounds",
  insideTitle: "What the network sees",
  stepsTitle: "Stroke by stroke",
  chartTitle: "How the guess came about",
  sightTitle: "Your lines, and what is read of them",
  confusionsTitle: "What I mix up",
  timingTitle: "How long it takes",
  looking: "Looking…",
  chart: (nStrokes, last, probability) =>
    `Probabilities of the leading guesses over ${nStrokes} ${nStrokes === 1 ? "stroke" : "strokes"}; in the end ${last} with ${probability}.`,
  stroke: (i) => `stroke ${i}`,
  raw: (nPoints, nStrokes) => `As drawn: ${nPoints} points, ${nStrokes === "1" ? "1 stroke" : `${nStrokes} strokes`}.`,
  simplified: (nPoints) => `As read: ${nPoints} points. The network sees nothing else.`,
  confusions: (label, nDrawings) =>
    `Shown ${englishPhrase(label)} that somebody else drew, I also think of these. Mean probability over drawings that I never learnt from (${nDrawings} of all categories).`,
  noConfusions: (label) =>
    `Shown ${englishPhrase(label)} that somebody else drew, I hardly ever think of anything else.`,
  timing: (median, slowest, n) =>
    `A guess takes ${median} ms on this device (median of the last ${n}; the slowest took ${slowest} ms).`,
  teachThis: "Teach me this",
  lessonPromise: "I know 345 things. Teach me one more.",
  lessonAsk: "What is it called?",
  lessonLimit: "Then show me three drawings of it, or more.",
  lessonBegin: "Begin",
  keepIt: "Keep it",
  done: "Done",
  willLearn: "What shall I learn?",
  learnt: "Now draw one, and see.",
  showMe(label, n, enough) {
    if (n === 0) return `Show me ${englishPhrase(label)}.`;
    if (n === 1) return "And another one, please.";
    return n < enough ? "And once more." : "I have got it. More drawings make me surer.";
  },
  shown: (n, enough) => (n < enough ? `${n} of ${enough} drawings` : `${n} drawings`),
  drawings: (n, text) => (n === 1 ? "1 drawing" : `${text} drawings`),
  taughtTitle: "What you taught me",
  more: "Show more",
  forget: "Forget",
  bringBack: "Bring it back",
  forgot: (label) => `“${label}” is forgotten.`,
  saveCategories: "Save as file",
  openCategories: "Open file…",
  categoriesOpened: (n, nUnread) =>
    (n === 1 ? "Learnt 1 category from the file." : `Learnt ${n} categories from the file.`) +
    (nUnread === 0
      ? ""
      : nUnread === 1
        ? " I could not read 1 of its drawings."
        : ` I could not read ${nUnread} of its drawings.`),
  newestLearnt: "That is a lot: I learn from the newest drawings of each. All of them are kept.",
  categoriesBroken: "This file holds no categories: I expected one that was saved here.",
  notKept: "The browser's storage is full or closed: I remember this until the page is closed. A file would keep it.",
  amongTitle: "Guess among",
  amongAll: "everything",
  amongOwn: "mine only",
  ownConfusions: "You taught me this one: nobody has measured what I mix it up with.",
  themes: "Appearance",
  themeSystem: "system",
  themeLight: "light",
  themeDark: "dark",
  aboutTitle: "About the model",
  modelCard: "The model card",
  embedTitle: "Put it into your own page",
  embed:
    "The recogniser is a package, and this page has it. It runs in the browser of whoever draws, without a server. Install it, and give it the strokes:",
  embedMore: "What else it can do",
  embedApi: "Its API, call by call",
  about: (figures) => [
    "The model learnt from doodles of Google's Quick, Draw! game, which people all over the world drew in 20 seconds with a mouse or a finger. It sees the order and the direction of the strokes and the picture that they make, and neither colours nor time.",
    ...(figures
      ? [
          `Tested on ${figures.n} drawings that it had never seen, its first guess is right for ${figures.top1}, one of its first three for ${figures.top3} and one of five for ${figures.top5} (mean over all categories).`,
        ]
      : []),
    "It always answers with some of its 345 categories, also where none fits. Early in a drawing it is mostly wrong. Drawings unlike those of the game, careful sketches for example, are harder for it, and it knows some categories and some ways of drawing better than others.",
    "Everything is computed on this device. Nothing is sent anywhere, nobody counts visits, and the only things kept in this browser are the page itself, your choice of language and appearance, your scores, your book and what you taught; and, until you close the tab, the drawing on the sheet and an unfinished round.",
  ],
  attribution: { before: "Trained on ", link: "Quick, Draw! data", after: " by Google, CC BY 4.0." },
  obstacles: {
    unsupported:
      "This browser cannot run the model: it needs WebAssembly with SIMD. A current Chrome, Edge, Firefox or Safari has it.",
    model: "The model could not be loaded. You can go on drawing; check the connection and try again.",
    worker: "Guessing keeps failing. Your drawing is still here; try again, or reload the page.",
  },
  name: (label) => label,
  label: (name) => Object.keys(KOREAN_NAMES).find((label) => label.toLowerCase() === name.toLowerCase()) ?? name,
  idea: (label) => `How about ${englishPhrase(label)}?`,
  sentence(predictions, threshold) {
    const [best, second] = [predictions[0], secondOf(predictions)];
    if (!best) return "";
    const first = englishPhrase(best.label);
    const other = second && englishPhrase(second.label);
    switch (confidenceOf(best, threshold)) {
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
