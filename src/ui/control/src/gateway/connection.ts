import {
  type EventFrame,
  type GatewayBrowserDeviceAuthPlan,
  type GatewayProtocolCloseContext,
  GatewayBrowserDeviceAuthLifecycle,
  GatewayProtocolClient,
  type GatewayProtocolRequestError,
  type HelloOk,
  readConnectErrorDetailCode,
  shouldPauseGatewayReconnect,
  shouldRetryGatewayWithDeviceToken,
} from "@openclaw/gateway-client/browser";
import { Observable, type Unsubscribe } from "../lib/observable.ts";
import { randomId } from "../lib/random.ts";
import { knownByTailscale, type Whoami } from "../whoami.ts";
import { Backoff } from "./backoff.ts";
import { clientInfo, connectParams, ROLE, SCOPES } from "./client.ts";
import { closeReason, type ConnectionState } from "./connection-state.ts";
import { deviceTokens, sharedSecret } from "./credentials.ts";
import { loadIdentity } from "./identity.ts";
import { identityRefusal, refusalOf } from "./refusal.ts";
import { openSocket } from "./socket.ts";
import { Watchdog } from "./watchdog.ts";

type Plan = GatewayBrowserDeviceAuthPlan;

const HANDSHAKE_TIMEOUT_MS = 15_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;
const DEFAULT_TICK_MS = 30_000;
/** How often a browser that waits for its approval asks; each time also keeps its request alive. */
const APPROVAL_POLL_MS = 3_000;
const GIVE_UP_CODE = 4008;

/** The one socket to the gateway: who we say we are, what became of it, and when to try again. */
export class Connection {
  readonly state = new Observable<ConnectionState>({ kind: "connecting" });
  readonly hello = new Observable<HelloOk | null>(null);
  /** When the gateway last said that it is alive. */
  readonly lastTickMs = new Observable<number | null>(null);

  readonly #instanceId = randomId();
  readonly #backoff = new Backoff(FIRST_RETRY_MS, MAX_RETRY_MS);
  readonly #watchdog = new Watchdog(() => this.#client.closeSocket(4000, "tick timeout"));
  readonly #client = this.#createClient();
  readonly #gapListeners = new Set<() => void>();
  readonly #whoami: () => Promise<Whoami | null>;
  #secret = sharedSecret.read();
  #secretTyped = false;
  #retryWithDeviceToken = false;
  #deviceTokenRetried = false;
  /** Decided when the connect was refused, needed when the socket closes a moment later. */
  #decided: { retry: boolean; reconnectDelayMs?: number } | null = null;

  constructor(whoami: () => Promise<Whoami | null>) {
    this.#whoami = whoami;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#hurry();
    });
  }

  async start(): Promise<void> {
    const { identity, problem } = await loadIdentity();
    if (!identity && !knownByTailscale(await this.#whoami())) {
      this.state.set({ kind: "refused", refusal: identityRefusal(problem) });
      return;
    }
    this.#client.stop();
    this.#client.start();
  }

  /** A secret from a link: used wherever one is needed. */
  adoptSecret(secret: string): void {
    this.#secret = secret;
    this.#deviceTokenRetried = false;
    sharedSecret.keep(secret);
  }

  /** A secret typed by a person: tried at once, whatever else would let them in. */
  signIn(secret: string): Promise<void> {
    this.adoptSecret(secret);
    this.#secretTyped = true;
    return this.tryAgain();
  }

  tryAgain(): Promise<void> {
    this.#backoff.reset();
    this.state.set({ kind: "connecting" });
    return this.start();
  }

  request<T = unknown>(method: string, params: object = {}): Promise<T> {
    return this.#client.request<T>(method, params);
  }

  onEvent(listener: (event: EventFrame) => void): Unsubscribe {
    return this.#client.addEventListener(listener);
  }

  /** Events were lost: whatever was built from them must be read again. */
  onGap(listener: () => void): Unsubscribe {
    this.#gapListeners.add(listener);
    return () => this.#gapListeners.delete(listener);
  }

  #createClient(): GatewayProtocolClient<Plan> {
    return new GatewayProtocolClient<Plan>({
      createSocket: openSocket,
      createRequestId: () => randomId(),
      buildConnectPlan: ({ nonce, challengeTs }) => this.#plan(nonce, challengeTs),
      buildConnectParams: (plan) =>
        connectParams({ instanceId: this.#instanceId, scopes: plan.scopes, device: plan.device, auth: plan.auth }),
      onConnectHello: (hello, { plan }) => void this.#lifecycle().then((lifecycle) => lifecycle.acceptHello(hello, plan)),
      onHello: (hello) => this.#connected(hello),
      onConnectFailure: (error, { plan }) => this.#refused(error, plan),
      resolveClose: (context) => this.#closed(context),
      onEvent: (event) => {
        if (event.event === "tick") this.lastTickMs.set(Date.now());
      },
      onGap: () => this.#gapListeners.forEach((listener) => listener()),
      onActivity: () => this.#watchdog.heard(),
      onCallbackError: (label, error) => console.error(label, error),
      handshake: { mode: "require-challenge", timeoutMs: HANDSHAKE_TIMEOUT_MS },
      reconnect: { initialMs: FIRST_RETRY_MS, multiplier: 2, maxMs: MAX_RETRY_MS },
    });
  }

  async #lifecycle(): Promise<GatewayBrowserDeviceAuthLifecycle> {
    const { identity } = await loadIdentity();
    const withoutSecret = await this.#withoutSecret();
    return new GatewayBrowserDeviceAuthLifecycle({
      loadIdentity: () => Promise.resolve(identity),
      tokenStore: withoutSecret ? { ...deviceTokens, load: () => null } : deviceTokens,
    });
  }

  /** Where Tailscale vouches for the caller, a leftover secret could only stand in the way. */
  async #withoutSecret(): Promise<boolean> {
    return !this.#secretTyped && knownByTailscale(await this.#whoami());
  }

  async #plan(nonce: string | null, challengeTs: number | null | undefined): Promise<Plan> {
    const secret = (await this.#withoutSecret()) ? undefined : this.#secret;
    const pendingDeviceTokenRetry = this.#retryWithDeviceToken;
    this.#retryWithDeviceToken = false;
    return (await this.#lifecycle()).buildPlan({
      client: clientInfo(this.#instanceId),
      role: ROLE,
      defaultScopes: SCOPES,
      // The gateway looks at the field its mode asks for, and a person knows only "the secret".
      token: secret,
      password: secret,
      pendingDeviceTokenRetry,
      trustedDeviceTokenRetry: true,
      nonce,
      challengeTs,
    });
  }

  #connected(hello: HelloOk): void {
    this.#backoff.reset();
    this.#deviceTokenRetried = false;
    this.#decided = null;
    this.#watchdog.start(2 * (hello.policy?.tickIntervalMs ?? DEFAULT_TICK_MS));
    this.lastTickMs.set(Date.now());
    this.hello.set(hello);
    this.state.set({ kind: "connected" });
  }

  #refused(error: GatewayProtocolRequestError, plan: Plan): { closeCode: number; closeReason: string; stop?: boolean } {
    const close = { closeCode: GIVE_UP_CODE, closeReason: "connect refused" };
    const code = readConnectErrorDetailCode(error.details);
    if (this.#canRetryDifferently(code, error, plan)) {
      this.#decided = { retry: true, reconnectDelayMs: 0 };
      return close;
    }
    const refusal = refusalOf(error, plan.auth !== undefined);
    if (refusal.waitsFor) {
      this.state.set({ kind: "refused", refusal });
      this.#decided = { retry: true, reconnectDelayMs: APPROVAL_POLL_MS };
      return close;
    }
    if (!isFinal(error)) {
      const delay = error.retryAfterMs ?? this.#backoff.next();
      this.#waitFor(delay, error.message);
      this.#decided = { retry: true, reconnectDelayMs: delay };
      return close;
    }
    if (code === "AUTH_TOKEN_MISMATCH" || code === "AUTH_PASSWORD_MISMATCH") this.#forgetSecret();
    this.state.set({ kind: "refused", refusal });
    this.#decided = { retry: false };
    return { ...close, stop: true };
  }

  /** A stale secret beside a good device token, or the reverse, is no reason to bother a person. */
  #canRetryDifferently(code: string | null, error: GatewayProtocolRequestError, plan: Plan): boolean {
    if (this.#deviceTokenRetried) return false;
    const { storedToken, usingStoredDeviceToken, authDeviceToken } = plan.selectedAuth;
    if (usingStoredDeviceToken && (code === "AUTH_DEVICE_TOKEN_MISMATCH" || code === "AUTH_SCOPE_MISMATCH")) {
      this.#deviceTokenRetried = true;
      void deviceTokens.clear({ clientId: plan.clientId, deviceId: plan.identity?.deviceId ?? "", role: plan.role });
      return true;
    }
    const retry = shouldRetryGatewayWithDeviceToken({
      retryBudgetUsed: this.#secretTyped,
      currentDeviceToken: authDeviceToken,
      explicitToken: plan.selectedAuth.authToken,
      storedToken,
      trustedEndpoint: true,
      errorDetails: error.details,
    });
    this.#retryWithDeviceToken = retry;
    this.#deviceTokenRetried = retry;
    return retry;
  }

  #closed(context: GatewayProtocolCloseContext): { retry: boolean; notify: boolean; reconnectDelayMs?: number } {
    this.#watchdog.stop();
    const decided = this.#decided;
    this.#decided = null;
    if (decided) return { ...decided, notify: true };
    const delay = this.#backoff.next();
    this.#waitFor(delay, context.helloReceived ? closeReason(context.code) : "the gateway does not answer");
    return { retry: true, notify: true, reconnectDelayMs: delay };
  }

  #waitFor(delayMs: number, reason: string): void {
    // While somebody has yet to approve this browser, a lost poll is not news.
    if (this.state.value.kind === "refused") return;
    this.state.set({ kind: "reconnecting", reason, retryAtMs: Date.now() + delayMs });
  }

  #hurry(): void {
    if (this.state.value.kind === "reconnecting") void this.tryAgain();
  }

  #forgetSecret(): void {
    this.#secret = undefined;
    this.#secretTyped = false;
    sharedSecret.forget();
  }
}

/** Whether only a person, not time, can change the answer. */
function isFinal(error: GatewayProtocolRequestError): boolean {
  const byReference = shouldPauseGatewayReconnect({
    details: error.details,
    tokenMismatchIsTerminal: true,
    protocolMismatchIsTerminal: true,
    clientVersionMismatchIsTerminal: true,
  });
  const answered = ["INVALID_REQUEST", "NOT_PAIRED", "FORBIDDEN"].includes(error.gatewayCode);
  return byReference || (answered && !error.retryable);
}
