/** What the page uses of the package to recognise drawings, in one file of its own: the pad does not wait for it. */
export { createWorkerClassifier } from "quickdraw-rnn/worker";
export { CustomClasses } from "quickdraw-rnn/custom-classes";
