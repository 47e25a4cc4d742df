// Holds frames that a gateway sent against the JSON Schema that OpenClaw publishes for its protocol.
// Arguments: the folder of the npm packages, the file of what OpenClaw's own newer gateway sends beside the schema, then
// files of lines {"method", "frame"}; method is absent for events.
// Prints every violation once, with the first frame that has it, and ends with 1 if there are any.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [packages, newerFile, ...files] = process.argv.slice(2);
/** Definition -> keys: the published schema is a month older than the gateway that clients are made for. */
const newer = JSON.parse(readFileSync(newerFile, "utf8"));
const require = createRequire(join(packages, "package.json"));
const Ajv = require("ajv").default;
const schemaFile = join(packages, "node_modules/@openclaw/gateway-protocol/protocol.schema.json");
const schema = JSON.parse(readFileSync(schemaFile, "utf8"));

const ajv = new Ajv({ strict: false, allErrors: true, allowUnionTypes: true });
ajv.addSchema({ $id: "protocol", definitions: schema.definitions });
const compiled = new Map();
const validatorOf = (definition) => {
  if (!compiled.has(definition)) compiled.set(definition, ajv.compile({ $ref: `protocol#/definitions/${definition}` }));
  return compiled.get(definition);
};

/** `sessions.messages.subscribe` -> `SessionsMessagesSubscribe`. */
const capitalised = (name) => name.split(/[.-]/).map((word) => word[0].toUpperCase() + word.slice(1)).join("");

/** Definitions that are not called by their method's or event's name. */
const NAMED_OTHERWISE = {
  connect: "HelloOk",
  "agent.identity.get": "AgentIdentityResult",
  "exec.approvals.get": "ExecApprovalsSnapshot",
  "exec.approvals.set": "ExecApprovalsSnapshot",
  "cron.get": "CronJob",
  "cron.update": "CronJob",
  "config.schema": "ConfigSchemaResponse",
};
const NAMED_OTHERWISE_EVENTS = {
  "device.pair.requested": "DevicePairRequestedEvent",
  "device.pair.resolved": "DevicePairResolvedEvent",
};

const known = (names) => names.find((name) => name in schema.definitions);
const resultOf = (method, payload) =>
  // Only the answer to a cursor has a definition.
  method === "chat.history" ? (payload.kind ? "ChatHistoryCursorResult" : undefined) :
  NAMED_OTHERWISE[method] ?? known([`${capitalised(method)}Result`, `${capitalised(method)}Response`]);
const payloadOf = (event) => NAMED_OTHERWISE_EVENTS[event] ?? known([`${capitalised(event)}Event`]);

const violations = new Map();
const counts = { frames: 0, envelopes: 0, replies: 0, events: 0, unnamed: new Set() };

const check = (definition, value, what) => {
  const validate = validatorOf(definition);
  if (validate(value)) return;
  for (const { instancePath, message, params } of validate.errors) {
    const path = instancePath.replace(/\/\d+/g, "/*");
    if (newer[definition]?.includes(`${path}/${params.additionalProperty}`)) continue;
    const line = `${what} (${definition}) ${path || "/"}: ${message} ${JSON.stringify(params)}`;
    if (!violations.has(line)) violations.set(line, JSON.stringify(value).slice(0, 400));
  }
};

/** The id of a refused request is echoed as it came, also when it came as something else than a text. */
const withTextId = (frame) => (frame.type === "res" && !frame.ok && "id" in frame ? { ...frame, id: String(frame.id) } : frame);

const checkFrame = ({ method, frame: sent }) => {
  const frame = withTextId(sent);
  counts.frames += 1;
  check("GatewayFrame", frame, frame.type === "event" ? `event ${frame.event}` : `res ${method}`);
  counts.envelopes += 1;
  if (frame.type === "event") {
    const definition = payloadOf(frame.event);
    if (definition) (counts.events += 1), check(definition, frame.payload, `event ${frame.event}`);
    else counts.unnamed.add(frame.event);
  } else if (frame.ok && method) {
    const definition = resultOf(method, frame.payload);
    // A first answer that only says "accepted" has no definition of its own.
    if (frame.payload?.status === "accepted") return;
    if (definition) (counts.replies += 1), check(definition, frame.payload, `res ${method}`);
    else counts.unnamed.add(method);
  }
};

for (const file of files) {
  for (const line of readFileSync(file, "utf8").split("\n")) if (line) checkFrame(JSON.parse(line));
}
for (const [violation, example] of violations) console.log(`${violation}\n    ${example}`);
console.log(`without a definition in the schema, so only their envelope was checked: ${[...counts.unnamed].sort().join(" ")}`);
console.log(`${counts.frames} frames: ${counts.envelopes} envelopes, ${counts.replies} replies and ${counts.events} events checked, ${violations.size} violations`);
process.exit(violations.size || !counts.frames ? 1 : 0);
