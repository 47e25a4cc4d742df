import { duration } from "../lib/time.ts";
import { object, text } from "../lib/json.ts";
import type { IdentityProblem } from "./identity.ts";

/** Why the gateway, or this page itself, will not connect, in words that say what to do. */
export interface Refusal {
  code: string;
  sentence: string;
  /** What the sign-in form should ask for, if anything would help. */
  ask: "token" | "password" | null;
  /** A command a person can run on the gateway's machine. */
  command?: string;
  /** What is being waited for: the connection asks again by itself. */
  waitsFor?: { requestId: string };
}

export interface RefusedConnect {
  message: string;
  details?: unknown;
  retryAfterMs?: number;
}

export function refusalOf(error: RefusedConnect, sentSecret: boolean): Refusal {
  const details = object(error.details);
  const code = text(details.code) ?? "REFUSED";
  switch (code) {
    case "AUTH_TOKEN_MISSING":
      return ask(code, "token", "This gateway asks for its token.");
    case "AUTH_TOKEN_MISMATCH":
      return ask(code, "token", "That token is not this gateway's. Check it and sign in again.");
    case "AUTH_PASSWORD_MISSING":
      return ask(code, "password", "This gateway asks for its password.");
    case "AUTH_PASSWORD_MISMATCH":
      return ask(code, "password", "That password is not this gateway's. Check it and sign in again.");
    case "AUTH_DEVICE_TOKEN_MISMATCH":
    case "AUTH_SCOPE_MISMATCH":
      return ask(code, "token", "This browser's approval is no longer valid. Sign in again.");
    case "AUTH_BOOTSTRAP_TOKEN_INVALID":
      return ask(code, "token", "That setup code has expired or was used. Sign in with the gateway's token.");
    case "AUTH_TOKEN_NOT_CONFIGURED":
    case "AUTH_PASSWORD_NOT_CONFIGURED":
      return tell(code, "The gateway has no token or password set, so nobody can sign in yet.", {
        command: "tailclaw config validate",
      });
    case "AUTH_RATE_LIMITED":
      return tell(code, `Too many failed attempts. Wait ${wait(error.retryAfterMs)}, then try again.`, {
        ask: "token",
      });
    case "DEVICE_IDENTITY_REQUIRED":
    case "CONTROL_UI_DEVICE_IDENTITY_REQUIRED":
      return deviceNeeded(code, sentSecret);
    case "PAIRING_REQUIRED":
      return pairingNeeded(code, details);
    case "CONTROL_UI_ORIGIN_NOT_ALLOWED":
      return tell(code, `The gateway does not accept pages from ${globalThis.location?.origin ?? "this address"}.`, {
        command: `tailclaw config set gateway.controlUi.allowedOrigins '["${globalThis.location?.origin ?? "https://…"}"]'`,
      });
    case "PROTOCOL_MISMATCH":
    case "CONTROL_UI_BUILD_MISMATCH":
      return tell(code, "This page is older than the gateway. Reload it.");
    case "DEVICE_AUTH_SIGNATURE_EXPIRED":
      return tell(code, "The gateway and this browser disagree about the time. Try again; if it stays, check the clocks.");
    case "AUTH_TAILSCALE_IDENTITY_MISSING":
    case "AUTH_TAILSCALE_WHOIS_FAILED":
    case "AUTH_TAILSCALE_IDENTITY_MISMATCH":
    case "AUTH_TAILSCALE_PROXY_MISSING":
      return ask(code, "token", "Tailscale did not say who you are. Sign in with the gateway's token.");
    default:
      return tell(code, `The gateway refused: ${error.message}`, {
        ask: code.startsWith("AUTH_") ? "token" : null,
      });
  }
}

/** Said without asking the gateway: it would refuse a page that can show neither key nor identity. */
export function identityRefusal(problem: IdentityProblem): Refusal {
  if (problem === "no-ed25519") {
    return tell("NO_ED25519", "This browser cannot hold an Ed25519 key. Use a current Chrome, Edge, Firefox or Safari.");
  }
  return tell(
    "INSECURE_CONTEXT",
    "Over plain http this browser cannot prove who it is. Open the gateway by https, on localhost, or from a device of the tailnet.",
  );
}

function deviceNeeded(code: string, sentSecret: boolean): Refusal {
  return sentSecret
    ? tell(code, "The gateway wants a key of this browser's own, which needs https or localhost.")
    : ask(code, "token", "The gateway does not know you by this path. Sign in, or come over https, localhost or the tailnet.");
}

function pairingNeeded(code: string, details: Record<string, unknown>): Refusal {
  const wants =
    details.reason === "scope-upgrade" || details.reason === "role-upgrade"
      ? "This browser asks for more rights than it was given."
      : details.reason === "metadata-upgrade"
        ? "This browser says that it is another one than was approved."
        : "This browser is new to the gateway.";
  const requestId = text(details.requestId);
  // The id becomes part of a command that a person runs: nothing else may.
  if (!requestId || !/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/.test(requestId)) {
    return tell(code, `${wants} Open the page on the gateway's own machine, or over its tailnet.`);
  }
  return tell(code, `${wants} It waits until somebody approves it, as request ${requestId}. Run on the gateway's machine:`, {
    command: `tailclaw devices approve ${requestId}`,
    waitsFor: { requestId },
  });
}

function wait(retryAfterMs: number | undefined): string {
  return retryAfterMs ? duration(retryAfterMs) : "a few minutes";
}

function ask(code: string, kind: "token" | "password", sentence: string): Refusal {
  return { code, sentence, ask: kind };
}

function tell(code: string, sentence: string, extra: Partial<Refusal> = {}): Refusal {
  return { code, sentence, ask: null, ...extra };
}
