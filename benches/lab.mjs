// What the scripts of this folder share: programs that end with the script, ports, figures.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const CACHE =
  process.env.TAILCLAW_TEST_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "tailclaw-tests");
const ENVIRONMENT = {
  ...process.env,
  TS_DEBUG_USE_DERP_HTTP: "1",
  TS_NO_LOGS_NO_SUPPORT: "true",
  TS_DISABLE_PORTMAPPER: "1",
  TS_PANIC_IF_HIT_MAIN_CONTROL: "1",
  TS_ASSUME_NETWORK_UP_FOR_TEST: "1",
};
export const work = mkdtempSync(join(tmpdir(), "tailclaw-bench-"));
const running = new Set();

export class Program {
  constructor(path, args, environment = {}) {
    this.lines = [];
    this.waiting = [];
    this.child = spawn(path, args, { env: { ...ENVIRONMENT, ...environment }, stdio: ["pipe", "pipe", "ignore"] });
    this.ended = new Promise((resolve) => this.child.on("exit", resolve));
    running.add(this.child);
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      this.lines.push(line);
      this.waiting = this.waiting.filter((wait) => !wait(line));
    });
  }

  /** The first line, now or later, that `matches` makes something of. */
  line(matches, seconds = 90) {
    for (const line of this.lines) {
      const found = matches(line);
      if (found) return Promise.resolve(found);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nothing came; last: ${this.lines.slice(-3)}`)), seconds * 1000);
      // Not "exit": that can come before the last lines.
      this.child.on("close", () => reject(new Error(`ended early; last: ${this.lines.slice(-3)}`)));
      this.waiting.push((line) => {
        const found = matches(line);
        if (found) clearTimeout(timer), resolve(found);
        return Boolean(found);
      });
    });
  }

  async stop(signal = "SIGKILL") {
    this.child.kill(signal);
    await this.ended;
    running.delete(this.child);
  }
}

// A signal alone would leave the programs behind.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(work, { recursive: true, force: true });
});

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

export const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** The client of these scripts and the gateway, as they are now. */
export function buildClientAndGateway() {
  const module = join(ROOT, "tests/tailnet/bench");
  const tags = readFileSync(join(ROOT, "src/tailnet/libtailscale/tags.txt"), "utf8").trim();
  const go = ["build", "-trimpath", "-tags", tags, "-o", join(CACHE, "bin/tsclient"), "."];
  execFileSync("go", go, { cwd: module, stdio: "inherit", env: { ...process.env, CGO_ENABLED: "0" } });
  execFileSync("cargo", ["build", "--release"], { cwd: ROOT, stdio: "inherit" });
}

/** A control server with alice, bob and a tag for cameras; callers are forgotten when they leave. */
export async function startHeadscale(adapted = (config) => config) {
  const folder = join(work, "headscale");
  mkdirSync(folder);
  const port = await freePort();
  const template = readFileSync(join(ROOT, "tests/it/harness/headscale.yaml"), "utf8");
  const values = { PORT: port, STUN: await freePort(), DOMAIN: "claw.test", DIR: folder };
  const config = Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`@${name}@`, value), template);
  writeFileSync(join(folder, "config.yaml"), adapted(config));
  const everything = { src: ["*"], dst: ["*"], ip: ["*"] };
  const tagOwners = { "tag:gateway": ["alice@"], "tag:camera": ["alice@"] };
  const setPolicy = (...grants) => {
    const path = join(folder, "policy.json");
    writeFileSync(`${path}.new`, JSON.stringify({ tagOwners, grants: [everything, ...grants] }));
    renameSync(`${path}.new`, path);
  };
  setPolicy();
  const binary = join(CACHE, "bin/headscale");
  const program = new Program(binary, ["serve", "-c", join(folder, "config.yaml")]);
  const url = `http://127.0.0.1:${port}`;
  while (!(await fetch(`${url}/health`).then((answer) => answer.ok, () => false))) await sleep(0.1);
  const command = (...args) =>
    JSON.parse(execFileSync(binary, ["-c", join(folder, "config.yaml"), "-o", "json", ...args], { encoding: "utf8" }));
  const key = (...owner) => command("preauthkeys", "create", "--reusable", "--expiration", "24h", ...owner).key;
  const user = (name) => key("--ephemeral", "-u", String(command("users", "create", name).id));
  return {
    url,
    alice: user("alice"),
    bob: user("bob"),
    camera: key("--ephemeral", "--tags", "tag:camera"),
    gateway: key("--tags", "tag:gateway"),
    /** What counts from now on, beside that everybody reaches everything. */
    grant(...grants) {
      setPolicy(...grants);
      program.child.kill("SIGHUP");
    },
  };
}

/** The release gateway with this configuration, and the address that it prints: what `pattern` finds. */
export async function startGateway(name, pattern, gateway, environment) {
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const port = await freePort();
  writeFileSync(join(folder, "tailclaw.json"), JSON.stringify({ gateway: { port, ...gateway } }), { mode: 0o600 });
  const binary = join(ROOT, "target/release/tailclaw");
  const program = new Program(binary, ["gateway"], { ...environment, TAILCLAW_STATE_DIR: folder });
  return { program, port, address: await program.line((line) => line.match(pattern)?.[0]) };
}

/** A gateway on headscale's tailnet, as a node of its own: HOST:PORT. */
export const startTailnetGateway = (headscale, gateway) =>
  startGateway("gateway", /(?<=http:\/\/)100\.[\d.]+:\d+/, {
    bind: "tailnet", tailscale: { hostname: "claw", controlUrl: headscale.url, authKey: headscale.gateway }, ...gateway,
  });

let clients = 0;

/** Nodes of plain tsnet in one process, which do what `args` say. */
export function client(headscale, keys, nodes, ...args) {
  const folder = join(work, `client-${++clients}`);
  const flags = ["-control", headscale.url, "-dir", folder, "-prefix", `bench${clients}-`, "-keys", keys.join(",")];
  return new Program(join(CACHE, "bin/tsclient"), [...flags, "-nodes", String(nodes), ...args]);
}

/** The line in which a client's command has printed its outcome. */
export const outcome = (program, command, seconds) =>
  program.line((line) => {
    const value = JSON.parse(line);
    return value.command === command && value;
  }, seconds);

export const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Medians of both sides, and the median of their ratios with its spread: this machine's speed changes all the time. */
export function describe(pairs, names) {
  const ratios = pairs.map(([ours, theirs]) => ours / theirs);
  const spread = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
  const medians = [0, 1].map((side) => middle(pairs.map((pair) => pair[side])).toFixed(0));
  return `${names[0]} ${medians[0]}, ${names[1]} ${medians[1]}; ratio ${middle(ratios).toFixed(2)} [${spread}] (${pairs.length} rounds)`;
}
