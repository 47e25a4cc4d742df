import { html, nothing } from "lit";
import type { App } from "../app.ts";
import type { Refusal } from "../gateway/refusal.ts";
import { Observes } from "../lib/observable.ts";
import { LightElement } from "./light-element.ts";

/** Why there is no connection, what to do about it, and the form for when that is signing in. */
class RefusalPanel extends LightElement {
  static override properties = { app: { attribute: false }, refusal: { attribute: false } };
  declare app: App;
  declare refusal: Refusal;

  constructor() {
    super();
    new Observes(this, () => [this.app.connection.state, this.app.whoami]);
  }

  override firstUpdated(): void {
    this.querySelector<HTMLInputElement>("input")?.focus();
  }

  protected override render() {
    const { refusal } = this;
    const busy = this.app.connection.state.value.kind === "connecting";
    const whoami = this.app.whoami.value;
    // Grants and logins explain themselves; elsewhere the reason only repeats the sentence.
    const reason = whoami?.login || whoami?.tags.length ? whoami.reason : undefined;
    return html`
      <section class="refusal" data-testid="refusal" data-code=${refusal.code}>
        <h2>${refusal.ask ? "Sign in" : refusal.waitsFor ? "Waiting for approval" : "Not connected"}</h2>
        <p role="alert">${refusal.sentence}</p>
        ${reason ? html`<p class="reason">The gateway adds: ${reason}</p>` : nothing}
        ${refusal.command ? html`<pre class="command"><code>${refusal.command}</code></pre>` : nothing}
        ${refusal.waitsFor ? html`<p class="hint">This page asks again by itself.</p>` : nothing}
        ${refusal.ask ? this.#form(refusal, busy) : this.#tryAgain(busy)}
      </section>
    `;
  }

  #form({ ask }: Refusal, busy: boolean) {
    const name = ask === "password" ? "Password" : "Token";
    return html`
      <form data-testid="signin" @submit=${this.#submit}>
        <label for="signin-secret">${name}</label>
        <input
          id="signin-secret"
          data-testid="signin-token"
          type="password"
          required
          autocomplete="current-password"
          autocapitalize="none"
          spellcheck="false"
        />
        <button class="primary" type="submit" data-testid="signin-submit" ?disabled=${busy}>Sign in</button>
        ${
          ask === "token"
            ? html`<p class="hint">It is <code>gateway.auth.token</code> on the gateway's machine. It stays in this tab only.</p>`
            : nothing
        }
      </form>
    `;
  }

  #tryAgain(busy: boolean) {
    return html`<button class="primary" type="button" ?disabled=${busy} @click=${() => this.app.tryAgain()}>Try again</button>`;
  }

  #submit(event: SubmitEvent): void {
    event.preventDefault();
    const secret = this.querySelector<HTMLInputElement>("input")?.value.trim();
    if (secret) void this.app.connection.signIn(secret);
  }
}

customElements.define("tailclaw-refusal", RefusalPanel);
