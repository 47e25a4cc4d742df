//! `exec.approvals.*`: what may run without asking.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Access, NoParams, Scope, method};

#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PolicyFile {
    pub version: u8,
    #[serde(default)]
    pub socket: PolicySocket,
    #[serde(default)]
    pub defaults: PolicyDefaults,
    #[serde(default)]
    pub agents: BTreeMap<String, AgentPolicy>,
}

/// The token of a socket is not kept: this gateway has none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PolicySocket {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDefaults {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_fallback: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_allow_skills: Option<bool>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentPolicy {
    #[serde(flatten)]
    pub defaults: PolicyDefaults,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowlist: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_tools: Option<Vec<Value>>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedDefaults {
    pub security: String,
    pub ask: String,
    pub ask_fallback: String,
    pub auto_allow_skills: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReply {
    pub path: String,
    pub exists: bool,
    pub file: PolicyFile,
    pub hash: String,
    pub resolved_defaults: ResolvedDefaults,
}

method!(ExecApprovalsGet = "exec.approvals.get", Access::Operator(Scope::Admin), NoParams => PolicyReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicySetParams {
    pub file: PolicyFile,
    /// The hash that was read.
    #[serde(default)]
    pub base_hash: Option<String>,
}

method!(ExecApprovalsSet = "exec.approvals.set", Access::Operator(Scope::Admin), PolicySetParams => PolicyReply);
