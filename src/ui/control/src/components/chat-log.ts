import { html, nothing } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { type Chat, runningIds } from "../chat/chat.ts";
import "./chat-message.ts";
import { LightElement } from "./light-element.ts";

/** Closer to the end than this, a reader is following and new words are scrolled into view. */
const FOLLOWING_PX = 48;

class ChatLog extends LightElement {
  static override properties = { chat: { attribute: false } };
  declare chat: Chat;
  #following = true;
  #session = "";
  // Messages lay themselves out after this element has rendered, so growth is watched, not guessed.
  readonly #growth = new ResizeObserver(() => this.#follow());

  protected override willUpdate(): void {
    if (this.chat.sessionKey !== this.#session) this.#following = true;
    this.#session = this.chat.sessionKey;
  }

  override firstUpdated(): void {
    for (const element of this.querySelectorAll(".log, .entries")) this.#growth.observe(element);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#growth.disconnect();
  }

  protected override render() {
    const { entries, loaded } = this.chat;
    const writing = runningIds(this.chat).length > 0;
    return html`
      <div
        class="log"
        role="log"
        aria-live="polite"
        aria-busy=${writing}
        aria-label="Messages"
        tabindex="0"
        @scroll=${this.#scrolled}
      >
        <div class="entries">
          ${repeat(entries, (entry) => entry.key, (entry) => html`<tailclaw-message .entry=${entry}></tailclaw-message>`)}
          ${entries.length === 0 ? html`<p class="empty">${loaded ? "Nothing said yet." : "…"}</p>` : nothing}
        </div>
      </div>
    `;
  }

  #scrolled(event: Event): void {
    const log = event.currentTarget as HTMLElement;
    this.#following = log.scrollHeight - log.scrollTop - log.clientHeight < FOLLOWING_PX;
  }

  #follow(): void {
    const log = this.querySelector(".log");
    if (log && this.#following) log.scrollTop = log.scrollHeight;
  }
}

customElements.define("tailclaw-log", ChatLog);
