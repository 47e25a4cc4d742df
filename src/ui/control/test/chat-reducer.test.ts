import assert from "node:assert/strict";
import { test } from "node:test";
import { type Chat, emptyChat, runningIds } from "../src/chat/chat.ts";
import { chatEvent, interrupted, sendFailed, sent, toolEvent, underWay } from "../src/chat/chat-reducer.ts";

const KEY = "agent:main:main";
const NOW = 1_000;

const event = (runId: string, state: string, more: object = {}) => ({ runId, sessionKey: KEY, state, ...more });
const message = (text: string) => ({ role: "assistant", content: [{ type: "text", text }] });
const play = (chat: Chat, ...events: object[]) => events.reduce<Chat>((now, each) => chatEvent(now, each, NOW), chat);
const asked = () => sent(emptyChat(KEY), "r1", "hello", NOW);
const answer = (chat: Chat) => chat.entries.find((entry) => entry.role === "assistant");

test("a sent message shows at once, with its answer awaited", () => {
  const chat = asked();
  assert.deepEqual(chat.entries.map(({ role, text, state }) => [role, text, state]), [
    ["user", "hello", "final"],
    ["assistant", "", "streaming"],
  ]);
  assert.deepEqual(runningIds(chat), ["r1"]);
});

test("status, deltas and final make one answer", () => {
  const waiting = play(asked(), event("r1", "status", { phase: "starting_model" }));
  assert.equal(answer(waiting)?.phase, "starting model");
  const chat = play(
    waiting,
    event("r1", "delta", { deltaText: "Hel", message: message("Hel") }),
    event("r1", "delta", { deltaText: "lo", message: message("Hello") }),
  );
  assert.equal(answer(chat)?.text, "Hello");
  assert.equal(answer(chat)?.phase, undefined);
  const done = play(chat, event("r1", "final", { message: message("Hello.") }));
  assert.equal(answer(done)?.state, "final");
  assert.equal(answer(done)?.text, "Hello.");
  assert.equal(done.entries.length, 2);
  assert.deepEqual(runningIds(done), []);
});

test("pieces alone are joined, and replaced when told so", () => {
  const chat = play(asked(), event("r1", "delta", { deltaText: "one " }), event("r1", "delta", { deltaText: "two" }));
  assert.equal(answer(chat)?.text, "one two");
  assert.equal(answer(play(chat, event("r1", "delta", { deltaText: "three", replace: true })))?.text, "three");
});

test("a final without a message keeps what was streamed", () => {
  const chat = play(asked(), event("r1", "delta", { deltaText: "kept" }), event("r1", "final"));
  assert.equal(answer(chat)?.text, "kept");
});

test("an agent that says nothing leaves no empty answer", () => {
  assert.equal(play(asked(), event("r1", "final")).entries.length, 1);
});

test("an aborted run keeps its partial text", () => {
  const chat = play(asked(), event("r1", "delta", { deltaText: "half" }), event("r1", "aborted", { stopReason: "rpc" }));
  assert.equal(answer(chat)?.state, "aborted");
  assert.equal(answer(chat)?.text, "half");
});

test("an error says what went wrong", () => {
  const chat = play(asked(), event("r1", "error", { errorMessage: "no key" }));
  assert.equal(answer(chat)?.state, "error");
  assert.equal(answer(chat)?.problem, "no key");
  assert.ok(answer(play(asked(), event("r1", "error")))?.problem);
});

test("an ended answer ignores what arrives late", () => {
  const done = play(asked(), event("r1", "final", { message: message("done") }));
  assert.deepEqual(play(done, event("r1", "delta", { deltaText: "late" })), done);
});

test("a run begun elsewhere appears by itself", () => {
  const chat = play(emptyChat(KEY), event("other", "delta", { deltaText: "hi" }));
  assert.deepEqual(chat.entries.map(({ runId, state }) => [runId, state]), [["other", "streaming"]]);
});

test("other sessions, unknown states and nonsense change nothing", () => {
  const chat = asked();
  assert.equal(chatEvent(chat, { ...event("r1", "final"), sessionKey: "agent:main:x" }, NOW), chat);
  assert.equal(chatEvent(chat, event("r1", "someday"), NOW), chat);
  for (const nonsense of [null, 1, "x", [], {}]) assert.equal(chatEvent(chat, nonsense, NOW), chat);
});

test("a tool shows while it runs and when it ended", () => {
  const tool = (phase: string, more: object = {}) => ({
    runId: "r1",
    sessionKey: KEY,
    stream: "tool",
    data: { phase, name: "exec", toolCallId: "t1", ...more },
  });
  const running = toolEvent(asked(), tool("start"), NOW);
  assert.deepEqual(answer(running)?.tools, [{ id: "t1", name: "exec", state: "running" }]);
  assert.equal(answer(toolEvent(running, tool("result"), NOW))?.tools[0]?.state, "done");
  assert.equal(answer(toolEvent(running, tool("result", { isError: true }), NOW))?.tools[0]?.state, "failed");
});

test("a run that was under way is awaited once", () => {
  const chat = underWay(emptyChat(KEY), ["r1", "r1"], NOW);
  assert.deepEqual(runningIds(chat), ["r1"]);
  assert.equal(answer(play(chat, event("r1", "final", { message: message("done") })))?.text, "done");
});

test("a refused send and a lost run end the wait", () => {
  assert.equal(answer(sendFailed(asked(), "r1", "missing scope"))?.problem, "missing scope");
  assert.equal(answer(interrupted(asked(), () => true))?.state, "aborted");
  assert.equal(answer(interrupted(asked(), () => false))?.state, "streaming");
});
