//! What answers look like, whichever route gives them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// Answers about a moment are never stored.
pub(super) fn no_store(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], response).into_response()
}

/// OpenClaw's envelope for failures: `{"error":{"message","type"}}`.
pub(super) fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    (status, Json(serde_json::json!({ "error": { "message": message, "type": kind } }))).into_response()
}

pub(super) fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Not Found").into_response()
}

/// For routes that are read and never written.
pub(super) async fn only_read() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "Method Not Allowed").into_response()
}
