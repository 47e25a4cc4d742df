import { Observable } from "./lib/observable.ts";

/** `null` until the renderer has arrived; text is shown as it is in the meantime. */
export const markdown = new Observable<((source: string) => string) | null>(null);

let loading = false;

/** Half of the page's script is needed only once there is an answer to show. */
export async function loadMarkdown(): Promise<void> {
  if (loading) return;
  loading = true;
  try {
    const { renderMarkdown } = await import("./markdown.ts");
    markdown.set(renderMarkdown);
  } catch (error) {
    loading = false;
    console.error("markdown", error);
  }
}
