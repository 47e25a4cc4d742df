//! `health`, `status`, `gateway.identity.get`, `system.info`, `update.status` (protocol §6, "Health/system").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, Encoded, NoParams, Scope, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct HealthParams {
    #[serde(default)]
    pub probe: bool,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthReply {
    pub ok: bool,
    pub ts: u64,
    pub duration_ms: u64,
    pub channels: BTreeMap<String, Value>,
    pub channel_order: Vec<String>,
    pub channel_labels: BTreeMap<String, String>,
    /// 0: no heartbeat runs.
    pub heartbeat_seconds: u64,
    pub default_agent_id: String,
    pub agents: Vec<AgentHealth>,
    pub sessions: Encoded<SessionCount>,
    pub plugins: PluginHealth,
    /// In the answer to `health` alone: the schema of the snapshot in hello does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_runtime: Option<ModelRuntime>,
    pub config_reload: ConfigReload,
    /// Ours: what the tailnet node is doing. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tailnet: Option<TailnetHealth>,
}

/// There are no plugins, so all three are empty.
#[derive(Debug, Clone, Default, Serialize, schemars::JsonSchema)]
pub struct PluginHealth {
    pub loaded: Vec<String>,
    pub errors: Vec<Value>,
    pub unavailable: Vec<Value>,
}

/// Models are looked up when they are asked: no agent ever waits for its catalogue.
#[derive(Debug, Clone, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRuntime {
    pub degraded: bool,
    pub pending_agents: Vec<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigReload {
    /// `active`, or `disabled` by `gateway.reload.mode`.
    pub hot_reload_status: &'static str,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentHealth {
    pub agent_id: String,
    pub is_default: bool,
    pub heartbeat: HeartbeatHealth,
    pub sessions: Encoded<SessionCount>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatHealth {
    pub enabled: bool,
    pub every: &'static str,
    pub every_ms: Option<u64>,
    /// What the agent would be told.
    pub prompt: &'static str,
    /// Where its answer would go.
    pub target: &'static str,
    /// The longest answer that would count as "nothing to tell", in characters.
    pub ack_max_chars: u32,
}

#[derive(Debug, Clone, Default, Serialize, schemars::JsonSchema)]
pub struct SessionCount {
    /// Where they are stored; empty for a caller without `operator.admin`.
    pub path: String,
    pub count: u64,
    pub recent: Vec<RecentSession>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentSession {
    pub key: String,
    pub updated_at: u64,
    /// Milliseconds since then.
    pub age: u64,
}

/// The node's state in the words of `tailscale status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TailnetHealth {
    /// `Starting`, `NeedsLogin`, `NeedsMachineAuth`, `Running` or `Stopped`.
    pub state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// RFC 3339. Absent: the node's key does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_expiry: Option<String>,
    /// How near that is: `14d`, `3d`, `1d` or `expired`. Absent: not yet near.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_expiry_notice: Option<&'static str>,
    /// How far the control server's clock is ahead of this machine's, where that is a minute or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// `host` where this machine's tailscaled is the node; absent where the gateway has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<&'static str>,
    /// How it is offered by Serve and Funnel. Absent where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serve: Option<ServeHealth>,
    /// HTTPS by the node's own name, where the gateway is bound to the tailnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<HttpsHealth>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpsHealth {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The end of the certificate, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// What is missing, in a sentence that says what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServeHealth {
    /// Where the gateway is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where the public paths are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Why it is not offered, in a sentence that says what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

method!(
    /// Skips role and scope checks.
    Health = "health", Access::Anyone, HealthParams => HealthReply
);

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusParams {
    #[serde(default)]
    pub include_channel_summary: Option<bool>,
    /// OpenClaw's command line asks for it, so as not to read the configuration itself.
    #[serde(default)]
    pub include_cli_projection: bool,
}

/// What a command line would otherwise read from the configuration.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CliProjection {
    pub agents: CliAgents,
    /// There are no channels of updates.
    pub update_channel: Option<&'static str>,
    pub memory_plugin: MemoryPlugin,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CliAgents {
    pub default_id: String,
    /// `sole`: one agent, and nobody has to say which.
    pub ownership: &'static str,
    pub selection_required: bool,
    pub rows: Vec<CliAgent>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct CliAgent {
    pub id: String,
}

/// There are no plugins, and so no memory by one.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct MemoryPlugin {
    pub enabled: bool,
    pub slot: Option<&'static str>,
    pub reason: &'static str,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReply {
    pub runtime_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cli_projection: Option<CliProjection>,
    pub heartbeat: HeartbeatStatus,
    pub channel_summary: Vec<String>,
    /// What the agent is told with the next thing that wakes it in its main session.
    pub queued_system_events: Vec<String>,
    /// A secret that cannot be read stops the start, and there are no plugins: both are always empty.
    pub degraded_secret_owners: Vec<Value>,
    pub degraded_plugins: Vec<Value>,
    pub tasks: TaskCounts,
    pub task_audit: TaskAudit,
    pub sessions: SessionStatus,
    pub model_runtime: ModelRuntime,
    pub pid: u32,
    pub uptime_ms: u64,
    /// Resident memory and connections, for people who operate it.
    pub process: ProcessStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tailnet: Option<TailnetHealth>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeartbeatStatus {
    pub default_agent_id: String,
    pub agents: Vec<AgentHeartbeat>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentHeartbeat {
    pub agent_id: String,
    #[serde(flatten)]
    pub heartbeat: HeartbeatHealth,
}

/// Runs in flight and finished, in the shape of OpenClaw's task table.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskCounts {
    pub total: u64,
    pub active: u64,
    pub terminal: u64,
    pub failures: u64,
    pub by_status: BTreeMap<&'static str, u64>,
    pub by_runtime: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskAudit {
    pub total: u64,
    pub warnings: u64,
    pub errors: u64,
    pub by_code: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    pub paths: Vec<String>,
    pub count: u64,
    pub defaults: ModelDefaults,
    pub recent: Vec<RecentSession>,
    pub by_agent: Vec<AgentSessions>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelDefaults {
    pub model_provider: String,
    pub model: String,
    pub context_tokens: Option<u64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentSessions {
    pub agent_id: String,
    pub path: String,
    pub count: u64,
    pub recent: Vec<RecentSession>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessStatus {
    pub pid: u32,
    pub rss_bytes: u64,
    pub connections: usize,
}

method!(Status = "status", Access::Operator(Scope::Read), StatusParams => StatusReply);

#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityReply {
    /// Lowercase hex SHA-256 of the raw public key.
    pub device_id: String,
    /// Ed25519, base64url without padding.
    pub public_key: String,
}

method!(
    /// The gateway's own key pair.
    GatewayIdentity = "gateway.identity.get", Access::Operator(Scope::Read), NoParams => IdentityReply
);

/// The machine and the process. What is not known here is left out, or 0 where the shape asks for a number.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InfoReply {
    pub machine_name: String,
    pub hostname: String,
    pub platform: String,
    pub release: String,
    pub arch: String,
    pub os_label: String,
    pub port: u16,
    /// Empty: no Node.js runs this gateway.
    pub node_version: String,
    pub pid: u32,
    pub uptime_ms: u64,
    pub cpu_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_average: Option<[f64; 3]>,
    pub memory_total_bytes: u64,
    pub memory_free_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_total_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_available_bytes: Option<u64>,
    /// For callers with `operator.admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_path: Option<String>,
}

method!(SystemInfo = "system.info", Access::Operator(Scope::Read), NoParams => InfoReply);

/// tailclaw does not update itself: there is no channel, no schedule, and nothing that could be available.
#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateReply {
    pub sentinel: Option<Value>,
    pub update_available: Option<Value>,
}

method!(UpdateStatus = "update.status", Access::Operator(Scope::Admin), NoParams => UpdateReply);

methods![Health, Status, GatewayIdentity, SystemInfo, UpdateStatus];
