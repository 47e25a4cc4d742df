//! `GET /sessions/<key>/history` and `POST /sessions/<key>/kill`. The history as a stream of events is in `follow`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::json;

use super::openai::{events, internal, invalid};
use super::tools::failed;
use super::{answer, auth, follow, path};
use crate::auth::Program;
use crate::gateway::Gateway;
use crate::net::Peer;
use crate::protocol::Scope;
use crate::protocol::chat::{HistoryReply, MessageRow, Transcript, TranscriptPage};
use crate::sessions::SessionKey;

const MAX_LIMIT: u64 = 1_000;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    limit: Option<String>,
    /// The `nextCursor` of an earlier answer: what came before it.
    cursor: Option<String>,
}

/// Newest last; `nextCursor` where there are older ones.
pub(super) async fn history(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    Query(wanted): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let Some(asked) = key_in(uri.path()) else {
        return invalid("invalid session key");
    };
    let door = gateway.gatekeeper.settings();
    if let Err(refusal) = auth::require_program(&gateway, &peer, &headers, Scope::Read).await {
        return refusal;
    }
    let Ok(key) = gateway.http.sessions.key(&asked) else {
        return invalid("invalid session key");
    };
    match gateway.http.sessions.describe(&key, false, false).await {
        Ok(Some(_)) => {}
        Ok(None) => return unknown(&asked),
        Err(error) => return broken(&error),
    }
    let wanted = match (number(wanted.limit.as_deref()), number(wanted.cursor.as_deref())) {
        (Err(()), _) => return invalid("limit must be a positive integer"),
        (_, Err(())) => return invalid("cursor must be a positive integer"),
        (Ok(limit), Ok(cursor)) => Wanted { limit, cursor },
    };
    let follows = follow::is_wanted(&headers);
    let signal = gateway.fanout.follow_transcript(key.as_str());
    match wanted.read(&gateway, &key).await {
        Ok(Some(transcript)) if follows => {
            let reader = follow::Reader { gateway, key, wanted, signal, door };
            events(follow::events(reader, &transcript))
        }
        Ok(Some(transcript)) => answer::no_store(Json(shown(&key, &transcript))),
        Ok(None) => internal(),
        Err(error) => broken(&error),
    }
}

/// Which part of a history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    limit: Option<u64>,
    cursor: Option<u64>,
}

impl Wanted {
    /// A part that was chosen, rather than all there is.
    pub(super) const fn is_page(self) -> bool {
        self.limit.is_some() || self.cursor.is_some()
    }

    pub(super) async fn read(
        self,
        gateway: &Gateway,
        key: &SessionKey,
    ) -> Result<Option<Transcript>, crate::store::Error> {
        // Messages are numbered without gaps, so the newest one's number tells how many come after the cursor.
        let offset = match self.cursor {
            None => 0,
            Some(cursor) => {
                let newest = page(gateway, key, 1, 0).await?.and_then(|transcript| seq(transcript.messages.last()?));
                newest.map_or(0, |newest| (newest + 1).saturating_sub(cursor))
            }
        };
        page(gateway, key, self.limit.unwrap_or(MAX_LIMIT).min(MAX_LIMIT), offset).await
    }
}

async fn page(
    gateway: &Gateway,
    key: &SessionKey,
    limit: u64,
    offset: u64,
) -> Result<Option<Transcript>, crate::store::Error> {
    let page = TranscriptPage { limit: u32::try_from(limit).ok(), offset: Some(offset), max_chars: None, cursor: None };
    Ok(match gateway.http.sessions.history(key, key.to_string(), &page).await? {
        HistoryReply::Whole(transcript) => Some(*transcript),
        HistoryReply::Delta(_) | HistoryReply::Reset { .. } => None,
    })
}

pub(super) fn shown(key: &SessionKey, transcript: &Transcript) -> serde_json::Value {
    let (messages, has_more) = (&transcript.messages, transcript.has_more);
    let body = json!({ "sessionKey": key.as_str(), "items": messages, "messages": messages, "hasMore": has_more });
    match messages.first().and_then(seq) {
        Some(first) if has_more => answer::with(body, "nextCursor", json!(first.to_string())),
        _ => body,
    }
}

fn seq(message: &MessageRow) -> Option<u64> {
    message.meta.as_ref().map(|meta| meta.seq)
}

/// Ends a subagent's run, which OpenClaw lets only a named administrator do: the shared secret names nobody, so it is
/// refused with it, as there. We have no subagents, so for a session that exists there is nothing to end.
pub(super) async fn kill(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(asked) = key_in(uri.path()) else {
        return invalid("invalid session key");
    };
    match auth::require_program(&gateway, &peer, &headers, Scope::Admin).await {
        Err(refusal) => return refusal,
        Ok(Program::Anonymous) => return auth::missing_scope(Scope::Admin),
        Ok(Program::Named) => {}
    }
    let Ok(key) = gateway.http.sessions.key(&asked) else {
        return invalid("invalid session key");
    };
    match gateway.http.sessions.describe(&key, false, false).await {
        Ok(Some(_)) => Json(json!({ "ok": true, "killed": false })).into_response(),
        Ok(None) => unknown(&asked),
        Err(error) => broken(&error),
    }
}

fn unknown(asked: &str) -> Response {
    failed(StatusCode::NOT_FOUND, "not_found", &format!("Session not found: {asked}"))
}

/// `None` where the percent-encoding makes no text.
fn key_in(path: &str) -> Option<String> {
    let key = path::decode(path.split('/').nth(2)?)?;
    Some(key.trim().to_owned()).filter(|key| !key.is_empty())
}

fn number(text: Option<&str>) -> Result<Option<u64>, ()> {
    match text.map(str::trim) {
        None => Ok(None),
        Some(text) => text.parse().ok().filter(|number| *number > 0).map(Some).ok_or(()),
    }
}

fn broken(error: &crate::store::Error) -> Response {
    tracing::error!(%error, "a history could not be read");
    internal()
}
