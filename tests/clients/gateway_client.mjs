// Drives OpenClaw's published client library for the integration tests: one JSON command a line on stdin, one JSON
// answer a line on stdout, in order. The program holds one device key and one store of device tokens, as a host of the
// library does; `open` makes a new client with them.
import { createHash, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { createInterface } from "node:readline";
import { GatewayClient } from "@openclaw/gateway-client";

const PATIENCE_MS = 20_000;

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const told = ({ name, message, gatewayCode, details, retryable, retryAfterMs }) =>
  ({ name, message, gatewayCode, details, retryable, retryAfterMs });

// What the library reported and nobody has asked for yet, oldest first, and who waits for it.
const reports = [];
const waiting = [];
const report = (kind, what) => {
  const entry = { kind, ...what };
  const at = waiting.findIndex((waiter) => waiter.fits(entry));
  if (at < 0) reports.push(entry);
  else waiting.splice(at, 1)[0].resolve(entry);
};

const next = ({ kind, event, where = {} }) => {
  const fits = (entry) =>
    entry.kind === kind &&
    (event === undefined || entry.event === event) &&
    Object.entries(where).every(([name, value]) => entry.payload?.[name] === value);
  const at = reports.findIndex(fits);
  if (at >= 0) return reports.splice(at, 1)[0];
  return new Promise((resolve, reject) => {
    const waiter = { fits, resolve };
    waiting.push(waiter);
    setTimeout(() => {
      if (!waiting.includes(waiter)) return;
      waiting.splice(waiting.indexOf(waiter), 1);
      reject(new Error(`nothing came that fits; waiting to be read: ${reports.map((entry) => entry.event ?? entry.kind)}`));
    }, PATIENCE_MS);
  });
};

const rawKey = (pem) => createPublicKey(pem).export({ format: "jwk" }).x;
const newIdentity = () => {
  const pair = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const deviceId = createHash("sha256").update(Buffer.from(rawKey(pair.publicKey), "base64url")).digest("hex");
  return { deviceId, publicKeyPem: pair.publicKey, privateKeyPem: pair.privateKey };
};

const identity = newIdentity();
const tokens = new Map();
const hostDeps = {
  signDevicePayload: (pem, payload) => sign(null, Buffer.from(payload), pem).toString("base64url"),
  publicKeyRawBase64UrlFromPem: rawKey,
  loadDeviceAuthToken: ({ role }) => tokens.get(role) ?? null,
  storeDeviceAuthToken: ({ role, token, scopes }) => {
    tokens.set(role, { token, scopes });
    report("stored", { role, token, scopes });
  },
  clearDeviceAuthToken: ({ role }) => {
    tokens.delete(role);
    report("cleared", { role });
  },
};

let client;
const begun = new Map();

const request = async ({ method, params, options = {} }) => {
  const accepted = [];
  try {
    const payload = await client.request(method, params, { ...options, onAccepted: (early) => accepted.push(early) });
    return { payload, accepted };
  } catch (error) {
    return { error: told(error), accepted };
  }
};

const actions = {
  // A new client; the one before is stopped first. With `device` it has the key and whatever token is stored.
  open: async ({ options, device = false }) => {
    await client?.stopAndWait();
    client = new GatewayClient({
      scopes: ["operator.admin"],
      ...options,
      ...(device ? { deviceIdentity: identity, hostDeps } : {}),
      onHelloOk: (hello) => report("hello", { hello }),
      onConnectError: (error) => report("connectError", { error: told(error) }),
      onReconnectPaused: (info) => report("paused", { info }),
      onClose: (code, reason) => report("close", { code, reason }),
      onGap: (gap) => report("gap", { gap }),
      onEvent: ({ event, seq, payload }) => report("event", { event, seq, payload }),
    });
    client.start();
    return null;
  },
  request,
  // Sends a request and does not wait; `ended` waits for it.
  begin: ({ as, ...rest }) => {
    begun.set(as, request(rest));
    return null;
  },
  ended: ({ as }) => begun.get(as),
  // The oldest report of a kind (hello, close, connectError, paused, gap, stored, cleared, event).
  next,
  // Every report that nobody asked for yet, in order.
  rest: () => reports.splice(0),
  // The numbers of the events among those.
  numbers: () => reports.map((entry) => entry.seq).filter((seq) => typeof seq === "number"),
  // From here on the socket is not read: what the gateway sends waits on its side.
  pause: () => client.ws.pause() ?? null,
  resume: () => client.ws.resume() ?? null,
  identity: () => ({ deviceId: identity.deviceId }),
};

answer("ready");
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const { do: action, ...rest } = JSON.parse(line);
    answer({ ok: (await actions[action](rest)) ?? null });
  } catch (error) {
    answer({ error: String(error?.stack ?? error) });
  }
}
await client?.stopAndWait().catch(() => {});
process.exit(0);
