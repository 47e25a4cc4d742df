import { html, nothing } from "lit";
import { LightElement } from "./light-element.ts";

/** Where a person writes. Fires `say` with the text, and `stop`. */
class Composer extends LightElement {
  static override properties = {
    sessionKey: { attribute: false },
    ready: { attribute: false },
    running: { attribute: false },
    draft: { state: true },
  };
  declare sessionKey: string;
  declare ready: boolean;
  declare running: boolean;
  declare draft: string;
  /** What was begun in one session waits there while another is read. */
  readonly #drafts = new Map<string, string>();

  constructor() {
    super();
    this.draft = "";
  }

  protected override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("sessionKey")) this.draft = this.#drafts.get(this.sessionKey) ?? "";
  }

  protected override updated(changed: Map<PropertyKey, unknown>): void {
    // Opening a session by touch must not raise the keyboard over it.
    if (changed.has("sessionKey") && matchMedia("(hover: hover)").matches) this.querySelector("textarea")?.focus();
  }

  protected override render() {
    return html`
      <form class="composer" @submit=${this.#submit}>
        <textarea
          data-testid="composer"
          rows="1"
          aria-label="Message"
          placeholder="Message the agent"
          .value=${this.draft}
          @input=${this.#typed}
          @keydown=${this.#key}
        ></textarea>
        ${
          this.running
            ? html`<button type="button" class="stop" data-testid="stop" @click=${this.#stop}>Stop</button>`
            : nothing
        }
        <button type="submit" class="primary" data-testid="send" ?disabled=${!this.#sendable}>Send</button>
      </form>
    `;
  }

  get #sendable(): boolean {
    return this.ready && this.draft.trim() !== "";
  }

  #typed(event: Event): void {
    this.draft = (event.currentTarget as HTMLTextAreaElement).value;
    this.#drafts.set(this.sessionKey, this.draft);
  }

  #key(event: KeyboardEvent): void {
    // Enter also confirms a word in an input method, and that must not send half a sentence.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#say();
  }

  #submit(event: SubmitEvent): void {
    event.preventDefault();
    this.#say();
  }

  #say(): void {
    if (!this.#sendable) return;
    this.dispatchEvent(new CustomEvent("say", { detail: this.draft.trim() }));
    this.draft = "";
    this.#drafts.delete(this.sessionKey);
  }

  #stop(): void {
    this.dispatchEvent(new CustomEvent("stop"));
  }
}

customElements.define("tailclaw-composer", Composer);
