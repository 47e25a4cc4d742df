//! `cron.*`: jobs, their runs, and the `cron` event (protocol §6, "Cron").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Access, NoParams, Scope, method, methods};

/// When a job is due. Schedules that watch a process (`on-exit`, `stream`) are refused: nothing here watches any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Schedule {
    /// Once, at an ISO 8601 time; UTC without an offset.
    At { at: String },
    /// Again and again from the anchor on.
    Every {
        every_ms: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anchor_ms: Option<u64>,
    },
    /// Five fields, or six with seconds first.
    Cron {
        expr: String,
        /// An IANA name; the machine's own zone unless told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tz: Option<String>,
        /// The job comes up to this much later, each job by a fixed amount of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stagger_ms: Option<u64>,
    },
}

/// What a job does. Commands and scripts are refused: this gateway runs none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Payload {
    /// Tells the agent something in its main session.
    SystemEvent { text: String },
    /// Has the agent answer a message.
    AgentTurn {
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thinking: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_seconds: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        light_context: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tools_allow: Option<Vec<String>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    None,
    Announce,
    Webhook,
}

/// Where the answer goes beside its session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub mode: DeliveryMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<Value>,
    /// A job whose answer cannot be delivered has run well all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_effort: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum JobWakeMode {
    NextHeartbeat,
    Now,
}

/// A job as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declaration_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default = "enabled")]
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after_run: Option<bool>,
    pub schedule: Schedule,
    /// `main`, `isolated`, or `session:<key>`.
    pub session_target: String,
    #[serde(default = "wake_now")]
    pub wake_mode: JobWakeMode,
    pub payload: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

const fn enabled() -> bool {
    true
}

const fn wake_now() -> JobWakeMode {
    JobWakeMode::Now
}

/// What became of a job so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobState {
    /// When it is due next. Nothing runs it then until there is a scheduler: see `cron.status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_activated_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_status: Option<RunStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<RunStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consecutive_errors: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivered: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivery_status: Option<DeliveryStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_delivery_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    Ok,
    Error,
    Skipped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CompletionStatus {
    Succeeded,
    Failed,
    /// The gateway ended meanwhile.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryStatus {
    Delivered,
    NotDelivered,
    Unknown,
    NotRequested,
}

#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    pub id: String,
    #[serde(flatten)]
    pub definition: Definition,
    pub created_at_ms: u64,
    pub updated_at_ms: u64,
    pub state: JobState,
    /// Differs whenever the definition does.
    pub config_revision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_run_at_ms: Option<u64>,
    /// Which agent it is for, also when the job does not say; only in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_agent_id: Option<String>,
}

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

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReply {
    /// Whether jobs run when they are due.
    pub enabled: bool,
    pub triggers_enabled: bool,
    /// Empty for a caller without `operator.admin`; so is `sqlitePath`.
    pub store_path: String,
    pub storage: &'static str,
    pub sqlite_path: String,
    pub jobs: usize,
    pub next_wake_at_ms: Option<u64>,
    /// Ours: why no job runs by itself.
    pub reason: &'static str,
}

method!(CronStatus = "cron.status", Access::Operator(Scope::Read), NoParams => StatusReply);

/// A job by `id`, which older clients call `jobId`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobParams {
    #[serde(alias = "jobId")]
    pub id: String,
}

method!(CronGet = "cron.get", Access::Operator(Scope::Read), JobParams => Job);

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum AddReply {
    /// For a job with a declaration key: it may have been there.
    Declared(Box<DeclaredReply>),
    Added(Box<AddedReply>),
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredReply {
    pub created: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<bool>,
    pub job: Job,
    pub delivery_preview: DeliveryPreview,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddedReply {
    #[serde(flatten)]
    pub job: Job,
    pub delivery_preview: DeliveryPreview,
}

method!(
    /// Params are a [`Definition`] of which name, wake mode and more may be left out.
    CronAdd = "cron.add", Access::Operator(Scope::Admin), Map<String, Value> => AddReply, control_plane_write
);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct UpdateParams {
    #[serde(alias = "jobId")]
    pub id: String,
    /// Keys of a [`Definition`]; `null` removes one. Payload and delivery are merged while their kind stays.
    pub patch: Map<String, Value>,
}

method!(
    CronUpdate = "cron.update", Access::Operator(Scope::Admin), UpdateParams => Job, control_plane_write
);

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RemoveReply {
    pub ok: bool,
    pub removed: bool,
}

method!(
    CronRemove = "cron.remove", Access::Operator(Scope::Admin), JobParams => RemoveReply, control_plane_write
);

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

methods![CronList, CronStatus, CronGet, CronAdd, CronUpdate, CronRemove, CronRun, CronRuns];
