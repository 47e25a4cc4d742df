import { GatewayProtocolRequestError } from "@openclaw/gateway-client/browser";

const ATTEMPTS = 20;
const DEFAULT_WAIT_MS = 500;
const MAX_WAIT_MS = 5_000;

/** Repeats a request that the gateway itself asks to repeat, as it does while it starts. */
export async function patiently<T>(request: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof GatewayProtocolRequestError) || !error.retryable || attempt === ATTEMPTS) throw error;
      await pause(Math.min(error.retryAfterMs ?? DEFAULT_WAIT_MS, MAX_WAIT_MS));
    }
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
