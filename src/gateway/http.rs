//! Plain HTTP: probes, `/whoami`, and the Control UI for everything else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::json;

use super::Gateway;
use crate::net::Peer;
use crate::ui;

/// The routes, `gateway` behind them.
pub(super) fn router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .route("/health", get(live))
        .route("/healthz", get(live))
        .route("/ready", get(ready))
        .route("/readyz", get(ready))
        .route("/startup", get(started))
        .route("/startupz", get(started))
        .route("/whoami", get(whoami))
        .fallback(page)
        .with_state(Arc::clone(gateway))
}

async fn live() -> Response {
    no_store(Json(json!({ "ok": true, "status": "live" })))
}

async fn ready(State(gateway): State<Arc<Gateway>>, Extension(peer): Extension<Peer>) -> Response {
    let ready = !gateway.shutdown.is_draining();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let failing: &[&str] = if ready { &[] } else { &["draining"] };
    let body = if peer.is_loopback() {
        json!({ "ready": ready, "failing": failing, "uptimeMs": gateway.system.uptime_ms() })
    } else {
        json!({ "ready": ready })
    };
    no_store((status, Json(body)))
}

async fn started(State(gateway): State<Arc<Gateway>>) -> Response {
    let uptime = gateway.system.uptime_ms();
    no_store(Json(json!({ "ok": true, "status": "started", "version": crate::VERSION, "uptimeMs": uptime })))
}

async fn whoami(State(gateway): State<Arc<Gateway>>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    let host = text(&headers, header::HOST);
    if !gateway.gatekeeper.is_own_host(host) {
        return misdirected(host.unwrap_or_default());
    }
    let bearer = text(&headers, header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let answer = gateway.gatekeeper.whoami(&peer, bearer.map(str::trim), is_proxied(&headers)).await;
    no_store(Json(answer))
}

fn misdirected(host: &str) -> Response {
    let message = format!(
        "{host} is no name of this gateway: ask by its address or its tailnet name, or add the name to \
         gateway.controlUi.allowedOrigins"
    );
    (StatusCode::MISDIRECTED_REQUEST, Json(json!({ "error": { "message": message, "type": "unknown_host" } })))
        .into_response()
}

async fn page(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if is_foreign_proxy(&peer, &headers) {
        return proxy_refusal();
    }
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if is_read && gateway.serves_ui {
        let known = text(&headers, header::IF_NONE_MATCH);
        if let Some(response) = ui::serve(uri.path(), known) {
            return response.map(Body::from);
        }
    }
    (StatusCode::NOT_FOUND, Json(json!({ "error": "not_found" }))).into_response()
}

/// Answers about a moment are never stored.
fn no_store(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], response).into_response()
}

pub(super) fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a proxy left its marks. Its word about the caller does not count; that it stands there does: what comes
/// through it is not the machine that the socket's address names.
pub(super) fn is_proxied(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str();
        name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-") || name.starts_with("tailscale-")
    })
}

/// On the tailnet such headers are noise: WireGuard names the peer. Elsewhere they mean that the peer is a proxy.
pub(super) fn is_foreign_proxy(peer: &Peer, headers: &HeaderMap) -> bool {
    !matches!(peer, Peer::Tailnet { .. }) && is_proxied(headers)
}

/// OpenClaw's answer in that case (protocol §3, "Locality / proxies").
pub(super) fn proxy_refusal() -> Response {
    let message = "Proxy client attribution is required. This gateway does not take a proxy's word for who is \
                   calling: connect to it directly, or over its tailnet.";
    let body = json!({ "error": { "message": message, "type": "proxy_attribution_required" } });
    (StatusCode::FORBIDDEN, Json(body)).into_response()
}
