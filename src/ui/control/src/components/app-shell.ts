import { html, nothing } from "lit";
import { App } from "../app.ts";
import type { Refusal } from "../gateway/refusal.ts";
import { Observes } from "../lib/observable.ts";
import { loadMarkdown } from "../markdown-loader.ts";
import "./chat-pane.ts";
import "./connection-pill.ts";
import { LightElement } from "./light-element.ts";
import "./refusal-panel.ts";
import "./session-list.ts";
import "./status-footer.ts";
import "./tailnet-banner.ts";
import "./who-line.ts";

class AppShell extends LightElement {
  static override properties = { menuOpen: { state: true } };
  declare menuOpen: boolean;
  readonly #app = new App();
  #refusal: Refusal | null = null;

  constructor() {
    super();
    this.menuOpen = false;
    new Observes(this, () => [this.#app.connection.state]);
  }

  override firstUpdated(): void {
    this.#app.start();
    void loadMarkdown();
    this.#app.hash.session.subscribe(() => (this.menuOpen = false));
  }

  /** A refusal stays in view while it is tried again, so that the form does not come and go. */
  protected override willUpdate(): void {
    const state = this.#app.connection.state.value;
    if (state.kind === "refused") this.#refusal = state.refusal;
    else if (state.kind !== "connecting") this.#refusal = null;
  }

  protected override render() {
    const refused = this.#refusal !== null;
    return html`
      <header class="top">
        <button
          class="menu quiet"
          type="button"
          aria-label="Sessions"
          aria-expanded=${this.menuOpen}
          aria-controls="sessions"
          ?hidden=${refused}
          @click=${() => (this.menuOpen = !this.menuOpen)}
        >
          <svg viewBox="0 0 20 20" aria-hidden="true"><path d="M3 5.500h14M3 10h14M3 14.500h14" /></svg>
        </button>
        <h1>tailclaw</h1>
        <tailclaw-who .app=${this.#app}></tailclaw-who>
        <tailclaw-connection .app=${this.#app}></tailclaw-connection>
      </header>
      <tailclaw-tailnet-banner .app=${this.#app}></tailclaw-tailnet-banner>
      <div class="middle">
        ${refused ? nothing : html`<tailclaw-sessions id="sessions" .app=${this.#app} ?data-open=${this.menuOpen}></tailclaw-sessions>`}
        <main>
          ${
            refused
              ? html`<tailclaw-refusal .app=${this.#app} .refusal=${this.#refusal}></tailclaw-refusal>`
              : html`<tailclaw-chat .app=${this.#app}></tailclaw-chat>`
          }
        </main>
      </div>
      <tailclaw-footer .app=${this.#app}></tailclaw-footer>
    `;
  }
}

customElements.define("tailclaw-app", AppShell);
