import { html, nothing } from "lit";
import type { App } from "../app.ts";
import { Observes } from "../lib/observable.ts";
import { type Granted, type Whoami, whoSentence } from "../whoami.ts";
import { LightElement } from "./light-element.ts";

/** Who the gateway takes this browser for; opened, everything it knows. */
class WhoLine extends LightElement {
  static override properties = { app: { attribute: false } };
  declare app: App;

  constructor() {
    super();
    new Observes(this, () => [this.app.whoami, this.app.connection.hello, this.app.connection.state]);
  }

  protected override render() {
    const whoami = this.app.whoami.value;
    const granted = this.#granted();
    const sentence = whoSentence(whoami, granted);
    const facts: [string, string | undefined][] = [
      ["Path", whoami?.path],
      ["Address", whoami?.address],
      ["Login", whoami?.login],
      ["Name", whoami?.name],
      ["Node", whoami?.node],
      ["Stable id", whoami?.stableId],
      ["Tags", whoami?.tags.join(", ")],
      ["Method", granted?.method ?? whoami?.method],
      ["Role", granted?.role ?? whoami?.role],
      ["Scopes", (granted ?? whoami)?.scopes.map((scope) => scope.replace(/^operator\./, "")).join(", ")],
      ["Reason", isTold(granted, whoami) ? whoami?.reason : undefined],
    ];
    return html`
      <details class="who" @keydown=${this.#closeOnEscape} @focusout=${this.#closeOnLeave}>
        <summary data-testid="whoami" title=${sentence}>${sentence}</summary>
        <dl>
          ${facts.map(([label, value]) => (value ? html`<div><dt>${label}</dt><dd>${value}</dd></div>` : nothing))}
        </dl>
      </details>
    `;
  }

  /** Rights are those of a connection that stands, not of one that once stood. */
  #granted(): Granted | null {
    const auth = this.app.connection.hello.value?.auth as Partial<Granted> | undefined;
    if (this.app.connection.state.value.kind !== "connected" || !auth) return null;
    return { method: auth.method, role: auth.role, scopes: auth.scopes ?? [] };
  }

  #closeOnEscape(event: KeyboardEvent): void {
    if (event.key !== "Escape") return;
    const details = event.currentTarget as HTMLDetailsElement;
    details.open = false;
    details.querySelector("summary")?.focus();
  }

  #closeOnLeave(event: FocusEvent): void {
    const details = event.currentTarget as HTMLDetailsElement;
    if (!details.contains(event.relatedTarget as Node | null)) details.open = false;
  }
}

/** The reason was given before anybody signed in; after that it may speak of another way in. */
function isTold(granted: Granted | null, whoami: Whoami | null): boolean {
  return granted === null || granted.method === whoami?.method;
}

customElements.define("tailclaw-who", WhoLine);
