/** What a chat pane shows. Everything here is plain data; `chat-reducer.ts` alone says how it changes. */

export type EntryState = "streaming" | "final" | "aborted" | "error";

export interface ToolUse {
  id: string;
  name: string;
  state: "running" | "done" | "failed";
}

export interface Entry {
  /** Stable for as long as the entry is shown, so that rendering does not rebuild it. */
  key: string;
  role: "user" | "assistant";
  text: string;
  state: EntryState;
  runId?: string;
  atMs?: number;
  /** What went wrong, for `error`; why it stopped, for `aborted`. */
  problem?: string;
  /** What the run is busy with before its first word. */
  phase?: string;
  tools: ToolUse[];
}

export interface Chat {
  sessionKey: string;
  entries: Entry[];
  loaded: boolean;
  /** Why the history could not be read. */
  problem?: string;
}

export function emptyChat(sessionKey: string): Chat {
  return { sessionKey, entries: [], loaded: false };
}

export function runningIds(chat: Chat): string[] {
  return chat.entries.flatMap((entry) => (entry.state === "streaming" && entry.runId ? [entry.runId] : []));
}
