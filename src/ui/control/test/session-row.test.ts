import assert from "node:assert/strict";
import { test } from "node:test";
import { isEcho, modelInUse, titleOf, withOpenSession } from "../src/chat/session-row.ts";

test("the echo model is recognised, another is not", () => {
  const models = [{ id: "echo", name: "Echo" }];
  assert.ok(isEcho(modelInUse([undefined], models)));
  assert.ok(isEcho(modelInUse(["echo"], [])));
  assert.ok(!isEcho(modelInUse(["gpt"], models)));
  assert.ok(!isEcho(modelInUse([undefined], [])));
});

test("sessions have names a person can read", () => {
  assert.equal(titleOf("agent:main:main"), "main");
  assert.equal(titleOf("agent:ops:cron:1"), "ops · cron:1");
  assert.equal(withOpenSession([], "agent:main:ab12")[0]?.title, "New session");
});
