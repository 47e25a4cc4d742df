//! `config.*` (protocol §6, "Config").

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Access, NoParams, Scope, bounds, method, methods};

/// Stands where a secret is set; the secret itself never crosses the wire. Sent back, it means the stored secret.
pub const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// Most paths that a patch may replace outright.
const MAX_REPLACE_PATHS: usize = 256;
const MAX_LOOKUP_PATH: usize = 1024;

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetReply {
    pub path: String,
    /// Files that `$include` brought in.
    pub included_paths: Vec<String>,
    pub exists: bool,
    /// Always null: the text itself would show secrets.
    pub raw: Option<String>,
    /// The file as an object, secrets redacted; likewise the others.
    pub parsed: Value,
    /// The file with its includes. The reply of `config.get` is edited from here.
    pub source_config: Value,
    pub resolved: Value,
    pub valid: bool,
    /// With environment variables and flags on top: what a start would go by.
    pub runtime_config: Value,
    pub config: Value,
    /// Of the text that lies on disk; what a write names as its base.
    pub hash: String,
    pub issues: Vec<Issue>,
    pub warnings: Vec<Issue>,
    pub legacy_issues: Vec<Issue>,
    /// Of the content. Null when it is not valid.
    pub config_revision_hash: Option<String>,
    /// Of the content that the gateway runs by.
    pub applied_config_hash: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Issue {
    /// Dotted key path: `gateway.auth.mode`.
    pub path: String,
    pub message: String,
}

method!(ConfigGet = "config.get", Access::Operator(Scope::Read), NoParams => GetReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetParams {
    /// JSON or JSON5 text of the whole configuration.
    #[serde(deserialize_with = "bounds::not_empty")]
    #[schemars(length(min = 1))]
    pub raw: String,
    /// The `hash` of the `config.get` that this was edited from.
    #[serde(default)]
    pub base_hash: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetReply {
    pub ok: bool,
    pub path: String,
    pub hash: String,
    pub config: Value,
    /// Ours: what the person should know of this write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

method!(ConfigSet = "config.set", Access::Operator(Scope::Admin), SetParams => SetReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyParams {
    /// JSON or JSON5 text of the whole configuration.
    #[serde(deserialize_with = "bounds::not_empty")]
    #[schemars(length(min = 1))]
    pub raw: String,
    #[serde(default)]
    pub base_hash: Option<String>,
    #[serde(default)]
    pub session_key: Option<String>,
    /// Why; kept in the log.
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchParams {
    /// JSON or JSON5 text of an object that is merged: null deletes, lists of objects with ids merge by id.
    #[serde(deserialize_with = "bounds::not_empty")]
    #[schemars(length(min = 1))]
    pub raw: String,
    #[serde(default)]
    pub base_hash: Option<String>,
    /// Lists that may lose entries.
    #[serde(default, deserialize_with = "few_paths")]
    #[schemars(length(max = 256))]
    pub replace_paths: Vec<String>,
    #[serde(default)]
    pub session_key: Option<String>,
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyReply {
    pub ok: bool,
    /// True when nothing was to change; nothing was written then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub noop: bool,
    /// Dotted paths; only of a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_paths: Option<Vec<String>>,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    pub config: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<Sentinel>,
    /// Ours: what the person should know of this write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What the writer is told of a restart.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Sentinel {
    /// False: this gateway does not restart itself, so there is nobody to tell afterwards.
    pub persisted: bool,
    pub payload: SentinelPayload,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SentinelPayload {
    /// `config-patch` or `config-apply`.
    pub kind: &'static str,
    pub status: &'static str,
    pub ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    pub message: Option<String>,
    pub doctor_hint: &'static str,
    pub stats: SentinelStats,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SentinelStats {
    /// The method's name.
    pub mode: &'static str,
    pub root: String,
    /// Something that changed counts only from the next start.
    pub requires_restart: bool,
}

method!(ConfigApply = "config.apply", Access::Operator(Scope::Admin), ApplyParams => ApplyReply, control_plane_write);
method!(ConfigPatch = "config.patch", Access::Operator(Scope::Admin), PatchParams => ApplyReply, control_plane_write);

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaReply {
    /// JSON Schema, draft 7.
    pub schema: Value,
    /// A [`Hint`] by path; `*` stands for a name or an index.
    pub ui_hints: Map<String, Value>,
    pub version: String,
    /// RFC 3339.
    pub generated_at: String,
}

method!(ConfigSchema = "config.schema", Access::Operator(Scope::Read), NoParams => SchemaReply);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct LookupParams {
    /// `gateway.auth`, `models.providers.*.models[0].id`, `.` for the root.
    #[serde(deserialize_with = "lookup_path")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[A-Za-z0-9_./\[\]\-*]+$"))]
    pub path: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookupReply {
    pub path: String,
    /// Of this node; the properties of an object are in `children`.
    pub schema: Value,
    pub reload_kind: ReloadKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint_path: Option<String>,
    pub children: Vec<LookupChild>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LookupChild {
    pub key: String,
    pub path: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub required: bool,
    pub has_children: bool,
    pub reload_kind: ReloadKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Hint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint_path: Option<String>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Hint {
    pub label: String,
    pub help: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    pub advanced: bool,
}

/// What a change takes until it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReloadKind {
    Restart,
    Hot,
}

method!(ConfigSchemaLookup = "config.schema.lookup", Access::Operator(Scope::Read), LookupParams => LookupReply);

/// The file has changed, whoever changed it.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Changed {
    pub path: String,
    pub hash: String,
    pub ts: u64,
}

methods![ConfigGet, ConfigSet, ConfigApply, ConfigPatch, ConfigSchema, ConfigSchemaLookup];

fn few_paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let paths = Vec::<String>::deserialize(deserializer)?;
    if paths.len() > MAX_REPLACE_PATHS {
        return Err(serde::de::Error::custom(format!("must not have more than {MAX_REPLACE_PATHS} items")));
    }
    Ok(paths)
}

fn lookup_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = bounds::not_empty(deserializer)?;
    if path.len() > MAX_LOOKUP_PATH {
        return Err(serde::de::Error::custom(format!("must not have more than {MAX_LOOKUP_PATH} characters")));
    }
    if !path.chars().all(|letter| letter.is_ascii_alphanumeric() || "_./[]-*".contains(letter)) {
        return Err(serde::de::Error::custom(r#"must match pattern "^[A-Za-z0-9_./\[\]\-*]+$""#));
    }
    Ok(path)
}
