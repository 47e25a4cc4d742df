//! `tailclaw system …`: events for the agent, heartbeats, and who is here.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::context::Context;
use super::output::{print, print_json};
use super::report::{At, put, text};

#[derive(Debug, Args)]
pub(super) struct SystemArgs {
    /// Milliseconds to wait
    #[arg(long, global = true, value_name = "MS", default_value_t = 30_000)]
    timeout: u64,
    #[command(subcommand)]
    verb: SystemVerb,
}

#[derive(Debug, Subcommand)]
enum SystemVerb {
    /// Queue an event for the agent, and wake it if told
    Event(EventArgs),
    /// Turn heartbeats on or off, or show the last
    #[command(subcommand)]
    Heartbeat(HeartbeatVerb),
    /// List who is here
    Presence(OnlyConnect),
}

#[derive(Debug, Args)]
struct EventArgs {
    /// What happened
    #[arg(long, value_name = "TEXT", required = true)]
    text: String,
    /// now or next-heartbeat
    #[arg(long, value_name = "MODE", default_value = "next-heartbeat", value_parser = ["now", "next-heartbeat"])]
    mode: String,
    /// Session to tell it in; the agent's main one unless told
    #[arg(long, value_name = "KEY")]
    session_key: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Subcommand)]
enum HeartbeatVerb {
    /// Show the last heartbeat
    Last(OnlyConnect),
    /// Turn heartbeats on
    Enable(OnlyConnect),
    /// Turn heartbeats off
    Disable(OnlyConnect),
}

#[derive(Debug, Args)]
struct OnlyConnect {
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: SystemArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let (connect, method, params) = match args.verb {
        SystemVerb::Event(event) => {
            let mut params = json!({ "mode": event.mode, "text": event.text });
            if let Some(key) = &event.session_key {
                put(&mut params, "sessionKey", key.as_str());
            }
            (event.connect, "wake", params)
        }
        SystemVerb::Heartbeat(HeartbeatVerb::Last(args)) => (args.connect, "last-heartbeat", json!({})),
        SystemVerb::Heartbeat(HeartbeatVerb::Enable(args)) => {
            (args.connect, "set-heartbeats", json!({ "enabled": true }))
        }
        SystemVerb::Heartbeat(HeartbeatVerb::Disable(args)) => {
            (args.connect, "set-heartbeats", json!({ "enabled": false }))
        }
        SystemVerb::Presence(args) => (args.connect, "system-presence", json!({})),
    };
    let mut client = connect.destination(context, timeout).await?.connect(&[method]).await?;
    let reply = client.call_raw(method, params, timeout).await?;
    client.close().await;
    match (context.json, method) {
        (false, "wake") if reply.at("ok") == true => print("ok")?,
        (false, "system-presence") => print(&presence(&reply))?,
        _ => print_json(&reply)?,
    }
    Ok(if reply.at("ok") == false { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn presence(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(|entry| text(entry.at("text"))).collect::<Vec<_>>().join("\n")
}
