import type { EventFrame } from "@openclaw/gateway-client/browser";
import type { Connection } from "../gateway/connection.ts";
import { patiently } from "../gateway/patiently.ts";
import { object, objects, text } from "../lib/json.ts";
import { Observable } from "../lib/observable.ts";
import { randomId } from "../lib/random.ts";
import { type Model, modelsOf, type SessionRow, rowOf } from "./session-row.ts";

const LIST_LIMIT = 100;
/** One message causes several changes within moments. */
const REFRESH_DELAY_MS = 250;

export interface Sessions {
  rows: SessionRow[];
  defaultModel?: string;
  loaded: boolean;
  problem?: string;
}

/** Which conversations there are, and which models can answer in them. */
export class SessionsStore {
  readonly sessions = new Observable<Sessions>({ rows: [], loaded: false });
  readonly models = new Observable<Model[]>([]);
  readonly #connection: Connection;
  #refreshing: ReturnType<typeof setTimeout> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onEvent((event) => this.#received(event));
    connection.onGap(() => void this.refresh());
  }

  async resume(): Promise<void> {
    await Promise.all([this.#subscribe(), this.refresh(), this.#readModels()]);
  }

  async refresh(): Promise<void> {
    try {
      const reply = object(
        await patiently(() =>
          this.#connection.request("sessions.list", {
            limit: LIST_LIMIT,
            includeDerivedTitles: true,
            includeLastMessage: true,
          }),
        ),
      );
      const rows = objects(reply.sessions).flatMap((row) => rowOf(row) ?? []);
      this.sessions.set({ rows, defaultModel: text(object(reply.defaults).model), loaded: true });
    } catch (error) {
      this.sessions.update((before) => ({ ...before, loaded: true, problem: problemOf(error) }));
    }
  }

  newKey(): string {
    const defaults = object(object(this.#connection.hello.value?.snapshot).sessionDefaults);
    return `agent:${text(defaults.defaultAgentId) ?? "main"}:${randomId(6)}`;
  }

  mainKey(): string {
    const defaults = object(object(this.#connection.hello.value?.snapshot).sessionDefaults);
    return text(defaults.mainSessionKey) ?? "agent:main:main";
  }

  async #subscribe(): Promise<void> {
    try {
      await patiently(() => this.#connection.request("sessions.subscribe"));
    } catch {
      // Without changes being announced, the list is still read at every connect and after every run.
    }
  }

  async #readModels(): Promise<void> {
    try {
      this.models.set(modelsOf(await patiently(() => this.#connection.request("models.list"))));
    } catch {
      this.models.set([]);
    }
  }

  #received({ event, payload }: EventFrame): void {
    const runEnded = event === "chat" && ["final", "error", "aborted"].includes(String(object(payload).state));
    if (event === "sessions.changed" || runEnded) this.#refreshSoon();
    if (event === "config.changed") void this.#readModels();
  }

  #refreshSoon(): void {
    this.#refreshing ??= setTimeout(() => {
      this.#refreshing = undefined;
      void this.refresh();
    }, REFRESH_DELAY_MS);
  }
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
