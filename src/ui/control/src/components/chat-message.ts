import { html, nothing } from "lit";
import { unsafeHTML } from "lit/directives/unsafe-html.js";
import type { Entry, ToolUse } from "../chat/chat.ts";
import { Observes } from "../lib/observable.ts";
import { markdown } from "../markdown-loader.ts";
import { LightElement } from "./light-element.ts";

class ChatMessage extends LightElement {
  static override properties = { entry: { attribute: false } };
  declare entry: Entry;

  constructor() {
    super();
    new Observes(this, () => [markdown]);
  }

  protected override render() {
    const { role, state, atMs, problem, tools } = this.entry;
    return html`
      <article class="message" data-testid="message" data-role=${role} data-state=${state}>
        <h3>${role === "user" ? "You" : "Agent"}${atMs ? html`<time datetime=${new Date(atMs).toISOString()}>${clock(atMs)}</time>` : nothing}</h3>
        ${tools.length > 0 ? html`<ul class="tools">${tools.map(toolItem)}</ul>` : nothing}
        ${this.#body()}
        ${problem ? html`<p class="outcome">${problem}</p>` : nothing}
      </article>
    `;
  }

  #body() {
    const { role, text, state, phase } = this.entry;
    if (text === "") {
      if (state !== "streaming") return nothing;
      return html`<p class="thinking"><span class="busy" aria-hidden="true"></span>${phase ?? "waiting for the answer"}</p>`;
    }
    const render = role === "assistant" ? markdown.value : null;
    return render
      ? html`<div class="prose">${unsafeHTML(render(text))}</div>`
      : html`<div class="plain">${text}</div>`;
  }
}

function toolItem({ name, state }: ToolUse) {
  return html`<li data-state=${state}><code>${name}</code>${state === "done" ? nothing : html` ${state}`}</li>`;
}

/** Today needs only the hour; anything older needs its day. */
function clock(atMs: number): string {
  const date = new Date(atMs);
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

customElements.define("tailclaw-message", ChatMessage);
