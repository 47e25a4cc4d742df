//! `chat.*`: a conversation's messages and the runs that answer them (protocol §6, "Chat").

use serde::{Deserialize, Serialize};

use super::sessions::SessionRow;
use super::system::ModelDefaults;
use super::{Access, Scope, method, methods};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MessageRole {
    User,
    Assistant,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ContentPart {
    Text { text: String },
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageRow {
    pub role: MessageRole,
    pub content: Vec<ContentPart>,
    /// Unix time in milliseconds.
    pub timestamp: u64,
    /// How a run ended that did not end well: `aborted` or `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    #[serde(rename = "__openclaw", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MessageMeta>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageMeta {
    pub id: String,
    pub seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    pub record_timestamp_ms: u64,
}

impl MessageRow {
    /// A message that is not stored: what a run has said so far.
    #[must_use]
    pub fn assistant(text: &str, timestamp: u64) -> Self {
        Self {
            role: MessageRole::Assistant,
            content: vec![ContentPart::Text { text: text.to_owned() }],
            timestamp,
            stop_reason: None,
            error_message: None,
            idempotency_key: None,
            meta: None,
        }
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryParams {
    pub session_key: String,
    /// 1 to 1,000; 200 unless told.
    #[serde(default)]
    pub limit: Option<u32>,
    /// How many of the newest messages to pass over.
    #[serde(default)]
    pub offset: Option<u64>,
    /// The `deltaCursor` of an earlier answer: only what came after.
    #[serde(default)]
    pub cursor: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryReply {
    /// `delta` when the params carried a cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// As it was sent, not canonical.
    pub session_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Oldest first.
    pub messages: Vec<MessageRow>,
    pub pending_inputs: PendingInputs,
    pub delta_cursor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
    pub has_more: bool,
    pub total_messages: u64,
    pub defaults: ModelDefaults,
    pub session_info: Option<SessionRow>,
}

#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct PendingInputs {
    pub items: Vec<PendingInput>,
    pub total: usize,
}

/// A stored message whose run has not begun: it waits for the one before it.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingInput {
    pub run_id: String,
}

method!(
    /// An unknown session has no messages; that is no error.
    ChatHistory = "chat.history", Access::Operator(Scope::Read), HistoryParams => HistoryReply
);
method!(
    /// The same for a first paint.
    ChatStartup = "chat.startup", Access::Operator(Scope::Read), HistoryParams => HistoryReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendParams {
    pub session_key: String,
    pub message: String,
    pub idempotency_key: String,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum SendReply {
    Started(Started),
    /// The text was `/stop`.
    Stopped(AbortReply),
}

/// `status`: `started`, `in_flight` (the same key again while it runs) or `ok` (after it ended).
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// The idempotency key.
    pub run_id: String,
    pub status: &'static str,
}

method!(
    /// Answered once the message is on disk; the answer streams as `chat` events.
    ChatSend = "chat.send", Access::Operator(Scope::Write), SendParams => SendReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbortParams {
    pub session_key: String,
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

/// The body of the `chat` event.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatEvent {
    pub run_id: String,
    pub session_key: String,
    pub agent_id: String,
    /// From 1, per run.
    pub seq: u64,
    #[serde(flatten)]
    pub state: ChatState,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ChatState {
    Status {
        phase: &'static str,
    },
    Delta {
        delta_text: String,
        /// Everything so far.
        message: MessageRow,
    },
    Final {
        message: MessageRow,
        stop_reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },
    Aborted {
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<MessageRow>,
        stop_reason: &'static str,
    },
    Error {
        error_message: String,
    },
}

/// Tokens, as the provider counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
}

methods![ChatHistory, ChatStartup, ChatSend, ChatAbort];
