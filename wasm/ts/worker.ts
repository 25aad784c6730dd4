/**
 * The classifier in a worker, so that the page never waits: `createWorkerClassifier()`, then
 * `await classifier.classify(strokes)`.
 *
 * @module quickdraw-rnn/worker
 */
/// <reference lib="esnext.disposable" preserve="true" />

import type { Outputs, Prediction } from "./classifier.js";
import { QuickdrawError, messageOf } from "./error.js";
import { ownModel, ownModule } from "./files.js";
import { FileProgress, abortable, report, throwIfAborted } from "./loading.js";
import {
  type Answer,
  type Method,
  type ModelFacts,
  type Request,
  type SentFile,
  type SentModules,
  type WorkerModel,
  readAnswer,
} from "./messages.js";
import { nodeModule } from "./node.js";
import {
  type Arithmetic,
  type ClassifyOptions,
  type EmbedOptions,
  type FileSource,
  type LoadOptions,
  type ModelFiles,
  type ProbabilityOptions,
  allowedLabels,
  invalid,
  isUncertain,
  readClassifyOptions,
  readLoadOptions,
} from "./options.js";
import type { PlatformAbortSignal, PlatformUrl, PlatformWorker } from "./platform.js";
import { workerProgram } from "./program.js";
import { readSource, resolveUrl, shown } from "./read.js";
import { int8Module } from "./simd.js";
import { isAddress, isModule, isUrl } from "./sources.js";
import { Session } from "./session.js";
import { MAX_POINTS, type Packed, type Strokes, readDrawings, readStrokes } from "./strokes.js";

export type { Outputs, Prediction } from "./classifier.js";
export { QuickdrawError } from "./error.js";
export type { QuickdrawErrorCode } from "./error.js";
export type { LoadProgress } from "./loading.js";
export type {
  Arithmetic,
  ClassifyOptions,
  EmbedOptions,
  LoadOptions,
  ModelFiles,
  ProbabilityOptions,
} from "./options.js";
export type { Session, SessionOptions } from "./session.js";
export type { Coordinates, PackedStrokes, Point, Strokes } from "./strokes.js";

/** Options of {@link createWorkerClassifier}. */
export interface WorkerLoadOptions extends LoadOptions {
  /**
   * For bundlers that do not follow `new URL("...", import.meta.url)`: the address of the package's
   * `dist/worker-thread.js`, or a function that starts a worker with it. A worker that died is started again.
   */
  readonly worker?: string | PlatformUrl | (() => PlatformWorker);
}

/**
 * Starts a worker and loads the shipped model in it, or another.
 *
 * @throws QuickdrawError as `Classifier.load`, also if workers are `unsupported` here; or the reason of the signal. All
 * of them as a rejection.
 */
export async function createWorkerClassifier(options: WorkerLoadOptions = {}): Promise<WorkerClassifier> {
  const { model, wasm, arithmetic, signal, onProgress } = readLoadOptions(options);
  const { worker } = options;
  if (worker !== undefined && typeof worker !== "string" && !isUrl(worker) && typeof worker !== "function") {
    throw invalid("worker", worker, "an address, or a function that starts a worker");
  }
  throwIfAborted(signal);
  // An abort while files are read on this side needs nothing undone.
  const sent = await abortable(sendable(model, wasm, arithmetic, signal), signal);
  return WorkerClassifier.start(sent, worker, signal, onProgress);
}

/** Options of a load as a message can carry them. */
async function sendable(
  model: LoadOptions["model"],
  wasm: LoadOptions["wasm"],
  arithmetic: Arithmetic | undefined,
  signal: AbortSignal | undefined,
): Promise<WorkerModel> {
  const file = async (source: FileSource): Promise<SentFile> =>
    isAddress(source) ? (await resolveUrl(source)).href : readSource(source, new FileProgress(), signal);
  const files = async ({ modelJson, weights }: ModelFiles): Promise<{ modelJson: SentFile; weights: SentFile }> => {
    const [modelJsonFile, weightsFile] = await Promise.all([file(modelJson), file(weights)]);
    return { modelJson: modelJsonFile, weights: weightsFile };
  };
  const sentModel = async (): Promise<WorkerModel["model"]> =>
    model === undefined ? files(await ownModel()) : isAddress(model) ? (await resolveUrl(model)).href : files(model);
  const sentWasm = async (): Promise<WorkerModel["wasm"]> => (wasm === undefined || isModule(wasm) ? wasm : file(wasm));
  const sentModules = async (): Promise<SentModules> => {
    if (wasm !== undefined) return {};
    const kind = int8Module();
    const int8 = await file(await ownModule(kind));
    // Few need it, and where it cannot be had those are told so.
    const float32 = await ownModule("float32")
      .then(file)
      .catch(() => undefined);
    return { [kind]: int8, ...(float32 !== undefined && { float32 }) };
  };
  const [modelSent, wasmSent, modules] = await Promise.all([sentModel(), sentWasm(), sentModules()]);
  return { model: modelSent, wasm: wasmSent, modules, arithmetic };
}

/** After so many workers that died without an answer, another one would die too, and each loads the model again. */
const MAX_DEATHS = 5;

/** Drawings that go to the worker together, with no more points than one drawing may have. */
const BATCH_SIZE = 64;

/** Methods of which only the newest drawing waits while another is in flight. */
const NEWEST_FIRST: ReadonlySet<CallRequest["method"]> = new Set(["classify", "outputs"] as const);

type CallRequest = Request & { readonly kind: "call" };

/** A request without what every one has. */
type Asked = CallRequest extends infer R ? (R extends CallRequest ? Omit<R, "kind" | "id"> : never) : never;

/** A call that has no answer yet. */
interface Call {
  readonly request: CallRequest;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Recognises drawings in a worker. */
export class WorkerClassifier implements Disposable {
  /** The categories that the model knows. */
  readonly labels: readonly string[];
  /** How this classifier computes. */
  readonly arithmetic: Arithmetic;
  /** As that of `Classifier`. */
  readonly threshold: number | undefined;
  /** As that of `Classifier`. */
  readonly penDownThreshold: number | undefined;

  readonly #startThread: () => Promise<Thread>;
  #thread: Promise<Thread> | undefined;
  #isDisposed = false;
  /** How many workers died, one after the other, without an answer. */
  #nDeaths = 0;
  #nCalls = 0;
  /** The calls that the worker has. */
  readonly #underWay = new Map<number, Call>();
  /** The newest drawing for each of the {@link NEWEST_FIRST}, while another is in flight. */
  readonly #waiting = new Map<CallRequest["method"], Call>();

  /** @internal */
  private constructor(facts: ModelFacts, thread: Thread, startThread: () => Promise<Thread>) {
    this.labels = Object.freeze(facts.labels);
    this.arithmetic = facts.arithmetic;
    this.threshold = facts.threshold;
    this.penDownThreshold = facts.penDownThreshold;
    this.#startThread = startThread;
    this.#adopt(thread);
  }

  /** @internal */
  static async start(
    model: WorkerModel,
    worker: WorkerLoadOptions["worker"],
    signal: PlatformAbortSignal | undefined,
    onProgress: LoadOptions["onProgress"],
  ): Promise<WorkerClassifier> {
    const thread = await Thread.start(worker);
    try {
      const facts = await abortable(thread.load(model, onProgress), signal);
      return new WorkerClassifier(facts, thread, async () => {
        const again = await Thread.start(worker);
        await again.load(model, undefined).catch((error: unknown) => {
          again.terminate();
          throw error;
        });
        return again;
      });
    } catch (error) {
      thread.terminate();
      throw error;
    }
  }

  /**
   * Guesses what a drawing shows, as `Classifier.classify`.
   *
   * The newest drawing comes first: while one is classified only the newest of the others waits, and the promises of
   * those before it reject with `superseded`. So guesses never lag behind the pen by more than one.
   *
   * @throws QuickdrawError `invalid-strokes`, `invalid-options`, `superseded`, `disposed`, `internal`
   */
  classify(strokes: Strokes, options: ClassifyOptions = {}): Promise<Prediction[]> {
    return this.#call("classify", strokes, options);
  }

  /**
   * Guesses what each of many drawings shows, as `Classifier.classifyAll`. They are read and go to
   * the worker some at a time, so that other calls are answered in between.
   */
  async classifyAll(drawings: Iterable<Strokes>, options: ClassifyOptions = {}): Promise<Prediction[][]> {
    const sent = this.#options(options);
    const predictions: Prediction[][] = [];
    let batch: Packed[] = [];
    const send = async (): Promise<void> => {
      const strokes = batch;
      batch = [];
      predictions.push(...(await this.#ask<Prediction[][]>({ method: "classifyAll", strokes, options: sent })));
    };
    let nPoints = 0;
    for (const { points, offsets } of readDrawings(drawings)) {
      if (batch.length === BATCH_SIZE || (batch.length > 0 && nPoints + points.length / 2 > MAX_POINTS)) {
        await send();
        nPoints = 0;
      }
      batch.push({ points: new Float32Array(points), offsets });
      nPoints += points.length / 2;
    }
    if (batch.length > 0) await send();
    return predictions;
  }

  /**
   * A drawing that grows, as `Classifier.session`; its `classify` gives promises, and like {@link classify} rejects those
   * of drawings that a newer one has overtaken.
   */
  session(): Session<Promise<Prediction[]>> {
    return new Session((strokes, options) => this.classify(strokes, options));
  }

  /**
   * `probabilities` and `embed` in one run of the network, as `Classifier.outputs`; like {@link classify} it rejects
   * drawings that a newer one has overtaken.
   */
  outputs(strokes: Strokes, options: ProbabilityOptions = {}): Promise<Outputs> {
    return this.#call("outputs", strokes, options);
  }

  /** The probability of each label, as `Classifier.probabilities`; every call is answered. */
  probabilities(strokes: Strokes, options: ProbabilityOptions = {}): Promise<Float32Array> {
    return this.#call("probabilities", strokes, options);
  }

  /** The vector before the network's last layer, as `Classifier.embed`; every call is answered. */
  embed(strokes: Strokes, options: EmbedOptions = {}): Promise<Float32Array> {
    return this.#call("embed", strokes, options);
  }

  /** Strokes in the data set's simplified form, as `Classifier.simplify`; every call is answered. */
  simplify(strokes: Strokes): Promise<number[][][]> {
    return this.#call("simplify", strokes, {});
  }

  /** Whether these predictions do not say what the drawing is, as `Classifier.isUncertain`. */
  isUncertain(predictions: readonly Prediction[], options: Pick<EmbedOptions, "isPenDown"> = {}): boolean {
    return isUncertain(predictions, this, options);
  }

  /** Ends the worker. Calls that have no answer yet reject with `disposed`; disposing again does nothing. */
  dispose(): void {
    this.#isDisposed = true;
    const thread = this.#thread;
    this.#thread = undefined;
    void thread?.then(
      (thread) => thread.terminate(),
      () => undefined,
    );
    this.#rejectAll(() => disposed());
  }

  /** As `dispose`, for `using`; where the runtime has `Symbol.dispose`. */
  declare [Symbol.dispose]: () => void;

  async #call<T>(method: Method, strokes: Strokes, options: ClassifyOptions): Promise<T> {
    // Read and checked on this side: what is wrong is known at once, and what cannot be cloned is not sent.
    const sent = this.#options(options);
    const { points, offsets } = readStrokes(strokes);
    // The caller keeps the points; their copy changes hands when it is sent.
    return this.#ask({ method, strokes: { points: new Float32Array(points), offsets }, options: sent });
  }

  /** Options that were checked, as a message can carry them. */
  #options(options: ClassifyOptions): ClassifyOptions {
    if (this.#isDisposed) throw disposed();
    const checked = readClassifyOptions(options);
    allowedLabels(this.labels, checked);
    const { allow, deny, ...others } = checked;
    return { ...others, ...(allow !== undefined && { allow }), ...(deny !== undefined && { deny }) };
  }

  #ask<T>(call: Asked): Promise<T> {
    if (this.#isDisposed) return Promise.reject(disposed());
    const request = { ...call, kind: "call", id: ++this.#nCalls } as const;
    return new Promise<T>((resolve, reject) => {
      const call: Call = { request, resolve, reject };
      const { method } = request;
      if (!NEWEST_FIRST.has(method)) return this.#send(call);
      const older = this.#waiting.get(method);
      older?.reject(new QuickdrawError("superseded", "a newer drawing came before this one was classified"));
      this.#waiting.set(method, call);
      this.#sendWaiting();
    });
  }

  #sendWaiting(): void {
    const busy = new Set(Array.from(this.#underWay.values(), ({ request }) => request.method));
    for (const [method, call] of this.#waiting) {
      if (busy.has(method)) continue;
      this.#waiting.delete(method);
      this.#send(call);
    }
  }

  #send(call: Call): void {
    const { request } = call;
    this.#underWay.set(request.id, call);
    this.#thread ??= this.#restart();
    this.#thread.then(
      (thread) => {
        if (!this.#underWay.has(request.id)) return;
        const drawings = request.method === "classifyAll" ? request.strokes : [request.strokes];
        const buffers = drawings.flatMap(({ points, offsets }) => [points.buffer, offsets.buffer]);
        thread.send(request, buffers as ArrayBuffer[]);
        thread.expectAnswer(true);
      },
      // `#restart` has told.
      () => undefined,
    );
  }

  #restart(): Promise<Thread> {
    const message = `${MAX_DEATHS} workers died in a row: call createWorkerClassifier() for another classifier`;
    const isOver = this.#nDeaths >= MAX_DEATHS;
    const starting = isOver ? Promise.reject(new QuickdrawError("internal", message)) : this.#startThread();
    starting.then(
      (thread) => {
        if (this.#isDisposed) thread.terminate();
        else this.#listen(thread);
      },
      (error: unknown) => {
        this.#thread = undefined;
        this.#rejectAll(() => error);
      },
    );
    return starting;
  }

  #adopt(thread: Thread): void {
    this.#thread = Promise.resolve(thread);
    this.#listen(thread);
  }

  #listen(thread: Thread): void {
    const crashed = (message: string): void => {
      // A late answer must not reach the calls of the thread that takes its place.
      thread.silence();
      thread.terminate();
      this.#thread = undefined;
      this.#nDeaths += 1;
      const next = this.#nDeaths < MAX_DEATHS ? "the next call starts another" : "none is started any more";
      this.#rejectAll(() => new QuickdrawError("internal", `the worker died: ${message}; ${next}`));
    };
    thread.onDeath = crashed;
    thread.onAnswer = (answer) => {
      if (answer.kind !== "value" && answer.kind !== "error") return;
      const call = this.#underWay.get(answer.id);
      this.#underWay.delete(answer.id);
      thread.expectAnswer(this.#underWay.size > 0);
      if (answer.kind === "value") {
        call?.resolve(answer.value as never);
      } else {
        const { code, message } = answer.error;
        call?.reject(new QuickdrawError(code, message));
        // After a fault of the compiled recogniser its memory cannot be trusted.
        if (code === "internal") return crashed(message);
      }
      this.#nDeaths = 0;
      this.#sendWaiting();
    };
  }

  #rejectAll(error: () => unknown): void {
    const calls = [...this.#underWay.values(), ...this.#waiting.values()];
    this.#underWay.clear();
    this.#waiting.clear();
    for (const call of calls) call.reject(error());
  }
}

if (typeof Symbol.dispose === "symbol") {
  WorkerClassifier.prototype[Symbol.dispose] = WorkerClassifier.prototype.dispose;
}

function disposed(): QuickdrawError {
  return new QuickdrawError("disposed", "this classifier was disposed: call createWorkerClassifier() for another");
}

/**
 * A worker that says nothing for so long is blocked or gone: some browsers end one for lack of memory without an event.
 * A drawing of a million points takes a second on a desktop computer.
 */
const MAX_SILENCE_MS = 30_000;

/** A worker of a browser, or a thread of Node, with one face. */
class Thread {
  onAnswer: (answer: Answer) => void = () => undefined;
  /** Called once, also if the worker dies before anybody asks it anything. */
  onDeath: (message: string) => void = () => undefined;

  readonly send: (request: Request, transfer?: ArrayBuffer[]) => void;
  readonly #terminate: () => void;
  /** What may be wrong if its program cannot be loaded. */
  readonly #remedy: string;
  #watchdog: ReturnType<typeof setTimeout> | undefined;

  private constructor(send: Thread["send"], terminate: () => void, remedy = "") {
    this.send = send;
    this.#terminate = terminate;
    this.#remedy = remedy;
  }

  static async start(worker: WorkerLoadOptions["worker"]): Promise<Thread> {
    try {
      return typeof Worker === "undefined" && typeof worker !== "function"
        ? await Thread.#startInNode(worker)
        : await Thread.#startInBrowser(worker);
    } catch (cause) {
      if (cause instanceof QuickdrawError) throw cause;
      throw new QuickdrawError("load-failed", `the worker could not be started: ${messageOf(cause)}`, { cause });
    }
  }

  static async #startInBrowser(source: WorkerLoadOptions["worker"]): Promise<Thread> {
    const { worker, remedy } =
      typeof source === "function"
        ? { worker: source(), remedy: "" }
        : startWorker(source === undefined ? workerProgram() : await resolveUrl(source));
    if (typeof worker?.postMessage !== "function") {
      throw new QuickdrawError("invalid-options", "option `worker`: the function gave no Worker");
    }
    const thread: Thread = new Thread(
      (request, transfer = []) => worker.postMessage(request, transfer),
      () => worker.terminate(),
      remedy,
    );
    worker.onmessage = ({ data }: MessageEvent<unknown>) => thread.#receive(data);
    worker.onmessageerror = () => thread.onDeath("an answer of it could not be read");
    worker.onerror = (event) => {
      event.preventDefault();
      thread.onDeath(event.message || "its program could not be loaded");
    };
    return thread;
  }

  static async #startInNode(source: string | URL | undefined): Promise<Thread> {
    if (typeof process !== "object" || !process.versions?.node) {
      throw new QuickdrawError("unsupported", "there are no workers here: use Classifier of quickdraw-rnn");
    }
    const { Worker } = await nodeModule<typeof import("node:worker_threads")>("node:worker_threads");
    const { URL } = await nodeModule<typeof import("node:url")>("node:url");
    const { href } = source === undefined ? workerProgram() : await resolveUrl(source);
    // Options of the program, such as --eval, are not the worker's. jsdom's URLs are not Node's.
    const worker = new Worker(new URL(href), { execArgv: [] });
    const thread: Thread = new Thread(
      (request, transfer = []) => worker.postMessage(request, transfer),
      () => void worker.terminate(),
    );
    let isDead = false;
    const die = (message: string): void => {
      if (!isDead) thread.onDeath(message);
      isDead = true;
    };
    worker.on("message", (data: unknown) => thread.#receive(data));
    worker.on("messageerror", () => die("an answer of it could not be read"));
    worker.on("error", (error) => die(messageOf(error)));
    worker.on("exit", (code) => die(`it ended with exit code ${code}`));
    return thread;
  }

  /** Loads the model; `onAnswer` and `onDeath` are free again when the promise is settled. */
  load(model: WorkerModel, onProgress: LoadOptions["onProgress"]): Promise<ModelFacts> {
    const loading = new Promise<ModelFacts>((resolve, reject) => {
      this.onDeath = (message) => {
        const error = `the worker could not be started: ${message}${this.#remedy}`;
        reject(new QuickdrawError("load-failed", error));
      };
      this.onAnswer = (answer) => {
        if (answer.kind === "progress") report(onProgress, answer.progress);
        else if (answer.kind === "loaded") resolve(answer.facts);
        else if (answer.kind === "failed") reject(new QuickdrawError(answer.error.code, answer.error.message));
        // A network may be slow, but a worker that waits for it answers.
        else if (answer.kind === "pong") this.#ping();
      };
      this.send({ kind: "load", model });
      this.#ping();
    });
    return loading.finally(() => this.expectAnswer(false));
  }

  /** Whether the worker owes an answer: one that is silent for too long is dead. */
  expectAnswer(isExpected: boolean): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = undefined;
    if (isExpected) this.#watch();
  }

  /** Nobody hears it from now on. */
  silence(): void {
    this.onAnswer = () => undefined;
    this.onDeath = () => undefined;
    this.expectAnswer(false);
  }

  terminate(): void {
    this.expectAnswer(false);
    this.#terminate();
  }

  /** Asks for a heartbeat, again and again while a load goes on. */
  #ping(): void {
    this.expectAnswer(false);
    this.#watchdog = setTimeout(() => {
      this.send({ kind: "ping" });
      this.#watch();
    }, MAX_SILENCE_MS / 2);
  }

  #watch(): void {
    const start = Date.now();
    this.#watchdog = setTimeout(() => {
      // A computer that slept hears the answers after its timers.
      if (Date.now() - start > 2 * MAX_SILENCE_MS) return this.#watch();
      this.onDeath(`it has been silent for ${MAX_SILENCE_MS / 1000} seconds`);
    }, MAX_SILENCE_MS);
  }

  #receive(data: unknown): void {
    const answer = readAnswer(data);
    if (answer !== undefined) this.onAnswer(answer);
  }
}

/**
 * Starts a browser's worker. Its program is a script as well as a module, and must be of the page's own origin, as a
 * Blob of the page is; from there a script may load scripts of any other origin. Pages from files take scripts only.
 */
function startWorker(program: URL): { worker: Worker; remedy: string } {
  // Without a page, as in Deno, there are only module workers.
  const isOwn = globalThis.location === undefined || (program.origin === location.origin && program.origin !== "null");
  const isForeign = !isOwn && /^https?:$/.test(program.protocol);
  const blob =
    "the page's Content-Security-Policy must allow it (`worker-src blob:`), or serve dist/worker-thread.js from " +
    "the page's own origin and name it as option `worker`";
  const remedy = isForeign
    ? `; its program comes from another origin, ${shown(program)}, by a Blob: ${blob}`
    : program.protocol === "blob:"
      ? `; its program is a Blob: ${blob}`
      : `; ${shown(program)} must be the package's dist/worker-thread.js`;
  const script = (): Blob => new Blob([`importScripts(${JSON.stringify(program.href)});`], { type: "text/javascript" });
  try {
    const address = isForeign ? URL.createObjectURL(script()) : program.href;
    const worker = new Worker(address, { type: isOwn ? "module" : "classic", name: "quickdraw-rnn" });
    return { worker, remedy };
  } catch (cause) {
    throw new QuickdrawError("load-failed", `the worker could not be started: ${messageOf(cause)}${remedy}`, { cause });
  }
}
