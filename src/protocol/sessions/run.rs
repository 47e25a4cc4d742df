//! Saying something by a session's key, and stopping it.

use serde::{Deserialize, Serialize};

use crate::protocol::chat::{AttachmentParams, Started};
use crate::protocol::{Access, Scope, method};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendParams {
    pub key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    pub message: String,
    #[serde(default)]
    pub thinking: Option<String>,
    #[serde(default)]
    pub attachments: Vec<AttachmentParams>,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// A new one unless told.
    #[serde(default)]
    pub idempotency_key: Option<String>,
}

method!(
    /// As `chat.send`, but the session must be there.
    SessionsSend = "sessions.send", Access::Operator(Scope::Write), SendParams => Started
);
method!(
    /// Stops what runs in the session and says this instead.
    SessionsSteer = "sessions.steer", Access::Operator(Scope::Write), SendParams => Started
);

/// One of the two at least.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AbortParams {
    pub key: Option<String>,
    pub run_id: Option<String>,
    pub agent_id: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbortReply {
    pub ok: bool,
    pub aborted_run_id: Option<String>,
    /// `aborted` or `no-active-run`.
    pub status: &'static str,
}

method!(SessionsAbort = "sessions.abort", Access::Operator(Scope::Write), AbortParams => AbortReply);
