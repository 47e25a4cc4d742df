//! Plain HTTP (protocol §9): probes, `/whoami`, and the Control UI for everything else.
//!
//! One file a family of routes. Here is only what all of them go through: the table of routes and the refusal of
//! unknown proxies. How answers look is in `answer`, the refusal in `proxy`. WebSocket requests
//! never come here: `upgrade` takes them before.

mod answer;
mod join;
mod page;
mod probes;
pub(super) mod proxy;
mod whoami;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, header};

use super::Gateway;

/// The routes, `gateway` behind them.
pub(super) fn router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .route("/ready", get(probes::ready).fallback(answer::only_read))
        .route("/readyz", get(probes::ready).fallback(answer::only_read))
        .route("/startup", get(probes::started).fallback(answer::only_read))
        .route("/startupz", get(probes::started).fallback(answer::only_read))
        .merge(join::routes())
        .fallback(page::serve)
        .layer(from_fn(proxy::refuse_unknown))
        // Whether the program lives, and who somebody is, may be asked through anything.
        .route("/health", get(probes::live).fallback(answer::only_read))
        .route("/healthz", get(probes::live).fallback(answer::only_read))
        .route("/whoami", get(whoami::answer).fallback(answer::only_read))
        .layer(from_fn(set_common_headers))
        .with_state(Arc::clone(gateway))
}

/// What no answer goes without; a route that knows better sets its own.
async fn set_common_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), microphone=(self), geolocation=()"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

pub(super) fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
