//! `tailclaw cron …`: jobs that the gateway keeps, over the gateway. Answers are printed as JSON as OpenClaw does, but
//! for `list`, which is a table unless `--json` is given.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::context::Context;
use super::failure::Usage;
use super::output::{now_ms, plain, print, print_json, span};
use super::report::{At, put};

/// Jobs that are asked for at a time.
const PAGE: u64 = 200;

#[derive(Debug, Args)]
pub(super) struct CronArgs {
    /// Milliseconds to wait
    #[arg(long, global = true, value_name = "MS", default_value_t = 30_000)]
    timeout: u64,
    #[command(subcommand)]
    verb: CronVerb,
}

#[derive(Debug, Subcommand)]
enum CronVerb {
    /// List jobs
    List(ListArgs),
    /// Show how many jobs there are, and whether they run by themselves
    Status(OnlyConnect),
    /// Show a job
    #[command(alias = "show")]
    Get(JobArgs),
    /// Add a job
    #[command(alias = "create")]
    Add(Box<AddArgs>),
    /// Change a job
    Edit(Box<EditArgs>),
    /// Remove a job
    #[command(alias = "remove")]
    Rm(JobArgs),
    /// Turn a job on
    Enable(JobArgs),
    /// Turn a job off
    Disable(JobArgs),
    /// Run a job now
    Run(RunArgs),
    /// Show how runs ended
    Runs(RunsArgs),
}

#[derive(Debug, Args)]
struct OnlyConnect {
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct JobArgs {
    /// Job id
    id: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
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
#[derive(Debug, Args)]
struct JobFlags {
    /// Job name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Once: an ISO time (UTC without an offset), or a duration from now as in 20m
    #[arg(long, value_name = "WHEN", group = "when")]
    at: Option<String>,
    /// Again and again, as in 10m or 1h
    #[arg(long, value_name = "DURATION", group = "when")]
    every: Option<String>,
    /// By a cron expression of five fields, or six with seconds first
    #[arg(long, value_name = "EXPR", group = "when")]
    cron: Option<String>,
    /// Time zone of the expression, as in Europe/Berlin
    #[arg(long, value_name = "IANA", requires = "cron")]
    tz: Option<String>,
    /// Spread runs over this much time
    #[arg(long, value_name = "DURATION", requires = "cron")]
    stagger: Option<String>,
    /// main, isolated or session:<key>
    #[arg(long, value_name = "TARGET")]
    session: Option<String>,
    /// Session key of the job
    #[arg(long, value_name = "KEY")]
    session_key: Option<String>,
    /// What the agent is to answer
    #[arg(long, value_name = "TEXT", conflicts_with = "system_event")]
    message: Option<String>,
    /// What the agent is to be told in its main session
    #[arg(long, value_name = "TEXT")]
    system_event: Option<String>,
    /// Seconds after which the agent is stopped
    #[arg(long, value_name = "N", requires = "message")]
    timeout_seconds: Option<u64>,
    /// now or next-heartbeat
    #[arg(long, value_name = "MODE", value_parser = ["now", "next-heartbeat"])]
    wake: Option<String>,
    /// Agent id
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Deliver the answer to a channel
    #[arg(long, conflicts_with = "no_deliver")]
    announce: bool,
    /// Deliver the answer nowhere
    #[arg(long)]
    no_deliver: bool,
    /// Remove the job once it has run
    #[arg(long, conflicts_with = "keep_after_run")]
    delete_after_run: bool,
    /// Keep the job once it has run
    #[arg(long)]
    keep_after_run: bool,
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    job: JobFlags,
    /// Add it turned off
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct EditArgs {
    /// Job id
    id: String,
    #[command(flatten)]
    job: JobFlags,
    /// Turn it on
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Turn it off
    #[arg(long)]
    disable: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Job id
    id: String,
    /// Only if it is due
    #[arg(long)]
    due: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct RunsArgs {
    /// Job id; all jobs unless told
    id: Option<String>,
    /// Most runs to show
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
    limit: u64,
    /// all, ok, error or skipped
    #[arg(long, value_name = "STATUS", value_parser = ["all", "ok", "error", "skipped"])]
    status: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: CronArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let (connect, method, params) = match args.verb {
        CronVerb::List(list) => return show_list(&list, context, timeout).await,
        CronVerb::Status(args) => (args.connect, "cron.status", json!({})),
        CronVerb::Get(args) => (args.connect, "cron.get", json!({ "id": args.id })),
        CronVerb::Rm(args) => (args.connect, "cron.remove", json!({ "id": args.id })),
        CronVerb::Enable(args) => (args.connect, "cron.update", json!({ "id": args.id, "patch": { "enabled": true } })),
        CronVerb::Disable(args) => {
            (args.connect, "cron.update", json!({ "id": args.id, "patch": { "enabled": false } }))
        }
        CronVerb::Add(args) => {
            let job = new_job(&args)?;
            (args.connect, "cron.add", job)
        }
        CronVerb::Edit(args) => {
            let patch = change(&args)?;
            (args.connect, "cron.update", json!({ "id": args.id, "patch": patch }))
        }
        CronVerb::Run(args) => {
            let mode = if args.due { "due" } else { "force" };
            (args.connect, "cron.run", json!({ "id": args.id, "mode": mode }))
        }
        CronVerb::Runs(args) => {
            let mut params = json!({ "limit": args.limit });
            put_some(&mut params, "id", args.id);
            put_some(&mut params, "status", args.status);
            (args.connect, "cron.runs", params)
        }
    };
    let mut client = connect.destination(context, timeout).await?.connect(&[method]).await?;
    let reply = client.call_raw(method, params, timeout).await?;
    client.close().await;
    print_json(&reply)?;
    // A job that was not run after all is told by the exit code, too.
    Ok(if reply.at("ran") == false { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn new_job(args: &AddArgs) -> Result<Value, Usage> {
    let mut job = fields(&args.job)?;
    if job.get("schedule").is_none() {
        return Err(Usage("when? Give one of --at, --every and --cron".to_owned()));
    }
    if job.get("payload").is_none() {
        return Err(Usage("what? Give --message or --system-event".to_owned()));
    }
    let target = if args.job.system_event.is_some() { "main" } else { "isolated" };
    if job.get("sessionTarget").is_none() {
        put(&mut job, "sessionTarget", target);
    }
    if args.disabled {
        put(&mut job, "enabled", false);
    }
    Ok(job)
}

fn change(args: &EditArgs) -> Result<Value, Usage> {
    let mut patch = fields(&args.job)?;
    if args.enable || args.disable {
        put(&mut patch, "enabled", args.enable);
    }
    if patch.as_object().is_some_and(serde_json::Map::is_empty) {
        return Err(Usage("nothing to change: give at least one flag".to_owned()));
    }
    Ok(patch)
}

fn fields(flags: &JobFlags) -> Result<Value, Usage> {
    let mut job = json!({});
    put_some(&mut job, "name", flags.name.clone());
    put_some(&mut job, "description", flags.description.clone());
    put_some(&mut job, "sessionTarget", flags.session.clone());
    put_some(&mut job, "sessionKey", flags.session_key.clone());
    put_some(&mut job, "wakeMode", flags.wake.clone());
    put_some(&mut job, "agentId", flags.agent.clone());
    if let Some(schedule) = schedule(flags)? {
        put(&mut job, "schedule", schedule);
    }
    if let Some(message) = &flags.message {
        let mut payload = json!({ "kind": "agentTurn", "message": message });
        if let Some(seconds) = flags.timeout_seconds {
            put(&mut payload, "timeoutSeconds", seconds);
        }
        put(&mut job, "payload", payload);
    } else if let Some(text) = &flags.system_event {
        put(&mut job, "payload", json!({ "kind": "systemEvent", "text": text }));
    }
    if flags.announce || flags.no_deliver {
        put(&mut job, "delivery", json!({ "mode": if flags.announce { "announce" } else { "none" } }));
    }
    if flags.delete_after_run || flags.keep_after_run {
        put(&mut job, "deleteAfterRun", flags.delete_after_run);
    }
    Ok(job)
}

fn schedule(flags: &JobFlags) -> Result<Option<Value>, Usage> {
    if let Some(at) = &flags.at {
        let at = match milliseconds(at) {
            Some(from_now) => iso(now_ms().saturating_add(from_now)),
            None => at.clone(),
        };
        return Ok(Some(json!({ "kind": "at", "at": at })));
    }
    let duration = |flag: &str, text: &str| {
        milliseconds(text)
            .ok_or_else(|| Usage(format!("{flag} {text} is no duration: write it as in 30s, 10m, 1h or 1d")))
    };
    if let Some(every) = &flags.every {
        return Ok(Some(json!({ "kind": "every", "everyMs": duration("--every", every)? })));
    }
    let Some(expr) = &flags.cron else { return Ok(None) };
    let mut schedule = json!({ "kind": "cron", "expr": expr });
    put_some(&mut schedule, "tz", flags.tz.clone());
    if let Some(stagger) = &flags.stagger {
        put(&mut schedule, "staggerMs", duration("--stagger", stagger)?);
    }
    Ok(Some(schedule))
}

fn put_some(object: &mut Value, key: &str, value: Option<String>) {
    if let Some(value) = value {
        put(object, key, value);
    }
}

/// `500ms`, `30s`, `10m`, `1h`, `2d`.
fn milliseconds(text: &str) -> Option<u64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn iso(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(chrono::DateTime::from_timestamp_millis).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

async fn show_list(args: &ListArgs, context: &Context, timeout: Duration) -> anyhow::Result<ExitCode> {
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
    fn durations_have_units() {
        assert_eq!(milliseconds("10m"), Some(600_000));
        assert_eq!(milliseconds("500ms"), Some(500));
        for text in ["", "10", "m", "1w", "-1m", "1.5h", "99999999999999999999d"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

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
