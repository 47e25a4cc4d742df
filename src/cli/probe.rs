//! `tailclaw gateway probe`: reachable, let in, with which rights. The JSON has OpenClaw's keys.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::connect::{ConnectArgs, Destination, Origin};
use super::context::Context;
use super::failure::EXIT_UNAVAILABLE;
use super::output::{Rows, alarming, now_ms, print, print_json};
use super::report::{self, At, put};
use crate::client::{Client, ClientError, Dialler};
use crate::protocol::Scope;

#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 3_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &ProbeArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let started = Instant::now();
    let target = probe(&destination, timeout).await;
    let is_ok = target.at("connect.ok") == true;
    let report = json!({
        "ok": is_ok,
        "degraded": is_ok && target.at("connect.rpcOk") != true,
        "capability": target.at("auth.capability"),
        "ts": now_ms(),
        "durationMs": started.elapsed().as_millis(),
        "timeoutMs": args.timeout,
        "primaryTargetId": if is_ok { target.at("id").clone() } else { Value::Null },
        "warnings": [],
        "targets": [target],
    });
    if context.json {
        print_json(&report)?;
    } else {
        print(&render(&report))?;
    }
    Ok(match (is_ok, report.at("targets.0.connect.reached") == true) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::FAILURE,
        (false, false) => ExitCode::from(EXIT_UNAVAILABLE),
    })
}

async fn probe(destination: &Destination, timeout: Duration) -> Value {
    let id = match &destination.origin {
        _ if matches!(destination.route.dialler, Dialler::Socket { .. }) => "sshTunnel",
        Origin::Configuration => "configRemote",
        Origin::Here => "localLoopback",
        Origin::Url | Origin::Ssh | Origin::Environment(_) => "explicit",
    };
    let mut target = json!({ "id": id, "kind": id, "url": destination.route.url.to_string(), "active": true });
    if let Dialler::Socket { via, .. } = &destination.route.dialler {
        put(&mut target, "tunnel", json!({ "kind": "ssh", "target": via.trim_start_matches("ssh ") }));
    }
    let started = Instant::now();
    // All that we may have, to see what that is.
    let connected = destination.connect_as(vec![Scope::Admin, Scope::Read, Scope::Write]).await;
    let latency = started.elapsed().as_millis();
    match connected {
        Ok(mut client) => {
            let health = client.call_raw("health", json!({}), timeout).await;
            fill(&mut target, &client, latency, &health);
            client.close().await;
        }
        Err(error) => {
            put(
                &mut target,
                "connect",
                json!({
                    "ok": false,
                    "reached": !error.is_unreachable(),
                    "rpcOk": false,
                    "latencyMs": null,
                    "error": error.to_string(),
                    "advice": error.advice(),
                }),
            );
            put(&mut target, "auth", json!({ "role": null, "scopes": [], "capability": capability_of(&error) }));
        }
    }
    target
}

fn fill(target: &mut Value, client: &Client, latency: u128, health: &Result<Value, ClientError>) {
    let hello = client.hello();
    put(
        target,
        "connect",
        json!({
            "ok": true,
            "reached": true,
            "rpcOk": health.is_ok(),
            "latencyMs": latency,
            "error": health.as_ref().err().map(ToString::to_string),
        }),
    );
    put(
        target,
        "auth",
        json!({
            "role": hello.auth.role,
            "method": hello.auth.method,
            "scopes": hello.auth.scopes,
            "capability": report::capability(&hello.auth.scopes),
        }),
    );
    put(target, "server", json!({ "version": hello.server.version, "connId": hello.server.conn_id }));
    put(target, "methods", json!(hello.features.methods.len()));
    put(target, "health", health.as_ref().cloned().unwrap_or(Value::Null));
}

fn capability_of(error: &ClientError) -> &'static str {
    match error {
        ClientError::Refused(refusal) if refusal.detail_code() == Some("PAIRING_REQUIRED") => "pairing_pending",
        _ => "unknown",
    }
}

fn render(report: &Value) -> String {
    let target = report.at("targets.0");
    let connect = target.at("connect");
    let mut rows = Rows::default();
    rows.add("target", report::text(target.at("url")));
    let reached = if connect.at("reached") == true { "yes".to_owned() } else { alarming("no") };
    rows.add("reachable", reached);
    if connect.at("ok") == true {
        let method = report::text(target.at("auth.method"));
        rows.add("authenticated", format!("yes, by {method}, in {} ms", connect.at("latencyMs")));
        rows.add("gateway", format!("{}, {} methods", report::text(target.at("server.version")), target.at("methods")));
    } else {
        let advice = connect.at("advice").as_str().map_or(String::new(), |advice| format!("\n{advice}"));
        rows.add("authenticated", format!("{}: {}{advice}", alarming("no"), report::text(connect.at("error"))));
    }
    rows.add("capability", report::text(report.at("capability")).replace('_', "-"));
    rows.render()
}
