//! The flags that say what a job is, and the job or the change that they come to.

use clap::Args;
use serde_json::{Value, json};

use super::put_some;
use crate::cli::connect::ConnectArgs;
use crate::cli::failure::Usage;
use crate::cli::output::now_ms;
use crate::cli::report::put;

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
pub(super) struct AddArgs {
    #[command(flatten)]
    job: JobFlags,
    /// Add it turned off
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(super) struct EditArgs {
    /// Job id
    pub(super) id: String,
    #[command(flatten)]
    job: JobFlags,
    /// Turn it on
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Turn it off
    #[arg(long)]
    disable: bool,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

pub(super) fn new(args: &AddArgs) -> Result<Value, Usage> {
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

pub(super) fn change(args: &EditArgs) -> Result<Value, Usage> {
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
}
