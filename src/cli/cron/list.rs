//! The table of jobs.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::put_some;
use crate::cli::connect::ConnectArgs;
use crate::cli::context::Context;
use crate::cli::output::{now_ms, plain, print, print_json, span};
use crate::cli::report::{At, put};

/// Jobs that are asked for at a time.
const PAGE: u64 = 200;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Jobs that are off, too
    #[arg(long)]
    all: bool,
    /// Only jobs of this agent
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// What a job says. Only what is given is sent.
pub(super) async fn show(args: &ListArgs, context: &Context, timeout: Duration) -> anyhow::Result<ExitCode> {
    let methods = ["cron.list", "cron.status"];
    let mut client = args.connect.destination(context, timeout).await?.connect(&methods).await?;
    let mut whole: Option<Value> = None;
    let mut offset = 0;
    loop {
        let mut params = json!({ "includeDisabled": args.all, "limit": PAGE, "offset": offset });
        put_some(&mut params, "agentId", args.agent.clone());
        let page = client.call_raw("cron.list", params, timeout).await?;
        let next = page.at("nextOffset").as_u64().filter(|next| *next > offset);
        whole = Some(match whole {
            None => page,
            Some(before) => joined(before, &page),
        });
        let Some(next) = next else { break };
        offset = next;
    }
    let list = whole.unwrap_or_default();
    if context.json {
        client.close().await;
        print_json(&list)?;
        return Ok(ExitCode::SUCCESS);
    }
    let status = client.call_raw("cron.status", json!({}), timeout).await?;
    client.close().await;
    print(&render(&list, &status, now_ms()))?;
    Ok(ExitCode::SUCCESS)
}

fn joined(mut before: Value, page: &Value) -> Value {
    if let (Some(jobs), Some(more)) = (before.get_mut("jobs").and_then(Value::as_array_mut), page.at("jobs").as_array())
    {
        jobs.extend(more.iter().cloned());
    }
    if let (Some(known), Some(more)) =
        (before.get_mut("deliveryPreviews").and_then(Value::as_object_mut), page.at("deliveryPreviews").as_object())
    {
        known.extend(more.clone());
    }
    put(&mut before, "hasMore", page.at("hasMore").clone());
    put(&mut before, "nextOffset", page.at("nextOffset").clone());
    before
}

fn render(list: &Value, status: &Value, now: u64) -> String {
    let jobs: Vec<&Value> = list.at("jobs").as_array().into_iter().flatten().collect();
    let mut lines = vec![columns(["ID", "Name", "Schedule", "Next", "Last", "Status", "Target"])];
    for job in &jobs {
        let text = |path: &str| plain(job.at(path).as_str().unwrap_or("-"));
        let last = job.at("state.lastRunAtMs").as_u64();
        let status = job.at("state.lastRunStatus").as_str().unwrap_or("idle");
        let enabled = job.at("enabled") != false;
        lines.push(columns([
            &text("id"),
            &text("name"),
            &schedule_text(job.at("schedule")),
            &job.at("nextRunAtMs").as_u64().map_or_else(|| "-".to_owned(), |next| away(next, now)),
            &last.map_or_else(|| "-".to_owned(), |last| away(last, now)),
            if enabled { status } else { "disabled" },
            &text("sessionTarget"),
        ]));
    }
    if jobs.is_empty() {
        lines = vec!["no jobs; add one with tailclaw cron add".to_owned()];
    }
    // The times above are when jobs are due; whether anything runs them is another matter.
    if status.at("enabled") == false {
        lines.push(format!("not scheduled: {}", plain(status.at("reason").as_str().unwrap_or("the scheduler is off"))));
    }
    lines.join("\n")
}

fn columns(cells: [&str; 7]) -> String {
    let widths = [36, 24, 32, 12, 12, 9, 10];
    let cells = cells.iter().zip(widths).map(|(cell, width)| {
        let cell: String = if cell.chars().count() > width {
            cell.chars().take(width - 3).chain("...".chars()).collect()
        } else {
            (*cell).to_owned()
        };
        format!("{cell:width$}")
    });
    cells.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

fn schedule_text(schedule: &Value) -> String {
    let text = |path: &str| plain(schedule.at(path).as_str().unwrap_or_default());
    match schedule.at("kind").as_str() {
        Some("at") => format!("at {}", text("at")),
        Some("every") => format!("every {}", span(Duration::from_millis(schedule.at("everyMs").as_u64().unwrap_or(0)))),
        Some("cron") if schedule.at("tz").is_string() => format!("cron {} @ {}", text("expr"), text("tz")),
        Some("cron") => format!("cron {}", text("expr")),
        _ => text("kind"),
    }
}

fn away(time: u64, now: u64) -> String {
    if time >= now {
        format!("in {}", span(Duration::from_millis(time - now)))
    } else {
        format!("{} ago", span(Duration::from_millis(now - time)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_that_nothing_is_scheduled() {
        let job = json!({
            "id": "j", "name": "a\u{1b}", "enabled": true, "schedule": { "kind": "every", "everyMs": 60_000 },
            "nextRunAtMs": 61_000, "sessionTarget": "main", "state": {},
        });
        let status = json!({ "enabled": false, "reason": "no scheduler" });
        let text = render(&json!({ "jobs": [job] }), &status, 1_000);
        assert!(text.contains("every 1 min") && text.contains("in 1 min") && text.contains("idle"), "{text}");
        assert!(text.ends_with("not scheduled: no scheduler") && !text.contains('\u{1b}'), "{text}");
    }
}
