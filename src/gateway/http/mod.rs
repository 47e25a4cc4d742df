//! Plain HTTP (protocol §9): probes, `/whoami`, and the Control UI for everything else.
//!
//! One file a family of routes. Here is only what all of them go through: the table of routes and the refusal of
//! unknown proxies. How answers look is in `answer`, the refusal in `proxy`; what lies where the configuration wants it
//! is found by `elsewhere`. WebSocket requests never come here: `upgrade` takes them before.

mod answer;
mod auth;
mod body;
mod completions;
mod dialogue;
mod elsewhere;
mod follow;
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
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::{HeaderMap, HeaderValue, header};

use elsewhere::Switch;

use super::Gateway;
use crate::agent::Agent;
use crate::automation::Heartbeats;
use crate::config::HttpSettings;
use crate::live::Live;
use crate::sessions::Sessions;
use crate::ui::Site;

/// What the routes need beside what connections share.
pub struct Surface {
    served: Live<Served>,
    agent: Agent,
    sessions: Sessions,
    heartbeats: Heartbeats,
    hooks: hooks::Memory,
}

/// What the configuration has served. A request takes it once.
struct Served {
    settings: HttpSettings,
    site: Site,
}

impl Served {
    fn new(settings: HttpSettings) -> Self {
        let site = Site::new(settings.control_ui.root.clone(), settings.control_ui.base_path.clone());
        Self { settings, site }
    }
}

impl Surface {
    #[must_use]
    pub fn new(settings: HttpSettings, agent: Agent, sessions: Sessions, heartbeats: Heartbeats) -> Self {
        let served = Live::new(Served::new(settings));
        Self { served, agent, sessions, heartbeats, hooks: hooks::Memory::default() }
    }

    pub(super) fn has_model(&self) -> bool {
        self.agent.settings().has_model()
    }

    /// From the next request on these hold. Connections stay.
    pub fn apply(&self, settings: HttpSettings) {
        self.served.set(Served::new(settings));
    }
}

/// The routes, `gateway` behind them.
pub(super) fn router(gateway: &Arc<Gateway>) -> Router {
    Router::new()
        .merge(programs())
        .merge(switched(gateway, |settings| settings.chat_completions, chat_completions()))
        .merge(switched(gateway, |settings| settings.responses, responses()))
        .route("/ready", get(probes::ready).fallback(answer::only_read))
        .route("/readyz", get(probes::ready).fallback(answer::only_read))
        .route("/startup", get(probes::started).fallback(answer::only_read))
        .route("/startupz", get(probes::started).fallback(answer::only_read))
        .merge(join::routes())
        .fallback(elsewhere::serve)
        .layer(from_fn(proxy::refuse_unknown))
        // Whether the program lives, and who somebody is, may be asked through anything.
        .route("/health", get(probes::live).fallback(answer::only_read))
        .route("/healthz", get(probes::live).fallback(answer::only_read))
        .route("/whoami", get(whoami::answer).fallback(answer::only_read))
        .layer(from_fn(set_common_headers))
        .with_state(Arc::clone(gateway))
}

/// Everything that somebody finds who came by a public path: those paths, and only as far as hooks lie there.
pub(super) fn public_router(gateway: &Arc<Gateway>) -> Router {
    Router::new().fallback(elsewhere::serve_public).layer(from_fn(set_common_headers)).with_state(Arc::clone(gateway))
}

/// What programs call, with the shared secret.
fn programs() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/tools/invoke", post(tools::invoke).fallback(answer::only_post))
        .route("/sessions/{key}/history", get(sessions::history).head(answer::only_get).fallback(answer::only_get))
        .route("/sessions/{key}/kill", post(sessions::kill).fallback(answer::only_post))
}

fn chat_completions() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/v1/chat/completions", post(completions::complete).fallback(answer::only_post))
        .route("/v1/embeddings", post(completions::embed).fallback(answer::only_post))
        .route("/v1/models", get(completions::models).head(answer::only_get).fallback(answer::only_get))
        .route("/v1/models/{*id}", get(completions::model).head(answer::only_get).fallback(answer::only_get))
}

fn responses() -> Router<Arc<Gateway>> {
    Router::new().route("/v1/responses", post(responses::respond).fallback(answer::only_post))
}

/// Routes that are there only while the configuration says so.
fn switched(gateway: &Arc<Gateway>, is_on: Switch, routes: Router<Arc<Gateway>>) -> Router<Arc<Gateway>> {
    routes.route_layer(from_fn_with_state((Arc::clone(gateway), is_on), elsewhere::unless_off))
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
