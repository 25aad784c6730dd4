/** Sentences shorter apart than this would cut each other off in a screen reader. */
const SHORTEST_PAUSE_MS = 2500;

/** Says sentences to a screen reader through a live region: never too fast, and the newest in the end. */
export class Announcer {
  readonly #region: HTMLElement;
  #lastMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Called with each sentence as it is said. */
  onSaid: (sentence: string) => void = () => {};

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  say(sentence: string): void {
    clearTimeout(this.#timer);
    const waitMs = Math.max(0, this.#lastMs + SHORTEST_PAUSE_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#lastMs = performance.now();
      this.#region.textContent = sentence;
      this.onSaid(sentence);
    }, waitMs);
  }

  /** Says nothing more about a drawing that is gone. */
  hush(): void {
    clearTimeout(this.#timer);
    this.#region.textContent = "";
  }
}
