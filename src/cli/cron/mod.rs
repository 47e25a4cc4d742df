//! `tailclaw cron …`: jobs that the gateway keeps, over the gateway. Answers are printed as JSON as OpenClaw does, but
//! for `list`, which is a table unless `--json` is given.

mod job;
mod list;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::context::Context;
use super::output::print_json;
use super::report::{At, put};
use job::{AddArgs, EditArgs};
use list::ListArgs;

#[derive(Debug, Args)]
pub(super) struct CronArgs {
    /// Milliseconds to wait
    #[arg(long, global = true, value_name = "MS", default_value_t = 30_000)]
    timeout: u64,
    #[command(subcommand)]
    verb: CronVerb,
}

#[derive(Debug, Subcommand)]
enum CronVerb {
    /// List jobs
    List(ListArgs),
    /// Show how many jobs there are, and whether they run by themselves
    Status(OnlyConnect),
    /// Show a job
    #[command(alias = "show")]
    Get(JobArgs),
    /// Add a job
    #[command(alias = "create")]
    Add(Box<AddArgs>),
    /// Change a job
    Edit(Box<EditArgs>),
    /// Remove a job
    #[command(alias = "remove")]
    Rm(JobArgs),
    /// Turn a job on
    Enable(JobArgs),
    /// Turn a job off
    Disable(JobArgs),
    /// Run a job now
    Run(RunArgs),
    /// Show how runs ended
    Runs(RunsArgs),
}

#[derive(Debug, Args)]
struct OnlyConnect {
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct JobArgs {
    /// Job id
    id: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Job id
    id: String,
    /// Only if it is due
    #[arg(long)]
    due: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
struct RunsArgs {
    /// Job id; all jobs unless told
    id: Option<String>,
    /// Most runs to show
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=200))]
    limit: u64,
    /// all, ok, error or skipped
    #[arg(long, value_name = "STATUS", value_parser = ["all", "ok", "error", "skipped"])]
    status: Option<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(super) async fn main(args: CronArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let timeout = Duration::from_millis(args.timeout);
    let (connect, method, params) = match args.verb {
        CronVerb::List(list) => return list::show(&list, context, timeout).await,
        CronVerb::Status(args) => (args.connect, "cron.status", json!({})),
        CronVerb::Get(args) => (args.connect, "cron.get", json!({ "id": args.id })),
        CronVerb::Rm(args) => (args.connect, "cron.remove", json!({ "id": args.id })),
        CronVerb::Enable(args) => (args.connect, "cron.update", json!({ "id": args.id, "patch": { "enabled": true } })),
        CronVerb::Disable(args) => {
            (args.connect, "cron.update", json!({ "id": args.id, "patch": { "enabled": false } }))
        }
        CronVerb::Add(args) => {
            let job = job::new(&args)?;
            (args.connect, "cron.add", job)
        }
        CronVerb::Edit(args) => {
            let patch = job::change(&args)?;
            (args.connect, "cron.update", json!({ "id": args.id, "patch": patch }))
        }
        CronVerb::Run(args) => {
            let mode = if args.due { "due" } else { "force" };
            (args.connect, "cron.run", json!({ "id": args.id, "mode": mode }))
        }
        CronVerb::Runs(args) => {
            let mut params = json!({ "limit": args.limit });
            put_some(&mut params, "id", args.id);
            put_some(&mut params, "status", args.status);
            (args.connect, "cron.runs", params)
        }
    };
    let mut client = connect.destination(context, timeout).await?.connect(&[method]).await?;
    let reply = client.call_raw(method, params, timeout).await?;
    client.close().await;
    print_json(&reply)?;
    // A job that was not run after all is told by the exit code, too.
    Ok(if reply.at("ran") == false { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn put_some(object: &mut Value, key: &str, value: Option<String>) {
    if let Some(value) = value {
        put(object, key, value);
    }
}
