//! What a Control UI asks over HTTP beside its files: `/control-ui-config.json` and the avatars (protocol §8).

use axum::Json;
use axum::extract::Query;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer, auth};
use crate::config::ControlUiSettings;
use crate::gateway::Gateway;
use crate::net::Peer;

const CONFIG: &str = "control-ui-config.json";

/// What is asked for.
pub(super) enum Data {
    Config,
    AgentAvatar,
    UserAvatar,
}

impl Data {
    /// By the path behind the page's base path.
    pub(super) fn at(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match parts.as_slice() {
            [CONFIG] | ["__openclaw" | "__openclaw__", CONFIG] => Some(Self::Config),
            ["avatar", agent] if !agent.is_empty() => Some(Self::AgentAvatar),
            ["api", "users", user, "avatar"] if !user.is_empty() => Some(Self::UserAvatar),
            _ => None,
        }
    }

    pub(super) async fn answer(self, gateway: &Gateway, ui: &ControlUiSettings, peer: &Peer, head: &Parts) -> Response {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return match self {
                Self::Config | Self::AgentAvatar => answer::not_found(),
                Self::UserAvatar => answer::only_read().await,
            };
        }
        if let Err(refusal) = auth::require_reader(gateway, peer, &head.headers).await {
            return refusal;
        }
        match self {
            Self::Config => config(gateway, ui),
            Self::AgentAvatar => agent_avatar(&head.uri),
            Self::UserAvatar => user_avatar(),
        }
    }
}

/// How the page names things. `serverBuildId` is left out on purpose: a page that finds one insists on being of the
/// same build.
fn config(gateway: &Gateway, ui: &ControlUiSettings) -> Response {
    let body = json!({
        "basePath": ui.base_path,
        "assistantName": "Assistant",
        "assistantAvatar": "A",
        "assistantAvatarSource": null,
        "assistantAvatarStatus": null,
        "assistantAvatarReason": null,
        "assistantAgentId": gateway.http.agent.id(),
        "serverVersion": crate::VERSION,
        "embedSandbox": "scripts",
        "allowExternalEmbedUrls": false,
        // Asks other hosts for pictures of the links in a conversation, and tells them of it by that.
        "automaticallyFetchFavicons": false,
        "communityInvite": false,
        // There are no terminals, no agents behind command lines and no plugins here.
        "terminalEnabled": false,
        "cliAgentsEnabled": false,
        "pluginAssetsRequireAuth": true,
        "pluginFrameGrants": [],
    });
    fresh(Json(body))
}

#[derive(Debug, Deserialize)]
struct Meta {
    meta: Option<String>,
}

/// An agent has a letter and no picture.
fn agent_avatar(uri: &Uri) -> Response {
    let query = Query::<Meta>::try_from_uri(uri);
    if !query.is_ok_and(|Query(query)| query.meta.as_deref() == Some("1")) {
        return answer::not_found();
    }
    let none = Value::Null;
    fresh(Json(json!({
        "avatarUrl": none, "avatarSource": none, "avatarStatus": none, "avatarReason": none,
    })))
}

/// People have no pictures here either.
fn user_avatar() -> Response {
    let body = Json(json!({ "ok": false, "error": { "type": "not_found" } }));
    answer::no_store((StatusCode::NOT_FOUND, body))
}

/// Different for each caller and each configuration.
fn fresh(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "Authorization")], response).into_response()
}
