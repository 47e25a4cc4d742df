//! `tailclaw gateway call <method>`: any method, the answer as it came.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::connect::ConnectArgs;
use super::context::Context;
use super::failure::Usage;
use super::output::print_json;
use crate::client::Client;

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// Name of the method, as in health, status or system-presence
    method: String,
    /// Params as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    params: String,
    /// Wait for the second answer of methods that give two, such as agent
    #[arg(long)]
    expect_final: bool,
    /// Milliseconds to wait
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: &CallArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let params = params(&args.params)?;
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let call = async |client: &mut Client| {
        if args.expect_final {
            client.call_final(&args.method, params.clone(), timeout, |_| {}).await
        } else {
            client.call_raw(&args.method, params.clone(), timeout).await
        }
    };
    let reply = destination.ask(&args.method, call).await?;
    // The answer is JSON in both modes; there is no other form for a method that we may not know.
    print_json(&reply).context("the answer cannot be shown")?;
    Ok(ExitCode::SUCCESS)
}

fn params(text: &str) -> anyhow::Result<Value> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => {
            Err(Usage("--params is JSON, but no object: write it as in --params '{\"limit\":5}'".to_owned()).into())
        }
        Err(error) => {
            Err(Usage(format!("--params is no JSON ({error}): write it as in --params '{{\"limit\":5}}'")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn params_are_an_object() {
        assert!(params("{\"a\":1}").is_ok());
        assert!(params("[1]").unwrap_err().is::<Usage>());
        assert!(params("{a:1}").unwrap_err().is::<Usage>());
    }
}
