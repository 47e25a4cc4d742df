//! `agents.list`, `agent`, `agent.wait` (protocol §6).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chat::{AttachmentParams, Usage};
use super::{Access, Method, NoParams, Scope, bounds, method, methods};

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListReply {
    pub default_id: String,
    pub ownership: &'static str,
    pub selection_required: bool,
    pub main_key: &'static str,
    pub scope: &'static str,
    pub agents: Vec<AgentRow>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct AgentRow {
    pub id: String,
    pub model: PrimaryModel,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PrimaryModel {
    /// `provider/model`.
    pub primary: String,
}

method!(AgentsList = "agents.list", Access::Operator(Scope::Read), NoParams => ListReply);

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityParams {
    #[serde(default)]
    pub agent_id: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityReply {
    pub agent_id: String,
    pub name: &'static str,
    pub name_source: &'static str,
    pub avatar: &'static str,
}

method!(AgentIdentity = "agent.identity.get", Access::Operator(Scope::Read), IdentityParams => IdentityReply);

/// Where to: `sessionKey`, `sessionId`, or the main session of `agentId`. `to` is a person, whose session is the main
/// one too. Without any of them the run has a session of its own.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentParams {
    pub message: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub session_key: Option<String>,
    #[serde(default)]
    pub session_id: Option<String>,
    #[serde(default)]
    pub to: Option<String>,
    pub idempotency_key: String,
    /// Seconds; the run is aborted after it.
    #[serde(default)]
    pub timeout: Option<u64>,
    #[serde(default)]
    pub thinking: Option<String>,
    /// Not followed: there is no channel to deliver to, as the answer's `delivery` says.
    #[serde(default)]
    pub deliver: bool,
    #[serde(default)]
    pub attachments: Vec<AttachmentParams>,
}

/// The first of the two responses.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    pub run_id: String,
    pub session_key: String,
    pub agent_id: String,
    pub status: &'static str,
    pub accepted_at: u64,
}

/// The last response: how it ended, or, for a run that is going on already, that it is.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum AgentReply {
    Completed(Box<Completed>),
    InFlight(InFlight),
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InFlight {
    pub run_id: String,
    /// `in_flight`.
    pub status: &'static str,
    pub session_key: String,
    pub agent_id: String,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Completed {
    pub run_id: String,
    /// `ok` or `error`.
    pub status: &'static str,
    /// `completed`, `aborted`, or what went wrong.
    pub summary: String,
    pub result: RunResult,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RunResult {
    pub payloads: Vec<Payload>,
    pub meta: RunMeta,
    /// Where it was asked to deliver: why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Delivery {
    pub delivered: bool,
    pub reason: &'static str,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payload {
    pub text: String,
    pub media_url: Option<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunMeta {
    pub duration_ms: u64,
    pub aborted: bool,
    /// `stop`, `rpc`, `timeout`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'static str>,
    pub agent_meta: AgentMeta,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentMeta {
    pub session_id: String,
    /// Absent where no model was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub run_id: String,
    /// 30,000 unless told, at most 600,000.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitReply {
    pub run_id: String,
    /// `ok`, `error` or `timeout`; an unknown run is a timeout.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy)]
pub struct AgentWait;

impl Method for AgentWait {
    const NAME: &'static str = "agent.wait";
    const ACCESS: Access = Access::Operator(Scope::Write);
    const WAITS: bool = true;
    type Params = WaitParams;
    type Reply = WaitReply;
}

/// The body of the `agent` event.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentEvent {
    pub run_id: String,
    pub session_key: String,
    pub session_id: String,
    pub agent_id: String,
    /// From 1, per run.
    pub seq: u64,
    pub stream: Stream,
    pub ts: u64,
    pub data: Value,
}

/// What an `agent` event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// What is done before the model speaks: `phase`.
    RunStatus,
    /// `phase` start, model, end, error.
    Lifecycle,
    /// `text` so far and `delta`.
    Assistant,
    /// `outputTokens`.
    Usage,
}

method!(
    /// The one method with two responses: [`Accepted`], then [`AgentReply`]. `/new` and `/reset` need
    /// `operator.admin`.
    AgentRun = "agent", Access::Dynamic(Scope::Write), AgentParams => AgentReply
);

methods![AgentsList, AgentIdentity, AgentRun, AgentWait];
