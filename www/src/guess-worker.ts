/**
 * The worker that owns the classifier: strokes in, the five best predictions out, and on request how they came about. It also learns
 * the visitor's own categories; the page keeps the drawings that they were taught with, and hands them to every new worker.
 *
 * It answers one guess after the other and keeps none: which drawing is worth a guess is decided by the page (guesser.ts). A look takes
 * dozens of classifications; it lets guesses pass between them, and gives way to a newer look.
 */
import { Classifier, QuickdrawError, type Strokes } from "quickdraw-rnn";
import { CustomClasses } from "quickdraw-rnn/custom-classes";
import { beginning, isWithinStroke } from "./beginning";
import { partsOf, without } from "./parts";
import type { Among, ExampleRequest, GuessRequest, LearnRequest, LookRequest, Moment, Part, Prediction, ReasonsRequest, Stroke, WorkerReport, WorkerRequest } from "./messages";

declare const self: DedicatedWorkerGlobalScope;

const MAX_RESULTS = 5;
/** A look follows the best of the end, and leaders of the way up to so many lines: more cannot be told apart in a chart. */
const FOLLOWED_FROM_END = 4;
const MOST_FOLLOWED = 6;
/** Moments within strokes, besides the strokes' ends. */
const MOMENTS_BETWEEN = 24;
const MOST_MOMENTS = 60;
/** Errors that are the request's, not the classifier's. */
const REFUSALS: ReadonlySet<string> = new Set(["invalid-strokes", "invalid-options"]);

function report(message: WorkerReport): void {
  self.postMessage(message);
}

/** The numbers of points after which a look asks: the strokes' ends, and evenly between. */
function momentsOf(strokes: readonly Stroke[]): number[] {
  const total = strokes.reduce((n, stroke) => n + stroke.length, 0);
  const ends: number[] = [];
  let sum = 0;
  for (const stroke of strokes) ends.push((sum += stroke.length));
  const between = Array.from({ length: MOMENTS_BETWEEN }, (_, i) => Math.round((total * (i + 1)) / MOMENTS_BETWEEN)).filter((n) => n > 0);
  const stride = Math.ceil(ends.length / (MOST_MOMENTS - MOMENTS_BETWEEN));
  const kept = ends.filter((_, i) => (ends.length - 1 - i) % stride === 0);
  return [...new Set([...kept, ...between])].sort((a, b) => a - b);
}

/** A classifier, and what the visitor taught it. */
interface Pupil {
  readonly classifier: Classifier;
  custom: CustomClasses;
}

async function classify({ classifier, custom }: Pupil, strokes: Strokes, isPenDown: boolean, among: Among, maxResults: number): Promise<readonly Prediction[]> {
  if (among === "model" || custom.classes.length === 0) return classifier.classify(strokes, { maxResults, isPenDown });
  return custom.classify(strokes, { maxResults, isPenDown, among });
}

async function guess(pupil: Pupil, { id, strokes, isPenDown, among }: GuessRequest): Promise<void> {
  const startMs = performance.now();
  const predictions = await classify(pupil, strokes, isPenDown, among, MAX_RESULTS);
  report({ kind: "predictions", id, predictions, durationMs: performance.now() - startMs });
}

async function learn(pupil: Pupil, { categories }: LearnRequest): Promise<void> {
  pupil.custom = new CustomClasses(pupil.classifier);
  for (const { label, drawings } of categories) {
    for (const drawing of drawings) await pupil.custom.add(label, drawing, { isSimplified: true });
  }
  report({ kind: "learnt", classes: pupil.custom.toJSON() });
}

async function learnExample({ classifier, custom }: Pupil, { id, label, strokes }: ExampleRequest): Promise<void> {
  const drawing = classifier.simplify(strokes);
  await custom.add(label, drawing, { isSimplified: true });
  report({ kind: "learnt", classes: custom.toJSON() });
  report({ kind: "example", id, label, drawing });
}

let newestLook = 0;

async function look(pupil: Pupil, { id, strokes, among }: LookRequest): Promise<void> {
  newestLook = id;
  const { classifier, custom } = pupil;
  const most = classifier.labels.length + custom.classes.length;
  const seen: { nPoints: number; predictions: readonly Prediction[] }[] = [];
  for (const nPoints of momentsOf(strokes)) {
    const isPenDown = isWithinStroke(strokes, nPoints);
    seen.push({ nPoints, predictions: await classify(pupil, beginning(strokes, nPoints), isPenDown, among, most) });
    await new Promise((resolve) => setTimeout(resolve));
    if (newestLook !== id) return;
  }
  const end = seen.at(-1)?.predictions ?? [];
  const followed = new Set(end.slice(0, FOLLOWED_FROM_END).map(({ label }) => label));
  const leaders = new Map<string, number>();
  for (const { predictions: [best] } of seen) if (best) leaders.set(best.label, Math.max(best.probability, leaders.get(best.label) ?? 0));
  for (const [label] of [...leaders].sort((a, b) => b[1] - a[1])) if (followed.size < MOST_FOLLOWED) followed.add(label);
  const moments = seen.map(({ nPoints, predictions }): Moment => {
    const probabilities = new Map(predictions.map(({ label, probability }) => [label, probability]));
    let [nStrokes, points] = [0, 0];
    for (const stroke of strokes) {
      if (points + stroke.length > nPoints) break;
      points += stroke.length;
      nStrokes += 1;
    }
    const best = predictions[0] ?? { label: "", probability: 0 };
    return { nPoints, nStrokes, endsStroke: points === nPoints, best, probabilities: [...followed].map((label) => probabilities.get(label) ?? 0) };
  });
  report({ kind: "look", id, look: { simplified: classifier.simplify(strokes), labels: [...followed], moments } });
}

/** Probabilities of 0 and 1 have no log-odds. */
const LEAST_PROBABILITY = 1e-7;

async function reasons({ classifier }: Pupil, { id, strokes, labels }: ReasonsRequest): Promise<void> {
  // Log-odds and not the logarithm, which hardly moves where the network is sure.
  const logOdds = async (drawing: readonly Stroke[]) => {
    const predictions = await classifier.classify(drawing, { maxResults: classifier.labels.length });
    const probabilities = new Map(predictions.map(({ label, probability }) => [label, probability]));
    return labels.map((label) => {
      const probability = Math.min(Math.max(probabilities.get(label) ?? 0, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY);
      return Math.log(probability / (1 - probability));
    });
  };
  const whole = await logOdds(strokes);
  const parts: Part[] = [];
  const ranges = partsOf(strokes);
  // Of one part alone nothing would be left.
  for (const range of ranges.length > 1 ? ranges : []) {
    const rest = await logOdds(without(strokes, range));
    parts.push({ ...range, effects: whole.map((value, i) => value - (rest[i] ?? value)) });
    // Guesses pass.
    await new Promise((resolve) => setTimeout(resolve));
  }
  report({ kind: "reasons", id, parts });
}

function answer(pupil: Pupil, request: WorkerRequest): Promise<void> {
  switch (request.kind) {
    case "guess":
      return guess(pupil, request);
    case "look":
      return look(pupil, request);
    case "reasons":
      return reasons(pupil, request);
    case "learn":
      return learn(pupil, request);
    case "example":
      return learnExample(pupil, request);
  }
}

async function start(): Promise<void> {
  let classifier: Classifier;
  try {
    classifier = await Classifier.load();
  } catch (error) {
    const obstacle = error instanceof QuickdrawError && error.code === "unsupported" ? "unsupported" : "model";
    report({ kind: "unavailable", obstacle, message: error instanceof Error ? error.message : String(error) });
    return;
  }
  const pupil = { classifier, custom: new CustomClasses(classifier) };
  // The classifier computes at once and waits for nothing, so one message is answered before the next is read; only a look lets others by.
  self.onmessage = ({ data }: MessageEvent<WorkerRequest>) => {
    answer(pupil, data).catch((error: unknown) => {
      // Refused strokes are the drawing's matter, and those of a look are refused as a guess too, where it is said. After any other error
      // (a WebAssembly trap) the instance cannot be trusted: the error goes up uncaught, and the page replaces this worker.
      if (!(error instanceof QuickdrawError && REFUSALS.has(error.code))) self.reportError(error);
      else if ("id" in data && data.kind !== "look") report({ kind: "refused", id: data.id, message: error.message });
      else console.warn(`${data.kind}: ${error.message}`);
    });
  };
  const { threshold, penDownThreshold } = classifier;
  report({ kind: "ready", nCategories: classifier.labels.length, thresholds: { threshold, penDownThreshold } });
}

void start();
