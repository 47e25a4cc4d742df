// The scene of a node: it declares what it can do, is approved, called, renamed, asks for more and is removed. The
// operator's calls are on the scene's own connection; the node has one of its own, which answers what it is asked.
//
//   node(name, change)                       lets the scene's node in; it replaces the connection that it had
//   fromNode(method, params, {name?})        a request by the node; params may be a function of what was saved
//   told(name)                               the events that the node was sent since the last look, in their order
import { Device } from "./target.mjs";

const device = new Device();
const node = (name, change) => ({ kind: "node", name, change, device });
const fromNode = (method, params, options = {}) => ({ kind: "fromNode", method, params, ...options });
const told = (name) => ({ kind: "told", name });
const call = (method, params, options = {}) => ({ kind: "call", method, params, ...options });
const of = (more = {}) => () => ({ nodeId: device.id, ...more });
const invoke = (command, more = {}) => call("node.invoke", of({ command, idempotencyKey: "k", ...more }), { name: `${command} ${JSON.stringify(more)}` });

const declares = (commands) => ({
  role: "node",
  scopes: [],
  caps: ["system", "camera"],
  commands,
  client: { id: "node-host", version: "2026.9.6", mode: "node", platform: "linux", deviceFamily: "Linux", displayName: "Bench" },
  pathEnv: "/usr/bin:/bin",
});
const usual = ["system.which", "system.run", "system.notify", "camera.snap", "file.fetch", "worker.launch.v1"];
const stats = { cpuCount: 2, loadAverage: [0.5, 1, 2], memoryTotalBytes: 10, memoryFreeBytes: 5, diskTotalBytes: 10, diskAvailableBytes: 5 };
const report = (event, payload) => ({ event, payloadJSON: JSON.stringify(payload) });
const inventory = { protocolFeatures: ["node-worker-supervisor-v6"], workerHost: { enabled: false } };
const plan = { argv: ["ls"], cwd: "/tmp", commandText: "ls", commandPreview: null, agentId: "main", sessionKey: "agent:main:main" };
const claim = (name, more) => call("node.invoke", of({ command: "system.run", idempotencyKey: "k", params: { command: ["ls"], approved: true, runId: "for-the-node", ...more } }), { name: `what was approved, ${name}` });
const request = (saved) => ({ requestId: saved.list.pending[0].requestId });

export const nodes = {
  name: "nodes",
  steps: [
    node("comes for the first time", declares(usual)),
    told("after its hello"),
    call("node.list", {}, { name: "while it waits" }),
    call("node.describe", of(), { name: "while it waits" }),
    call("node.pair.list", {}, { name: "while it waits", save: "list" }),
    invoke("system.which"),
    call("node.rename", of({ displayName: "x" }), { name: "while it waits" }),
    fromNode("node.event", report("node.host.stats", stats), { name: "while it waits" }),
    fromNode("node.runnerInventory.update", inventory, { name: "while it waits" }),
    fromNode("node.skills.update", { skills: [] }),
    fromNode("node.pluginTools.update", { tools: [] }),
    call("node.pair.approve", request, { name: "it", events: true }),
    told("after its approval"),
    call("node.pair.approve", request, { name: "it again" }),
    call("node.list", {}, { name: "once approved" }),
    call("node.pair.list", {}, { name: "once approved" }),
    invoke("system.which", { params: { bins: ["sh"] }, sessionKey: "agent:main:main" }),
    told("when it is asked"),
    invoke("system.which"),
    invoke(" system.which ", { params: { bins: ["sh"] } }),
    invoke("system.notify", { params: { title: "fails" } }),
    invoke("system.run", { params: { command: ["ls"], approved: false, other: 1 } }),
    invoke("system.run", { params: { command: ["ls"], approved: true } }),
    invoke("system.run", { params: { command: ["ls"], approved: true, runId: "none" } }),
    invoke("system.run", { params: { command: ["ls"], approvalDecision: "allow-once", runId: "none" } }),
    invoke("system.run", { params: { command: ["ls"], approvalSource: "me" } }),
    invoke("system.run", { params: { command: ["ls"], approvalSource: "ask-fallback", approved: true } }),
    invoke("system.run", { params: { rawCommand: "ls" } }),
    invoke("system.run", { params: { command: ["ls"], rawCommand: "rm" } }),
    invoke("system.run", { params: [1] }),
    call("exec.approval.request", of({ id: "for-the-node", command: "ls", host: "node", systemRunPlan: plan, twoPhase: true, requireDeliveryRoute: false, timeoutMs: 60_000 }), { name: "for the node" }),
    claim("before it is decided", {}),
    call("exec.approval.resolve", { id: "for-the-node", decision: "allow-once" }),
    claim("with another environment", { env: { A: "1" } }),
    claim("under a false command", { command: ["rm"], cwd: "/elsewhere" }),
    claim("a second time", {}),
    invoke("nope.nope"), invoke("camera.snap"), invoke("camera.list"), invoke("screen.snapshot"), invoke("computer.act"),
    invoke("talk.ptt.start"), invoke("file.fetch"), invoke("fs.listDir"), invoke("system.execApprovals.get"),
    invoke("worker.launch.v1"), invoke("agent.cli.claude.run.v1"),
    invoke("browser.proxy", { params: { method: "POST", path: "/reset-profile" } }),
    invoke("system.which", { params: { sleeps: true }, timeoutMs: 200 }),
    told("when nobody waits any longer"),
    invoke("system.which", { timeoutMs: -1 }),
    call("node.rename", of({ displayName: " Desk " }), { name: "it" }),
    call("node.rename", of({ displayName: "  " }), { name: "it to nothing" }),
    fromNode("node.runnerInventory.update", inventory, { name: "once approved" }),
    fromNode("node.runnerInventory.update", {}),
    fromNode("node.event", report("node.host.stats", stats), { name: "figures" }),
    fromNode("node.event", report("node.host.stats", { ...stats, memoryFreeBytes: 11 }), { name: "figures that do not fit" }),
    fromNode("node.event", report("no.such.event", {}), { name: "that is unknown" }),
    fromNode("node.event", {}),
    fromNode("node.invoke.result", of({ id: "none", ok: true }), { name: "that nobody waits for" }),
    fromNode("node.invoke.result", { id: "none", nodeId: "other", ok: true }),
    fromNode("node.invoke.result", {}),
    fromNode("node.invoke.progress", of({ invokeId: "none", seq: 0, chunk: "x" }), { name: "that nobody waits for" }),
    fromNode("node.invoke.progress", { invokeId: "none", nodeId: "other", seq: 0, chunk: "x" }),
    fromNode("node.list", {}),
    call("node.event", { event: "x" }),
    call("node.describe", of(), { name: "in the end" }),
    node("comes with more", declares([...usual, "computer.act"])),
    call("node.describe", of(), { name: "with more" }),
    call("node.pair.list", {}, { name: "with more", save: "list" }),
    invoke("system.which", { params: { again: true } }),
    invoke("computer.act", { params: {} }),
    call("node.pair.reject", request, { name: "it", events: true }),
    call("node.describe", of(), { name: "once rejected" }),
    call("node.pair.remove", of(), { name: "it", events: true }),
    told("when it is removed"),
    call("node.pair.remove", of(), { name: "it again" }),
    call("node.list", {}, { name: "once removed" }),
    call("node.pair.list", {}, { name: "once removed" }),
  ],
};
