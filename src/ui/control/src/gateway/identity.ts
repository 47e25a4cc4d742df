import type { GatewayBrowserDeviceIdentity } from "@openclaw/gateway-client/browser";
import { base64url, hex } from "../lib/base64url.ts";

/** Why this browser can hold no key of its own. */
export type IdentityProblem = "insecure-context" | "no-ed25519";

export type IdentityResult =
  | { identity: GatewayBrowserDeviceIdentity; problem?: undefined }
  | { identity: null; problem: IdentityProblem };

const DATABASE = "tailclaw";
const STORE = "device";
const KEY = "ed25519";

let loading: Promise<IdentityResult> | undefined;

/** This browser's Ed25519 identity, made once. The private key never leaves WebCrypto. */
export function loadIdentity(): Promise<IdentityResult> {
  loading ??= load();
  return loading;
}

async function load(): Promise<IdentityResult> {
  if (!isSecureContext || !globalThis.crypto?.subtle) return { identity: null, problem: "insecure-context" };
  try {
    return { identity: await identityOf(await storedKeyPair()) };
  } catch {
    return { identity: null, problem: "no-ed25519" };
  }
}

export async function identityOf(keys: CryptoKeyPair): Promise<GatewayBrowserDeviceIdentity> {
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", publicKey));
  return {
    deviceId: hex(digest),
    publicKey: base64url(publicKey),
    sign: async (payload) => {
      const data = new TextEncoder().encode(payload);
      return base64url(new Uint8Array(await crypto.subtle.sign("Ed25519", keys.privateKey, data)));
    },
  };
}

export async function generateKeyPair(): Promise<CryptoKeyPair> {
  return (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
}

async function storedKeyPair(): Promise<CryptoKeyPair> {
  const fresh = await generateKeyPair();
  try {
    const database = await openDatabase();
    try {
      return await keepFirst(database, fresh);
    } finally {
      database.close();
    }
  } catch {
    // A private window may refuse to keep keys; the page then has an identity for as long as it is open.
    return fresh;
  }
}

function openDatabase(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("database blocked"));
  });
}

/** One transaction reads and writes, so that two tabs opened at once end with the same key. */
function keepFirst(database: IDBDatabase, fresh: CryptoKeyPair): Promise<CryptoKeyPair> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(STORE, "readwrite");
    const store = transaction.objectStore(STORE);
    let kept = fresh;
    const read = store.get(KEY);
    read.onsuccess = () => {
      if (read.result) kept = read.result as CryptoKeyPair;
      else store.put(fresh, KEY);
    };
    transaction.oncomplete = () => resolve(kept);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}
