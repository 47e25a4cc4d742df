//! `cron.*`.

use serde_json::{Map, Value, json};

use super::{Context, Table};
use crate::automation::{self, Cron};
use crate::protocol::access::Scope;
use crate::protocol::cron::{
    AddReply, CronAdd, CronGet, CronList, CronRemove, CronRun, CronRuns, CronStatus, CronUpdate, Job, JobParams,
    ListParams, ListReply, RemoveReply, RunParams, RunReply, RunsParams, RunsReply, StatusReply, UpdateParams,
};
use crate::protocol::{ErrorCode, ErrorShape, NoParams};

const MAX_LIMIT: u64 = 200;
/// OpenClaw's words for what to do about a job that is not there.
const LOOK_AGAIN: &str = "List automations and retry with a current job id. For cross-session management, use a fresh \
                          authenticated configured channel owner or Control UI administrator turn or the Automations page.";

#[derive(Clone)]
struct Jobs {
    cron: Cron,
    path: String,
}

pub(super) fn register(table: &mut Table, cron: &Cron, database_path: String) {
    let jobs = Jobs { cron: cron.clone(), path: database_path };
    table.on(CronList, cron, list);
    table.on(CronStatus, &jobs, status);
    table.on(CronGet, cron, job);
    table.on(CronAdd, cron, add);
    table.on(CronUpdate, cron, update);
    table.on(CronRemove, cron, remove);
    table.on(CronRun, cron, run);
    table.on(CronRuns, cron, runs);
}

async fn list(cron: Cron, _: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    check_limit("cron.list", params.limit)?;
    cron.list(&params).await.map_err(|error| shape("cron.list", error))
}

async fn status(jobs: Jobs, context: Context, _: NoParams) -> Result<StatusReply, ErrorShape> {
    let path = if context.caller.may(Scope::Admin) { jobs.path } else { String::new() };
    jobs.cron.status(path).await.map_err(|error| shape("cron.status", error))
}

async fn job(cron: Cron, _: Context, params: JobParams) -> Result<Job, ErrorShape> {
    cron.job(&params.id).await.map_err(|error| match error {
        automation::Error::UnknownJob(id) => unknown(&format!("cron job not found: {id}. {LOOK_AGAIN}"), &id),
        other => shape("cron.get", other),
    })
}

async fn add(cron: Cron, _: Context, params: Map<String, Value>) -> Result<AddReply, ErrorShape> {
    cron.add(params).await.map_err(|error| shape("cron.add", error))
}

async fn update(cron: Cron, _: Context, params: UpdateParams) -> Result<Job, ErrorShape> {
    cron.update(&params.id, params.patch).await.map_err(|error| shape("cron.update", error))
}

async fn remove(cron: Cron, _: Context, params: JobParams) -> Result<RemoveReply, ErrorShape> {
    cron.remove(&params.id).await.map_err(|error| shape("cron.remove", error))?;
    Ok(RemoveReply { ok: true, removed: true })
}

async fn run(cron: Cron, _: Context, params: RunParams) -> Result<RunReply, ErrorShape> {
    cron.run(&params.id, params.mode).await.map_err(|error| shape("cron.run", error))
}

async fn runs(cron: Cron, _: Context, params: RunsParams) -> Result<RunsReply, ErrorShape> {
    check_limit("cron.runs", params.limit)?;
    cron.runs(&params).await.map_err(|error| shape("cron.runs", error))
}

fn check_limit(method: &str, limit: Option<u64>) -> Result<(), ErrorShape> {
    let problem = match limit {
        Some(0) => "must be >= 1".to_owned(),
        Some(limit) if limit > MAX_LIMIT => format!("must be <= {MAX_LIMIT}"),
        _ => return Ok(()),
    };
    Err(ErrorShape::invalid(format!("invalid {method} params: at /limit: {problem}")))
}

/// What is wrong with params is said with the method's name.
fn shape(method: &str, error: automation::Error) -> ErrorShape {
    match error {
        automation::Error::Invalid(problem) => ErrorShape::invalid(format!("invalid {method} params: {problem}")),
        automation::Error::UnknownJob(id) => unknown(&format!("Automation not found: {id}. {LOOK_AGAIN}"), &id),
        other => other.into(),
    }
}

fn unknown(message: &str, id: &str) -> ErrorShape {
    let details = json!({ "code": "CRON_JOB_NOT_FOUND", "jobId": id });
    ErrorShape::new(ErrorCode::InvalidRequest, message).with_details(details)
}
