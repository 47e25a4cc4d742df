import { ChatStore } from "./chat/chat-store.ts";
import { SessionsStore } from "./chat/sessions-store.ts";
import { Connection } from "./gateway/connection.ts";
import { Observable } from "./lib/observable.ts";
import { LocationHash } from "./location-hash.ts";
import { fetchWhoami, type Whoami } from "./whoami.ts";

/** The parts of the page and how they move one another. */
export class App {
  readonly whoami = new Observable<Whoami | null>(null);
  readonly connection: Connection;
  readonly sessions: SessionsStore;
  readonly chat: ChatStore;
  readonly hash: LocationHash;
  #whoamiReply: Promise<Whoami | null> | undefined;
  #connectedBefore = false;
  #started = false;

  constructor() {
    this.connection = new Connection(() => this.#askWhoami());
    this.hash = new LocationHash((token) => this.#adopt(token));
    this.sessions = new SessionsStore(this.connection);
    this.chat = new ChatStore(this.connection, this.hash.session.value ?? this.sessions.mainKey());
    this.hash.session.subscribe((key) => this.chat.open(key ?? this.sessions.mainKey()));
    this.connection.state.subscribe(({ kind }) => kind === "connected" && this.#connected());
  }

  start(): void {
    this.#started = true;
    void this.#askWhoami();
    void this.connection.start();
  }

  /** Asks anew: since the last refusal a grant, a login or a tailnet may have changed. */
  async tryAgain(): Promise<void> {
    this.#whoamiReply = undefined;
    await this.connection.tryAgain();
  }

  newSession(): void {
    this.hash.open(this.sessions.newKey());
  }

  #adopt(token: string): void {
    this.connection.adoptSecret(token);
    // A link pasted into an open tab only changes the fragment, so nothing else would start over.
    if (this.#started && this.connection.state.value.kind !== "connected") void this.connection.tryAgain();
  }

  #connected(): void {
    if (this.#connectedBefore) {
      this.#whoamiReply = undefined;
      void this.#askWhoami();
    }
    this.#connectedBefore = true;
    if (this.hash.session.value === null) this.chat.open(this.sessions.mainKey());
    void this.sessions.resume();
    void this.chat.resume();
  }

  #askWhoami(): Promise<Whoami | null> {
    this.#whoamiReply ??= fetchWhoami().then((whoami) => {
      this.whoami.set(whoami);
      return whoami;
    });
    return this.#whoamiReply;
  }
}
