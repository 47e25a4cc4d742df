//! Running jobs, what came of it, and the event that tells of jobs and runs.

use serde::{Deserialize, Serialize};

use super::job::*;
use super::list::{LastRunFilter, SortDirection};
use crate::protocol::{Access, Scope, method};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RunMode {
    Due,
    #[default]
    Force,
    IfEnabled,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunParams {
    #[serde(alias = "jobId")]
    pub id: String,
    #[serde(default)]
    pub mode: RunMode,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum RunReply {
    /// The job runs; its end is the event `cron`, and in `cron.runs`.
    Started { ok: bool, enqueued: bool, run_id: String },
    /// `not-due`, `disabled`, `already-running`.
    NotRun { ok: bool, ran: bool, reason: &'static str },
}

method!(CronRun = "cron.run", Access::Operator(Scope::Admin), RunParams => RunReply, control_plane_write);

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunsParams {
    /// Of one job; of all unless told.
    #[serde(default, alias = "jobId")]
    pub id: Option<String>,
    #[serde(default)]
    pub run_id: Option<String>,
    /// 1 to 200; 50 unless told.
    #[serde(default)]
    pub limit: Option<u64>,
    #[serde(default)]
    pub offset: Option<u64>,
    #[serde(default)]
    pub statuses: Option<Vec<RunStatus>>,
    #[serde(default)]
    pub status: Option<LastRunFilter>,
    #[serde(default)]
    pub delivery_statuses: Option<Vec<DeliveryStatus>>,
    #[serde(default)]
    pub delivery_status: Option<DeliveryStatus>,
    /// Matched against summary and error, without regard to case.
    #[serde(default)]
    pub query: Option<String>,
    #[serde(default)]
    pub sort_dir: Option<SortDirection>,
}

/// A run that has ended.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunEntry {
    pub ts: u64,
    pub job_id: String,
    /// Always `finished`.
    pub action: String,
    pub status: RunStatus,
    pub completion_status: CompletionStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    pub run_id: String,
    pub run_at_ms: u64,
    pub duration_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<bool>,
    pub delivery_status: DeliveryStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunsReply {
    pub entries: Vec<RunEntry>,
    pub total: usize,
    pub offset: usize,
    pub limit: usize,
    pub has_more: bool,
    pub next_offset: Option<usize>,
}

method!(CronRuns = "cron.runs", Access::Operator(Scope::Read), RunsParams => RunsReply);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CronAction {
    Added,
    Updated,
    Removed,
    Started,
}

/// The body of `cron`.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum CronEvent {
    Changed {
        job_id: String,
        action: CronAction,
        job: Job,
        #[serde(skip_serializing_if = "Option::is_none")]
        run_at_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next_run_at_ms: Option<u64>,
    },
    /// The entry brings the job's id and the action.
    Finished {
        #[serde(flatten)]
        entry: RunEntry,
        job: Job,
    },
}
