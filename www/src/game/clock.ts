/** A stopwatch that can be held. */
export class Clock {
  #keptMs = 0;
  #sinceMs: number | undefined;

  get isRunning(): boolean {
    return this.#sinceMs !== undefined;
  }

  get elapsedMs(): number {
    return this.#keptMs + (this.#sinceMs === undefined ? 0 : performance.now() - this.#sinceMs);
  }

  run(): void {
    this.#sinceMs ??= performance.now();
  }

  hold(): void {
    this.#keptMs = this.elapsedMs;
    this.#sinceMs = undefined;
  }
}
