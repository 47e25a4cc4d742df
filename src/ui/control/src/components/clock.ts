import type { ReactiveController, ReactiveControllerHost } from "lit";

const EVERY_MS = 1_000;

/** Re-renders once a second, for what counts up or down. */
export class Clock implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
    host.addController(this);
  }

  hostConnected(): void {
    this.#timer = setInterval(() => this.#host.requestUpdate(), EVERY_MS);
  }

  hostDisconnected(): void {
    clearInterval(this.#timer);
  }
}
