//! The list: one line a session, or the gateway's rows with `--json`.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::connect::ConnectArgs;
use crate::cli::context::Context;
use crate::cli::output::{now_ms, print, print_json, span};
use crate::cli::report::{At, put, text};

/// The most that the gateway answers at once.
const MOST: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those of the last MINUTES
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..))]
    active: Option<u64>,
    /// Only those of this agent
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Those of all agents, as without --agent
    #[arg(long, conflicts_with = "agent")]
    all_agents: bool,
    /// How many at most, or `all`
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = limit)]
    limit: u32,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

fn limit(text: &str) -> Result<u32, String> {
    match text {
        "all" => Ok(u32::MAX),
        _ => text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| "must be a number from 1, or all".to_owned()),
    }
}

pub(super) async fn main(args: &ListArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let mut client = destination.connect(&["sessions.list"]).await?;
    let mut rows: Vec<Value> = Vec::new();
    let mut reply = Value::Null;
    // The gateway answers a page at a time.
    while rows.len() < args.limit as usize {
        let left = args.limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        let mut params = json!({ "limit": left.min(MOST), "offset": rows.len() });
        if let Some(minutes) = args.active {
            put(&mut params, "activeMinutes", minutes);
        }
        if let Some(agent) = &args.agent {
            put(&mut params, "agentId", agent.as_str());
        }
        reply = client.call_raw("sessions.list", params, timeout).await?;
        let page = reply.at("sessions").as_array().cloned().unwrap_or_default();
        let is_last = page.is_empty() || reply.at("hasMore") != true;
        rows.extend(page);
        if is_last {
            break;
        }
    }
    client.close().await;
    if context.json {
        print_json(&document(args, &reply, rows))?
    } else {
        print(&lines(&rows, &reply))?
    }
    Ok(ExitCode::SUCCESS)
}

fn document(args: &ListArgs, reply: &Value, rows: Vec<Value>) -> Value {
    let now = now_ms();
    let mut rows = rows;
    for row in &mut rows {
        let age = row.at("updatedAt").as_u64().map(|updated_at| now.saturating_sub(updated_at));
        put(row, "ageMs", age);
    }
    json!({
        "path": reply.at("path"),
        "count": rows.len(),
        "totalCount": reply.at("totalCount"),
        "limitApplied": args.limit,
        "hasMore": reply.at("hasMore"),
        "activeMinutes": args.active,
        "sessions": rows,
    })
}

fn lines(rows: &[Value], reply: &Value) -> String {
    if rows.is_empty() {
        return "no sessions".to_owned();
    }
    let now = now_ms();
    let width = rows.iter().map(|row| text(row.at("key")).chars().count()).max().unwrap_or(0);
    let mut lines = String::new();
    for row in rows {
        let updated_at = row.at("updatedAt").as_u64().unwrap_or(now);
        let age = span(Duration::from_millis(now.saturating_sub(updated_at)));
        let model = format!("{}/{}", text(row.at("modelProvider")), text(row.at("model")));
        let mut notes = Vec::new();
        if let Some(label) = row.at("label").as_str() {
            notes.push(crate::cli::output::plain(label));
        }
        for flag in ["pinned", "unread"] {
            if row.at(flag) == true {
                notes.push(flag.to_owned());
            }
        }
        if row.at("hasActiveRun") == true {
            notes.push("running".to_owned());
        }
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{:width$}  {age:>10} ago  {model}  {}", text(row.at("key")), notes.join(", "));
    }
    let total = reply.at("totalCount").as_u64().unwrap_or(0);
    if reply.at("hasMore") == true {
        let _ = writeln!(lines, "{} of {total}; see more with --limit", rows.len());
    }
    lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_key_and_what_is_special() {
        let row = json!({
            "key": "agent:main:x", "updatedAt": now_ms(), "modelProvider": "p", "model": "m", "label": "L",
            "pinned": true, "hasActiveRun": true,
        });
        let text = lines(&[row], &json!({ "hasMore": false }));
        assert!(text.starts_with("agent:main:x  ") && text.ends_with("p/m  L, pinned, running"), "{text}");
        assert_eq!(lines(&[], &Value::Null), "no sessions");
    }

    #[test]
    fn all_is_no_limit() {
        assert_eq!(limit("all"), Ok(u32::MAX));
        assert!(limit("0").is_err() && limit("some").is_err());
    }
}
