import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyChat } from "../src/chat/chat.ts";
import { chatEvent, sent } from "../src/chat/chat-reducer.ts";
import { entriesOf } from "../src/chat/history.ts";
import { withHistory } from "../src/chat/merge.ts";

const KEY = "agent:main:main";

const row = (role: string, text: string, more: object = {}) => ({ role, content: [{ type: "text", text }], timestamp: 1, ...more });
const chatOf = (runId: string, question: string) => sent(emptyChat(KEY), runId, question, 1);
const said = (chat: { entries: { role: string; text: string }[] }) => chat.entries.map(({ role, text }) => `${role}: ${text}`);

test("rows become entries; rows with nothing to show do not", () => {
  const entries = entriesOf([
    row("user", "hi", { content: "hi", idempotencyKey: "r1", __openclaw: { id: "a", seq: 1, recordTimestampMs: 5 } }),
    row("assistant", "", { content: [{ type: "thinking", thinking: "…" }] }),
    row("assistant", "", { content: [{ type: "toolCall", id: "t", name: "exec" }] }),
    row("toolResult", "out"),
    row("assistant", "hello", { __openclaw: { id: "b", runId: "r1" } }),
    null,
    7,
  ]);
  assert.deepEqual(entries.map(({ key, role, text, runId }) => [key, role, text, runId]), [
    ["a", "user", "hi", "r1"],
    ["history-2", "assistant", "", undefined],
    ["b", "assistant", "hello", "r1"],
  ]);
  assert.deepEqual(entries[1]?.tools, [{ id: "t", name: "exec", state: "done" }]);
  assert.equal(entries[0]?.atMs, 5);
});

test("a failed turn in the transcript is an error", () => {
  const [entry] = entriesOf([row("assistant", "", { content: [], stopReason: "error", errorMessage: "no key" })]);
  assert.equal(entry?.state, "error");
  assert.equal(entry?.problem, "no key");
});

test("a turn that died before its first word, and one that was stopped, are told apart", () => {
  const [failed, stopped] = entriesOf([
    { role: "custom", customType: "run-failed-before-reply", content: "no key", __openclaw: { id: "f", runId: "r1" } },
    row("assistant", "half", { openclawAbort: { aborted: true, origin: "rpc" } }),
  ]);
  assert.deepEqual([failed?.role, failed?.state, failed?.problem, failed?.text], ["assistant", "error", "no key", ""]);
  assert.deepEqual([stopped?.state, stopped?.text], ["aborted", "half"]);
});

test("a transcript that has the turn replaces it", () => {
  const live = chatEvent(chatOf("r1", "hi"), { runId: "r1", sessionKey: KEY, state: "final", message: row("assistant", "hello") }, 1);
  const named = withHistory(live, entriesOf([row("user", "hi", { idempotencyKey: "r1" }), row("assistant", "hello", { runId: "r1" })]));
  assert.deepEqual(said(named), ["user: hi", "assistant: hello"]);
  const unnamed = withHistory(live, entriesOf([row("user", "hi", { idempotencyKey: "r1" }), row("assistant", "hello")]));
  assert.deepEqual(said(unnamed), ["user: hi", "assistant: hello"]);
});

test("a message on its way and an answer being written stay", () => {
  const before = entriesOf([row("user", "earlier", { idempotencyKey: "r0" }), row("assistant", "yes")]);
  assert.deepEqual(said(withHistory(chatOf("r1", "hi"), before)), ["user: earlier", "assistant: yes", "user: hi", "assistant: "]);
});

test("an answer being written stays after its own question", () => {
  const rows = entriesOf([row("user", "hi", { idempotencyKey: "r1" }), row("user", "and?", { idempotencyKey: "r2" })]);
  const chat = withHistory(chatOf("r1", "hi"), rows);
  assert.deepEqual(said(chat), ["user: hi", "assistant: ", "user: and?"]);
});

test("an error that was never written down is not forgotten", () => {
  const live = chatEvent(chatOf("r1", "hi"), { runId: "r1", sessionKey: KEY, state: "error", errorMessage: "boom" }, 1);
  const chat = withHistory(live, entriesOf([row("user", "hi", { idempotencyKey: "r1" })]));
  assert.equal(chat.entries[1]?.problem, "boom");
});
