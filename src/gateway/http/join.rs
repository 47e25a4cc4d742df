//! `GET /j/<code>`: what a join URL hands out, once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use crate::gateway::Gateway;

pub(super) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/j/{*code}", axum::routing::any(hand_out))
}

/// The payload of the setup code, or 404 for whatever is wrong: who guesses is told nothing. Only GET takes it: a
/// messenger that looks at a link beforehand with HEAD does not use it up.
async fn hand_out(State(gateway): State<Arc<Gateway>>, method: Method, Path(code): Path<String>) -> Response {
    let payload = match method {
        Method::GET => gateway.pairing.take_join_code(&code).await,
        _ => Ok(None),
    };
    let mut response = match payload {
        Ok(Some(mut payload)) => {
            payload.tls_fingerprint =
                gateway.doors.fingerprint(&payload.url).map(|fingerprint| fingerprint.to_string());
            Json(payload).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, Json(json!({ "error": "not_found" }))).into_response(),
        Err(error) => {
            tracing::error!(%error, "a join code could not be looked up");
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": "unavailable" }))).into_response()
        }
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
