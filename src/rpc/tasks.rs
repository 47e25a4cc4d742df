//! `tasks.list`.

use super::agents::named;
use super::error::{at_least, at_most};
use super::{Context, Table};
use crate::agent::Agent;
use crate::automation::Cron;
use crate::protocol::ErrorShape;
use crate::protocol::cron::{RunEntry, RunStatus, RunsParams};
use crate::protocol::tasks::{ListParams, ListReply, Statuses, Task, TaskStatus, TasksList};

const METHOD: &str = "tasks.list";
const MAX_LIMIT: u32 = 500;

pub(super) fn register(table: &mut Table, agent: &Agent, cron: &Cron) {
    table.on(TasksList, &(agent.clone(), cron.clone()), list);
}

/// A page may be shorter than its limit where `sessionKey` leaves tasks out; `nextCursor` tells whether there is more.
async fn list((agent, cron): (Agent, Cron), _: Context, params: ListParams) -> Result<ListReply, ErrorShape> {
    at_least(METHOD, "limit", params.limit, 1)?;
    at_most(METHOD, "limit", params.limit, MAX_LIMIT)?;
    let offset = params.cursor.as_deref().map(str::parse).transpose().map_err(|_| {
        ErrorShape::invalid("invalid or expired tasks.list cursor; restart pagination without a cursor")
    })?;
    let agent_id = named(&agent, None)?;
    if params.agent_id.is_some_and(|asked| asked != agent_id) {
        return Ok(ListReply { tasks: Vec::new(), next_cursor: None });
    }
    let statuses = params.status.map(|statuses| match statuses {
        Statuses::One(status) => ended_as(status).to_vec(),
        Statuses::Any(statuses) => statuses.into_iter().flat_map(ended_as).copied().collect(),
    });
    let limit = params.limit.map(u64::from);
    let runs = cron.runs(&RunsParams { limit, offset, statuses, ..RunsParams::default() }).await?;
    let is_meant = |run: &RunEntry| params.session_key.is_none() || run.session_key == params.session_key;
    let tasks = runs.entries.into_iter().filter(is_meant).map(|run| task(run, &agent_id)).collect();
    Ok(ListReply { tasks, next_cursor: runs.next_offset.map(|offset| offset.to_string()) })
}

/// The runs with this status; those that have not ended are not kept as runs yet.
const fn ended_as(status: TaskStatus) -> &'static [RunStatus] {
    match status {
        TaskStatus::Completed => &[RunStatus::Ok],
        TaskStatus::Failed => &[RunStatus::Error, RunStatus::Skipped],
        TaskStatus::Queued | TaskStatus::Running | TaskStatus::Cancelled | TaskStatus::TimedOut => &[],
    }
}

fn task(run: RunEntry, agent_id: &str) -> Task {
    Task {
        id: run.run_id.clone(),
        task_id: run.run_id.clone(),
        kind: "automation_run",
        runtime: "cron",
        status: if run.status == RunStatus::Ok { TaskStatus::Completed } else { TaskStatus::Failed },
        title: run.job_name,
        agent_id: agent_id.to_owned(),
        session_key: run.session_key,
        run_id: run.run_id,
        source_id: run.job_id,
        created_at: run.run_at_ms,
        started_at: run.run_at_ms,
        updated_at: run.ts,
        ended_at: run.run_at_ms.saturating_add(run.duration_ms),
        error: run.error,
    }
}
