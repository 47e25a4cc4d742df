//! Saying something and taking it back: `chat.send`, `chat.abort`, `chat.inject`.

use serde::{Deserialize, Serialize};

use crate::protocol::sessions::Change;
use crate::protocol::{Access, Scope, method};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendParams {
    pub session_key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    /// May be empty if something is attached.
    pub message: String,
    pub idempotency_key: String,
    /// `off`: the models here have no other levels.
    #[serde(default)]
    pub thinking: Option<String>,
    /// The run is aborted after it; 0 is the configured limit.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub attachments: Vec<AttachmentParams>,
    /// The last message that the sender knows of; null for none. Another one refuses the message.
    #[serde(default)]
    pub expected_leaf_entry_id: Change<String>,
    /// A text that looks like a command is none.
    #[serde(default)]
    pub suppress_command_interpretation: bool,
}

/// A file in base64. One without content is passed over.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentParams {
    /// `image` or `file`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub mime_type: Option<String>,
    #[serde(default)]
    pub file_name: Option<String>,
    #[serde(default)]
    pub content: Option<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum SendReply {
    Started(Started),
    /// The text was `/stop`.
    Stopped(AbortReply),
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// The idempotency key.
    pub run_id: String,
    pub status: StartedStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartedStatus {
    Started,
    /// The same key again while it runs.
    InFlight,
    /// The same key again after it ended.
    Ok,
}

method!(
    /// Answered once the message is on disk; the answer streams as `chat` events. `/new` and `/reset` need
    /// `operator.admin`, as `sessions.reset` does.
    ChatSend = "chat.send", Access::Operator(Scope::Write), SendParams => SendReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbortParams {
    pub session_key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub run_id: Option<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbortReply {
    pub ok: bool,
    pub aborted: bool,
    pub run_ids: Vec<String>,
}

method!(ChatAbort = "chat.abort", Access::Operator(Scope::Write), AbortParams => AbortReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InjectParams {
    pub session_key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    pub message: String,
    /// Put before the message in brackets; at most 100 characters.
    #[serde(default)]
    pub label: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InjectReply {
    pub ok: bool,
    pub message_id: String,
}

method!(
    /// Puts a message of the assistant's into the transcript without running anything.
    ChatInject = "chat.inject", Access::Operator(Scope::Admin), InjectParams => InjectReply
);
