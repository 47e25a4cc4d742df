//! Plain HTTP (protocol §9): probes, `/whoami`, and the Control UI for everything else.
//!
//! One file a family of routes. Here is only what all of them go through: the table of routes and the refusal of
//! unknown proxies. How answers look is in `answer`, the refusal in `proxy`. WebSocket requests
//! never come here: `upgrade` takes them before.

mod answer;
mod auth;
mod body;
mod completions;
mod dialogue;
mod hooks;
mod join;
mod openai;
mod page;
mod path;
mod probes;
pub(super) mod proxy;
mod responses;
mod sessions;
mod shape;
mod tools;
mod turn;
mod ui_config;
mod whoami;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{any, get, post};
use http::{HeaderMap, HeaderValue, header};

use super::Gateway;
use crate::agent::Agent;
use crate::automation::Heartbeats;
use crate::config::HttpSettings;
use crate::sessions::Sessions;
use crate::ui::Site;

/// What the routes need beside what connections share.
pub struct Surface {
    settings: HttpSettings,
    site: Site,
    agent: Agent,
    sessions: Sessions,
    heartbeats: Heartbeats,
    hooks: hooks::Memory,
}

impl Surface {
    #[must_use]
    pub fn new(settings: HttpSettings, agent: Agent, sessions: Sessions, heartbeats: Heartbeats) -> Self {
        let site = Site::new(settings.control_ui.root.clone(), settings.control_ui.base_path.clone());
        Self { settings, site, agent, sessions, heartbeats, hooks: hooks::Memory::default() }
    }
}

/// The routes, `gateway` behind them.
pub(super) fn router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .merge(programs(gateway))
        .merge(page_data(gateway))
        .merge(hook_routes(gateway))
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

/// What programs call, with the shared secret. An endpoint that is switched off is not there.
fn programs(gateway: &Gateway) -> Router<Arc<Gateway>> {
    let mut router = Router::new()
        .route("/tools/invoke", post(tools::invoke).fallback(answer::only_post))
        .route("/sessions/{key}/history", get(sessions::history).head(answer::only_get).fallback(answer::only_get))
        .route("/sessions/{key}/kill", post(sessions::kill).fallback(answer::only_post));
    if gateway.http.settings.chat_completions {
        router = router
            .route("/v1/chat/completions", post(completions::complete).fallback(answer::only_post))
            .route("/v1/embeddings", post(completions::embed).fallback(answer::only_post))
            .route("/v1/models", get(completions::models).head(answer::only_get).fallback(answer::only_get))
            .route("/v1/models/{*id}", get(completions::model).head(answer::only_get).fallback(answer::only_get));
    }
    if gateway.http.settings.responses {
        router = router.route("/v1/responses", post(responses::respond).fallback(answer::only_post));
    }
    router
}

/// What a page asks for beside its files. Its base path is before each.
fn page_data(gateway: &Gateway) -> Router<Arc<Gateway>> {
    let settings = &gateway.http.settings.control_ui;
    let mut router = Router::new();
    if !settings.enabled {
        return router;
    }
    let base = settings.base_path.as_str();
    for name in
        ["/control-ui-config.json", "/__openclaw/control-ui-config.json", "/__openclaw__/control-ui-config.json"]
    {
        router = router.route(&format!("{base}{name}"), get(ui_config::config).fallback(answer::nowhere));
    }
    router
        .route(&format!("{base}/avatar/{{agent}}"), get(ui_config::agent_avatar).fallback(answer::nowhere))
        .route(&format!("{base}/api/users/{{user}}/avatar"), get(ui_config::user_avatar).fallback(answer::only_read))
}

fn hook_routes(gateway: &Gateway) -> Router<Arc<Gateway>> {
    match &gateway.http.settings.hooks {
        None => Router::new(),
        Some(hooks) => Router::new()
            .route(&hooks.path, any(hooks::serve))
            .route(&format!("{}/", hooks.path), any(hooks::serve))
            .route(&format!("{}/{{*name}}", hooks.path), any(hooks::serve)),
    }
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
