//! `tools.*`: what the agent can use, and its use by a client. The agent has no tools yet, so every list of them is
//! empty, and so is every list of groups.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Access, Scope, bounds, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogParams {
    #[serde(default)]
    pub agent_id: Option<String>,
    /// There are no plugins.
    #[serde(default)]
    pub include_plugins: Option<bool>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatalogReply {
    pub agent_id: String,
    pub profiles: &'static [Profile],
    /// Empty.
    pub groups: [(); 0],
}

/// A named choice of tools.
#[derive(Debug, Clone, Copy, Serialize, schemars::JsonSchema)]
pub struct Profile {
    pub id: &'static str,
    pub label: &'static str,
}

/// The protocol's own profiles; a client offers them by name.
pub const PROFILES: &[Profile] = &[
    Profile { id: "minimal", label: "Minimal" },
    Profile { id: "coding", label: "Coding" },
    Profile { id: "messaging", label: "Messaging" },
    Profile { id: "full", label: "Full" },
];

method!(ToolsCatalog = "tools.catalog", Access::Operator(Scope::Read), CatalogParams => CatalogReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub session_key: String,
    #[serde(default)]
    pub agent_id: Option<String>,
}

/// What a session can use right now.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveReply {
    pub agent_id: String,
    /// `full`: nothing is held back.
    pub profile: &'static str,
    /// Empty.
    pub groups: [(); 0],
}

method!(ToolsEffective = "tools.effective", Access::Operator(Scope::Read), EffectiveParams => EffectiveReply);

/// `sessionKey`, `confirm` and `idempotencyKey` are not looked at: nothing is ever run.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvokeParams {
    #[serde(deserialize_with = "bounds::not_empty")]
    pub name: String,
    #[serde(default)]
    pub args: Option<Map<String, Value>>,
    #[serde(default)]
    pub agent_id: Option<String>,
}

/// A tool that cannot be used is no error of the call: it is told here.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvokeReply {
    /// Always false.
    pub ok: bool,
    pub tool_name: String,
    pub error: InvokeError,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct InvokeError {
    /// `not_found`, `validation_error`.
    pub code: &'static str,
    pub message: String,
}

method!(ToolsInvoke = "tools.invoke", Access::Operator(Scope::Write), InvokeParams => InvokeReply);

methods![ToolsCatalog, ToolsEffective, ToolsInvoke];
