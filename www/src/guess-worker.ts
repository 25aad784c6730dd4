/**
 * The worker that owns the classifier: strokes in, the five best predictions out, and on request how they came about.
 *
 * It answers one guess after the other and keeps none: which drawing is worth a guess is decided by the page (guesser.ts). A look takes
 * dozens of classifications; it lets guesses pass between them, and gives way to a newer look.
 */
import { Classifier, QuickdrawError } from "quickdraw-rnn";
import { beginning } from "./beginning";
import type { LookRequest, Moment, Prediction, Stroke, WorkerReport, WorkerRequest } from "./messages";

declare const self: DedicatedWorkerGlobalScope;

const MAX_RESULTS = 5;
/** A look follows the best of the end, and leaders of the way up to so many lines: more cannot be told apart in a chart. */
const FOLLOWED_FROM_END = 4;
const MOST_FOLLOWED = 6;
/** Moments within strokes, besides the strokes' ends. */
const MOMENTS_BETWEEN = 24;
const MOST_MOMENTS = 60;

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

let newestLook = 0;

async function look(classifier: Classifier, { id, strokes }: LookRequest): Promise<void> {
  newestLook = id;
  const { labels } = classifier;
  const seen: { nPoints: number; predictions: Prediction[] }[] = [];
  for (const nPoints of momentsOf(strokes)) {
    seen.push({ nPoints, predictions: classifier.classify(beginning(strokes, nPoints), { maxResults: labels.length }) });
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

async function start(): Promise<void> {
  let classifier: Classifier;
  try {
    classifier = await Classifier.load();
  } catch (error) {
    const obstacle = error instanceof QuickdrawError && error.code === "unsupported" ? "unsupported" : "model";
    report({ kind: "unavailable", obstacle, message: error instanceof Error ? error.message : String(error) });
    return;
  }
  self.onmessage = ({ data }: MessageEvent<WorkerRequest>) => {
    if (data.kind === "look") {
      // Strokes that are refused are refused as a guess too, where it is said; a trap there replaces this worker.
      look(classifier, data).catch((error: unknown) => console.warn("no look inside", error));
      return;
    }
    try {
      const startMs = performance.now();
      const predictions = classifier.classify(data.strokes, { maxResults: MAX_RESULTS });
      report({ kind: "predictions", id: data.id, predictions, durationMs: performance.now() - startMs });
    } catch (error) {
      // Refused strokes are the drawing's matter. After any other error (a WebAssembly trap) the instance cannot be trusted: the error
      // goes up uncaught, and the page replaces this worker.
      if (!(error instanceof QuickdrawError && error.code === "invalid-strokes")) throw error;
      report({ kind: "refused", id: data.id, message: error.message });
    }
  };
  report({ kind: "ready", nCategories: classifier.labels.length, threshold: classifier.threshold });
}

void start();
