//! What a Control UI asks over HTTP beside its files: `/control-ui-config.json` and the avatars (protocol §8).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer, auth};
use crate::gateway::Gateway;
use crate::net::Peer;

/// How the page names things. `serverBuildId` is left out on purpose: a page that finds one insists on being of the
/// same build.
pub(super) async fn config(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = auth::require_reader(&gateway, &peer, &headers).await {
        return refusal;
    }
    let body = json!({
        "basePath": gateway.http.settings.control_ui.base_path,
        "assistantName": "Assistant",
        "assistantAvatar": "A",
        "assistantAvatarSource": null,
        "assistantAvatarStatus": null,
        "assistantAvatarReason": null,
        "assistantAgentId": gateway.http.agent.settings().agent_id,
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
pub(super) struct Meta {
    meta: Option<String>,
}

/// An agent has a letter and no picture.
pub(super) async fn agent_avatar(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    Query(query): Query<Meta>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = auth::require_reader(&gateway, &peer, &headers).await {
        return refusal;
    }
    if query.meta.as_deref() != Some("1") {
        return answer::not_found();
    }
    let none = Value::Null;
    fresh(Json(json!({
        "avatarUrl": none, "avatarSource": none, "avatarStatus": none, "avatarReason": none,
    })))
}

/// People have no pictures here either.
pub(super) async fn user_avatar(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Response {
    if let Err(refusal) = auth::require_reader(&gateway, &peer, &headers).await {
        return refusal;
    }
    let body = Json(json!({ "ok": false, "error": { "type": "not_found" } }));
    answer::no_store((StatusCode::NOT_FOUND, body))
}

/// Different for each caller and each configuration.
fn fresh(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-cache"), (header::VARY, "Authorization")], response).into_response()
}
