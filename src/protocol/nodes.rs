//! `node.list`, `node.describe`, `node.pair.list`: paired peripherals (protocol §5).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReply {
    pub ts: u64,
    /// Every device that was paired with the role `node`.
    pub nodes: Vec<NodeRow>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRow {
    pub node_id: String,
    pub display_name: Option<String>,
    pub platform: String,
    pub client_id: String,
    pub client_mode: String,
    pub paired: bool,
    pub connected: bool,
}

method!(NodeList = "node.list", Access::Operator(Scope::Read), NoParams => ListReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DescribeParams {
    pub node_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct DescribeReply {
    pub ts: u64,
    #[serde(flatten)]
    pub node: NodeRow,
}

method!(NodeDescribe = "node.describe", Access::Operator(Scope::Read), DescribeParams => DescribeReply);

/// What nodes declare they can do, and what of it is approved. Nodes cannot declare anything here yet, so both lists
/// are empty.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PairListReply {
    pub pending: Vec<Value>,
    pub paired: Vec<Value>,
}

method!(NodePairList = "node.pair.list", Access::Operator(Scope::Pairing), NoParams => PairListReply);

methods![NodeList, NodeDescribe, NodePairList];
