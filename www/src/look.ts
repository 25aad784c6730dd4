/** How a guess came about: moment by moment, and part by part. Dozens of classifications, between which guesses pass. */
import type { WorkerClassifier } from "quickdraw-rnn/worker";
import { beginning, isWithinStroke } from "./beginning";
import { partsOf, without } from "./parts";
import type { Look, Moment, Part, Prediction, Stroke } from "./recognition";

/** A look follows the best of the end, and leaders of the way up to so many lines: more cannot be told apart in a chart. */
const FOLLOWED_FROM_END = 4;
const MOST_FOLLOWED = 6;
/** Moments within strokes, besides the strokes' ends. */
const MOMENTS_BETWEEN = 24;
const MOST_MOMENTS = 60;
/** Probabilities of 0 and 1 have no log-odds. */
const LEAST_PROBABILITY = 1e-7;

/** All labels with their probabilities for a drawing, most probable first. */
export type Ranking = (strokes: readonly Stroke[], isPenDown: boolean) => Promise<readonly Prediction[]>;

/** How the guess for a drawing came about; undefined once it is not wanted any more. */
export async function lookInto(
  strokes: readonly Stroke[],
  classifier: Pick<WorkerClassifier, "simplify">,
  ranking: Ranking,
  isWanted: () => boolean,
): Promise<Look | undefined> {
  const seen: { nPoints: number; predictions: readonly Prediction[] }[] = [];
  for (const nPoints of momentsOf(strokes)) {
    seen.push({ nPoints, predictions: await ranking(beginning(strokes, nPoints), isWithinStroke(strokes, nPoints)) });
    if (!isWanted()) return undefined;
  }
  const simplified = await classifier.simplify(strokes);
  const end = seen.at(-1)?.predictions ?? [];
  const followed = new Set(end.slice(0, FOLLOWED_FROM_END).map(({ label }) => label));
  const leaders = new Map<string, number>();
  for (const {
    predictions: [best],
  } of seen)
    if (best) leaders.set(best.label, Math.max(best.probability, leaders.get(best.label) ?? 0));
  for (const [label] of [...leaders].sort((a, b) => b[1] - a[1]))
    if (followed.size < MOST_FOLLOWED) followed.add(label);
  const moments = seen.map(({ nPoints, predictions }): Moment => {
    const probabilities = new Map(predictions.map(({ label, probability }) => [label, probability]));
    let [nStrokes, points] = [0, 0];
    for (const stroke of strokes) {
      if (points + stroke.length > nPoints) break;
      points += stroke.length;
      nStrokes += 1;
    }
    const best = predictions[0] ?? { label: "", probability: 0 };
    return {
      nPoints,
      nStrokes,
      endsStroke: points === nPoints,
      best,
      probabilities: [...followed].map((label) => probabilities.get(label) ?? 0),
    };
  });
  return isWanted() ? { simplified, labels: [...followed], moments } : undefined;
}

/** The numbers of points after which a look asks: the strokes' ends, and evenly between. */
function momentsOf(strokes: readonly Stroke[]): number[] {
  const total = strokes.reduce((n, stroke) => n + stroke.length, 0);
  const ends: number[] = [];
  let sum = 0;
  for (const stroke of strokes) ends.push((sum += stroke.length));
  const between = Array.from({ length: MOMENTS_BETWEEN }, (_, i) =>
    Math.round((total * (i + 1)) / MOMENTS_BETWEEN),
  ).filter((n) => n > 0);
  const stride = Math.ceil(ends.length / (MOST_MOMENTS - MOMENTS_BETWEEN));
  const kept = ends.filter((_, i) => (ends.length - 1 - i) % stride === 0);
  return [...new Set([...kept, ...between])].sort((a, b) => a - b);
}

/** What each part of a drawing did for the probabilities of some of the model's labels. */
export async function effectsOfParts(
  strokes: readonly Stroke[],
  labels: readonly string[],
  classifier: Pick<WorkerClassifier, "labels" | "probabilities">,
): Promise<Part[]> {
  const indices = labels.map((label) => classifier.labels.indexOf(label));
  // Log-odds and not the logarithm, which hardly moves where the network is sure.
  const logOdds = async (drawing: readonly Stroke[]) => {
    const probabilities = await classifier.probabilities(drawing);
    return indices.map((index) => {
      const probability = Math.min(Math.max(probabilities[index] ?? 0, LEAST_PROBABILITY), 1 - LEAST_PROBABILITY);
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
  }
  return parts;
}
