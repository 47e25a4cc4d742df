import type { ConnectParams } from "@openclaw/gateway-client/browser";
import { PROTOCOL_VERSION } from "@openclaw/gateway-client/browser";

/** How this page introduces itself; the ids come from the protocol's closed list. */
export const ROLE = "operator";

export const SCOPES = [
  "operator.admin",
  "operator.read",
  "operator.write",
  "operator.approvals",
  "operator.questions",
  "operator.pairing",
] as const;

const CAPABILITIES = ["tool-events"];

export function clientInfo(instanceId: string): ConnectParams["client"] {
  return {
    id: "openclaw-control-ui",
    version: "tailclaw",
    platform: "web",
    mode: "webchat",
    instanceId,
  };
}

export interface ConnectParts {
  instanceId: string;
  scopes: string[];
  device?: ConnectParams["device"];
  auth?: ConnectParams["auth"];
}

export function connectParams(parts: ConnectParts): ConnectParams {
  return {
    minProtocol: PROTOCOL_VERSION,
    maxProtocol: PROTOCOL_VERSION,
    client: clientInfo(parts.instanceId),
    role: ROLE,
    scopes: parts.scopes,
    caps: CAPABILITIES,
    device: parts.device,
    auth: parts.auth,
    locale: navigator.language,
    userAgent: navigator.userAgent,
  };
}
