import assert from "node:assert/strict";
import { test } from "node:test";
import { knownByTailscale, readWhoami, whoSentence } from "../src/whoami.ts";

const granted = (method: string) => ({ method, role: "operator", scopes: [] });

test("a tailnet login is named with its node and how it was recognised", () => {
  const whoami = readWhoami({ path: "tailnet", login: "alice@example.com", node: "laptop.tailnet.ts.net", method: "tailscale" });
  assert.equal(
    whoSentence(whoami, null),
    "alice@example.com · laptop.tailnet.ts.net · over the tailnet, recognised by Tailscale",
  );
});

test("what was granted says more than what was foreseen", () => {
  const whoami = readWhoami({ path: "loopback", method: null });
  assert.equal(whoSentence(whoami, null), "this machine (loopback) · not signed in");
  assert.equal(whoSentence(whoami, granted("token")), "this machine (loopback) · token");
  assert.equal(whoSentence(whoami, granted("device-token")), "this machine (loopback) · paired browser");
});

test("a tagged node is named by its tags, not by the login all tagged nodes share", () => {
  const whoami = readWhoami({ path: "tailnet", login: "tagged-devices", node: "ci.tailnet.ts.net", tags: ["tag:ci"], method: "tailscale" });
  assert.equal(whoSentence(whoami, null), "tag:ci · ci.tailnet.ts.net · over the tailnet, recognised by Tailscale");
});

test("a token over the tailnet is not recognition", () => {
  const whoami = readWhoami({ path: "tailnet", login: "bob@example.com", method: "token" });
  assert.equal(whoSentence(whoami, granted("token")), "bob@example.com · over the tailnet · token");
  assert.equal(knownByTailscale(whoami), false);
});

test("a gateway that asks nothing says so", () => {
  const whoami = readWhoami({ path: "loopback", method: "none" });
  assert.equal(whoSentence(whoami, null), "this machine (loopback) · no sign-in needed");
});

test("a caller without a name is its address", () => {
  const whoami = readWhoami({ path: "network", address: "192.0.2.7" });
  assert.equal(whoSentence(whoami, granted("password")), "192.0.2.7 · over the network · password");
});

test("a tailnet node that may only be a node needs a token to be an operator", () => {
  assert.equal(knownByTailscale(readWhoami({ path: "tailnet", method: "tailscale", role: "operator" })), true);
  assert.equal(knownByTailscale(readWhoami({ path: "tailnet", method: "tailscale", role: "node" })), false);
});

test("a visitor through Funnel has no name", () => {
  const whoami = readWhoami({ path: "funnel", method: null });
  assert.equal(whoSentence(whoami, null), "an unnamed visitor · from the public internet, through Funnel · not signed in");
});

test("a gateway without the route leaves what the connection says", () => {
  assert.equal(whoSentence(null, null), "not signed in");
  assert.equal(whoSentence(null, granted("token")), "signed in · token");
});

test("fields of the wrong kind are as good as absent", () => {
  assert.deepEqual(readWhoami({ path: 3, login: null, tags: "x", scopes: [1, "operator.read"] }), {
    ...readWhoami({}),
    scopes: ["operator.read"],
  });
  assert.deepEqual(readWhoami("nonsense"), readWhoami({}));
});
