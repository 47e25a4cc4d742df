//! Reading a conversation: `chat.history`, `chat.startup`, `chat.metadata`.

use serde::{Deserialize, Serialize};

use super::message::MessageRow;
use crate::protocol::commands::CommandRow;
use crate::protocol::models::ModelRow;
use crate::protocol::sessions::{Message, SessionRow};
use crate::protocol::system::ModelDefaults;
use crate::protocol::{Access, Scope, bounds, method};

#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub session_key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    /// 1 to 1,000; 200 unless told.
    #[serde(default)]
    pub limit: Option<u32>,
    /// How many of the newest messages to pass over.
    #[serde(default)]
    pub offset: Option<u64>,
    /// Of one message's text, in characters; 1 to 500,000.
    #[serde(default)]
    pub max_chars: Option<u32>,
    /// The `deltaCursor` of an earlier answer: only what came after.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// Which part of a transcript.
#[derive(Debug, Clone, Default)]
pub struct TranscriptPage {
    pub limit: Option<u32>,
    pub offset: Option<u64>,
    pub max_chars: Option<u32>,
    pub cursor: Option<String>,
}

/// The whole, what came after a cursor, or the word that the cursor is of a conversation that is no more.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum HistoryReply {
    Whole(Box<Transcript>),
    Delta(Box<DeltaReply>),
    Reset {
        /// `reset`: read again without a cursor.
        kind: &'static str,
    },
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    /// As it was sent, not canonical.
    pub session_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Oldest first.
    pub messages: Vec<MessageRow>,
    pub pending_inputs: PendingInputs,
    /// Absent where there is no session yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
    pub has_more: bool,
    pub total_messages: u64,
    pub defaults: ModelDefaults,
    pub session_info: SessionRow,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeltaReply {
    /// `delta`.
    pub kind: &'static str,
    /// Oldest first, each as the event `session.message` would tell it.
    pub messages: Vec<Message>,
    pub delta_cursor: String,
    pub pending_inputs: PendingInputs,
    pub session_info: SessionRow,
}

#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
pub struct PendingInputs {
    pub items: Vec<PendingInput>,
    pub total: usize,
}

/// A stored message whose run has not begun: it waits for the one before it. The message itself is in the transcript
/// already.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingInput {
    pub id: String,
    pub run_id: String,
    pub message: MessageRow,
    pub accepted_at: u64,
    /// `queued`.
    pub state: &'static str,
}

method!(
    /// An unknown session has no messages; that is no error.
    ChatHistory = "chat.history", Access::Operator(Scope::Read), HistoryParams => HistoryReply
);

/// A session by its key, or by the beginning of its id and its agent.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartupParams {
    #[serde(default)]
    pub session_key: Option<String>,
    #[serde(default)]
    pub short_id: Option<String>,
    #[serde(default)]
    pub agent_id: Option<String>,
    /// 1 to 1,000; 200 unless told.
    #[serde(default)]
    pub limit: Option<u32>,
    /// How many of the newest messages to pass over.
    #[serde(default)]
    pub offset: Option<u64>,
    /// Of one message's text, in characters; 1 to 500,000.
    #[serde(default)]
    pub max_chars: Option<u32>,
    /// The `deltaCursor` of an earlier answer: only what came after.
    #[serde(default)]
    pub cursor: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum StartupReply {
    Found(Box<Startup>),
    NotFound { resolution: Resolution },
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Startup {
    #[serde(flatten)]
    pub history: HistoryReply,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataReply>,
}

/// What became of a short id.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolution {
    pub ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
}

method!(
    /// Everything for a first paint.
    ChatStartup = "chat.startup", Access::Operator(Scope::Read), StartupParams => StartupReply
);

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetadataParams {
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub session_key: Option<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct MetadataReply {
    pub models: Vec<ModelRow>,
    pub commands: Vec<CommandRow>,
}

method!(
    /// What can be chosen in a conversation: models and commands.
    ChatMetadata = "chat.metadata", Access::Operator(Scope::Read), MetadataParams => MetadataReply
);
