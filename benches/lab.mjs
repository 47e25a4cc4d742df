// What the scripts of this folder share: programs that end with the script, ports, figures.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
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
      this.child.on("exit", () => reject(new Error(`ended early; last: ${this.lines.slice(-3)}`)));
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
