//! What nodes report by themselves: `node.event`, and what they offer beside their commands.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::bounds::not_empty;
use super::super::{Access, method};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct EventParams {
    #[serde(deserialize_with = "not_empty")]
    pub event: String,
    #[serde(default)]
    #[schemars(with = "Option<Value>")]
    pub payload: Option<Box<RawValue>>,
    /// Wins over `payload`.
    #[serde(default, rename = "payloadJSON")]
    pub payload_json: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct EventReply {
    pub ok: bool,
    pub event: String,
    pub handled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

method!(NodeEvent = "node.event", Access::Node, EventParams => EventReply);

/// The event `node.host.stats`, once a minute: how the machine fares. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostStats {
    pub cpu_count: u32,
    /// Over 1, 5 and 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_average: Option<[f64; 3]>,
    pub memory_total_bytes: u64,
    pub memory_free_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_total_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_available_bytes: Option<u64>,
}

impl HostStats {
    /// Whether the figures go together.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let loads = self.load_average.iter().flatten().all(|load| (0.0..=100_000.0).contains(load));
        let disk = match (self.disk_total_bytes, self.disk_available_bytes) {
            (None, None) => true,
            (Some(total), Some(available)) => available <= total,
            _ => false,
        };
        (1..=4096).contains(&self.cpu_count) && self.memory_free_bytes <= self.memory_total_bytes && loads && disk
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeenHostStats {
    #[serde(flatten)]
    pub stats: HostStats,
    pub updated_at_ms: u64,
}

/// The event `node.hostStats`, to operators.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostStatsSeen {
    pub node_id: String,
    pub host_stats: SeenHostStats,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunnerInventoryParams {
    /// The way in which the node hosts sessions, if it does; one at most.
    #[serde(default)]
    pub protocol_features: Value,
    #[serde(default)]
    pub worker_host: Option<Value>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunnerInventoryReply {
    pub node_id: String,
}

method!(
    /// Taken note of and not used: no session is hosted on a node yet.
    RunnerInventoryUpdate = "node.runnerInventory.update", Access::Node, RunnerInventoryParams => RunnerInventoryReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct SkillsParams {
    pub skills: Vec<SkillDescriptor>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct SkillDescriptor {
    pub name: String,
    pub description: String,
    pub content: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkillsReply {
    pub node_id: String,
    /// Those that were taken: none, as long as the agent has no skills.
    pub skills: Vec<Value>,
}

method!(SkillsUpdate = "node.skills.update", Access::Node, SkillsParams => SkillsReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct PluginToolsParams {
    pub tools: Vec<PluginTool>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginTool {
    #[serde(deserialize_with = "not_empty")]
    pub plugin_id: String,
    #[serde(deserialize_with = "not_empty")]
    pub name: String,
    #[serde(deserialize_with = "not_empty")]
    pub description: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginToolsReply {
    pub node_id: String,
    /// Those that were taken: none, as long as the agent cannot use tools of nodes.
    pub tools: Vec<Value>,
}

method!(PluginToolsUpdate = "node.pluginTools.update", Access::Node, PluginToolsParams => PluginToolsReply);
