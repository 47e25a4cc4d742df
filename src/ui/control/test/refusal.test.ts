import assert from "node:assert/strict";
import { test } from "node:test";
import { identityRefusal, refusalOf } from "../src/gateway/refusal.ts";

const refused = (code: string, more: object = {}, retryAfterMs?: number) =>
  refusalOf({ message: "no", details: { code, ...more }, retryAfterMs }, false);

test("a missing or wrong credential asks for the one the gateway wants", () => {
  assert.equal(refused("AUTH_TOKEN_MISSING").ask, "token");
  assert.equal(refused("AUTH_TOKEN_MISMATCH").ask, "token");
  assert.equal(refused("AUTH_PASSWORD_MISSING").ask, "password");
  assert.equal(refused("AUTH_PASSWORD_MISMATCH").ask, "password");
  assert.equal(refused("DEVICE_IDENTITY_REQUIRED").ask, "token");
});

test("a lockout says how long", () => {
  assert.match(refused("AUTH_RATE_LIMITED", {}, 300_000).sentence, /Wait 5 min/);
});

test("a browser that is not paired is told where it would be", () => {
  const pairing = refused("PAIRING_REQUIRED", { reason: "not-paired" });
  assert.match(pairing.sentence, /on the gateway's own machine, or over its tailnet/);
  assert.equal(pairing.ask, null);
});

test("a browser that waits shows its request and the command that approves it", () => {
  const waiting = refused("PAIRING_REQUIRED", { reason: "not-paired", requestId: "0bc76fe6-bd12" });
  assert.match(waiting.sentence, /request 0bc76fe6-bd12/);
  assert.equal(waiting.command, "tailclaw devices approve 0bc76fe6-bd12");
  assert.deepEqual(waiting.waitsFor, { requestId: "0bc76fe6-bd12" });
});

test("no command is made of an id that is none", () => {
  const hostile = refused("PAIRING_REQUIRED", { reason: "not-paired", requestId: "x; rm -rf /" });
  assert.equal(hostile.command, undefined);
  assert.equal(hostile.waitsFor, undefined);
});

test("an unknown refusal passes the gateway's own words on", () => {
  assert.match(refusalOf({ message: "because", details: undefined }, false).sentence, /because/);
});

test("a browser without a key is told what it needs", () => {
  assert.match(identityRefusal("insecure-context").sentence, /https, on localhost, or from a device of the tailnet/);
});
