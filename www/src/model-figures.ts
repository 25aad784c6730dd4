/** What was measured of the shipped model, read at build time from the model folder. */
import { figures } from "quickdraw-rnn/model/model.json";

const { test } = figures as { test?: { balanced_top1?: number } };

/** The mean over all categories of the share of test drawings that the model names at the first guess, 0..1; undefined where nobody measured. */
export const TEST_ACCURACY: number | undefined = test?.balanced_top1;
