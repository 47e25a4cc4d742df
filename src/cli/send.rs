//! `tailclaw gateway send --message …`: leaves a message in a conversation and goes. It is on the gateway's disk when
//! this returns; the agent answers on its own.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::connect::ConnectArgs;
use super::context::Context;
use super::output::{print, print_json};
use super::report::{self, At};
use crate::client::Client;

#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// What to say
    #[arg(long, short, value_name = "TEXT", required = true)]
    message: String,
    /// Which conversation
    #[arg(long, value_name = "KEY", default_value = "main")]
    session_key: String,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &SendArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let params = json!({
        "sessionKey": args.session_key,
        "message": args.message,
        "idempotencyKey": uuid::Uuid::new_v4().to_string(),
    });
    let call = async |client: &mut Client| client.call_raw("chat.send", params.clone(), timeout).await;
    let reply = destination.ask("chat.send", call).await?;
    if context.json {
        print_json(&reply)?;
    } else {
        print(&format!("{}, run {}", report::text(reply.at("status")), report::text(reply.at("runId"))))?;
    }
    Ok(ExitCode::SUCCESS)
}
