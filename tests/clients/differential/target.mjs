// One gateway under examination: connections with any credentials, and what comes back on them.
import crypto from "node:crypto";

const PATIENCE_MS = 20_000;

export class Device {
  constructor() {
    const pair = crypto.generateKeyPairSync("ed25519");
    this.key = pair.privateKey;
    this.publicKey = pair.publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64url");
    this.id = crypto.createHash("sha256").update(Buffer.from(this.publicKey, "base64url")).digest("hex");
  }

  sign(params, challenge, change = {}) {
    const { client, role = "operator", scopes = [], auth = {} } = params;
    const secret = auth.token ?? auth.deviceToken ?? auth.bootstrapToken ?? "";
    const signedAt = challenge.ts + (change.skew ?? 0);
    const low = (text) => (text ?? "").trim().toLowerCase();
    const fields = ["v3", this.id, client.id, client.mode, role, scopes.join(","), signedAt, secret, challenge.nonce, low(client.platform), low(client.deviceFamily)];
    const signature = crypto.sign(null, Buffer.from(fields.join("|")), this.key).toString("base64url");
    const device = { id: this.id, publicKey: this.publicKey, signature, signedAt, nonce: challenge.nonce };
    return { ...device, ...change.fields };
  }
}

export class Connection {
  constructor(url, headers) {
    this.frames = [];
    this.waiting = new Set();
    this.count = 0;
    this.socket = new WebSocket(url, headers ? { headers } : undefined);
    this.socket.onmessage = ({ data }) => this.push(JSON.parse(data));
    this.socket.onclose = ({ code, reason }) => this.push({ type: "close", code, reason });
    this.socket.onerror = () => {};
  }

  push(frame) {
    this.frames.push(frame);
    for (const look of this.waiting) look();
  }

  /** The first frame from `start` on that `wanted` accepts; a close ends the wait. */
  until(wanted, start = 0, patience = PATIENCE_MS) {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.frames.slice(start).find((frame) => wanted(frame) || frame.type === "close");
        if (found) finish(found);
      };
      const finish = (frame) => {
        clearTimeout(timer);
        this.waiting.delete(look);
        resolve(frame);
      };
      const timer = setTimeout(() => finish({ type: "silence" }), patience);
      this.waiting.add(look);
      look();
    });
  }

  send(frame) {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  async challenge() {
    const frame = await this.until((frame) => frame.event === "connect.challenge");
    return frame.payload;
  }

  /** All answers to one request: one, or as many as `answers` says. */
  async request(method, params, answers = 1) {
    const id = `r${++this.count}`;
    const start = this.frames.length;
    this.send({ type: "req", id, method, ...(params === undefined ? {} : { params }) });
    const mine = (frame) => frame.type === "res" && frame.id === id;
    const found = [];
    let from = start;
    while (found.length < answers) {
      const frame = await this.until(mine, from);
      found.push(frame);
      if (!mine(frame) || !frame.ok) break;
      from = this.frames.lastIndexOf(frame) + 1;
    }
    return found;
  }

  /** Until no frame has come for `quiet` milliseconds. */
  async settle(quiet = 700) {
    for (let before = -1; before !== this.frames.length; ) {
      before = this.frames.length;
      await new Promise((wake) => setTimeout(wake, quiet));
    }
  }

  close() {
    this.socket.close();
  }
}

export const connectParams = (token, change = {}) => {
  const { client, ...rest } = change;
  return {
    minProtocol: 4,
    maxProtocol: 4,
    client: { id: "cli", version: "dev", platform: "linux", mode: "cli", ...client },
    role: "operator",
    scopes: ["operator.admin", "operator.read", "operator.write", "operator.approvals", "operator.questions", "operator.pairing"],
    auth: { token },
    ...rest,
  };
};
