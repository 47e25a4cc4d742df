//! `tailclaw health` and `tailclaw gateway health`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::context::Context;
use super::output::{Rows, alarming, print, print_json};
use super::report::{self, At};

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Have everything looked at anew
    #[arg(long, alias = "debug")]
    verbose: bool,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &HealthArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let mut client = destination.connect(&["health"]).await?;
    let params = if args.verbose { json!({ "probe": true }) } else { json!({}) };
    let health = client.call_raw("health", params, timeout).await?;
    client.close().await;
    if context.json {
        print_json(&health)?;
    } else {
        print(&render(&health))?;
    }
    Ok(if health.at("ok") == true { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn render(health: &Value) -> String {
    let mut rows = Rows::default();
    let verdict = if health.at("ok") == true { "ok".to_owned() } else { alarming("not ok") };
    rows.add("health", verdict);
    for agent in health.at("agents").as_array().into_iter().flatten() {
        let name = report::text(agent.at("agentId"));
        let mark = if agent.at("isDefault") == true { " (default)" } else { "" };
        rows.add("agent", format!("{name}{mark}, {} sessions", agent.at("sessions.count").as_u64().unwrap_or(0)));
    }
    rows.add("channels", report::channels(health));
    if let Some(tailnet) = report::tailnet(health.at("tailnet")) {
        rows.add("tailnet", tailnet);
    }
    rows.render()
}
