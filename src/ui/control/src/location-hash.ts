import { Observable } from "./lib/observable.ts";

const SESSION = "session";
const TOKEN = "token";

/** The page's only route: which session is open. A token in the fragment is handed over once and removed. */
export class LocationHash {
  readonly session = new Observable<string | null>(null);
  readonly #onToken: (token: string) => void;

  constructor(onToken: (token: string) => void) {
    this.#onToken = onToken;
    this.#read();
    addEventListener("hashchange", () => this.#read());
  }

  open(sessionKey: string): void {
    if (sessionKey === this.session.value) return;
    history.pushState(null, "", hashOf(sessionKey));
    this.session.set(sessionKey);
  }

  #read(): void {
    // A form-encoded "+" would become a space, and a base64 token may hold one.
    const parameters = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
    const session = parameters.get(SESSION);
    const token = parameters.get(TOKEN)?.trim();
    if (parameters.has(TOKEN)) {
      // Neither the address bar nor the tab's history may keep a secret.
      history.replaceState(null, "", session ? hashOf(session) : location.pathname + location.search);
    }
    this.session.set(session);
    if (token) this.#onToken(token);
  }
}

function hashOf(sessionKey: string): string {
  return `#${SESSION}=${encodeURIComponent(sessionKey)}`;
}
