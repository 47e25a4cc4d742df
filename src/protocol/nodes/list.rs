//! `node.list`, `node.describe`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::bounds::not_empty;
use super::super::{Access, NoParams, Scope, method};
use super::SeenHostStats;

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReply {
    pub ts: u64,
    /// Every device that is paired with the role `node`: those connected first, then by name.
    pub nodes: Vec<NodeRow>,
}

/// What is known of a node. Times are Unix milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRow {
    pub node_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub platform: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub client_id: String,
    pub client_mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
    /// What may be used now; of a node that is away, what was approved.
    pub caps: BTreeSet<String>,
    pub commands: BTreeSet<String>,
    /// No session can be hosted on a node yet, whatever it offers.
    pub session_host: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_stats: Option<SeenHostStats>,
    /// While it is connected. Empty: its tools are not offered to the agent yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_plugin_tools: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_env: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeMap<String, bool>>,
    pub approval_state: ApprovalState,
    /// These four only for callers with `operator.pairing`, and what was declared only while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_declared_caps: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_declared_commands: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_declared_permissions: Option<BTreeMap<String, bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_connected_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_disconnected_at_ms: Option<u64>,
    pub last_seen_at_ms: u64,
    pub last_seen_reason: &'static str,
    /// Of what it can do; until then, of the device.
    pub approved_at_ms: u64,
    pub paired: bool,
    pub connected: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalState {
    Approved,
    /// Nothing of what it declared was approved yet.
    PendingApproval,
    /// It declares more than was approved; what was approved goes on working.
    PendingReapproval,
    /// Nothing was approved, and nothing waits.
    #[default]
    Unapproved,
}

method!(NodeList = "node.list", Access::Operator(Scope::Read), NoParams => ListReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescribeParams {
    #[serde(deserialize_with = "not_empty")]
    pub node_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct DescribeReply {
    pub ts: u64,
    #[serde(flatten)]
    pub node: NodeRow,
}

method!(NodeDescribe = "node.describe", Access::Operator(Scope::Read), DescribeParams => DescribeReply);
