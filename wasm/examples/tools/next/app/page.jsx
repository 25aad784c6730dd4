import { Classifier } from "quickdraw-rnn";
import { createWorkerClassifier } from "quickdraw-rnn/worker";

import { Guess } from "./guess.jsx";
import { square } from "./square.js";

// At each request, on the server.
export const dynamic = "force-dynamic";

export default async function Page() {
  const classifier = await Classifier.load();
  const inWorker = await createWorkerClassifier();
  const found = [classifier.classify(square), await inWorker.classify(square)];
  inWorker.dispose();
  return <Guess before={found.map(([best]) => best.label)} />;
}
