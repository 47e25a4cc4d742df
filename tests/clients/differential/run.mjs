// Makes every call of cases.mjs to one gateway and writes what came back, reduced to its shape, as JSON.
// Arguments: port, token, hooks token, file for the outcome, file for the frames as they came, and, when only some
// scenes are wanted, their names.
import { appendFileSync, writeFileSync } from "node:fs";
import { scenes } from "./cases.mjs";
import { outlineOf, shapeOf } from "./shape.mjs";
import { Connection, connectParams } from "./target.mjs";

const [port, token, hooksToken, outcomeFile, framesFile, ...wanted] = process.argv.slice(2);
const base = `127.0.0.1:${port}`;

/** Events that come on their own, whatever is asked. */
const UNASKED = new Set(["tick", "health", "presence", "heartbeat", "models.snapshot", "update.available", "skills.changed", "plugins.changed", "chat.metadata.changed"]);

/** Methods whose answers hold a configuration or its schema: those differ as the gateways do. */
const OUTLINED = new Set(["config.get", "config.set", "config.patch", "config.apply", "config.schema", "config.schema.lookup"]);

/** Texts without what differs from run to run. Of several mistakes in the params only the first is told here. */
const plain = (text) =>
  text.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32,}/g, "<id>").replace(/\/[\w./-]*(openclaw|tailclaw)[\w./-]*/g, "<path>").replace(/\d+/g, "<n>").replace(/(invalid \S+ params: [^;]*|invalid request frame).*/s, "$1");

const answerShape = (frame, shape = shapeOf) => {
  if (frame.type === "close") return { close: frame.code, reason: plain(frame.reason) };
  if (frame.type !== "res") return { none: frame.type };
  if (frame.ok) return { ok: shape(frame.payload) };
  const { code, message, details, ...rest } = frame.error;
  return { error: `${code} ${plain(message)}`, ...(details ? { details: shapeOf(details) } : {}), rest: shapeOf(rest) };
};

/** The answers by their place, since each is an answer of its own. */
const inOrder = (frames, shape) => Object.fromEntries(frames.map((frame, index) => [["first", "second"][index], answerShape(frame, shape)]));

/** The events of each family in their order, repeats told once, and the shape of each kind. Families are told apart
 * because they come from different corners of a gateway: only the order within one is promised. */
const eventShapes = (frames) => {
  const order = {};
  const kinds = {};
  for (const { event, payload } of frames) {
    if (!event || UNASKED.has(event)) continue;
    const word = payload?.state ?? payload?.phase ?? payload?.reason ?? payload?.action;
    const name = [event, payload?.stream, word, payload?.data?.phase].filter(Boolean).join(":");
    const family = (order[event] ??= []);
    if (family.at(-1) !== `=${name}`) family.push(`=${name}`);
    kinds[name] = shapeOf(payload);
  }
  return { order: Object.fromEntries(Object.entries(order).map(([event, names]) => [event, `=${names.join(" ")}`.replaceAll(" =", " ").replace("==", "=")])), kinds };
};

/** A run has ended when its last `chat` event is there; whatever else belongs to it follows at once. */
const runEnded = (connection, run, start) =>
  connection.until(({ event, payload }) => event === "chat" && payload.runId === run && ["final", "aborted", "error"].includes(payload.state), start, 45_000);

const keep = (method, frames) => {
  for (const frame of frames) if (frame.type !== "close" && frame.type !== "silence") appendFileSync(framesFile, `${JSON.stringify({ method, frame })}\n`);
};

const open = async (change = {}, { device, tamper, headers } = {}) => {
  const own = headers && Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value === "SELF" ? `http://${base}` : value]));
  const connection = new Connection(`ws://${base}/`, own);
  const challenge = await connection.until((frame) => frame.event === "connect.challenge");
  if (challenge.type === "close") return { connection, answer: challenge };
  const params = connectParams(token, "auth" in change && change.auth?.token === undefined ? change : change);
  if (change.auth?.password === "T") params.auth = { password: token };
  if (params.auth?.token === "T") params.auth.token = token;
  if (change.noClient) delete params.client;
  delete params.noClient;
  if (device) params.device = device.sign(params, challenge.payload, tamper);
  const [answer] = await connection.request("connect", params);
  keep("connect", [answer]);
  return { connection, answer };
};

const afterwards = async (connection, answer) => {
  const closed = answer.type === "res" && !answer.ok ? await connection.until(() => false, 0, 3000) : undefined;
  return closed?.type === "close" ? { close: closed.code, reason: plain(closed.reason) } : {};
};

/** What the scene's node answers. */
const respondTo = (connection, { id, nodeId, command, paramsJSON }) => {
  const params = paramsJSON ? JSON.parse(paramsJSON) : undefined;
  if (params?.sleeps) return;
  const failed = { ok: false, error: { code: "FAILED", message: "it did not work" } };
  const seen = { ok: true, payloadJSON: JSON.stringify({ command, keys: Object.keys(params ?? {}).sort().join() }) };
  connection.request("node.invoke.result", { id, nodeId, ...(params?.title === "fails" ? failed : seen) });
};

const steps = {
  async connect(step) {
    const { connection, answer } = await open(step.change, step);
    const outcome = { answers: inOrder([answer]), ...(await afterwards(connection, answer)) };
    connection.close();
    return outcome;
  },
  async call(step, { connection, saved }) {
    const params = typeof step.params === "function" ? step.params(saved) : step.params;
    const start = connection.frames.length;
    const answers = await connection.request(step.method, params, step.answers);
    keep(step.method, answers);
    if (step.save) saved[step.save] = answers[0].payload;
    if (step.ends) await runEnded(connection, step.ends, start);
    if (step.events) await connection.settle(900);
    const frames = connection.frames.slice(start);
    keep(undefined, frames.filter(({ type }) => type === "event"));
    return { answers: inOrder(answers, OUTLINED.has(step.method) ? outlineOf : shapeOf), ...(step.events ? { events: eventShapes(frames) } : {}) };
  },
  async node(step, { saved }) {
    saved.node?.connection.close();
    const { connection, answer } = await open(step.change, step);
    saved.node = { connection, seen: 0 };
    const answered = new Set();
    const respond = () => {
      for (const { event, payload } of connection.frames) {
        if (event !== "node.invoke.request" || answered.has(payload.id)) continue;
        answered.add(payload.id);
        respondTo(connection, payload);
      }
    };
    connection.waiting.add(respond);
    await connection.settle(300);
    return { answers: inOrder([answer], outlineOf) };
  },
  async fromNode({ method, params }, { saved }) {
    const answers = await saved.node.connection.request(method, typeof params === "function" ? params(saved) : params);
    keep(method, answers);
    return { answers: inOrder(answers) };
  },
  async told(_, { saved }) {
    const { connection, seen } = saved.node;
    await connection.settle(500);
    saved.node.seen = connection.frames.length;
    const events = connection.frames.slice(seen).filter(({ type, event }) => type === "event" && event !== "connect.challenge");
    keep(undefined, events);
    const close = connection.frames.find(({ type }) => type === "close");
    return { events: eventShapes(events), uncounted: [...new Set(events.filter(({ event, seq }) => !UNASKED.has(event) && seq === undefined).map(({ event }) => `=${event}`))].sort().join(" "), ...(close ? { close: `=${close.code} ${close.reason}` } : {}) };
  },
  async raw(step, { connection: shared }) {
    const connection = shared ?? new Connection(`ws://${base}/`);
    if (!shared) await connection.challenge();
    const start = connection.frames.length;
    connection.send(step.text);
    const answer = await connection.until((frame) => frame.type === "res", start, 4000);
    const outcome = { answers: inOrder([answer]), ...(shared ? {} : await afterwards(connection, answer)) };
    if (!shared) connection.close();
    return outcome;
  },
  async http({ verb, path, headers = {}, body }) {
    const filled = (text) => text.replace("Bearer T", `Bearer ${token}`).replace("HOOKS", hooksToken);
    const own = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, filled(value)]));
    const sent = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(`http://${base}${filled(path)}`, { method: verb, headers: own, body: sent });
    const text = await response.text();
    const type = (response.headers.get("content-type") ?? "none").split(";")[0];
    const outcome = { status: `=${response.status}`, type: `=${type}` };
    if (type === "application/json" && text) return { ...outcome, body: bodyShape(text) };
    if (type === "text/event-stream") return { ...outcome, stream: streamShape(text) };
    return type === "text/plain" ? { ...outcome, text: `=${plain(text)}` } : outcome;
  },
};

const bodyShape = (text) => {
  const body = JSON.parse(text);
  const message = body?.error?.message;
  return { ...(typeof message === "string" ? { says: `=${plain(message)}` } : {}), json: shapeOf(body) };
};

const streamShape = (text) => {
  const order = [];
  const kinds = {};
  for (const block of text.split("\n\n")) {
    const name = /^event: (.*)$/m.exec(block)?.[1] ?? "data";
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (data === undefined) continue;
    const shown = data === "[DONE]" ? "[DONE]" : name;
    if (order.at(-1) !== shown) order.push(shown);
    if (data !== "[DONE]") kinds[shown] = shapeOf(JSON.parse(data));
  }
  return { order, kinds };
};

const titleOf = (scene, step) => {
  const what = step.kind === "node" || step.kind === "told" ? step.kind : step.kind === "fromNode" ? `node: ${step.method}` : step.method ?? (step.verb ? `${step.verb} ${step.path}` : "");
  const given = step.name ?? (step.params === undefined || typeof step.params === "function" ? "" : JSON.stringify(step.params));
  return [scene.name, [what, given.slice(0, 120)].filter(Boolean).join(" ")].join(" / ");
};

const outcome = {};
writeFileSync(framesFile, "");
for (const scene of scenes.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  const { connection } = scene.alone ? {} : await open(scene.connect);
  const saved = {};
  for (const step of scene.steps) {
    let title = titleOf(scene, step);
    while (title in outcome) title += " (again)";
    try {
      outcome[title] = await steps[step.kind](step, { connection, saved });
    } catch (error) {
      outcome[title] = { broke: String(error?.message ?? error) };
    }
  }
  connection?.close();
}
writeFileSync(outcomeFile, JSON.stringify(outcome, null, 1));
console.log(`${Object.keys(outcome).length} calls`);
process.exit(0);
