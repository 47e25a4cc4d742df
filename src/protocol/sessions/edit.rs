//! Making, setting, beginning anew, deleting.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::change::Change;
use super::row::SessionEntry;
use super::settings::FastMode;
use crate::protocol::chat::AttachmentParams;
use crate::protocol::{Access, ErrorShape, Scope, method};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateParams {
    /// A new one under `dashboard:` unless told. The key of an existing session answers with that.
    pub key: Option<String>,
    pub agent_id: Option<String>,
    pub label: Option<String>,
    pub display_name: Option<String>,
    pub category: Option<String>,
    /// `provider/model`, or a model of the default provider.
    pub model: Option<String>,
    pub thinking_level: Option<String>,
    pub fast_mode: Option<FastMode>,
    /// The main session unless told.
    pub parent_session_key: Option<String>,
    /// Said at once; `task` is its older name.
    pub message: Option<String>,
    pub task: Option<String>,
    pub attachments: Vec<AttachmentParams>,
    /// Refused, as they cannot be kept to here: there are no private sessions, and no tools and nodes to bind.
    pub incognito: Option<bool>,
    pub permission_mode: Option<Value>,
    pub tool_overrides: Option<Value>,
    pub exec_node: Option<Value>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateReply {
    pub ok: bool,
    pub key: String,
    pub session_id: String,
    pub entry: SessionEntry,
    pub run_started: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// Why the message did not start a run; the session is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_error: Option<ErrorShape>,
    pub resolved: Resolved,
}

/// What the session will be answered by.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    pub model_provider: String,
    pub model: String,
}

method!(
    /// `label` is used once; a model that nobody provides is refused.
    SessionsCreate = "sessions.create", Access::Dynamic(Scope::Write), CreateParams => CreateReply
);

/// Absent keeps, null clears.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PatchParams {
    #[schemars(required)]
    pub key: Option<String>,
    pub agent_id: Option<String>,
    /// The patch is for this session alone, not for one that took its key since.
    pub expected_session_id: Option<String>,
    pub expected_lifecycle_revision: Option<String>,
    /// 1 to 512 characters, used once.
    pub label: Change<String>,
    /// An emoji, a name, or an SVG of at most 16 KiB.
    pub icon: Change<String>,
    pub color: Change<String>,
    pub category: Change<String>,
    /// Needs `expectedSessionId`.
    pub archived: Option<bool>,
    pub pinned: Option<bool>,
    pub unread: Option<bool>,
    pub model: Change<String>,
    pub thinking_level: Change<String>,
    pub fast_mode: Change<FastMode>,
    pub verbose_level: Change<String>,
    pub trace_level: Change<String>,
    pub reasoning_level: Change<String>,
    pub elevated_level: Change<String>,
    pub response_usage: Change<String>,
    pub send_policy: Change<String>,
    pub group_activation: Change<String>,
    /// Refused unless null, as these bind tools and there are none: who sets them relies on them.
    pub permission_mode: Option<Value>,
    pub tool_overrides: Option<Value>,
    pub exec_host: Option<Value>,
    pub exec_security: Option<Value>,
    pub exec_ask: Option<Value>,
    pub exec_node: Option<Value>,
    pub inherited_tool_allow: Option<Value>,
    pub inherited_tool_deny: Option<Value>,
}

/// The answer of `sessions.patch` and `sessions.reset`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditReply {
    pub ok: bool,
    /// Of the database; only a patch by a caller with `operator.admin` has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub key: String,
    pub entry: SessionEntry,
    pub resolved: Resolved,
}

method!(
    /// `operator.write` for how a session looks and which model it has, `operator.admin` for the rest.
    SessionsPatch = "sessions.patch", Access::Dynamic(Scope::Write), PatchParams => EditReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetParams {
    pub key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub reason: Option<ResetReason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResetReason {
    New,
    Reset,
}

method!(
    /// The same session id, a new lifecycle revision; what was said is put away, not lost.
    SessionsReset = "sessions.reset", Access::Operator(Scope::Admin), ResetParams => EditReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteParams {
    pub key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    /// False keeps the transcript as an archive; so does true, as OpenClaw's does.
    #[serde(default)]
    pub delete_transcript: Option<bool>,
    #[serde(default)]
    pub expected_session_id: Option<String>,
    #[serde(default)]
    pub expected_lifecycle_revision: Option<String>,
    #[serde(default)]
    pub archived_only: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct DeleteReply {
    pub ok: bool,
    pub key: String,
    pub deleted: bool,
    /// The files that hold what was said; their names alone for a caller without `operator.admin`.
    pub archived: Vec<String>,
}

method!(
    /// `operator.admin`, or `operator.write` with `archivedOnly`.
    SessionsDelete = "sessions.delete", Access::Dynamic(Scope::Write), DeleteParams => DeleteReply
);
