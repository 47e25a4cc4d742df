//! `GET /whoami`: what the gateway knows of whoever asks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};

use super::answer::{error, no_store};
use super::text;
use crate::gateway::Gateway;
use crate::net::Peer;
use crate::net::forwarded::Unattributable;

pub(super) async fn answer(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    unattributable: Option<Extension<Unattributable>>,
    headers: HeaderMap,
) -> Response {
    let host = text(&headers, header::HOST);
    if !gateway.gatekeeper.is_own_host(host) {
        return misdirected(host.unwrap_or_default());
    }
    let bearer = text(&headers, header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let vouched = gateway.gatekeeper.vouched(&peer, &headers);
    let answer = gateway.gatekeeper.whoami(&peer, bearer.map(str::trim), &vouched, unattributable.is_some()).await;
    no_store(Json(answer))
}

fn misdirected(host: &str) -> Response {
    let message = format!(
        "{host} is no name of this gateway: ask by its address or its tailnet name, or add the name to \
         gateway.controlUi.allowedOrigins"
    );
    error(StatusCode::MISDIRECTED_REQUEST, "unknown_host", &message)
}
