import { html } from "lit";
import type { App } from "../app.ts";
import { Observes } from "../lib/observable.ts";
import { duration } from "../lib/time.ts";
import { Clock } from "./clock.ts";
import { LightElement } from "./light-element.ts";

class StatusFooter extends LightElement {
  static override properties = { app: { attribute: false } };
  declare app: App;
  #helloAtMs = 0;

  constructor() {
    super();
    new Observes(this, () => [this.app.connection.hello, this.app.connection.lastTickMs, this.app.connection.state]);
    new Clock(this);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.app.connection.hello.subscribe(() => (this.#helloAtMs = Date.now()));
  }

  protected override render() {
    const hello = this.app.connection.hello.value;
    const tick = this.app.connection.lastTickMs.value;
    const connected = this.app.connection.state.value.kind === "connected";
    const now = Date.now();
    const uptime = hello?.snapshot?.uptimeMs;
    return html`
      <footer class="bottom" data-testid="footer">
        <span>Gateway ${hello?.server.version ?? "–"}</span>
        <span>Up ${connected && uptime !== undefined ? duration(uptime + now - this.#helloAtMs) : "–"}</span>
        <span>Last tick ${connected && tick !== null ? `${duration(now - tick)} ago` : "–"}</span>
      </footer>
    `;
  }
}

customElements.define("tailclaw-footer", StatusFooter);
