//! Archiving and deleting: one result a key, and a failure if one of them failed.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::connect::ConnectArgs;
use crate::cli::context::Context;
use crate::cli::failure::Usage;
use crate::cli::output::{plain, print, print_json};
use crate::cli::report::{At, put};
use crate::client::{Client, ClientError};
use crate::protocol::Scope;

const NOT_FOUND: &str = "Session not found. Run tailclaw sessions list --json to choose a valid key.";

#[derive(Debug, Args)]
pub(super) struct EndArgs {
    /// Which conversations
    #[arg(required = true, value_name = "KEYS")]
    keys: Vec<String>,
    /// The agent that they belong to
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Milliseconds to wait for each
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    timeout: u64,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    #[command(flatten)]
    end: EndArgs,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Archive,
    Delete,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Archive => "archived",
            Self::Delete => "deleted",
        }
    }

    const fn scope(self) -> Scope {
        match self {
            Self::Archive => Scope::Write,
            Self::Delete => Scope::Admin,
        }
    }
}

pub(super) async fn archive(args: &EndArgs, context: &Context) -> anyhow::Result<ExitCode> {
    run(Operation::Archive, args, context).await
}

pub(super) async fn delete(args: &DeleteArgs, context: &Context) -> anyhow::Result<ExitCode> {
    if !args.yes && !args.end.dry_run && !is_confirmed(&args.end.keys, context)? {
        return Ok(ExitCode::FAILURE);
    }
    run(Operation::Delete, &args.end, context).await
}

fn is_confirmed(keys: &[String], context: &Context) -> anyhow::Result<bool> {
    if context.json || !io::stdin().is_terminal() {
        return Err(Usage("deleting asks first, and nobody is there to answer: pass --yes".to_owned()).into());
    }
    eprint!("Delete {}? [y/N] ", plain(&keys.join(", ")));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn run(operation: Operation, args: &EndArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let destination = args.connect.destination(context, timeout).await?;
    let mut client = destination.connect_as(vec![Scope::Read, operation.scope()]).await?;
    let mut results = Vec::new();
    for key in &args.keys {
        results.push(one(operation, key, args, &mut client, timeout).await?);
    }
    client.close().await;
    let is_well = results.iter().all(|result| result.at("ok") == true);
    if context.json {
        let mut document = json!({
            "ok": is_well, "operation": operation.name(), "dryRun": args.dry_run, "results": results,
        });
        if !is_well {
            let message = format!("Session {} did not complete for every requested key.", operation.name());
            put(&mut document, "error", json!({ "type": "cli_error", "message": message }));
        }
        print_json(&document)?;
    } else {
        for result in &results {
            let key = plain(result.at("key").as_str().unwrap_or_default());
            match result.at("error").as_str() {
                Some(error) => eprintln!("error: {key}: {}", plain(error)),
                None => print(&format!("{key}: {}", result.at("status").as_str().unwrap_or_default()))?,
            }
        }
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A refusal is this key's result; anything else ends the verb.
async fn one(
    operation: Operation,
    key: &str,
    args: &EndArgs,
    client: &mut Client,
    timeout: Duration,
) -> anyhow::Result<Value> {
    let failed = |status: &str, error: &str| json!({ "key": key, "ok": false, "status": status, "error": error });
    let session = match client.call_raw("sessions.describe", json!({ "key": key }), timeout).await {
        Ok(reply) => reply.at("session").clone(),
        Err(ClientError::Failed { refusal, .. }) => return Ok(failed("failed", &refusal.message)),
        Err(error) => return Err(error.into()),
    };
    let owner = session.at("agentId").as_str();
    if session.is_null() || args.agent.as_deref().is_some_and(|agent| owner != Some(agent)) {
        return Ok(failed("not_found", NOT_FOUND));
    }
    if session.at("isMain") == true {
        let error = match operation {
            Operation::Archive => "Cannot archive an agent's main session.".to_owned(),
            Operation::Delete => {
                format!("Cannot delete the main session ({}).", session.at("key").as_str().unwrap_or_default())
            }
        };
        return Ok(failed("failed", &error));
    }
    if args.dry_run {
        return Ok(json!({ "key": key, "ok": true, "status": format!("would_{}", operation.name()) }));
    }
    // The session that was just looked at, not one that takes its key meanwhile.
    let mut params = json!({ "key": key, "expectedSessionId": session.at("sessionId") });
    let method = match operation {
        Operation::Archive => {
            put(&mut params, "archived", true);
            "sessions.patch"
        }
        Operation::Delete => "sessions.delete",
    };
    match client.call_raw(method, params, timeout).await {
        Ok(_) => Ok(json!({ "key": key, "ok": true, "status": operation.done() })),
        Err(ClientError::Failed { refusal, .. }) => Ok(failed("failed", &refusal.message)),
        Err(error) => Err(error.into()),
    }
}
