//! Whether the gateway lives, is ready, has started: for supervisors and load balancers, without authentication.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::answer::no_store;
use crate::gateway::Gateway;
use crate::net::Peer;

pub(super) async fn live() -> Response {
    no_store(Json(json!({ "ok": true, "status": "live" })))
}

pub(super) async fn ready(State(gateway): State<Arc<Gateway>>, Extension(peer): Extension<Peer>) -> Response {
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

pub(super) async fn started(State(gateway): State<Arc<Gateway>>) -> Response {
    let uptime = gateway.system.uptime_ms();
    no_store(Json(json!({ "ok": true, "status": "started", "version": crate::VERSION, "uptimeMs": uptime })))
}
