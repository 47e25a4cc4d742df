//! What sessions took: `sessions.usage`, `.timeseries`, `.logs`.

use serde::{Deserialize, Serialize};

use crate::protocol::chat::MessageRole;
use crate::protocol::{Access, Scope, method};

/// The last 30 days unless told.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UsageParams {
    pub key: Option<String>,
    pub agent_id: Option<String>,
    /// As in `2026-11-21`; both are within.
    pub start_date: Option<String>,
    pub end_date: Option<String>,
    /// Instead of dates, ending today.
    pub range: Option<UsageRange>,
    /// Sessions in the answer: 50 unless told, at most 1,000. The totals are of all.
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub enum UsageRange {
    #[serde(rename = "7d")]
    Week,
    #[serde(rename = "30d")]
    Month,
    #[serde(rename = "90d")]
    Quarter,
    #[serde(rename = "1y")]
    Year,
    #[serde(rename = "all")]
    All,
}

/// Days are those of UTC.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageReply {
    pub updated_at: u64,
    pub start_date: String,
    pub end_date: String,
    /// Newest first.
    pub sessions: Vec<SessionUsage>,
    pub totals: UsageTotals,
    pub aggregates: UsageAggregates,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionUsage {
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub session_id: String,
    /// `instance`.
    pub scope: &'static str,
    pub updated_at: u64,
    pub agent_id: String,
    pub model_provider: String,
    pub model: String,
    /// Null where no model answered within the dates.
    pub usage: Option<UsageTotals>,
    pub has_context_weight: bool,
}

/// Tokens. No price list is known here: every answer counts among `missingCostEntries`.
#[derive(Debug, Clone, Copy, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageTotals {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub total_tokens: u64,
    pub total_cost: u64,
    pub input_cost: u64,
    pub output_cost: u64,
    pub cache_read_cost: u64,
    pub cache_write_cost: u64,
    pub missing_cost_entries: u64,
}

#[derive(Debug, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageAggregates {
    pub session_count: usize,
    pub messages: MessageCounts,
    pub tools: ToolCounts,
    pub by_model: Vec<ModelUsage>,
    pub by_agent: Vec<AgentUsage>,
    pub daily: Vec<DayUsage>,
    /// Empty, as there are no channels, no people to tell apart and no prices.
    pub by_channel: [(); 0],
    pub by_creator: [(); 0],
    pub cost_daily: [(); 0],
}

/// All zero: no model here calls tools yet.
#[derive(Debug, Clone, Copy, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolCounts {
    pub total_calls: u64,
    pub unique_tools: u64,
    pub tools: [(); 0],
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentUsage {
    pub agent_id: String,
    pub totals: UsageTotals,
}

#[derive(Debug, Clone, Copy, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MessageCounts {
    pub total: u64,
    pub user: u64,
    pub assistant: u64,
    pub tool_calls: u64,
    pub tool_results: u64,
    pub errors: u64,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct ModelUsage {
    pub provider: String,
    pub model: String,
    pub count: u64,
    pub totals: UsageTotals,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct DayUsage {
    pub date: String,
    pub tokens: u64,
    pub messages: u64,
    pub errors: u64,
}

method!(
    /// Of sessions that are there: what a deleted one took is in its archive.
    SessionsUsage = "sessions.usage", Access::Operator(Scope::Read), UsageParams => UsageReply
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageOfParams {
    pub key: String,
    /// Entries of the answer: 200 unless told, at most 1,000.
    #[serde(default)]
    pub limit: Option<u32>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeseriesReply {
    pub session_id: String,
    /// One an answer, oldest first.
    pub points: Vec<UsagePoint>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsagePoint {
    pub timestamp: u64,
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub total_tokens: u64,
    pub cost: u64,
    pub cumulative_tokens: u64,
    pub cumulative_cost: u64,
}

method!(
    SessionsUsageTimeseries =
        "sessions.usage.timeseries", Access::Operator(Scope::Read), UsageOfParams => TimeseriesReply
);

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct UsageLogsReply {
    /// One a message, oldest first.
    pub logs: Vec<UsageLog>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct UsageLog {
    pub timestamp: u64,
    pub role: MessageRole,
    pub content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

method!(SessionsUsageLogs = "sessions.usage.logs", Access::Operator(Scope::Read), UsageOfParams => UsageLogsReply);
