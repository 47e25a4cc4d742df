// Runs OpenClaw's own command line against one gateway and writes exit codes and the shapes of what it prints, as
// JSON. Arguments: the program, port, token, folder for its home, file for the outcome.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { shapeOf } from "./shape.mjs";

const [program, port, token, home, outcomeFile] = process.argv.slice(2);
const LIMIT_MS = 120_000;
const AT_ONCE = 2;

/** Commands of one row run one after another, since later ones build on earlier ones; rows run beside each other. */
const ROWS = [
  ["health --json", "health", "gateway health --json", "gateway call health --json", "gateway call status --json"],
  ["status --json", "status --deep --json", "status --deep"],
  ["gateway status --json", "gateway status --require-rpc --json", "gateway probe --json"],
  ["gateway call no.such.method --json", "gateway call sessions.list --params {\"limit\":1} --json", "gateway call sessions.list --params {\"limit\":\"x\"} --json"],
  ["channels status --json", "logs --limit 5 --json", "system presence --json"],
  ["nodes status --json", "nodes list --json", "nodes pending --json", "nodes describe --node nobody --json"],
  ["nodes rename --node nobody --name x --json", "nodes invoke --node nobody --command system.which --params {} --json", "nodes approve none-such --json", "nodes reject none-such --json"],
  ["devices list --json", "devices approve none-such --json", "devices reject none-such --json", "devices remove none-such --json", "devices rotate --device none-such --role operator --json", "devices revoke --device none-such --role operator --json"],
  ["agent --agent main --message hello --json", "agent --agent nobody --message hello --json"],
  ["cron list --json", "cron status --json", "cron add --name hourly --every 1h --system-event tick --session main --json", "cron add --name broken --cron nonsense --system-event tick --session main --json", "cron list --all --json", "cron rm none-such --json"],
  ["system event --text hello --mode next-heartbeat --json", "system heartbeat last --json", "system heartbeat disable --json", "system heartbeat enable --json"],
  ["message send --channel telegram --target 5 --message hello --json"],
];

/** Commands about a node, OpenClaw's own, which runs beside them; PENDING is the request that the first one shows. */
const NODE_ROW = [
  "nodes pending --json", "nodes invoke --node Bench --command system.which --params {\"bins\":[\"sh\"]} --json",
  "nodes approve PENDING --json", "nodes approve PENDING --json", "nodes status --json", "nodes status", "nodes list --json",
  "nodes describe --node Bench --json", "nodes invoke --node Bench --command system.which --params {\"bins\":[\"sh\"]} --json",
  "nodes invoke --node Bench --command system.run --params {\"command\":[\"echo\",\"hi\"]} --json",
  "nodes invoke --node Bench --command no.such.command --json", "nodes invoke --node Bench --command system.execApprovals.get --json",
  "nodes rename --node Bench --name Desk --json", "nodes describe --node Desk --json", "nodes remove --node Desk --json",
  "nodes list --json", "nodes describe --node Desk --json",
];

mkdirSync(join(home, "state"), { recursive: true });
const config = { gateway: { mode: "local", port: Number(port), auth: { mode: "token", token } } };
writeFileSync(join(home, "state", "openclaw.json"), JSON.stringify(config));
const env = {
  PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
  HOME: home,
  OPENCLAW_STATE_DIR: join(home, "state"),
  NO_COLOR: "1",
  CI: "1",
  TZ: "UTC",
};

const run = (words) =>
  new Promise((resolve) => {
    const options = { env, cwd: home, timeout: LIMIT_MS, maxBuffer: 64 << 20 };
    execFile(process.execPath, [program, ...words], options, (error, stdout, stderr) => {
      const exit = error ? (error.killed ? "no end" : error.code) : 0;
      resolve({ exit, stdout, stderr });
    });
  });

const json = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const outcome = {};
const rows = [...ROWS];
const worker = async () => {
  for (let row; (row = rows.shift()); ) {
    for (const command of row) {
      const { exit, stdout, stderr } = await run(command.split(" "));
      const printed = json(stdout);
      outcome[`cli / ${command}`] = { exit: `=${exit}`, ...(printed === undefined ? {} : { json: shapeOf(printed) }) };
      if (exit === "no end") console.error(`${command}: no end\n${stdout}${stderr}`);
    }
  }
};
await Promise.all(Array.from({ length: AT_ONCE }, worker));

/** A node on a machine of its own, once it waits for its approval. */
const startNode = async () => {
  const machine = join(home, "node");
  mkdirSync(join(machine, "state"), { recursive: true });
  const own = { ...env, HOME: machine, OPENCLAW_STATE_DIR: join(machine, "state"), OPENCLAW_GATEWAY_TOKEN: token };
  const words = ["node", "run", "--host", "127.0.0.1", "--port", port, "--display-name", "Bench"];
  const child = spawn(process.execPath, [program, ...words], { env: own, cwd: machine, stdio: "ignore" });
  const deadline = Date.now() + LIMIT_MS;
  for (;;) {
    const [pending] = json((await run(["nodes", "pending", "--json"])).stdout) ?? [];
    if (pending) return { child, requestId: pending.requestId };
    if (Date.now() > deadline) throw new Error("the node does not wait for an approval");
  }
};

const { child, requestId } = await startNode();
for (const command of NODE_ROW) {
  const { exit, stdout } = await run(command.replace("PENDING", requestId).split(" "));
  const printed = json(stdout);
  let title = `cli, with a node / ${command}`;
  while (title in outcome) title += " (again)";
  outcome[title] = { exit: `=${exit}`, ...(printed === undefined ? {} : { json: shapeOf(printed) }) };
}
child.kill("SIGKILL");
writeFileSync(outcomeFile, JSON.stringify(outcome, null, 1));
console.log(`${Object.keys(outcome).length} commands`);
