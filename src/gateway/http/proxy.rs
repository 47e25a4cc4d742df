//! Forwarding headers: which of them count, and the refusal of a proxy that nobody vouched for.

use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::answer::error;
use crate::net::Peer;

/// Whether a proxy left its marks. Its word about the caller does not count; that it stands there does: what comes
/// through it is not the machine that the socket's address names.
pub(in crate::gateway) fn is_proxied(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-") || name.starts_with("tailscale-")
    })
}

/// On the tailnet such headers are noise: WireGuard names the peer. Elsewhere they mean that the peer is a proxy.
pub(in crate::gateway) fn is_foreign(peer: &Peer, headers: &HeaderMap) -> bool {
    !matches!(peer, Peer::Tailnet { .. }) && is_proxied(headers)
}

/// OpenClaw's answer in that case (protocol §3, "Locality / proxies").
pub(in crate::gateway) fn refusal() -> Response {
    let message = "Proxy client attribution is required. This gateway does not take a proxy's word for who is \
                   calling: connect to it directly, or over its tailnet.";
    error(StatusCode::FORBIDDEN, "proxy_attribution_required", message)
}
