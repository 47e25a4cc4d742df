//! `exec.approval.*`: a command that somebody is asked to allow, and the answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Access, Method, NoParams, Scope, method};
use super::{Kind, Reason};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    AllowOnce,
    AllowAlways,
    Deny,
}

/// The command comes as `command`, as `commandArgv`, or within `systemRunPlan` where a node is to run it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestParams {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub command: Option<String>,
    #[serde(default)]
    pub command_argv: Option<Vec<String>>,
    #[serde(default)]
    pub system_run_plan: Option<SystemRunPlan>,
    /// Only the names are kept.
    #[serde(default)]
    pub env: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub cwd: Option<String>,
    #[serde(default)]
    pub node_id: Option<String>,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub security: Option<String>,
    #[serde(default)]
    pub ask: Option<String>,
    #[serde(default)]
    pub warning_text: Option<String>,
    #[serde(default)]
    pub unavailable_decisions: Vec<Decision>,
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub resolved_path: Option<String>,
    #[serde(default)]
    pub session_key: Option<String>,
    #[serde(default)]
    pub session_id: Option<String>,
    #[serde(default)]
    pub run_id: Option<String>,
    #[serde(default)]
    pub tool_call_id: Option<String>,
    #[serde(default)]
    pub turn_source_channel: Option<String>,
    #[serde(default)]
    pub turn_source_to: Option<String>,
    #[serde(default)]
    pub turn_source_account_id: Option<String>,
    #[serde(default)]
    pub turn_source_thread_id: Option<Value>,
    /// False keeps the request waiting also when nobody is there to decide.
    #[serde(default)]
    pub require_delivery_route: Option<bool>,
    /// Milliseconds; half an hour unless told, a day at most.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub two_phase: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemRunPlan {
    pub argv: Vec<String>,
    pub cwd: Option<String>,
    pub command_text: String,
    #[serde(default)]
    pub command_preview: Option<String>,
    pub agent_id: Option<String>,
    pub session_key: Option<String>,
    /// What the node held true when it made the plan. It goes back to the node as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_snapshot: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutable_file_operand: Option<Value>,
}

/// What is asked, as those who decide see it: without characters that hide or turn round others.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub command: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_argv: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_keys: Vec<String>,
    pub system_run_plan: Option<SystemRunPlan>,
    pub cwd: Option<String>,
    pub node_id: Option<String>,
    pub host: Option<String>,
    pub security: Option<String>,
    pub ask: Option<String>,
    pub warning_text: Option<String>,
    pub allowed_decisions: Vec<Decision>,
    pub agent_id: Option<String>,
    pub resolved_path: Option<String>,
    pub session_key: Option<String>,
    pub session_id: Option<String>,
    pub run_id: Option<String>,
    pub tool_call_id: Option<String>,
    pub turn_source_channel: Option<String>,
    pub turn_source_to: Option<String>,
    pub turn_source_account_id: Option<String>,
    pub turn_source_thread_id: Option<Value>,
}

/// The first response of a request in two phases.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedReply {
    pub status: &'static str,
    pub id: String,
    /// `approval-client`, or `none`.
    pub delivery_route: &'static str,
    pub created_at_ms: u64,
    pub expires_at_ms: u64,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecisionReply {
    pub id: String,
    /// `null`: nobody decided.
    pub decision: Option<Decision>,
    pub created_at_ms: u64,
    pub expires_at_ms: u64,
    /// Only for those who wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal_reason: Option<Reason>,
}

/// With `twoPhase` an accepted reply comes first.
#[derive(Debug, Clone, Copy)]
pub struct ExecApprovalRequest;

impl Method for ExecApprovalRequest {
    const NAME: &'static str = "exec.approval.request";
    const ACCESS: Access = Access::Operator(Scope::Approvals);
    const WAITS: bool = true;
    type Params = RequestParams;
    type Reply = DecisionReply;
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct WaitParams {
    #[serde(default)]
    pub id: Option<String>,
}

/// Waits for the end of a request.
#[derive(Debug, Clone, Copy)]
pub struct ExecApprovalWaitDecision;

impl Method for ExecApprovalWaitDecision {
    const NAME: &'static str = "exec.approval.waitDecision";
    const ACCESS: Access = Access::Operator(Scope::Approvals);
    const WAITS: bool = true;
    type Params = WaitParams;
    type Reply = DecisionReply;
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ResolveParams {
    /// The beginning is enough while it is the only one.
    pub id: String,
    pub decision: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ResolveReply {
    pub ok: bool,
}

method!(
    ExecApprovalResolve = "exec.approval.resolve", Access::Operator(Scope::Approvals), ResolveParams => ResolveReply
);

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    pub approval_kind: Kind,
    pub id: String,
    pub request: Request,
    pub created_at_ms: u64,
    pub expires_at_ms: u64,
}

method!(
    /// A bare array.
    ExecApprovalList = "exec.approval.list", Access::Operator(Scope::Approvals), NoParams => Vec<Pending>
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct GetParams {
    pub id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetReply {
    pub id: String,
    pub command_text: String,
    pub command_preview: Option<String>,
    pub allowed_decisions: Vec<Decision>,
    pub host: Option<String>,
    pub node_id: Option<String>,
    pub agent_id: Option<String>,
    pub expires_at_ms: u64,
}

method!(ExecApprovalGet = "exec.approval.get", Access::Operator(Scope::Approvals), GetParams => GetReply);

/// The body of `exec.approval.resolved`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    pub id: String,
    /// `deny` also when nobody decided in time.
    pub decision: Decision,
    pub resolved_by: Option<String>,
    pub ts: u64,
    pub request: Request,
}
