import type { ReactiveController, ReactiveControllerHost } from "lit";

export type Unsubscribe = () => void;

/** A value with listeners: all the state sharing this page needs. */
export class Observable<T> {
  #value: T;
  readonly #listeners = new Set<(value: T) => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value);
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }

  subscribe(listener: (value: T) => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

interface Source {
  subscribe(listener: () => void): Unsubscribe;
}

/** Re-renders a Lit element whenever one of the given observables changes. */
export class Observes implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #sources: () => readonly Source[];
  #stop: Unsubscribe[] = [];

  // The sources are asked for late: a property binding arrives after the element was constructed.
  constructor(host: ReactiveControllerHost, sources: () => readonly Source[]) {
    this.#host = host;
    this.#sources = sources;
    host.addController(this);
  }

  hostConnected(): void {
    this.#stop = this.#sources().map((source) => source.subscribe(() => this.#host.requestUpdate()));
  }

  hostDisconnected(): void {
    for (const stop of this.#stop) stop();
    this.#stop = [];
  }
}
