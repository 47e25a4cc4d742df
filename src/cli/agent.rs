//! `tailclaw agent --message …`: one turn, the answer on stdout.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::context::Context;
use super::output::{StdoutClosed, plain, print, print_json};
use super::report::{At, put};
use crate::client::{CONNECT_TIMEOUT, Client, Event};

/// The answer may come this long after the run's own limit.
const MARGIN: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct AgentArgs {
    /// What to say
    #[arg(long, short, value_name = "TEXT", required = true)]
    message: String,
    /// Which agent
    #[arg(long, value_name = "ID", default_value = "main")]
    agent: String,
    /// Which conversation; the agent's main one unless told
    #[arg(long, value_name = "KEY")]
    session_key: Option<String>,
    /// Seconds after which the run is aborted
    #[arg(long, short, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &AgentArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let destination = args.connect.destination(context, CONNECT_TIMEOUT).await?;
    let run_id = uuid::Uuid::new_v4().to_string();
    let mut params = json!({
        "message": args.message,
        "agentId": args.agent,
        "deliver": false,
        "timeout": args.timeout,
        "idempotencyKey": run_id,
    });
    if let Some(key) = &args.session_key {
        put(&mut params, "sessionKey", key.as_str());
    }
    let within = Duration::from_secs(args.timeout).saturating_add(MARGIN);
    let mut live = Live::new(run_id, context.is_interactive());
    let call =
        async |client: &mut Client| client.call_final("agent", params.clone(), within, |event| live.show(event)).await;
    let reply = destination.ask("agent", call).await?;
    if live.is_closed {
        return Err(StdoutClosed.into());
    }
    if context.json {
        print_json(&reply)?;
    } else {
        live.finish(&answer(&reply))?;
    }
    let is_well = reply.at("status") == "ok" && reply.at("result.meta.aborted") != true;
    if !is_well {
        eprintln!(
            "error: the run ended early: {}",
            plain(reply.at("summary").as_str().unwrap_or("no reason was given"))
        );
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn answer(reply: &Value) -> String {
    let payloads = reply.at("result.payloads").as_array().into_iter().flatten();
    let texts: Vec<&str> = payloads.filter_map(|payload| payload.at("text").as_str()).collect();
    plain(&texts.join("\n\n"))
}

/// The answer while it comes, for a person; otherwise it is printed once it is whole.
struct Live {
    run_id: String,
    is_on: bool,
    shown: String,
    is_closed: bool,
}

impl Live {
    const fn new(run_id: String, is_on: bool) -> Self {
        Self { run_id, is_on, shown: String::new(), is_closed: false }
    }

    fn show(&mut self, event: &Event) {
        let is_ours = event.name == "chat" && event.payload.at("runId") == self.run_id.as_str();
        if !self.is_on || !is_ours || event.payload.at("state") != "delta" {
            return;
        }
        let delta = plain(event.payload.at("deltaText").as_str().unwrap_or_default());
        let mut stdout = io::stdout().lock();
        if stdout.write_all(delta.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            self.is_closed = true;
        }
        self.shown.push_str(&delta);
    }

    /// What was shown already is not said again, unless it turned out otherwise.
    fn finish(&self, answer: &str) -> anyhow::Result<()> {
        match answer.strip_prefix(self.shown.as_str()) {
            Some(rest) => print(rest),
            None => print(&format!("\n{answer}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_payloads_are_the_answer() {
        let reply = json!({ "result": { "payloads": [{ "text": "a" }, { "mediaUrl": "x" }, { "text": "b" }] } });
        assert_eq!(answer(&reply), "a\n\nb");
    }
}
