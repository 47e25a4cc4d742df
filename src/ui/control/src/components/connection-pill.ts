import { html, nothing } from "lit";
import type { App } from "../app.ts";
import type { ConnectionState } from "../gateway/connection-state.ts";
import { Observes } from "../lib/observable.ts";
import { LightElement } from "./light-element.ts";
import { Clock } from "./clock.ts";

const WORDS: Record<ConnectionState["kind"], string> = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting",
  refused: "Not connected",
};

class ConnectionPill extends LightElement {
  static override properties = { app: { attribute: false } };
  declare app: App;

  constructor() {
    super();
    new Observes(this, () => [this.app.connection.state]);
    new Clock(this);
  }

  protected override render() {
    const state = this.app.connection.state.value;
    const waiting = state.kind === "reconnecting";
    return html`
      <div class="connection" data-testid="connection" data-state=${state.kind}>
        <span class="dot" aria-hidden="true"></span>
        <span role="status">${WORDS[state.kind]}${waiting ? html`<span class="why">: ${state.reason}</span>` : nothing}</span>
        ${waiting ? html`${this.#countdown(state.retryAtMs)}${this.#retry()}` : nothing}
      </div>
    `;
  }

  /** Outside the live region: nobody wants every second read out. */
  #countdown(retryAtMs: number) {
    const seconds = Math.ceil((retryAtMs - Date.now()) / 1000);
    return html`<span class="countdown" aria-hidden="true">${seconds > 0 ? `in ${seconds} s` : "now…"}</span>`;
  }

  #retry() {
    return html`<button class="quiet" type="button" @click=${() => this.app.connection.tryAgain()}>Try now</button>`;
  }
}

customElements.define("tailclaw-connection", ConnectionPill);
