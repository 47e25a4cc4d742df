import { object, text, texts } from "./lib/json.ts";

/** What `GET /whoami` says of the caller; every field may be missing. */
export interface Whoami {
  path?: string;
  address?: string;
  login?: string;
  name?: string;
  node?: string;
  stableId?: string;
  tags: string[];
  method?: string;
  role?: string;
  scopes: string[];
  reason?: string;
}

/** What the gateway granted once connected. */
export interface Granted {
  method?: string;
  role?: string;
  scopes: string[];
}

const WHOAMI_TIMEOUT_MS = 5_000;

/** `null` when the gateway has no such route or does not answer: the page then lives on hello-ok alone. */
export async function fetchWhoami(): Promise<Whoami | null> {
  try {
    const response = await fetch("/whoami", {
      headers: { accept: "application/json" },
      cache: "no-store",
      signal: AbortSignal.timeout(WHOAMI_TIMEOUT_MS),
    });
    return response.ok ? readWhoami(await response.json()) : null;
  } catch {
    return null;
  }
}

export function readWhoami(value: unknown): Whoami {
  const raw = object(value);
  return {
    path: text(raw.path),
    address: text(raw.address),
    login: text(raw.login),
    name: text(raw.name),
    node: text(raw.node),
    stableId: text(raw.stableId),
    tags: texts(raw.tags),
    method: text(raw.method),
    role: text(raw.role),
    scopes: texts(raw.scopes),
    reason: text(raw.reason),
  };
}

/** A tailnet identity with rights needs neither a token nor a key of this browser's own. */
export function knownByTailscale(whoami: Whoami | null): boolean {
  // A node's rights are no use to a person at a browser, who may still sign in with a token.
  return whoami?.method === "tailscale" && whoami.role !== "node";
}

/** One line for a person: who, from where, by which path, on what strength. */
export function whoSentence(whoami: Whoami | null, granted: Granted | null): string {
  const method = methodPhrase(granted?.method ?? whoami?.method, granted !== null);
  if (!whoami?.path) return granted ? ["signed in", method].filter(Boolean).join(" · ") : "not signed in";
  const path = pathPhrase(whoami.path);
  const subject = subjects(whoami);
  // Path and recognition belong together, a secret is a fact of its own.
  const last = method === RECOGNISED && path ? [`${path}, ${method}`] : [path, method];
  return [...subject, ...last].filter((part): part is string => part !== undefined).join(" · ");
}

const RECOGNISED = "recognised by Tailscale";

function subjects(whoami: Whoami): string[] {
  if (whoami.path === "loopback") return ["this machine (loopback)"];
  // A tagged node has no user; its login is only the placeholder Tailscale reports for all of them.
  const owner = whoami.tags.length > 0 ? whoami.tags.join(", ") : (whoami.login ?? whoami.name);
  const found = [owner, whoami.node].filter((part): part is string => part !== undefined);
  if (found.length > 0) return found;
  if (whoami.path === "funnel") return ["an unnamed visitor"];
  return [whoami.address ?? "an unnamed caller"];
}

function pathPhrase(path: string): string | undefined {
  switch (path) {
    case "tailnet":
      return "over the tailnet";
    case "serve":
      return "through Tailscale Serve";
    case "funnel":
      return "from the public internet, through Funnel";
    case "network":
      return "over the network";
    case "loopback":
      return undefined;
    default:
      return path;
  }
}

function methodPhrase(method: string | undefined, connected: boolean): string | undefined {
  switch (method) {
    case "tailscale":
      return RECOGNISED;
    case "device-token":
      return "paired browser";
    case "bootstrap-token":
      return "setup code";
    case "trusted-proxy":
      return "named by the proxy";
    case undefined:
    case "null":
      return connected ? undefined : "not signed in";
    case "none":
      return "no sign-in needed";
    default:
      return method;
  }
}
