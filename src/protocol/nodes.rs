//! `node.list`: paired peripherals.

use serde::Serialize;

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ListReply {
    pub ts: u64,
    /// Every device that was paired with the role `node`.
    pub nodes: Vec<NodeRow>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
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

methods![NodeList];
