import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { GatewayBrowserDeviceAuthLifecycle } from "@openclaw/gateway-client/browser";
import { clientInfo, ROLE, SCOPES } from "../src/gateway/client.ts";
import { generateKeyPair, identityOf } from "../src/gateway/identity.ts";

const NONCE = "6d839b5d-0000-4000-8000-000000000000";
const CHALLENGE_MS = 1_795_170_867_840;

async function plan(token: string | undefined) {
  const keys = await generateKeyPair();
  const identity = await identityOf(keys);
  const signed: string[] = [];
  const lifecycle = new GatewayBrowserDeviceAuthLifecycle({
    loadIdentity: async () => ({
      ...identity,
      sign: (payload) => {
        signed.push(payload);
        return identity.sign(payload);
      },
    }),
    tokenStore: { load: () => null, store: () => {}, clear: () => {} },
  });
  const made = await lifecycle.buildPlan({
    client: clientInfo("instance"),
    role: ROLE,
    defaultScopes: SCOPES,
    token,
    password: token,
    nonce: NONCE,
    challengeTs: CHALLENGE_MS,
  });
  return { made, keys, identity, payload: signed[0] ?? "" };
}

test("the v3 payload binds client, scopes in order, challenge, token and platform", async () => {
  const { payload, identity } = await plan("a-token");
  assert.equal(
    payload,
    [
      "v3",
      identity.deviceId,
      "openclaw-control-ui",
      "webchat",
      "operator",
      "operator.admin,operator.read,operator.write,operator.approvals,operator.questions,operator.pairing",
      CHALLENGE_MS,
      "a-token",
      NONCE,
      "web",
      "",
    ].join("|"),
  );
});

test("without a secret the token part is empty and no auth is sent", async () => {
  const { payload, made } = await plan(undefined);
  assert.equal(payload.split("|")[7], "");
  assert.equal(made.auth, undefined);
});

test("the secret goes into both fields", async () => {
  const { made } = await plan("a-token");
  assert.equal(made.auth?.token, "a-token");
  assert.equal(made.auth?.password, "a-token");
});

test("the device is the hash of its key, and its signature verifies", async () => {
  const { made, keys, payload } = await plan("a-token");
  const device = made.device;
  assert.ok(device);
  const raw = Buffer.from(device.publicKey, "base64url");
  assert.equal(raw.length, 32);
  assert.equal(device.id, createHash("sha256").update(raw).digest("hex"));
  assert.equal(device.signedAt, CHALLENGE_MS);
  assert.equal(device.nonce, NONCE);
  assert.ok(!/[+/=]/.test(device.publicKey + device.signature));
  const signature = Buffer.from(device.signature, "base64url");
  assert.ok(await crypto.subtle.verify("Ed25519", keys.publicKey, signature, Buffer.from(payload)));
});

test("the private key cannot be taken out of the browser", async () => {
  const keys = await generateKeyPair();
  assert.equal(keys.privateKey.extractable, false);
});
