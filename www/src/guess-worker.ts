/**
 * The worker that owns the classifier: strokes in, the five best predictions out.
 *
 * It answers one request after the other and keeps none: which drawing is worth a guess is decided by the page (guesser.ts).
 */
import { Classifier, QuickdrawError } from "quickdraw-rnn";
import type { GuessRequest, WorkerReport } from "./messages";

declare const self: DedicatedWorkerGlobalScope;

const MAX_RESULTS = 5;

function report(message: WorkerReport): void {
  self.postMessage(message);
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
  self.onmessage = ({ data }: MessageEvent<GuessRequest>) => {
    try {
      const predictions = classifier.classify(data.strokes, { maxResults: MAX_RESULTS });
      report({ kind: "predictions", id: data.id, predictions });
    } catch (error) {
      // Refused strokes are the drawing's matter. After any other error (a WebAssembly trap) the instance cannot be trusted: the error
      // goes up uncaught, and the page replaces this worker.
      if (!(error instanceof QuickdrawError && error.code === "invalid-strokes")) throw error;
      report({ kind: "refused", id: data.id, message: error.message });
    }
  };
  report({ kind: "ready", nCategories: classifier.labels.length });
}

void start();
