//! The Control UI: every path that is nothing else.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, header};

use super::{Served, answer, path, text};

pub(super) async fn serve(served: &Served, head: &Parts) -> Response {
    let is_read = matches!(head.method, Method::GET | Method::HEAD);
    if !is_read || !served.settings.control_ui.enabled || is_nearly_a_probe(head.uri.path()) {
        return answer::not_found();
    }
    let Some(path) = path::decode(head.uri.path()) else {
        return answer::not_found();
    };
    let known = text(&head.headers, header::IF_NONE_MATCH);
    served.site.serve(&path, known).await.map_or_else(answer::not_found, |response| response.map(Body::from))
}

/// A probe with a slash too many is a mistake in somebody's supervisor: a page would tell it that all is well.
fn is_nearly_a_probe(path: &str) -> bool {
    const PROBES: [&str; 6] = ["/health", "/healthz", "/ready", "/readyz", "/startup", "/startupz"];
    path.strip_suffix('/').is_some_and(|path| PROBES.contains(&path))
}
