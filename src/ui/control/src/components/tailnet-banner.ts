import { html, nothing } from "lit";
import type { App } from "../app.ts";
import { object } from "../lib/json.ts";
import type { Unsubscribe } from "../lib/observable.ts";
import { tailnetNotice, type TailnetNotice } from "../tailnet-notice.ts";
import { LightElement } from "./light-element.ts";

/** Says in time that the gateway's login in its tailnet ends. */
class TailnetBanner extends LightElement {
  static override properties = { app: { attribute: false }, notice: { state: true } };
  declare app: App;
  declare notice: TailnetNotice | null;
  #stop: Unsubscribe[] = [];

  constructor() {
    super();
    this.notice = null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const { connection } = this.app;
    this.#stop = [
      connection.hello.subscribe((hello) => (this.notice = tailnetNotice(object(hello?.snapshot).health))),
      connection.onEvent((event) => {
        if (event.event === "health") this.notice = tailnetNotice(event.payload);
      }),
    ];
  }

  override disconnectedCallback(): void {
    for (const stop of this.#stop) stop();
    super.disconnectedCallback();
  }

  protected override render() {
    const notice = this.notice;
    if (notice === null) return nothing;
    const link = notice.link;
    return html`
      <div class=${notice.urgent ? "banner problem" : "banner"} role="status" data-testid="tailnet-notice">
        ${notice.text} ${link === null ? nothing : html`<a href=${link} target="_blank" rel="noreferrer">Log in</a>`}
      </div>
    `;
  }
}

customElements.define("tailclaw-tailnet-banner", TailnetBanner);
