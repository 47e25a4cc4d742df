//! `wake`, `system-event`, `set-heartbeats`, `last-heartbeat` and the `heartbeat` event (protocol §6, "Health/system").

use serde::{Deserialize, Serialize};

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WakeMode {
    /// The agent is told at once.
    Now,
    /// The agent is told with the next thing that wakes it.
    NextHeartbeat,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WakeParams {
    pub mode: WakeMode,
    /// Up to 65,536 bytes.
    pub text: String,
    /// The agent's main session unless told.
    #[serde(default)]
    pub session_key: Option<String>,
    #[serde(default)]
    pub agent_id: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct OkReply {
    pub ok: bool,
}

method!(
    /// `ok` is false for a text without a word, and nothing is queued then.
    Wake = "wake", Access::Operator(Scope::Write), WakeParams => OkReply
);

/// A line for the presence list, and for the agent. What is left out is not shown.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemEventParams {
    pub text: String,
    #[serde(default)]
    pub device_id: Option<String>,
    #[serde(default)]
    pub instance_id: Option<String>,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub ip: Option<String>,
    #[serde(default)]
    pub mode: Option<String>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub platform: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub scopes: Vec<String>,
}

method!(SystemEvent = "system-event", Access::Operator(Scope::Admin), SystemEventParams => OkReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct SetHeartbeatsParams {
    #[serde(default)]
    pub enabled: Option<bool>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SetHeartbeatsReply {
    pub ok: bool,
    pub enabled: bool,
}

method!(
    /// Off, `wake` only queues.
    SetHeartbeats = "set-heartbeats", Access::Operator(Scope::Admin), SetHeartbeatsParams => SetHeartbeatsReply
);

/// How a turn that nobody asked for in a chat came out; also the body of `heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    pub ts: u64,
    pub status: HeartbeatEnd,
    /// The beginning of what the agent said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub has_media: bool,
    pub duration_ms: u64,
}

/// What became of the answer. Delivered (`sent`) it is only where there are channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HeartbeatEnd {
    Skipped,
    Failed,
}

method!(
    /// `null` until there was one since the start.
    LastHeartbeat = "last-heartbeat", Access::Operator(Scope::Read), NoParams => Option<Heartbeat>
);

methods![Wake, SystemEvent, SetHeartbeats, LastHeartbeat];
