//! `channels.status`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, Scope, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusParams {
    #[serde(default)]
    pub probe: bool,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// No channel is built in yet, so every table is empty; the keys are what clients read.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReply {
    pub ts: u64,
    pub channel_order: Vec<String>,
    pub channel_labels: BTreeMap<String, String>,
    pub channel_detail_labels: BTreeMap<String, String>,
    pub channel_system_images: BTreeMap<String, String>,
    pub channel_meta: Vec<Value>,
    pub channels: BTreeMap<String, Value>,
    pub channel_accounts: BTreeMap<String, Value>,
    pub channel_default_account_id: BTreeMap<String, String>,
    pub status_issues: Vec<Value>,
}

method!(ChannelsStatus = "channels.status", Access::Operator(Scope::Read), StatusParams => StatusReply);

methods![ChannelsStatus];
