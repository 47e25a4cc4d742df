//! `agents.list`, `agent`, `agent.wait` (protocol §6).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, Method, NoParams, Scope, method, methods};

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

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentParams {
    pub message: String,
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub session_key: Option<String>,
    pub idempotency_key: String,
    /// Seconds; the run is aborted after it.
    #[serde(default)]
    pub timeout: Option<u64>,
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

/// The second.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Completed {
    pub run_id: String,
    /// `ok` or `error`.
    pub status: &'static str,
    pub summary: String,
    pub result: RunResult,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct RunResult {
    pub payloads: Vec<Payload>,
    pub meta: RunMeta,
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
    pub agent_meta: AgentMeta,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentMeta {
    pub session_id: String,
    pub provider: String,
    pub model: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitParams {
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
    pub agent_id: String,
    /// From 1, per run.
    pub seq: u64,
    /// `lifecycle` or `assistant`.
    pub stream: &'static str,
    pub ts: u64,
    pub data: Value,
}

method!(
    /// The one method with two responses: [`Accepted`], then [`Completed`].
    AgentRun = "agent", Access::Dynamic(Scope::Write), AgentParams => Completed
);

methods![AgentsList, AgentIdentity, AgentRun, AgentWait];
