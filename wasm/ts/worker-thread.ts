/*
 * The worker's side of `createWorkerClassifier`: a classifier that answers messages, in a dedicated worker of a browser
 * or a thread of Node. The build makes one file of it that imports nothing and runs wherever it is copied to.
 */

import { Classifier } from "./classifier.js";
import { QuickdrawError, messageOf } from "./error.js";
import { handModules } from "./files.worker.js";
import type { Answer, Failure, Request } from "./messages.js";
import { nodeModule } from "./node.js";

/** The part of a worker's global scope and of Node's port that is used. */
interface Port {
  postMessage(message: Answer, transfer: Transferable[]): void;
}

let classifier: Classifier | undefined;

async function receive(port: Port, request: Request): Promise<void> {
  const answer = (message: Answer, transfer: Transferable[] = []): void => port.postMessage(message, transfer);
  if (request.kind === "load") {
    const { model, wasm, modules, arithmetic } = request.model;
    handModules(modules);
    try {
      classifier = await Classifier.load({
        model,
        ...(wasm !== undefined && { wasm }),
        ...(arithmetic !== undefined && { arithmetic }),
        onProgress: (progress) => answer({ kind: "progress", progress }),
      });
      const { labels, threshold, penDownThreshold } = classifier;
      answer({ kind: "loaded", facts: { labels, arithmetic: classifier.arithmetic, threshold, penDownThreshold } });
    } catch (error) {
      answer({ kind: "failed", error: failure(error) });
    }
    return;
  }
  if (request.kind === "ping") return answer({ kind: "pong" });
  const { id } = request;
  try {
    if (classifier === undefined) throw new QuickdrawError("internal", "the worker was asked before it had loaded");
    const value = call(classifier, request);
    answer({ kind: "value", id, value }, buffersOf(value));
  } catch (error) {
    answer({ kind: "error", id, error: failure(error) });
  }
}

function call(classifier: Classifier, request: Request & { kind: "call" }): unknown {
  const { options } = request;
  switch (request.method) {
    case "classify":
      return classifier.classify(request.strokes, options);
    case "classifyAll":
      return classifier.classifyAll(request.strokes, options);
    case "outputs":
      return classifier.outputs(request.strokes, options);
    case "probabilities":
      return classifier.probabilities(request.strokes, options);
    case "embed":
      return classifier.embed(request.strokes, options);
    case "simplify":
      return classifier.simplify(request.strokes);
  }
}

/** The memory that changes hands with an answer: what the classifier made for it. */
function buffersOf(value: unknown): ArrayBuffer[] {
  const values = value instanceof Float32Array ? [value] : Object.values(Object(value) as object);
  return values.flatMap((part) => (part instanceof Float32Array ? [part.buffer as ArrayBuffer] : []));
}

function failure(error: unknown): Failure {
  return { code: error instanceof QuickdrawError ? error.code : "internal", message: messageOf(error) };
}

async function listenInNode(): Promise<void> {
  const { parentPort } = await nodeModule<typeof import("node:worker_threads")>("node:worker_threads");
  if (parentPort === null) throw new QuickdrawError("internal", "quickdraw-rnn/worker-thread runs in a worker");
  const port = parentPort;
  const answers: Port = {
    postMessage: (message, transfer) => port.postMessage(message, transfer as unknown as ArrayBuffer[]),
  };
  port.on("message", (request: Request) => void receive(answers, request));
}

// A browser hands over the messages that came before the module was evaluated once it is, so listening cannot wait for
// anything; Node keeps them until somebody listens.
if (typeof self === "object" && typeof self.postMessage === "function") {
  const scope = self as unknown as Port & Pick<Worker, "addEventListener">;
  scope.addEventListener("message", ({ data }: MessageEvent<Request>) => void receive(scope, data));
} else {
  void listenInNode();
}
