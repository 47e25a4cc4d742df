import type { GatewayProtocolSocket, GatewayProtocolSocketHandlers } from "@openclaw/gateway-client/browser";

const OPEN_TIMEOUT_MS = 15_000;

/** The browser's WebSocket in the shape the protocol client drives. */
export function openSocket(handlers: GatewayProtocolSocketHandlers): GatewayProtocolSocket {
  const socket = new WebSocket(gatewayUrl());
  // A path that swallows packets would otherwise hold the page for the browser's own two minutes.
  const opening = setTimeout(() => socket.close(), OPEN_TIMEOUT_MS);
  socket.addEventListener("open", () => {
    clearTimeout(opening);
    handlers.open();
  });
  socket.addEventListener("message", (event) => {
    if (typeof event.data === "string") handlers.message(event.data);
  });
  socket.addEventListener("close", (event) => {
    clearTimeout(opening);
    handlers.close(event.code, event.reason);
  });
  socket.addEventListener("error", () => handlers.error(new Error("the gateway cannot be reached")));
  return {
    isOpen: () => socket.readyState === WebSocket.OPEN,
    send: (data) => socket.send(data),
    // Browsers let a page close only with 1000 or 3000 and up, and throw for anything else.
    close: (code, reason) => socket.close(code === undefined || code === 1000 || code >= 3000 ? code : 4008, reason),
  };
}

function gatewayUrl(): string {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/`;
}
