import { LitElement } from "lit";

/**
 * Elements render into the page itself: labels, ids and the one stylesheet reach everything, and
 * nothing here is meant for use in somebody else's page.
 */
export class LightElement extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}
