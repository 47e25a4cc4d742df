//! Asking what jobs there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::job::*;
use crate::protocol::{Access, Scope, method};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnabledFilter {
    All,
    Enabled,
    Disabled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KindFilter {
    All,
    At,
    Every,
    Cron,
    OnExit,
    Stream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LastRunFilter {
    All,
    Ok,
    Error,
    Skipped,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TriggerFilter {
    All,
    Conditional,
    Unconditional,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SortBy {
    #[default]
    NextRunAtMs,
    UpdatedAtMs,
    Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SortDirection {
    Asc,
    Desc,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    #[serde(default)]
    pub include_disabled: bool,
    /// 1 to 200.
    #[serde(default)]
    pub limit: Option<u64>,
    #[serde(default)]
    pub offset: Option<u64>,
    /// Matched against names, description and what the job says, without regard to case.
    #[serde(default)]
    pub query: Option<String>,
    /// Wins over `includeDisabled`.
    #[serde(default)]
    pub enabled: Option<EnabledFilter>,
    #[serde(default)]
    pub schedule_kind: Option<KindFilter>,
    #[serde(default)]
    pub last_run_status: Option<LastRunFilter>,
    /// No job here has a condition.
    #[serde(default)]
    pub trigger: Option<TriggerFilter>,
    #[serde(default)]
    pub sort_by: SortBy,
    #[serde(default)]
    pub sort_dir: Option<SortDirection>,
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub compact: bool,
    #[serde(default)]
    pub include_delivery_previews: Option<bool>,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct DeliveryPreview {
    pub label: String,
    pub detail: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum ListedJob {
    Whole(Box<Job>),
    Compact(Box<CompactJob>),
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompactJob {
    pub id: String,
    pub name: String,
    pub updated_at_ms: u64,
    pub enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run_at_ms: Option<u64>,
    pub schedule_kind: &'static str,
    pub schedule: Schedule,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_status: Option<RunStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_error: Option<String>,
    pub effective_agent_id: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListReply {
    pub jobs: Vec<ListedJob>,
    pub snapshot_revision: String,
    pub total: usize,
    pub offset: usize,
    pub limit: usize,
    pub has_more: bool,
    pub next_offset: Option<usize>,
    /// By job; absent in compact lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_previews: Option<BTreeMap<String, DeliveryPreview>>,
}

method!(CronList = "cron.list", Access::Operator(Scope::Read), ListParams => ListReply);
