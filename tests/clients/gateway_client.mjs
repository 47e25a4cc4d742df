// Talks to a gateway with the published client library and prints one JSON object that tells what happened.
// Arguments: the URL, the token (empty for none) and the message to send.
import { randomUUID } from "node:crypto";
import { GatewayClient } from "@openclaw/gateway-client";

const [url, token, message] = process.argv.slice(2);
const report = { events: [], gaps: [], deltas: [] };
const runs = new Map();

const until = (runId) => {
  if (!runs.has(runId)) runs.set(runId, Promise.withResolvers());
  return runs.get(runId).promise;
};

const hello = Promise.withResolvers();
const client = new GatewayClient({
  url,
  ...(token ? { token } : {}),
  scopes: ["operator.admin"],
  onHelloOk: hello.resolve,
  onConnectError: hello.reject,
  onGap: (gap) => report.gaps.push(gap),
  onEvent: (event) => {
    report.events.push({ event: event.event, seq: event.seq ?? null });
    if (event.event !== "chat") return;
    const { runId, state, deltaText, message: said } = event.payload;
    if (state === "delta") report.deltas.push({ runId, deltaText, text: textOf(said) });
    if (["final", "aborted", "error"].includes(state)) {
      until(runId);
      runs.get(runId).resolve({ state, text: textOf(said) });
    }
  },
});

const textOf = (said) => (said?.content ?? []).map((part) => part.text ?? "").join("");

try {
  client.start();
  const { protocol, auth, server } = await hello.promise;
  report.hello = { protocol, auth, server };
  report.health = await client.request("health");
  const runId = randomUUID();
  report.sent = await client.request("chat.send", { sessionKey: "main", message, idempotencyKey: runId });
  report.runId = runId;
  report.final = await until(runId);
  report.history = await client.request("chat.history", { sessionKey: "main" });
  const answers = [];
  const turn = { message, agentId: "main", deliver: false, timeout: 60, idempotencyKey: randomUUID() };
  const last = await client.request("agent", turn, {
    expectFinal: true,
    timeoutMs: 60_000,
    onAccepted: (payload) => answers.push(payload),
  });
  report.agent = { accepted: answers, final: last };
  report.waited = await client.request("agent.wait", { runId: last.runId, timeoutMs: 5000 });
} catch (error) {
  report.error = { message: String(error?.message ?? error), code: error?.gatewayCode, details: error?.details };
}
await client.stopAndWait({ timeoutMs: 2000 }).catch(() => {});
process.stdout.write(JSON.stringify(report), () => process.exit(report.error ? 1 : 0));
