import { object, text } from "../lib/json.ts";
import type { Chat, Entry, ToolUse } from "./chat.ts";
import { messageText } from "./history.ts";

/** A message of ours, shown before the gateway has said anything, with room for the answer. */
export function sent(chat: Chat, runId: string, message: string, atMs: number): Chat {
  const user: Entry = { key: `user-${runId}`, role: "user", text: message, state: "final", runId, atMs, tools: [] };
  return { ...chat, entries: [...chat.entries, user, answerTo(runId, atMs)] };
}

export function sendFailed(chat: Chat, runId: string, problem: string): Chat {
  return changeAnswer(chat, runId, (entry) => ({ ...entry, state: "error", problem, phase: undefined }));
}

/** Runs that were under way before this page looked: their answers can be awaited, and stopped. */
export function underWay(chat: Chat, runIds: string[], atMs: number): Chat {
  return runIds.reduce((now, runId) => withAnswer(now, runId, atMs), chat);
}

/** Every run that the gateway no longer knows has lost its end; nothing more will come for it. */
export function interrupted(chat: Chat, isLost: (runId: string) => boolean): Chat {
  const entries = chat.entries.map((entry): Entry => {
    const lost = entry.state === "streaming" && entry.runId !== undefined && isLost(entry.runId);
    return lost ? { ...entry, state: "aborted", problem: "The reply was interrupted.", phase: undefined } : entry;
  });
  return { ...chat, entries };
}

/** One `chat` event. Those of other sessions, and unknown states, change nothing. */
export function chatEvent(chat: Chat, value: unknown, atMs: number): Chat {
  const event = object(value);
  const runId = text(event.runId);
  if (!runId || event.sessionKey !== chat.sessionKey) return chat;
  switch (event.state) {
    case "status":
      return changeOpen(chat, runId, atMs, (entry) => ({ ...entry, phase: phaseText(event.phase) }));
    case "delta":
      return changeOpen(chat, runId, atMs, (entry) => ({ ...entry, text: grown(entry.text, event), phase: undefined }));
    case "final":
      return finish(chat, runId, atMs, event, { state: "final" });
    case "aborted":
      return finish(chat, runId, atMs, event, { state: "aborted", problem: "Stopped." });
    case "error":
      return finish(chat, runId, atMs, event, {
        state: "error",
        problem: text(event.errorMessage) ?? "The reply failed without saying why.",
      });
    default:
      return chat;
  }
}

/** One `agent` event of the `tool` stream: which tool the run is using. */
export function toolEvent(chat: Chat, value: unknown, atMs: number): Chat {
  const event = object(value);
  const data = object(event.data);
  const runId = text(event.runId);
  const name = text(data.name) ?? text(data.toolName);
  if (!runId || !name || event.stream !== "tool" || event.sessionKey !== chat.sessionKey) return chat;
  const id = text(data.toolCallId) ?? text(data.itemId) ?? name;
  const state = toolState(data);
  return changeOpen(chat, runId, atMs, (entry) => ({ ...entry, tools: withTool(entry.tools, { id, name, state }) }));
}

function withTool(tools: ToolUse[], tool: ToolUse): ToolUse[] {
  const known = tools.some((each) => each.id === tool.id);
  return known ? tools.map((each) => (each.id === tool.id ? tool : each)) : [...tools, tool];
}

function toolState(data: Record<string, unknown>): ToolUse["state"] {
  if (data.isError === true || data.phase === "error") return "failed";
  return data.phase === "result" || data.phase === "end" ? "done" : "running";
}

/** The cumulative message wins over its last piece: a lost event then costs nothing. */
function grown(before: string, event: Record<string, unknown>): string {
  const whole = messageText(event.message);
  if (whole !== undefined) return whole;
  const piece = typeof event.deltaText === "string" ? event.deltaText : "";
  return event.replace === true ? piece : before + piece;
}

function finish(chat: Chat, runId: string, atMs: number, event: Record<string, unknown>, end: Partial<Entry>): Chat {
  const said = messageText(event.message);
  const open = withAnswer(chat, runId, atMs);
  const ended = changeAnswer(open, runId, (entry) => ({
    ...entry,
    ...end,
    text: said ?? entry.text,
    phase: undefined,
    tools: entry.tools.map((tool) => (tool.state === "running" ? { ...tool, state: "done" } : tool)),
  }));
  return withoutSilent(ended, runId);
}

/** An agent may choose to say nothing, and an empty bubble would look like a fault. */
function withoutSilent(chat: Chat, runId: string): Chat {
  const silent = (entry: Entry) =>
    isAnswer(entry, runId) && entry.state === "final" && entry.text.trim() === "" && entry.tools.length === 0;
  return chat.entries.some(silent) ? { ...chat, entries: chat.entries.filter((entry) => !silent(entry)) } : chat;
}

/** Changes the answer while it is still being written; an ended one stays as it ended. */
function changeOpen(chat: Chat, runId: string, atMs: number, change: (entry: Entry) => Entry): Chat {
  return changeAnswer(withAnswer(chat, runId, atMs), runId, (entry) => (entry.state === "streaming" ? change(entry) : entry));
}

function changeAnswer(chat: Chat, runId: string, change: (entry: Entry) => Entry): Chat {
  return { ...chat, entries: chat.entries.map((entry) => (isAnswer(entry, runId) ? change(entry) : entry)) };
}

function withAnswer(chat: Chat, runId: string, atMs: number): Chat {
  if (chat.entries.some((entry) => isAnswer(entry, runId))) return chat;
  return { ...chat, entries: [...chat.entries, answerTo(runId, atMs)] };
}

/** History rows of the same run are its earlier words and must not be overwritten by its last. */
function isAnswer(entry: Entry, runId: string): boolean {
  return entry.key === answerKey(runId);
}

function answerTo(runId: string, atMs: number): Entry {
  return { key: answerKey(runId), role: "assistant", text: "", state: "streaming", runId, atMs, tools: [] };
}

function answerKey(runId: string): string {
  return `answer-${runId}`;
}

function phaseText(phase: unknown): string | undefined {
  return text(phase)?.replaceAll("_", " ");
}
