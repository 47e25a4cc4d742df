// node benches/identities.mjs [COUNT]: is anybody ever taken for somebody else? COUNT connections to the gateway, a million
// unless said (about an hour), over a real headscale on loopback. `tests/run` has to have installed headscale; the rest
// is built here.
//
// Six nodes of two users and of a tag ask /whoami over a connection each and compare the answer with what they know of
// themselves. Some reset, dawdle, or claim in headers or in a PROXY header to be another node. Every so many connections
// a node leaves for good and another comes, often with an address that somebody else had; every so often the policy file
// gives bob a right, or takes it from him. Ends with 1 when anybody was named wrongly or had a role that was never theirs.
import { buildClientAndGateway, client, startHeadscale, startTailnetGateway } from "./lab.mjs";

const COUNT = Number(process.argv[2] ?? 1_000_000);
const BURST = 24;
const CHURN = 25_000;
const POLICY_SECONDS = 20;
/** Slower than this, something is broken. */
const LEAST_PER_SECOND = 20;

const capability = "tailclaw.dev/cap/gateway";
const right = (src, what) => ({ src: [src], dst: ["tag:gateway"], app: { [capability]: [what] } });
const LASTING = [right("alice@", { scopes: ["operator.admin"] }), right("tag:camera", { role: "node" })];
const FLEETING = right("bob@", { scopes: ["operator.read"] });
/** Who may have which role, sooner or later. */
const ROLES = { alice: ["operator"], bob: ["none", "operator"], "tag:camera": ["node"] };

buildClientAndGateway();
// So few addresses that they come again.
const headscale = await startHeadscale((config) =>
  config.replace("100.64.0.0/10", "100.64.0.0/28").replace("allocation: sequential", "allocation: random"));
headscale.grant(...LASTING);
const auth = { allowTailscale: true, tailscale: { require: "grant" } };
const { address } = await startTailnetGateway(headscale, { auth });
let policies = 0;
setInterval(() => headscale.grant(...LASTING, ...(++policies % 2 ? [FLEETING] : [])), POLICY_SECONDS * 1000);
const flags = ["-count", String(COUNT), "-burst", String(BURST), "-churn", String(Math.min(CHURN, Math.ceil(COUNT / 5)))];
const callers = client(headscale, [headscale.alice, headscale.bob, headscale.camera], 6, ...flags, "mixed", address);
const owners = new Map();
let handedOn = 0;
let sum;
await callers.line((line) => {
  const value = JSON.parse(line);
  if ("perSecond" in value) {
    console.log(line);
    sum = value;
  } else if (value.node) {
    const [address] = value.addresses;
    const owner = value.login || value.tags.join();
    handedOn += owners.has(address) && owners.get(address) !== owner ? 1 : 0;
    owners.set(address, owner);
  }
  return value.command;
}, COUNT / LEAST_PER_SECOND + 60);

const strayed = Object.entries(sum.roles ?? {}).flatMap(([who, roles]) =>
  Object.keys(roles).filter((role) => !ROLES[who]?.includes(role)).map((role) => `${who} was ${role}`));
const missing = COUNT - sum.right - sum.wrong - sum.failed - sum.reset - sum.refused;
console.log(`${sum.connections} connections in ${sum.seconds} s, ${sum.perSecond} a second; ${policies} policies`);
console.log(`${sum.rejoined} new nodes, ${handedOn} of them with an address that had been somebody else's`);
console.log(`named rightly ${sum.right}, wrongly ${sum.wrong}; reset by the caller ${sum.reset}, PROXY header refused ${sum.refused}`);
console.log(`failed ${sum.failed}, unaccounted ${missing}; roles that were never theirs: ${strayed.join(", ") || "none"}`);
process.exit(sum.wrong || strayed.length || sum.failed > COUNT / 100 || missing > 0 ? 1 : 0);
