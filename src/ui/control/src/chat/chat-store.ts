import type { EventFrame } from "@openclaw/gateway-client/browser";
import type { Connection } from "../gateway/connection.ts";
import { patiently } from "../gateway/patiently.ts";
import { object, text, texts } from "../lib/json.ts";
import { Observable } from "../lib/observable.ts";
import { randomId } from "../lib/random.ts";
import { type Chat, emptyChat, runningIds } from "./chat.ts";
import { chatEvent, interrupted, sendFailed, sent, toolEvent, underWay } from "./chat-reducer.ts";
import { entriesOf } from "./history.ts";
import { withHistory } from "./merge.ts";

const HISTORY_LIMIT = 200;

interface Unacknowledged {
  sessionKey: string;
  message: string;
}

/** The open session's conversation, kept true against the gateway. */
export class ChatStore {
  readonly chat: Observable<Chat>;
  /** The session as its history describes it, for one the list does not show yet. */
  readonly sessionInfo = new Observable<Record<string, unknown>>({});
  readonly #connection: Connection;
  readonly #ours = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #unacknowledged = new Map<string, Unacknowledged>();
  #loads = 0;

  constructor(connection: Connection, sessionKey: string) {
    this.#connection = connection;
    this.chat = new Observable(emptyChat(sessionKey));
    connection.onEvent((event) => this.#received(event));
    connection.onGap(() => void this.reload(true));
  }

  open(sessionKey: string): void {
    if (sessionKey === this.chat.value.sessionKey) return;
    this.sessionInfo.set({});
    this.chat.set(emptyChat(sessionKey));
    void this.reload();
  }

  /** After a (re)connect: what happened meanwhile is read, what was not confirmed is said again. */
  async resume(): Promise<void> {
    await this.reload(true);
    for (const [runId, { sessionKey, message }] of this.#unacknowledged) void this.#deliver(runId, sessionKey, message);
  }

  async reload(eventsWereLost = false): Promise<void> {
    const { sessionKey } = this.chat.value;
    const load = ++this.#loads;
    const running = runningIds(this.chat.value);
    try {
      const reply = object(
        await patiently(() => this.#connection.request("chat.history", { sessionKey, limit: HISTORY_LIMIT })),
      );
      if (load !== this.#loads || sessionKey !== this.chat.value.sessionKey) return;
      const info = object(reply.sessionInfo);
      this.sessionInfo.set(info);
      this.chat.update((chat) => {
        const begun = texts(info.activeRunIds).filter((runId) => !this.#ended.has(runId));
        const merged = underWay(withHistory(chat, entriesOf(reply.messages)), begun, Date.now());
        return eventsWereLost ? interrupted(merged, (runId) => running.includes(runId) && this.#isLost(runId, info)) : merged;
      });
    } catch (error) {
      if (load !== this.#loads || this.#connection.state.value.kind !== "connected") return;
      this.chat.update((chat) => ({ ...chat, loaded: true, problem: messageOf(error) }));
    }
  }

  send(message: string): void {
    const { sessionKey } = this.chat.value;
    const runId = randomId();
    this.#ours.add(runId);
    this.chat.update((chat) => sent(chat, runId, message, Date.now()));
    void this.#deliver(runId, sessionKey, message);
  }

  async stop(): Promise<void> {
    const { sessionKey } = this.chat.value;
    for (const runId of runningIds(this.chat.value)) {
      try {
        await this.#connection.request("chat.abort", { sessionKey, runId });
      } catch (error) {
        this.chat.update((chat) => ({ ...chat, problem: `It could not be stopped: ${messageOf(error)}` }));
      }
    }
  }

  /** The key makes a repeat harmless, so a message whose fate is unknown may be sent again. */
  async #deliver(runId: string, sessionKey: string, message: string): Promise<void> {
    this.#unacknowledged.set(runId, { sessionKey, message });
    try {
      await patiently(() => this.#connection.request("chat.send", { sessionKey, message, idempotencyKey: runId }));
      this.#unacknowledged.delete(runId);
    } catch (error) {
      if (this.#connection.state.value.kind !== "connected") return;
      this.#unacknowledged.delete(runId);
      this.#inSession(sessionKey, (chat) => sendFailed(chat, runId, messageOf(error)));
    }
  }

  #received({ event, payload }: EventFrame): void {
    if (event === "chat") {
      if (isEnd(payload)) this.#ended.add(String(object(payload).runId));
      this.chat.update((chat) => chatEvent(chat, payload, Date.now()));
      this.#followOthers(object(payload));
    } else if (event === "agent") {
      this.chat.update((chat) => toolEvent(chat, payload, Date.now()));
    }
  }

  /** A run of somebody else's began with words that no event carries, so they are read. */
  #followOthers(event: Record<string, unknown>): void {
    const runId = text(event.runId);
    if (!runId || this.#ours.has(runId) || event.sessionKey !== this.chat.value.sessionKey) return;
    const ended = isEnd(event);
    if (!ended && this.#seen.has(runId)) return;
    if (ended) this.#seen.delete(runId);
    else this.#seen.add(runId);
    void this.reload();
  }

  #isLost(runId: string, info: Record<string, unknown>): boolean {
    if (this.#unacknowledged.has(runId) || typeof info.hasActiveRun !== "boolean") return false;
    const active = texts(info.activeRunIds);
    return !info.hasActiveRun || (active.length > 0 && !active.includes(runId));
  }

  #inSession(sessionKey: string, change: (chat: Chat) => Chat): void {
    if (this.chat.value.sessionKey === sessionKey) this.chat.update(change);
  }
}

function isEnd(event: unknown): boolean {
  return ["final", "error", "aborted"].includes(String(object(event).state));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
