// node benches/ways.mjs: what the ways to a gateway cost over HTTPS, beside each other in one run.
//
//   direct   the gateway's own node, TLS ended by the gateway itself
//   serve    this machine's tailscaled with our routes (gateway.tailscale.node "host", mode "serve")
//   by hand  `tailscale serve` of the same tailscaled in front of the same gateway
//
// All over Tailscale's test control server on loopback, asked by one node of plain tsnet. `tests/run` has to have
// installed the programs; openssl makes the certificates; the rest is built here.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildClientAndGateway, CACHE, describe, outcome, Program, sleep, startGateway, work } from "./lab.mjs";

const DOMAIN = "tail-test.ts.net";
const SERVED = /https:\/\/[a-z.-]+\.ts\.net/;
const LARGE_BYTES = 64 << 20;
const ROUNDS = 7;

const openssl = (...args) => execFileSync("openssl", args, { cwd: work, stdio: ["ignore", "ignore", "pipe"] });

function makeAuthority() {
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
    "-subj", "/CN=tailclaw bench", "-keyout", "ca.key", "-out", "ca.pem");
  return join(work, "ca.pem");
}

/** Where a Tailscale node keeps the certificate of its name. */
function certify(folder, name) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (end) => join(folder, `${name}.${end}`);
  writeFileSync(path("ext"), `subjectAltName=DNS:${name}\n`);
  openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${name}`,
    "-keyout", path("key"), "-out", path("csr"));
  openssl("x509", "-req", "-days", "29", "-in", path("csr"), "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
    "-extfile", path("ext"), "-out", path("crt"));
}

async function startControl() {
  const program = new Program(join(CACHE, "bin/tailclaw-test-control"), []);
  return program.line((line) => line.startsWith("{") && JSON.parse(line).control);
}

async function startDaemon(control, name, environment) {
  const folder = join(work, name);
  certify(join(folder, "certs"), `${name}.${DOMAIN}`);
  const socket = join(folder, "s");
  const flags = ["--tun=userspace-networking", "--port=0", `--statedir=${folder}`, `--socket=${socket}`];
  new Program(join(CACHE, "bin/tailscaled"), flags, environment);
  while (!existsSync(socket)) await sleep(0.05);
  const run = (...args) => execFileSync(join(CACHE, "bin/tailscale"), [`--socket=${socket}`, ...args], { stdio: "pipe" });
  run("up", `--login-server=${control}`, "--auth-key=any", `--hostname=${name}`, "--accept-dns=false");
  return { socket, run };
}

buildClientAndGateway();
const environment = { SSL_CERT_FILE: makeAuthority(), TS_DEBUG_USE_DERP_HTTP: "" };
mkdirSync(join(work, "page"));
writeFileSync(join(work, "page/index.html"), "<!doctype html>");
writeFileSync(join(work, "page/large.bin"), randomBytes(LARGE_BYTES));
const control = await startControl();
const daemon = await startDaemon(control, "box", environment);
certify(join(work, "own/tailnet/certs"), `own.${DOMAIN}`);
const served = (name, tailscale, more) => startGateway(name, SERVED, {
  auth: { mode: "token", token: "the-token-of-the-bench" }, controlUi: { root: join(work, "page") }, tailscale, ...more,
}, environment);
const own = await served("own", { hostname: "own", controlUrl: control, authKey: "any" }, { bind: "tailnet" });
// Who makes such a route by hand names the daemon as a proxy, or gets nothing but /healthz through it.
const trusting = { trustedProxies: ["127.0.0.1"] };
const behind = await served("behind", { node: "host", mode: "serve", socket: daemon.socket }, trusting);
daemon.run("serve", "--bg", "--https=8443", `http://127.0.0.1:${behind.port}`);
const ways = [`direct=${own.address}`, `serve=${behind.address}`, `by hand=${behind.address}:8443`];
const flags = ["-control", control, "-dir", join(work, "client"), "-keys", "any", "-ca", environment.SSL_CERT_FILE];
const client = new Program(join(CACHE, "bin/tsclient"),
  [...flags, "-rounds", String(ROUNDS), "-large", "/large.bin", "web", ...ways], environment);
const seen = await outcome(client, "web", 600);
if (seen.error) throw new Error(seen.error);
for (const way of ["direct", "serve", "by hand"]) {
  const [{ spoken, smallBytes, largeBytes }] = seen[way];
  console.log(`${way}: ${spoken}; answers of ${smallBytes} and ${largeBytes} bytes`);
  if (largeBytes !== LARGE_BYTES) throw new Error(`the large answer has ${LARGE_BYTES} bytes`);
}
for (const figure of ["requestsPerSecond", "connectsPerSecond", "mbPerSecond"]) {
  for (const way of ["direct", "serve"]) {
    const pairs = seen[way].map((round, index) => [round[figure], seen["by hand"][index][figure]]);
    console.log(`${figure}:`, describe(pairs, [way, "tailscale serve by hand"]));
  }
}
process.exit(0);
