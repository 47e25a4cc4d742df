//! Which jobs and runs somebody asked for, and in which order.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::definition;
use crate::protocol::cron::{
    CompactJob, EnabledFilter, Job, KindFilter, LastRunFilter, ListParams, ListReply, ListedJob, Payload, RunEntry,
    RunStatus, RunsParams, RunsReply, Schedule, SortBy, SortDirection, TriggerFilter,
};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// A part of a list.
struct Page<T> {
    items: Vec<T>,
    total: usize,
    offset: usize,
    limit: usize,
    next: Option<usize>,
}

fn page<T>(all: Vec<T>, offset: Option<u64>, limit: Option<u64>, default: usize) -> Page<T> {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let total = all.len();
    let offset = offset.map_or(0, number).min(total);
    let limit = limit.map_or(default, number).clamp(1, MAX_LIMIT);
    let items: Vec<T> = all.into_iter().skip(offset).take(limit).collect();
    let end = offset + items.len();
    Page { items, total, offset, limit, next: (end < total).then_some(end) }
}

pub(super) fn jobs(mut all: Vec<Job>, params: &ListParams, agent_id: &str) -> ListReply {
    all.retain(|job| wanted(job, params, agent_id));
    all.sort_by(|one, other| {
        let order = compare(one, other, params.sort_by);
        if params.sort_dir == Some(SortDirection::Desc) { order.reverse() } else { order }
    });
    let state: Vec<_> = all.iter().map(|job| (&job.id, &job.config_revision, job.updated_at_ms, &job.state)).collect();
    let snapshot_revision = definition::revision(&state);
    let page = page(all, params.offset, params.limit, DEFAULT_LIMIT);
    let shows_previews = !params.compact && params.include_delivery_previews != Some(false);
    let previews = || page.items.iter().map(|job| (job.id.clone(), definition::delivery_preview(&job.definition)));
    ListReply {
        delivery_previews: shows_previews.then(|| previews().collect()),
        jobs: page.items.into_iter().map(|job| listed(job, params.compact, agent_id)).collect(),
        snapshot_revision,
        total: page.total,
        offset: page.offset,
        limit: page.limit,
        has_more: page.next.is_some(),
        next_offset: page.next,
    }
}

fn wanted(job: &Job, params: &ListParams, agent_id: &str) -> bool {
    let default = if params.include_disabled { EnabledFilter::All } else { EnabledFilter::Enabled };
    let is_enabled = match params.enabled.unwrap_or(default) {
        EnabledFilter::All => true,
        EnabledFilter::Enabled => job.definition.enabled,
        EnabledFilter::Disabled => !job.definition.enabled,
    };
    let is_kind = matches!(
        (params.schedule_kind.unwrap_or(KindFilter::All), &job.definition.schedule),
        (KindFilter::All, _)
            | (KindFilter::At, Schedule::At { .. })
            | (KindFilter::Every, Schedule::Every { .. })
            | (KindFilter::Cron, Schedule::Cron { .. })
    );
    is_enabled
        && is_kind
        && params.last_run_status.is_none_or(|filter| has_ended(filter, job.state.last_run_status))
        && params.trigger != Some(TriggerFilter::Conditional)
        && params.agent_id.as_deref().is_none_or(|wanted| wanted == agent_id)
        && params.query.as_deref().is_none_or(|query| says(job, query))
}

fn has_ended(filter: LastRunFilter, last: Option<RunStatus>) -> bool {
    match filter {
        LastRunFilter::All => true,
        LastRunFilter::Ok => last == Some(RunStatus::Ok),
        LastRunFilter::Error => last == Some(RunStatus::Error),
        LastRunFilter::Skipped => last == Some(RunStatus::Skipped),
        LastRunFilter::Unknown => last.is_none(),
    }
}

fn says(job: &Job, query: &str) -> bool {
    let query = query.trim().to_lowercase();
    let job = &job.definition;
    let text = match &job.payload {
        Payload::SystemEvent { text } => text,
        Payload::AgentTurn { message, .. } => message,
    };
    [Some(&job.name), job.display_name.as_ref(), job.description.as_ref(), Some(text)]
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(&query))
}

fn compare(one: &Job, other: &Job, by: SortBy) -> Ordering {
    let order = match by {
        // What is never due comes last.
        SortBy::NextRunAtMs => one.next_run_at_ms.unwrap_or(u64::MAX).cmp(&other.next_run_at_ms.unwrap_or(u64::MAX)),
        SortBy::UpdatedAtMs => one.updated_at_ms.cmp(&other.updated_at_ms),
        SortBy::Name => one.definition.name.to_lowercase().cmp(&other.definition.name.to_lowercase()),
    };
    order.then_with(|| one.created_at_ms.cmp(&other.created_at_ms)).then_with(|| one.id.cmp(&other.id))
}

fn listed(job: Job, compact: bool, agent_id: &str) -> ListedJob {
    let effective_agent_id = agent_id.to_owned();
    if !compact {
        return ListedJob::Whole(Box::new(Job { effective_agent_id: Some(effective_agent_id), ..job }));
    }
    ListedJob::Compact(Box::new(CompactJob {
        id: job.id,
        name: job.definition.name,
        updated_at_ms: job.updated_at_ms,
        enabled: job.definition.enabled,
        next_run_at_ms: job.next_run_at_ms,
        schedule_kind: match &job.definition.schedule {
            Schedule::At { .. } => "at",
            Schedule::Every { .. } => "every",
            Schedule::Cron { .. } => "cron",
        },
        schedule: job.definition.schedule,
        last_run_at_ms: job.state.last_run_at_ms,
        last_run_status: job.state.last_run_status,
        last_run_error: job.state.last_error,
        effective_agent_id,
    }))
}

/// `entries` newest first, as JSON; `names` of the jobs that are still there.
pub(super) fn runs(entries: &[String], names: &HashMap<String, String>, params: &RunsParams) -> RunsReply {
    let read = |text: &String| serde_json::from_str::<RunEntry>(text).ok();
    let mut found: Vec<RunEntry> = entries.iter().filter_map(read).filter(|entry| is_meant(entry, params)).collect();
    if params.sort_dir == Some(SortDirection::Asc) {
        found.reverse();
    }
    let mut page = page(found, params.offset, params.limit, DEFAULT_LIMIT);
    for entry in &mut page.items {
        entry.job_name = names.get(&entry.job_id).cloned();
    }
    RunsReply {
        entries: page.items,
        total: page.total,
        offset: page.offset,
        limit: page.limit,
        has_more: page.next.is_some(),
        next_offset: page.next,
    }
}

fn is_meant(entry: &RunEntry, params: &RunsParams) -> bool {
    let text =
        |text: &Option<String>, query: &str| text.as_ref().is_some_and(|text| text.to_lowercase().contains(query));
    params.run_id.as_deref().is_none_or(|id| entry.run_id == id)
        && params.status.is_none_or(|filter| has_ended(filter, Some(entry.status)))
        && params.statuses.as_ref().is_none_or(|statuses| statuses.contains(&entry.status))
        && params.delivery_status.is_none_or(|status| entry.delivery_status == status)
        && params.delivery_statuses.as_ref().is_none_or(|statuses| statuses.contains(&entry.delivery_status))
        && params.query.as_ref().is_none_or(|query| {
            let query = query.trim().to_lowercase();
            text(&entry.summary, &query) || text(&entry.error, &query)
        })
}
