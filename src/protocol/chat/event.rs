//! The `chat` event.

use serde::Serialize;

use super::message::{MessageRow, Usage};

/// Its body.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatEvent {
    pub run_id: String,
    pub session_key: String,
    pub agent_id: String,
    /// Of the run's `agent` event that it goes with; the two streams count together.
    pub seq: u64,
    #[serde(flatten)]
    pub state: ChatState,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum ChatState {
    Status {
        phase: RunPhase,
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
        /// What was said until then.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<MessageRow>,
        stop_reason: &'static str,
    },
    Error {
        error_message: String,
        /// `refusal`, `timeout`, `rate_limit`, `context_length` or `unknown`.
        error_kind: &'static str,
        stop_reason: &'static str,
    },
}

/// What a run does before the model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    PreparingContext,
    StartingModel,
}
