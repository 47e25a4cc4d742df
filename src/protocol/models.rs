//! `models.list`, `models.authStatus`.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, bounds, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    #[serde(default)]
    pub agent_id: Option<String>,
    /// Only this provider's.
    #[serde(default)]
    pub provider: Option<String>,
    #[serde(default, deserialize_with = "bounds::constant")]
    pub view: Option<View>,
}

/// Which models, and how much of them. There is one catalogue, the configuration's, so that all views list the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    Default,
    /// With [`DefaultModels`].
    Configured,
    /// With `input` in every row.
    ProviderConfig,
    All,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListReply {
    pub models: Vec<ModelRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_models: Option<DefaultModels>,
}

/// Models for work beside the conversation.
#[derive(Debug, Clone, Copy, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultModels {
    /// Always null: small tasks such as titles are not given to a model here.
    pub automatic_utility_model: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRow {
    pub id: String,
    pub name: String,
    pub provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// Whether it can think before it speaks. No provider is asked to here, so `off` is the one level.
    pub reasoning: bool,
    /// `default` where it answers unless a session says otherwise.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub tags: &'static [&'static str],
    pub thinking_levels: &'static [ThinkingChoice],
    pub thinking_default: &'static str,
    /// `text`, `image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'static [&'static str]>,
    pub available: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ThinkingChoice {
    pub id: &'static str,
    pub label: &'static str,
}

/// The levels of every model.
pub const THINKING_LEVELS: &[ThinkingChoice] = &[ThinkingChoice { id: "off", label: "off" }];

method!(ModelsList = "models.list", Access::Operator(Scope::Read), ListParams => ListReply);

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthStatusParams {
    #[serde(default)]
    pub agent_id: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthStatusReply {
    /// Unix milliseconds.
    pub ts: u64,
    pub providers: Vec<ProviderAuth>,
    /// Providers whose keys a client can set: none, since keys come from the configuration and the environment alone.
    pub provider_capabilities: [(); 0],
}

/// How a provider is authenticated to. Never the key itself.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderAuth {
    pub provider: String,
    pub auth_provider: String,
    pub display_name: String,
    /// `static`: a key that does not expire.
    pub status: &'static str,
    /// Logins, of which there are none.
    pub profiles: [(); 0],
    pub api_key: KeyOrigin,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct KeyOrigin {
    pub source: KeySource,
}

/// Where a provider's key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeySource {
    Config,
    Env,
}

method!(
    /// The providers that have a key.
    ModelsAuthStatus = "models.authStatus", Access::Operator(Scope::Read), AuthStatusParams => AuthStatusReply
);

methods![ModelsList, ModelsAuthStatus];
