//! The Control UI: every path that is nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Uri, header};

use super::{answer, path, text};
use crate::gateway::Gateway;

pub(super) async fn serve(
    State(gateway): State<Arc<Gateway>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let is_read = matches!(method, Method::GET | Method::HEAD);
    if !is_read || !gateway.http.settings.control_ui.enabled || is_nearly_a_probe(uri.path()) {
        return answer::not_found();
    }
    let Some(path) = path::decode(uri.path()) else {
        return answer::not_found();
    };
    let known = text(&headers, header::IF_NONE_MATCH);
    gateway.http.site.serve(&path, known).await.map_or_else(answer::not_found, |response| response.map(Body::from))
}

/// A probe with a slash too many is a mistake in somebody's supervisor: a page would tell it that all is well.
fn is_nearly_a_probe(path: &str) -> bool {
    const PROBES: [&str; 6] = ["/health", "/healthz", "/ready", "/readyz", "/startup", "/startupz"];
    path.strip_suffix('/').is_some_and(|path| PROBES.contains(&path))
}
