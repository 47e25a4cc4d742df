//! `tasks.list`.

use serde::{Deserialize, Serialize};

use super::{Access, Scope, method, methods};

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListParams {
    #[serde(default)]
    pub status: Option<Statuses>,
    #[serde(default)]
    pub agent_id: Option<String>,
    #[serde(default)]
    pub session_key: Option<String>,
    /// 1 to 500; a page has 200 at most.
    #[serde(default)]
    pub limit: Option<u32>,
    /// The `nextCursor` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "must be equal to constant")]
pub enum Statuses {
    One(TaskStatus),
    Any(Vec<TaskStatus>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListReply {
    pub tasks: Vec<Task>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Work beside the conversations: runs of cron's jobs that have ended.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// That of the run.
    pub id: String,
    pub task_id: String,
    /// `automation_run`.
    pub kind: &'static str,
    /// `cron`.
    pub runtime: &'static str,
    pub status: TaskStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub agent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    pub run_id: String,
    /// That of the job.
    pub source_id: String,
    /// Unix milliseconds, as the others.
    pub created_at: u64,
    pub started_at: u64,
    pub updated_at: u64,
    pub ended_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

method!(TasksList = "tasks.list", Access::Operator(Scope::Read), ListParams => ListReply);

methods![TasksList];
