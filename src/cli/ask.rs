//! Asking the gateway something, for the verbs that show or change what it knows.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::connect::{ConnectArgs, Destination};
use super::context::Context;
use super::failure::Usage;
use super::output::{print, print_json};
use crate::client::Client;
use crate::protocol::Scope;

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// A connection a call, each with no more rights than its call needs.
pub(super) struct Gateway {
    destination: Destination,
    timeout: Duration,
}

impl AskArgs {
    /// Whether another machine's gateway may be meant.
    pub(super) fn is_elsewhere(&self, context: &Context) -> bool {
        self.connect.is_elsewhere(context)
    }

    /// # Errors
    /// Nothing can be asked there: what [`ConnectArgs::destination`] says.
    pub(super) async fn gateway(&self, context: &Context) -> anyhow::Result<Gateway> {
        if self.timeout == 0 {
            return Err(Usage("--timeout 0 leaves no time at all: pass some milliseconds".to_owned()).into());
        }
        let timeout = Duration::from_millis(self.timeout);
        Ok(Gateway { destination: self.connect.destination(context, timeout).await?, timeout })
    }
}

impl Gateway {
    /// This machine's own.
    ///
    /// # Errors
    /// As [`AskArgs::gateway`].
    pub(super) async fn local(context: &Context, timeout: Duration) -> anyhow::Result<Self> {
        Ok(Self { destination: ConnectArgs::default().destination(context, timeout).await?, timeout })
    }

    pub(super) async fn call(&self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.call_within(method, params, self.timeout).await
    }

    /// For a call that takes its time.
    pub(super) async fn call_within(&self, method: &str, params: Value, timeout: Duration) -> anyhow::Result<Value> {
        let ask = async |client: &mut Client| client.call_raw(method, params.clone(), timeout).await;
        Ok(self.destination.ask(method, ask).await?)
    }

    pub(super) async fn call_as(&self, method: &str, params: Value, scopes: Vec<Scope>) -> anyhow::Result<Value> {
        let mut client = self.destination.connect_as(scopes).await?;
        let reply = client.call_raw(method, params, self.timeout).await?;
        client.close().await;
        Ok(reply)
    }
}

/// The reply as it came with `--json`, otherwise what it means.
pub(super) fn show(context: &Context, reply: &Value, text: impl FnOnce() -> String) -> anyhow::Result<ExitCode> {
    if context.json {
        print_json(reply)?
    } else {
        print(&text())?
    }
    Ok(ExitCode::SUCCESS)
}
