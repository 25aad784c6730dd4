/** What was measured of the shipped model, read at build time from the model folder. */
import { figures } from "quickdraw-rnn/model/model.json";

/** Shares of `n` test drawings, 0..1: the mean over all categories of those whose category is among the first 1, 3 and 5 guesses. */
export interface TestFigures {
  readonly n: number;
  readonly balanced_top1: number;
  readonly balanced_top3: number;
  readonly balanced_top5: number;
}

const { test } = figures as { test?: Partial<TestFigures> };

/** Undefined where nobody measured. */
export const TEST_FIGURES: TestFigures | undefined =
  test?.n !== undefined &&
  test.balanced_top1 !== undefined &&
  test.balanced_top3 !== undefined &&
  test.balanced_top5 !== undefined
    ? (test as TestFigures)
    : undefined;

/** The mean over all categories of the fraction of test drawings whose top-1 prediction is correct, 0..1; undefined where nobody measured. */
export const TEST_ACCURACY: number | undefined = test?.balanced_top1;
