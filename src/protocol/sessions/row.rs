//! A session as lists show it, and as edits answer it.

use serde::Serialize;

use super::settings::SessionSettings;

/// How the last run of a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    Running,
    Done,
    Failed,
    Killed,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionRow {
    /// Canonical: `agent:<id>:<rest>`.
    pub key: String,
    /// `direct`: groups come with channels.
    pub kind: &'static str,
    /// `main`, `direct` or `custom`.
    pub classification: &'static str,
    /// `shared`: whoever may read sees every session.
    pub visibility: &'static str,
    /// Absent until somebody has said something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_type: Option<&'static str>,
    pub agent_id: String,
    pub is_main: bool,
    /// False: no session works unseen.
    pub is_background: bool,
    /// `operator`; absent where nothing was made yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_via: Option<&'static str>,
    /// Whether the last run was stopped.
    pub aborted_last_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message_preview: Option<String>,
    /// Absent for a session that nothing was said in yet; then `updatedAt` is null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
    pub updated_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_interaction_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_activity_at: Option<u64>,
    pub archived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<u64>,
    pub pinned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_at: Option<u64>,
    pub unread: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_read_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marked_unread_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_session_key: Option<String>,
    #[serde(flatten)]
    pub settings: SessionSettings,
    pub model_provider: String,
    pub model: String,
    /// `user` where the session has a model of its own, else null.
    pub model_override_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// What the conversation takes of the model's context: the input of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    pub total_tokens_fresh: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<SessionState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_error: Option<String>,
    pub snapshot_at: u64,
    pub has_active_run: bool,
    pub active_run_ids: Vec<String>,
    /// In `sessionInfo`: the last message, which a client sends back as `expectedLeafEntryId`. Null for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_leaf_entry_id: Option<Option<String>>,
}

/// A session as `sessions.create`, `patch` and `reset` answer it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEntry {
    pub session_id: String,
    /// `operator`.
    pub created_via: &'static str,
    /// New with every reset.
    pub lifecycle_revision: String,
    pub created_at: u64,
    pub updated_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_session_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_read_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marked_unread_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_interaction_at: Option<u64>,
    #[serde(flatten)]
    pub settings: SessionSettings,
    /// `user` or `default`.
    pub model_override_source: &'static str,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    pub total_tokens_fresh: bool,
}
