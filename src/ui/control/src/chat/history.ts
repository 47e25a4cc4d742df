import { normalizeSessionProjectionRunId } from "@openclaw/gateway-client/browser";
import { isObject, type Json, number, object, objects, text } from "../lib/json.ts";
import type { Entry, ToolUse } from "./chat.ts";

/** Transcript rows as the pane shows them; rows that hold nothing to show are left out. */
export function entriesOf(messages: unknown): Entry[] {
  return objects(messages).flatMap((message, index) => entryOf(message, index) ?? []);
}

/** The readable part of a message: a string, or the text parts of its content. */
export function messageText(message: unknown): string | undefined {
  const content = isObject(message) ? (message.content ?? message.text) : message;
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return undefined;
  const parts = objects(content).flatMap((part) => (part.type === "text" && typeof part.text === "string" ? [part.text] : []));
  return parts.length > 0 ? parts.join("\n\n") : undefined;
}

/** How the reference gateway writes down a turn that died before its first word. */
const FAILED_BEFORE_REPLY = "run-failed-before-reply";

function entryOf(message: Json, index: number): Entry | undefined {
  const failed = message.customType === FAILED_BEFORE_REPLY;
  const role = failed ? "assistant" : message.role;
  if (role !== "user" && role !== "assistant") return undefined;
  const record = object(message.__openclaw);
  const end = role === "user" ? { state: "final" as const } : failed ? failure(messageText(message)) : endOf(message);
  const entry: Entry = {
    key: text(record.id) ?? `history-${index}`,
    role,
    text: failed ? "" : (messageText(message) ?? ""),
    ...end,
    runId: runIdOf(message, record),
    atMs: number(record.recordTimestampMs) ?? number(message.timestamp),
    tools: toolsOf(message),
  };
  const shows = entry.text !== "" || entry.problem !== undefined || entry.tools.length > 0;
  return shows ? entry : undefined;
}

function failure(problem: string | undefined): Pick<Entry, "state" | "problem"> {
  return { state: "error", problem: problem ?? "The reply failed without saying why." };
}

function endOf(message: Json): Pick<Entry, "state" | "problem"> {
  const aborted = message.stopReason === "aborted" || object(message.openclawAbort).aborted === true;
  if (aborted) return { state: "aborted", problem: "Stopped." };
  const problem = text(message.errorMessage);
  if (problem) return failure(problem);
  if (message.stopReason !== "error") return { state: "final" };
  // Some write the reason as the answer itself.
  return messageText(message) ? { state: "error" } : failure(undefined);
}

/** A user's row names its run by the key it was sent with. */
function runIdOf(message: Json, record: Json): string | undefined {
  return normalizeSessionProjectionRunId(record.runId ?? message.runId ?? message.idempotencyKey) ?? undefined;
}

const TOOL_PARTS = new Set(["toolCall", "tool_use", "toolUse", "tool_call"]);

function toolsOf(message: Json): ToolUse[] {
  if (message.role !== "assistant") return [];
  return objects(message.content).flatMap((part, index) => {
    const name = text(part.name);
    if (!name || !TOOL_PARTS.has(String(part.type))) return [];
    return [{ id: text(part.id) ?? `${index}`, name, state: "done" as const }];
  });
}
