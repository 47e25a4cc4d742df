//! `approval.*`: requests of any kind as they are kept, with the ends that they had.

use serde::{Deserialize, Serialize};

use super::super::{Access, Scope, method};
use super::{Decision, GetParams};

/// Only commands are asked for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Exec,
    Plugin,
    SystemAgent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Pending,
    Allowed,
    Denied,
    Expired,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    User,
    Timeout,
    NoRoute,
    GatewayRestart,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Resolver {
    /// `device`, `runtime` or `system`.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Presentation {
    pub kind: Kind,
    pub command_text: String,
    pub command_preview: Option<String>,
    pub warning_text: Option<String>,
    pub host: Option<String>,
    pub node_id: Option<String>,
    pub agent_id: Option<String>,
    pub allowed_decisions: Vec<Decision>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
}

/// A request with its end, if it has one.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub id: String,
    pub status: Status,
    pub presentation: Presentation,
    pub url_path: String,
    pub created_at_ms: u64,
    pub expires_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    pub source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Resolver>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ApprovalReply {
    pub approval: Snapshot,
}

method!(ApprovalGet = "approval.get", Access::Operator(Scope::Approvals), GetParams => ApprovalReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ApprovalResolveParams {
    pub id: String,
    pub kind: Kind,
    pub decision: Decision,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ApprovalResolveReply {
    /// False: it had an end already, which is shown.
    pub applied: bool,
    pub approval: Snapshot,
}

method!(
    ApprovalResolve =
        "approval.resolve", Access::Operator(Scope::Approvals), ApprovalResolveParams => ApprovalResolveReply
);

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct HistoryParams {
    #[serde(default)]
    pub cursor: Option<String>,
    /// 1 to 100; 50 unless told.
    #[serde(default)]
    pub limit: Option<u64>,
    #[serde(default)]
    pub kind: Option<Kind>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryReply {
    /// Newest end first.
    pub items: Vec<Snapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

method!(ApprovalHistory = "approval.history", Access::Operator(Scope::Approvals), HistoryParams => HistoryReply);
