import type { GatewayBrowserDeviceTokenStore } from "@openclaw/gateway-client/browser";
import { object, text, texts } from "../lib/json.ts";

const SECRET_KEY = "tailclaw.secret";
const DEVICE_TOKEN_PREFIX = "tailclaw.device-token";

/** The gateway's shared secret lives as long as the tab, never longer. */
export const sharedSecret = {
  read: (): string | undefined => attempt(() => sessionStorage.getItem(SECRET_KEY)) ?? undefined,
  keep: (secret: string): void => attempt(() => sessionStorage.setItem(SECRET_KEY, secret)),
  forget: (): void => attempt(() => sessionStorage.removeItem(SECRET_KEY)),
};

type TokenOwner = { clientId: string; deviceId: string; role: string };

/** Device tokens are worthless without this browser's key, so they may outlive the tab. */
export const deviceTokens: GatewayBrowserDeviceTokenStore = {
  load: (owner) => {
    const record = object(parse(attempt(() => localStorage.getItem(deviceTokenKey(owner)))));
    const token = text(record.token);
    return token ? { token, scopes: texts(record.scopes) } : null;
  },
  store: ({ token, scopes, ...owner }) =>
    attempt(() => localStorage.setItem(deviceTokenKey(owner), JSON.stringify({ token, scopes }))),
  clear: (owner) => attempt(() => localStorage.removeItem(deviceTokenKey(owner))),
};

function deviceTokenKey({ clientId, deviceId, role }: TokenOwner): string {
  return [DEVICE_TOKEN_PREFIX, clientId, deviceId, role].join(":");
}

function parse(raw: string | null | undefined): unknown {
  if (!raw) return undefined;
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}

/** Storage throws when a browser is told to keep nothing; the page then works without memory. */
function attempt<T>(use: () => T): T | undefined;
function attempt(use: () => void): void;
function attempt<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}
