//! The refusal of a proxy that nobody vouched for. Which headers count is decided in `net::forwarded`.

use axum::extract::{Extension, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;

use super::answer::error;
use crate::net::forwarded::Unattributable;

/// A layer over every route that would otherwise answer as to the proxy itself.
pub(super) async fn refuse_unknown(
    unattributable: Option<Extension<Unattributable>>,
    request: Request,
    next: Next,
) -> Response {
    match unattributable {
        Some(_) => refusal(),
        None => next.run(request).await,
    }
}

/// OpenClaw's answer where nobody knows for whom a proxy speaks (protocol §3, "Locality / proxies").
pub(in crate::gateway) fn refusal() -> Response {
    let message = "Proxy client attribution is required. Configure gateway.trustedProxies narrowly and make the proxy \
                   overwrite or safely rebuild forwarded client headers.";
    error(StatusCode::FORBIDDEN, "proxy_attribution_required", message)
}
