import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { App } from "../app.ts";
import { type SessionRow, withOpenSession } from "../chat/session-row.ts";
import { Observes } from "../lib/observable.ts";
import { duration } from "../lib/time.ts";
import { LightElement } from "./light-element.ts";

const JUST_NOW_MS = 60_000;

class SessionList extends LightElement {
  static override properties = { app: { attribute: false } };
  declare app: App;

  constructor() {
    super();
    new Observes(this, () => [this.app.sessions.sessions, this.app.chat.chat, this.app.connection.state]);
  }

  protected override render() {
    const { rows, problem } = this.app.sessions.sessions.value;
    const open = this.app.chat.chat.value.sessionKey;
    return html`
      <nav class="sessions" aria-label="Sessions">
        <button class="new" type="button" data-testid="new-session" @click=${() => this.app.newSession()}>New session</button>
        ${problem ? html`<p class="problem">The list could not be read: ${problem}</p>` : nothing}
        <ul>
          ${repeat(withOpenSession(rows, open), (row) => row.key, (row) => this.#row(row, row.key === open))}
        </ul>
      </nav>
    `;
  }

  #row(row: SessionRow, current: boolean) {
    return html`
      <li>
        <button
          type="button"
          data-testid="session"
          data-key=${row.key}
          title=${row.key}
          aria-current=${current ? "true" : nothing}
          @click=${() => this.app.hash.open(row.key)}
        >
          <span class="title">
            ${row.running ? html`<span class="busy" role="img" aria-label="running"></span>` : nothing}
            ${row.title}
          </span>
          <span class="age">${age(row)}</span>
          <span class="preview">${row.preview ?? ""}</span>
        </button>
      </li>
    `;
  }
}

function age({ updatedAtMs }: SessionRow): string {
  if (!updatedAtMs) return "";
  const passed = Date.now() - updatedAtMs;
  return passed < JUST_NOW_MS ? "now" : duration(passed).split(" ").slice(0, 2).join(" ");
}

customElements.define("tailclaw-sessions", SessionList);
