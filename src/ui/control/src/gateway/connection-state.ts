import type { Refusal } from "./refusal.ts";

export type ConnectionState =
  | { kind: "connecting" }
  | { kind: "connected" }
  | { kind: "reconnecting"; reason: string; retryAtMs: number }
  | { kind: "refused"; refusal: Refusal };

/** Why a connection that stood is gone, for a person. */
export function closeReason(code: number): string {
  switch (code) {
    case 1012:
      return "the gateway restarts";
    case 1013:
      return "the gateway is starting";
    case 1008:
      return "the gateway closed the connection";
    case 4000:
      return "the gateway went silent";
    case 4001:
      return "this browser's rights changed";
    default:
      return "the connection was lost";
  }
}
