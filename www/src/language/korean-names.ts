import { ko } from "quickdraw-rnn/labels/ko";

/** The Korean name of every category, keyed by the data set's English label; each is used once. */
export const KOREAN_NAMES = ko as Readonly<Record<string, string>>;

/** Whether a label is one of the model's categories; a visitor may have taught others. */
export function isKnown(label: string): boolean {
  return Object.hasOwn(KOREAN_NAMES, label);
}
