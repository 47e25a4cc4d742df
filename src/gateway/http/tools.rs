//! `POST /tools/invoke`: one tool by name. The agent has none yet (see `agent::ToolError`), so every name is answered as
//! OpenClaw answers one that the caller may not use.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::auth;
use crate::agent::ToolError;
use crate::gateway::Gateway;
use crate::net::Peer;

const MAX_BODY: usize = 2 * 1024 * 1024;

pub(super) async fn invoke(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let payload = match auth::program_body(&gateway, &peer, &headers, body, MAX_BODY).await {
        Ok(payload) => payload,
        Err(refusal) => return refusal,
    };
    let named = |field: &str| payload.get(field).and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    match named("tool").or_else(|| named("name")) {
        None => failed(StatusCode::BAD_REQUEST, "invalid_request", "tools.invoke requires name"),
        Some(name) => {
            let why = gateway.http.agent.refuse_tool(name, named("agentId"));
            let (status, kind) = match why {
                ToolError::NotAvailable(_) => (StatusCode::NOT_FOUND, "not_found"),
                ToolError::UnknownAgent(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            };
            failed(status, kind, &why.to_string())
        }
    }
}

/// The envelope of `/tools` and `/sessions`.
pub(super) fn failed(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, Json(json!({ "ok": false, "error": { "type": kind, "message": message } }))).into_response()
}
