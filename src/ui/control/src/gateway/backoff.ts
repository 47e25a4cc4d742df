/** How long to wait before trying again: doubling, bounded, and spread so that many pages do not return at once. */
export class Backoff {
  #attempts = 0;
  readonly #firstMs: number;
  readonly #maxMs: number;

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  next(random = Math.random()): number {
    const base = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#attempts);
    this.#attempts += 1;
    return Math.round(base * (0.8 + 0.4 * random));
  }

  reset(): void {
    this.#attempts = 0;
  }
}
