/** Fires when nothing was heard for a while: a dead path often leaves a socket that still looks open. */
export class Watchdog {
  readonly #onSilence: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence;
  }

  start(silenceMs: number): void {
    this.stop();
    this.heard();
    this.#timer = setInterval(() => {
      if (Date.now() - this.#heardAt <= silenceMs) return;
      this.stop();
      this.#onSilence();
    }, Math.max(1_000, silenceMs / 4));
  }

  heard(): void {
    this.#heardAt = Date.now();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
