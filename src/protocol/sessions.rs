//! `sessions.*`: what conversations there are (protocol §6, "Sessions").

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chat::MessageRow;
use super::system::ModelDefaults;
use super::{Access, Scope, method, methods};

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    /// 1 to 1,000; 100 unless told.
    #[serde(default)]
    pub limit: Option<u32>,
    #[serde(default)]
    pub offset: Option<u64>,
    #[serde(default)]
    pub agent_id: Option<String>,
    /// Matched against key and label, without regard to case.
    #[serde(default)]
    pub search: Option<String>,
    #[serde(default)]
    pub active_minutes: Option<u64>,
    #[serde(default)]
    pub include_derived_titles: bool,
    #[serde(default)]
    pub include_last_message: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListReply {
    pub ts: u64,
    pub path: String,
    pub count: usize,
    pub total_count: u64,
    pub limit_applied: u32,
    pub next_offset: Option<u64>,
    pub has_more: bool,
    pub defaults: ModelDefaults,
    pub sessions: Vec<SessionRow>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionRow {
    /// Canonical: `agent:<id>:<rest>`.
    pub key: String,
    pub kind: &'static str,
    pub agent_id: String,
    pub is_main: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derived_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_message_preview: Option<String>,
    pub session_id: String,
    pub updated_at: u64,
    pub archived: bool,
    pub pinned: bool,
    pub unread: bool,
    pub model_provider: String,
    pub model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_id: Option<String>,
    pub snapshot_at: u64,
    pub has_active_run: bool,
    pub active_run_ids: Vec<String>,
}

method!(SessionsList = "sessions.list", Access::Operator(Scope::Read), ListParams => ListReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescribeParams {
    pub key: String,
    #[serde(default)]
    pub include_derived_titles: bool,
    #[serde(default)]
    pub include_last_message: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct DescribeReply {
    pub session: Option<SessionRow>,
}

method!(SessionsDescribe = "sessions.describe", Access::Operator(Scope::Read), DescribeParams => DescribeReply);

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
    /// `create`, `send`, `agent.run.started`, `agent.input.settled`.
    pub reason: &'static str,
    pub ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionRow>,
}

/// The body of `session.message`.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub session_key: String,
    pub agent_id: String,
    pub message: MessageRow,
    pub message_id: String,
    pub message_seq: u64,
}

methods![SessionsList, SessionsDescribe, SessionsSubscribe, SessionsMessagesSubscribe, SessionsMessagesUnsubscribe];
