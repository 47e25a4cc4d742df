// node benches/tailnet.mjs [identity] [memory] [streams]: the figures of the tailnet node, over a real headscale on
// loopback. Without an argument, all of them. `tests/run` has to have installed headscale; the rest is built here.
//
//   identity  10,000 connections in bursts of 100 from two users and a tagged node to the gateway: who is named wrongly?
//   memory    threads and resident memory of the gateway: joined, with 700 idle WebSockets let in over the tailnet
//   streams   one stream and 1-byte round trips to a Rust listener behind the node, beside a plain Go tsnet server
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildClientAndGateway, client, describe, outcome, Program, ROOT, sleep, startHeadscale, startTailnetGateway, work,
} from "./lab.mjs";

const ROUNDS = 7;

function usage(program) {
  const status = readFileSync(`/proc/${program.child.pid}/status`, "utf8");
  const number = (name) => Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))[1]);
  return { threads: number("Threads"), kilobytes: number("VmRSS") };
}

async function identity(headscale, { address }) {
  const keys = [headscale.alice, headscale.bob, headscale.camera];
  const program = client(headscale, keys, 3, "-count", "10000", "-burst", "100", "identity", address);
  console.log("identity:", JSON.stringify(await outcome(program, "identity", 300)));
  await program.ended;
}

async function memory(headscale, { program: gateway, address }) {
  await sleep(5);
  const before = usage(gateway);
  const program = client(headscale, [headscale.alice, headscale.bob], 2, "-count", "700", "-hold", "60s", "sockets", address);
  await program.line((line) => line.includes('"idle"'), 120);
  await sleep(3);
  const after = usage(gateway);
  await program.stop();
  const each = ((after.kilobytes - before.kilobytes) / 700).toFixed(0);
  console.log(`memory: joined ${(before.kilobytes / 1024).toFixed(0)} MB, ${before.threads} threads;`,
    `with 700 idle WebSockets ${(after.kilobytes / 1024).toFixed(0)} MB, ${after.threads} threads; ${each} KB each`);
}

async function streams(headscale, echo) {
  const ours = new Program(echo, [], {
    BENCH_CONTROL: headscale.url, BENCH_KEY: headscale.gateway, BENCH_DIR: join(work, "echo"), BENCH_NAME: "echo",
    GOMEMLIMIT: "256MiB",
  });
  const theirs = client(headscale, [headscale.gateway], 1, "serve");
  const tailnetAddress = (line) => line.match(/100\.\d+\.\d+\.\d+/)?.[0];
  const targets = { ours: await ours.line(tailnetAddress), theirs: await theirs.line(tailnetAddress) };
  const measured = { sink: [], source: [], ping: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const order = round % 2 ? ["theirs", "ours"] : ["ours", "theirs"];
    const seen = {};
    for (const side of order) {
      // The first round trips find the direct path.
      const program = client(headscale, [headscale.alice], 1, "-count", "3000", "-mb", "200", "ping,ping,sink,source", targets[side]);
      const { mbPerSecond: source } = await outcome(program, "source", 240);
      const [, ping] = program.lines.map((line) => JSON.parse(line)).filter((value) => value.command === "ping");
      seen[side] = { source, sink: (await outcome(program, "sink")).mbPerSecond, ping: ping.p50Us };
      await program.ended;
    }
    for (const name of Object.keys(measured)) measured[name].push([seen.ours[name], seen.theirs[name]]);
  }
  for (const [name, pairs] of Object.entries(measured)) console.log(`${name}:`, describe(pairs, ["ours", "plain Go"]));
  await ours.stop();
  await theirs.stop();
}

function build() {
  buildClientAndGateway();
  const cargo = ["bench", "--no-run", "--bench", "tailnet_echo", "--message-format=json"];
  const messages = execFileSync("cargo", cargo, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 });
  const artifacts = messages.split("\n").filter((line) => line.includes('"compiler-artifact"')).map((line) => JSON.parse(line));
  return artifacts.find((artifact) => artifact.target.name === "tailnet_echo").executable;
}

const wanted = process.argv.slice(2);
const wants = (name) => wanted.length === 0 || wanted.includes(name);
const echo = build();
const headscale = await startHeadscale();
if (wants("identity") || wants("memory")) {
  const gateway = await startTailnetGateway(headscale);
  // Memory first: what 10,000 connections leave behind is not what an idle gateway holds.
  if (wants("memory")) await memory(headscale, gateway);
  if (wants("identity")) await identity(headscale, gateway);
  await gateway.program.stop("SIGTERM");
}
if (wants("streams")) await streams(headscale, echo);
process.exit(0);
