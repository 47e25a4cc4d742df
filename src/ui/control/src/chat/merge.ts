import type { Chat, Entry } from "./chat.ts";

/**
 * The transcript replaces what is shown, except for what it cannot know yet: a message on its way,
 * an answer being written, an error that was never written down.
 */
export function withHistory(chat: Chat, history: Entry[]): Chat {
  const entries = [...history];
  for (const entry of chat.entries) {
    if (isLive(entry) && !isCovered(entry, history)) entries.splice(placeFor(entry, entries), 0, entry);
  }
  return { ...chat, entries, loaded: true, problem: undefined };
}

function isLive(entry: Entry): boolean {
  return entry.runId !== undefined && (entry.key === `user-${entry.runId}` || entry.key === `answer-${entry.runId}`);
}

function isCovered(entry: Entry, history: Entry[]): boolean {
  if (entry.role === "user") return history.some((row) => row.role === "user" && isSameTurn(row, entry));
  if (entry.state === "streaming") return false;
  if (history.some((row) => row.role === "assistant" && row.runId === entry.runId)) return true;
  const asked = questionOf(entry, history);
  if (asked < 0) return entry.state === "final";
  // Rows need not name their run: an answer right after our question is ours.
  return history[asked + 1]?.role === "assistant";
}

function isSameTurn(row: Entry, entry: Entry): boolean {
  return row.runId === undefined ? row.text === entry.text : row.runId === entry.runId;
}

function placeFor(entry: Entry, entries: Entry[]): number {
  const asked = entry.role === "assistant" ? questionOf(entry, entries) : -1;
  if (asked < 0) return entries.length;
  let place = asked + 1;
  while (entries[place]?.role === "assistant") place += 1;
  return place;
}

function questionOf(entry: Entry, entries: Entry[]): number {
  return entries.findLastIndex((row) => row.role === "user" && row.runId === entry.runId);
}
