//! `tailclaw logs [--follow]`: the gateway's log, over the gateway.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::connect::{ConnectArgs, Destination};
use super::context::Context;
use super::output::{plain, print};
use super::report::At;
use crate::client::{Client, ClientError};
use crate::protocol::logs::{LogsTail, TailParams, TailReply};

/// While following: how often a lost gateway is looked for, and how long at most between.
const MAX_RETRIES: u32 = 8;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    /// Go on as lines are written
    #[arg(long, short)]
    follow: bool,
    /// Newest lines to show
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    limit: u32,
    /// Bytes of the file to look at
    #[arg(long, value_name = "N", default_value_t = 250_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    max_bytes: u64,
    /// Milliseconds between looks while following
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(50..))]
    interval: u64,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &LogsArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let destination = args.connect.destination(context, Duration::from_millis(args.timeout)).await?;
    let mut client = destination.connect(&[NAME]).await?;
    let first = TailParams { cursor: None, limit: Some(args.limit), max_bytes: Some(args.max_bytes) };
    let reply = client.call::<LogsTail>(&first).await?;
    if context.json {
        print(&json!({ "type": "meta", "file": reply.file, "cursor": reply.cursor, "size": reply.size }).to_string())?;
    }
    show(&reply, context.json)?;
    if args.follow {
        let interval = Duration::from_millis(args.interval);
        return follow(client, reply.cursor, &destination, interval, context.json).await;
    }
    client.close().await;
    Ok(ExitCode::SUCCESS)
}

const NAME: &str = "logs.tail";

/// Until the person has seen enough, or the gateway is gone for good.
async fn follow(
    mut client: Client,
    mut cursor: u64,
    destination: &Destination,
    interval: Duration,
    json: bool,
) -> anyhow::Result<ExitCode> {
    loop {
        tokio::time::sleep(interval).await;
        let next = TailParams { cursor: Some(cursor), limit: Some(5_000), max_bytes: Some(1_000_000) };
        let reply = match client.call::<LogsTail>(&next).await {
            Ok(reply) => reply,
            Err(error) if error.is_passing() => {
                let (again, reply) = reconnect(destination, &next, error, json).await?;
                client = again;
                reply
            }
            Err(error) => return Err(error.into()),
        };
        if reply.reset {
            notice("the log file began anew", json);
        }
        show(&reply, json)?;
        cursor = reply.cursor;
    }
}

async fn reconnect(
    destination: &Destination,
    params: &TailParams,
    mut last: ClientError,
    json: bool,
) -> Result<(Client, TailReply), ClientError> {
    for attempt in 0..MAX_RETRIES {
        let pause = pause(attempt);
        notice(&format!("{last}; trying again in {} s", pause.as_secs().max(1)), json);
        tokio::time::sleep(pause).await;
        let outcome = async {
            let mut client = destination.connect(&[NAME]).await?;
            let reply = client.call::<LogsTail>(params).await?;
            Ok((client, reply))
        };
        match outcome.await {
            Ok(found) => {
                notice("connected again", json);
                return Ok(found);
            }
            Err(error) if ClientError::is_passing(&error) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Doubles from one second, with up to a quarter more so that many followers do not come back at once.
fn pause(attempt: u32) -> Duration {
    let base = Duration::from_secs(1 << attempt.min(5)).min(LONGEST_PAUSE);
    let mut byte = [0_u8];
    // Without randomness there is no jitter; the pause is still right.
    let _ = getrandom::fill(&mut byte);
    base + base.mul_f64(f64::from(byte[0]) / 1_024.0)
}

/// Beside the log, so that stdout holds nothing else.
fn notice(text: &str, json: bool) {
    if json {
        eprintln!("{}", json!({ "type": "notice", "message": text }));
    } else {
        eprintln!("[logs] {text}");
    }
}

fn show(reply: &TailReply, json: bool) -> anyhow::Result<()> {
    for line in &reply.lines {
        print(&if json { record(line).to_string() } else { readable(line) })?;
    }
    Ok(())
}

/// A log line as a JSON line: what it says in the open, and as it was.
fn record(line: &str) -> Value {
    let parsed: Value = serde_json::from_str(line).unwrap_or(Value::Null);
    json!({
        "type": "log",
        "time": parsed.at("time"),
        "level": level(line).to_lowercase(),
        "message": parsed.at("message").as_str().unwrap_or(line),
        "raw": line,
    })
}

/// `ERROR`, `WARN`, `INFO`, …; empty for a line that is none of ours.
pub(super) fn level(line: &str) -> String {
    let parsed: Value = serde_json::from_str(line).unwrap_or(Value::Null);
    let level = parsed.at("level").as_str().or_else(|| parsed.at("_meta.logLevelName").as_str());
    level.unwrap_or_default().to_uppercase()
}

/// `time LEVEL message key=value …`
pub(super) fn readable(line: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else { return plain(line) };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut shown = format!("{} {:5} {}", text("time"), level(line), text("message"));
    for (key, value) in &fields {
        // OpenClaw numbers the parts of its messages.
        let is_number = key.parse::<u32>().is_ok();
        if is_number || matches!(key.as_str(), "time" | "ts" | "level" | "message" | "subsystem" | "_meta") {
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pair = format!(" {key}={value}");
        // The gateway's own lines have their fields in the message, too.
        if !shown.contains(&pair) {
            shown.push_str(&pair);
        }
    }
    plain(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"time":"2026-01-02T03:04:05Z","ts":1,"level":"warn","subsystem":"gateway","message":"slow ms=7","conn.id":"c1","ms":7}"#;

    #[test]
    fn a_line_for_people_and_one_for_programs() {
        assert_eq!(readable(LINE), "2026-01-02T03:04:05Z WARN  slow ms=7 conn.id=c1");
        let record = record(LINE);
        assert_eq!((record["level"].as_str(), record["message"].as_str()), (Some("warn"), Some("slow ms=7")));
        assert_eq!(readable("not json \u{1b}[0m"), "not json \u{fffd}[0m");
    }

    #[test]
    fn pauses_grow_to_a_limit() {
        assert!(pause(0) < Duration::from_secs(2));
        assert!(pause(30) >= LONGEST_PAUSE && pause(30) < LONGEST_PAUSE * 2);
    }
}
