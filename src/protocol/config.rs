//! `config.get`.

use serde::Serialize;
use serde_json::Value;

use super::{Access, NoParams, Scope, method, methods};

/// Stands where a secret is set; the secret itself never crosses the wire.
pub const REDACTED: &str = "__OPENCLAW_REDACTED__";

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetReply {
    pub path: String,
    pub exists: bool,
    pub raw: Option<String>,
    /// The file as an object, secrets redacted; likewise the next three.
    pub parsed: Value,
    pub source_config: Value,
    pub resolved: Value,
    pub config: Value,
    pub valid: bool,
    pub hash: String,
    pub issues: Vec<Issue>,
    pub warnings: Vec<Issue>,
    pub legacy_issues: Vec<Issue>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Issue {
    /// Dotted key path: `gateway.auth.mode`.
    pub path: String,
    pub message: String,
}

method!(ConfigGet = "config.get", Access::Operator(Scope::Read), NoParams => GetReply);

methods![ConfigGet];
