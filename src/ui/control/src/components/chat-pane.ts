import { html, nothing } from "lit";
import type { App } from "../app.ts";
import { runningIds } from "../chat/chat.ts";
import { isEcho, type Model, modelInUse, titleOf } from "../chat/session-row.ts";
import { text } from "../lib/json.ts";
import { Observes } from "../lib/observable.ts";
import "./chat-log.ts";
import "./composer.ts";
import { LightElement } from "./light-element.ts";

/** One conversation: its title and model, what was said, and where to say more. */
class ChatPane extends LightElement {
  static override properties = { app: { attribute: false } };
  declare app: App;

  constructor() {
    super();
    new Observes(this, () => [
      this.app.chat.chat,
      this.app.chat.sessionInfo,
      this.app.sessions.sessions,
      this.app.sessions.models,
      this.app.connection.state,
    ]);
  }

  protected override render() {
    const chat = this.app.chat.chat.value;
    const rights = this.#rights();
    const model = this.#model();
    const connected = this.app.connection.state.value.kind === "connected";
    return html`
      <section class="chat" aria-label="Conversation">
        <div class="chat-head">
          <h2>${this.#title()}</h2>
          ${model ? html`<span class="model" data-testid="model" title="The model in use">${model.name}</span>` : nothing}
        </div>
        ${isEcho(model) ? echoBanner : nothing}
        ${connected && rights !== "write" ? html`<p class="banner">${RIGHTS[rights]}</p>` : nothing}
        ${chat.problem ? html`<p class="banner problem" role="alert">${chat.problem}</p>` : nothing}
        <tailclaw-log .chat=${chat}></tailclaw-log>
        <tailclaw-composer
          .sessionKey=${chat.sessionKey}
          .ready=${connected && rights === "write"}
          .running=${connected && runningIds(chat).length > 0}
          @say=${(event: CustomEvent<string>) => this.app.chat.send(event.detail)}
          @stop=${() => this.app.chat.stop()}
        ></tailclaw-composer>
      </section>
    `;
  }

  #title(): string {
    const { sessionKey } = this.app.chat.chat.value;
    return this.app.sessions.sessions.value.rows.find((row) => row.key === sessionKey)?.title ?? titleOf(sessionKey);
  }

  #model(): Model | undefined {
    const { rows, defaultModel } = this.app.sessions.sessions.value;
    const row = rows.find(({ key }) => key === this.app.chat.chat.value.sessionKey);
    const candidates = [row?.model, text(this.app.chat.sessionInfo.value.model), defaultModel];
    return modelInUse(candidates, this.app.sessions.models.value);
  }

  #rights(): "none" | "read" | "write" {
    const scopes = this.app.connection.hello.value?.auth?.scopes ?? [];
    if (scopes.includes("operator.admin") || scopes.includes("operator.write")) return "write";
    return scopes.includes("operator.read") ? "read" : "none";
  }
}

const RIGHTS = {
  none: "You are connected, but the gateway gives you no rights. Ask whoever runs it for a grant.",
  read: "You may read here, not write.",
};

const echoBanner = html`
  <p class="banner" data-testid="echo-banner">
    No model configured: the echo model answers. Add one with
    <code>tailclaw config set agents.defaults.model.primary anthropic/&lt;model&gt;</code> and the provider's key.
  </p>
`;

customElements.define("tailclaw-chat", ChatPane);
