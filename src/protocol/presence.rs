//! `system-presence` and the `presence` event (protocol §2, §6).

use serde::{Deserialize, Serialize};

use super::{Access, NoParams, Scope, method, methods};

#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresenceEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Empty, and left out, where a line says nothing of it; so are the next two, and `reason`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub platform: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<PresenceUser>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_since: Option<u64>,
    /// `self`, `connect` or `disconnect`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    pub text: String,
    pub ts: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PresenceUser {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

method!(
    /// A bare array.
    SystemPresence = "system-presence", Access::Operator(Scope::Read), NoParams => Vec<PresenceEntry>
);

methods![SystemPresence];
