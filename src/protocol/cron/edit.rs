//! Making, changing and removing jobs, and how the whole stands.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::job::*;
use super::list::DeliveryPreview;
use crate::protocol::{Access, NoParams, Scope, method};

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
