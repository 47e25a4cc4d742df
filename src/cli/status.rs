//! `tailclaw status [--deep]`: one screen about the gateway and us.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value, json};

use super::connect::{ConnectArgs, Destination};
use super::context::Context;
use super::failure::{self, EXIT_UNAVAILABLE};
use super::output::{Rows, alarming, plain, print, print_json, span};
use super::report::{At, put};
use super::{logs, report, tailnet_path};
use crate::client::{Client, ClientError, fetch};

/// Only gateways of this kind have it.
const TAILNET: &str = "tailnet.status";
/// Lines of the log that `--deep` shows.
const SHOWN_ERRORS: usize = 5;

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Health, paths through the tailnet, channels, presence and the last errors of the log, too
    #[arg(long, alias = "all")]
    deep: bool,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &StatusArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let (report, problem) = gather(&destination, args.deep, timeout).await;
    if context.json {
        print_json(&report)?;
    } else {
        print(&render(&report, args.deep))?;
    }
    let Some(error) = problem else { return Ok(ExitCode::SUCCESS) };
    let is_unreachable = error.is_unreachable();
    // The report is the one document on stdout; the cause goes to stderr beside it.
    failure::report(&error.into(), false);
    Ok(ExitCode::from(if is_unreachable { EXIT_UNAVAILABLE } else { 1 }))
}

/// As much as can be learnt, and what kept us from the rest.
async fn gather(destination: &Destination, deep: bool, timeout: Duration) -> (Value, Option<ClientError>) {
    let mut report = Map::new();
    let whoami = fetch(&destination.route, "/whoami", &destination.credentials, timeout).await;
    // A refused caller learns here why; a gateway without /whoami has nothing to say.
    report.insert(
        "whoami".to_owned(),
        whoami.ok().filter(|answer| answer.status == 200).map_or(Value::Null, |answer| answer.body),
    );
    let methods: &[&str] = if deep {
        &["health", "status", "channels.status", "system-presence", "logs.tail", TAILNET]
    } else {
        &["health", "status"]
    };
    let started = Instant::now();
    let mut gateway = json!({ "url": destination.route.to_string(), "reachable": false });
    let problem = match destination.connect(methods).await {
        Ok(mut client) => {
            put(&mut gateway, "reachable", true);
            put(&mut gateway, "latencyMs", json!(started.elapsed().as_millis()));
            put(&mut gateway, "version", Value::from(client.hello().server.version.as_str()));
            put(&mut gateway, "uptimeMs", client.hello().whole.at("snapshot.uptimeMs").clone());
            put(&mut gateway, "scopes", json!(client.hello().auth.scopes));
            let problem = ask(&mut client, methods, &mut report, timeout).await.err();
            client.close().await;
            problem
        }
        Err(error) => {
            put(&mut gateway, "reachable", Value::from(!error.is_unreachable()));
            put(&mut gateway, "error", Value::from(error.to_string()));
            Some(error)
        }
    };
    report.insert("gateway".to_owned(), gateway);
    (Value::Object(report), problem)
}

async fn ask(
    client: &mut Client,
    methods: &[&str],
    report: &mut Map<String, Value>,
    timeout: Duration,
) -> Result<(), ClientError> {
    for method in methods {
        let params = match *method {
            "health" if methods.len() > 2 => json!({ "probe": true }),
            "logs.tail" => json!({ "limit": 1_000, "maxBytes": 250_000 }),
            _ => json!({}),
        };
        let reply = match client.call_raw(method, params, timeout).await {
            Err(ClientError::Failed { .. }) if *method == TAILNET => continue,
            outcome => outcome?,
        };
        let (key, value) = match *method {
            "channels.status" => ("channels", reply),
            "system-presence" => ("presence", reply),
            TAILNET => ("tailnet", reply),
            "logs.tail" => ("lastErrors", json!(last_errors(&reply))),
            other => (other, reply),
        };
        report.insert(key.to_owned(), value);
    }
    Ok(())
}

fn last_errors(tail: &Value) -> Vec<&str> {
    let lines = tail.at("lines").as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut errors: Vec<&str> = lines.filter(|line| logs::level(line) == "ERROR").collect();
    errors.drain(..errors.len().saturating_sub(SHOWN_ERRORS));
    errors
}

fn render(report: &Value, deep: bool) -> String {
    let mut rows = Rows::default();
    rows.add("gateway", gateway_line(report.at("gateway")));
    if report.at("whoami").is_object() {
        rows.add("you", report::whoami(report.at("whoami")));
    }
    let status = report.at("status");
    if status.is_object() {
        let node = if status.at("tailnet").is_object() { status.at("tailnet") } else { report.at("health.tailnet") };
        let off = || "off: `tailclaw up` on the gateway's machine joins one".to_owned();
        // A gateway without /whoami is none of ours: it has no node to speak of.
        if let Some(tailnet) = report::tailnet(node).or_else(|| report.at("whoami").is_object().then(off)) {
            rows.add("tailnet", tailnet);
        }
        let defaults = status.at("sessions.defaults");
        rows.add("model", model_line(defaults));
        rows.add("sessions", sessions_line(status.at("sessions")));
    }
    if deep && report.at("health").is_object() {
        let verdict = if report.at("health.ok") == true { "ok".to_owned() } else { alarming("not ok") };
        rows.add("health", verdict);
        tailnet_path::add(&mut rows, report.at("tailnet"));
        rows.add("channels", report::channels(report.at("channels")));
        rows.add("presence", presence_lines(report.at("presence")));
        rows.add("errors", error_lines(report.at("lastErrors")));
    }
    rows.render()
}

fn gateway_line(gateway: &Value) -> String {
    let url = report::text(gateway.at("url"));
    if let Some(error) = gateway.at("error").as_str() {
        let state = if gateway.at("reachable") == true { "reachable, but refused us" } else { "not reachable" };
        return format!("{url}, {}\n{}", alarming(state), plain(error));
    }
    let uptime = report::uptime(gateway.at("uptimeMs")).map_or(String::new(), |uptime| format!(", up {uptime}"));
    let latency = gateway.at("latencyMs").as_u64().unwrap_or(0);
    format!("{url}, {}{uptime}, reachable in {latency} ms", report::text(gateway.at("version")))
}

fn model_line(defaults: &Value) -> String {
    match (defaults.at("modelProvider").as_str(), defaults.at("model").as_str()) {
        (Some("tailclaw"), Some("echo")) => "none configured: the built-in echo answers".to_owned(),
        (Some(provider), Some(model)) => plain(&format!("{provider}/{model}")),
        (None, Some(model)) => plain(model),
        _ => "-".to_owned(),
    }
}

fn sessions_line(sessions: &Value) -> String {
    let mut lines = vec![sessions.at("count").as_u64().unwrap_or(0).to_string()];
    for recent in sessions.at("recent").as_array().into_iter().flatten().take(3) {
        let age = recent
            .at("age")
            .as_u64()
            .map_or(String::new(), |age| format!(", {} ago", span(Duration::from_millis(age))));
        lines.push(format!("{}{age}", report::text(recent.at("key"))));
    }
    lines.join("\n")
}

fn presence_lines(presence: &Value) -> String {
    let lines: Vec<String> =
        presence.as_array().into_iter().flatten().map(|entry| report::text(entry.at("text"))).collect();
    if lines.is_empty() { "nobody".to_owned() } else { lines.join("\n") }
}

fn error_lines(errors: &Value) -> String {
    let lines: Vec<String> =
        errors.as_array().into_iter().flatten().filter_map(Value::as_str).map(logs::readable).collect();
    if lines.is_empty() { "none in the log".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_screen() {
        let report = json!({
            "gateway": { "url": "ws://127.0.0.1:18789", "reachable": true, "version": "1.2", "latencyMs": 3, "uptimeMs": 61_000 },
            "whoami": { "path": "loopback", "role": "operator", "method": "token", "tags": [], "reason": "the right token" },
            "health": { "ok": true }, "status": { "sessions": { "count": 1, "defaults": { "modelProvider": "tailclaw", "model": "echo" },
            "recent": [{ "key": "agent:main:main", "age": 5_000 }] } },
        });
        let expected = "gateway   ws://127.0.0.1:18789, 1.2, up 1 min 1 s, reachable in 3 ms\n\
                        you       nobody in particular, over loopback\n\
                        \u{20}         operator by token: the right token\n\
                        tailnet   off: `tailclaw up` on the gateway's machine joins one\n\
                        model     none configured: the built-in echo answers\n\
                        sessions  1\n\
                        \u{20}         agent:main:main, 5 s ago";
        assert_eq!(render(&report, false), expected);
    }

    #[test]
    fn only_errors_of_the_log_are_picked() {
        let line = |level: &str| format!(r#"{{"level":"{level}","message":"m"}}"#);
        let tail = json!({ "lines": [line("INFO"), line("ERROR"), "no json"] });
        assert_eq!(last_errors(&tail).len(), 1);
    }
}
