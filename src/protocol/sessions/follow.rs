//! Following sessions, and the events that come of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::list::ListReply;
use super::row::{SessionRow, SessionState};
use super::settings::Color;
use crate::protocol::chat::MessageRow;
use crate::protocol::{Access, Scope, bounds, method};

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SubscribeReply {
    pub subscribed: bool,
    /// Present when the params asked for a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<ListReply>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct MessagesSubscribeReply {
    pub subscribed: bool,
    /// Canonical.
    pub key: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct KeyParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub key: String,
}

method!(
    /// Params, if any, are those of `sessions.list`, and ask for its answer too.
    SessionsSubscribe = "sessions.subscribe", Access::Operator(Scope::Read), Value => SubscribeReply
);
method!(
    SessionsMessagesSubscribe =
        "sessions.messages.subscribe", Access::Operator(Scope::Read), KeyParams => MessagesSubscribeReply
);
method!(
    SessionsMessagesUnsubscribe =
        "sessions.messages.unsubscribe", Access::Operator(Scope::Read), KeyParams => MessagesSubscribeReply
);

/// The body of `sessions.changed`.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    pub session_key: String,
    pub agent_id: String,
    /// `create`, `send`, `patch`, `reset`, `new`, `delete`, `inject`, `agent.run.started`, `agent.input.settled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Of a run instead of a reason: `start`, `model`, `end`, `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    pub ts: u64,
    /// Absent after a delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRow>,
    /// The same beside it, with null for what is not set: a client that merges them forgets what was cleared.
    #[serde(flatten)]
    pub facts: Option<ChangedFacts>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedFacts {
    pub session_id: Option<String>,
    pub kind: &'static str,
    pub updated_at: Option<u64>,
    pub label: Option<String>,
    pub display_name: Option<String>,
    pub icon: Option<String>,
    pub color: Option<Color>,
    pub category: Option<String>,
    pub archived: bool,
    pub archived_at: Option<u64>,
    pub pinned: bool,
    pub pinned_at: Option<u64>,
    pub unread: bool,
    pub marked_unread_at: Option<u64>,
    pub model_provider: String,
    pub model: String,
    pub status: Option<SessionState>,
    pub last_run_id: Option<String>,
    pub last_run_error: Option<String>,
    pub total_tokens: Option<u64>,
    pub has_active_run: bool,
    pub active_run_ids: Vec<String>,
}

impl ChangedFacts {
    #[must_use]
    pub fn of(row: &SessionRow) -> Self {
        Self {
            session_id: row.session_id.clone(),
            kind: row.kind,
            updated_at: row.updated_at,
            label: row.label.clone(),
            display_name: row.settings.display_name.clone(),
            icon: row.settings.icon.clone(),
            color: row.settings.color,
            category: row.settings.category.clone(),
            archived: row.archived,
            archived_at: row.archived_at,
            pinned: row.pinned,
            pinned_at: row.pinned_at,
            unread: row.unread,
            marked_unread_at: row.marked_unread_at,
            model_provider: row.model_provider.clone(),
            model: row.model.clone(),
            status: row.status,
            last_run_id: row.last_run_id.clone(),
            last_run_error: row.last_run_error.clone(),
            total_tokens: row.total_tokens,
            has_active_run: row.has_active_run,
            active_run_ids: row.active_run_ids.clone(),
        }
    }
}

/// The body of `session.message`.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub session_key: String,
    pub agent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    pub message: MessageRow,
    pub message_id: String,
    pub message_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRow>,
}
