//! `node.pair.*` and `node.rename`: the second stage of pairing, in which an operator approves what a node can do.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::super::bounds::not_empty;
use super::super::{Access, NoParams, Scope, method};
use super::SeenHostStats;

/// The newest first. A caller let in by a device token without `operator.admin` sees only its own device.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PairListReply {
    pub pending: Vec<PendingNode>,
    pub paired: Vec<PairedNode>,
}

method!(NodePairList = "node.pair.list", Access::Operator(Scope::Pairing), NoParams => PairListReply);

/// A node by what it declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredNode {
    pub node_id: String,
    pub client_id: String,
    pub client_mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub platform: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_identifier: Option<String>,
    pub caps: BTreeSet<String>,
    pub commands: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeMap<String, bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_ip: Option<String>,
}

/// What a node declared, waiting for an approval. It does not end by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingNode {
    pub request_id: String,
    #[serde(flatten)]
    pub node: DeclaredNode,
    /// What an operator needs to approve it.
    pub required_approve_scopes: Vec<Scope>,
    /// Whether the device itself was paired without anybody's approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silent: Option<bool>,
    pub ts: u64,
}

/// A node of which something was approved.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairedNode {
    #[serde(flatten)]
    pub node: DeclaredNode,
    /// Of the first approval.
    pub created_at_ms: u64,
    pub approved_at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_connected_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_disconnected_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_host_stats: Option<SeenHostStats>,
    pub last_seen_at_ms: u64,
    pub last_seen_reason: &'static str,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairRequestParams {
    #[serde(deserialize_with = "not_empty")]
    pub request_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairApproveReply {
    pub request_id: String,
    pub node: PairedNode,
}

method!(
    /// Takes `operator.write` beside it, and `operator.admin` where the node could run commands, browse or read folders.
    NodePairApprove = "node.pair.approve", Access::Dynamic(Scope::Pairing), PairRequestParams => PairApproveReply
);

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairRejectReply {
    pub request_id: String,
    pub node_id: String,
}

method!(NodePairReject = "node.pair.reject", Access::Operator(Scope::Pairing), PairRequestParams => PairRejectReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairRemoveParams {
    #[serde(deserialize_with = "not_empty")]
    pub node_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PairRemoveReply {
    pub node_id: String,
}

method!(
    /// Takes the role `node` from a device, and the device away if it has no other. Its connections end.
    NodePairRemove = "node.pair.remove", Access::Operator(Scope::Pairing), PairRemoveParams => PairRemoveReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenameParams {
    #[serde(deserialize_with = "not_empty")]
    pub node_id: String,
    #[serde(deserialize_with = "not_empty")]
    pub display_name: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RenameReply {
    pub node_id: String,
    pub display_name: String,
}

method!(
    /// Of a node of which something was approved. Its own name for itself does not change it back.
    NodeRename = "node.rename", Access::Operator(Scope::Pairing), RenameParams => RenameReply
);

/// The event `node.pair.resolved`. Of a removal the request id is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeResolved {
    pub request_id: String,
    pub node_id: String,
    pub decision: NodeDecision,
    pub ts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeDecision {
    Approved,
    /// Or overtaken by another request, or not needed any more.
    Rejected,
    Removed,
}
